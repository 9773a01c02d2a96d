//! Which rights this process lacks, where the kernel has refused it something: EPERM alone says neither which capability was wanted
//! (capabilities(7)) nor that there are any.

/// What running containers takes: bit and name (`linux/capability.h`).
const WANTED: [(u32, &str); 11] = [
    (0, "CAP_CHOWN"),
    (1, "CAP_DAC_OVERRIDE"),
    (3, "CAP_FOWNER"),
    (5, "CAP_KILL"),
    (6, "CAP_SETGID"),
    (7, "CAP_SETUID"),
    (8, "CAP_SETPCAP"),
    (12, "CAP_NET_ADMIN"),
    (18, "CAP_SYS_CHROOT"),
    (21, "CAP_SYS_ADMIN"),
    (27, "CAP_MKNOD"),
];

/// What decides about files: the others cannot be why a file was refused (EACCES).
const OF_FILES: [u32; 1] = [1];

/// The words after the system's, or none: with all rights it was refused for another reason, and without any the user is told
/// whose they are.
pub(super) fn rights(errno: i32) -> Option<String> {
    if !matches!(errno, libc::EPERM | libc::EACCES) {
        return None;
    }
    // The thread's and not the process's: each has its own.
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    told(errno, effective(&status)?)
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn told(errno: i32, effective: u64) -> Option<String> {
    let lacks = |bit: u32| effective & 1 << bit == 0;
    if WANTED.iter().all(|(bit, _)| lacks(*bit)) {
        return Some("barque needs root".to_owned());
    }
    let concerns = |bit: u32| errno == libc::EPERM || OF_FILES.contains(&bit);
    let lacking = WANTED.iter().filter(|(bit, _)| lacks(*bit) && concerns(*bit));
    let names: Vec<&str> = lacking.map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| format!("this process lacks {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_lacks_is_named_where_it_can_be_why() {
        let all = (1 << 41) - 1;
        let without = |bit: u32| all & !(1u64 << bit);
        let (eperm, eacces) = (libc::EPERM, libc::EACCES);
        assert_eq!(told(eperm, all), None);
        assert_eq!(told(eperm, without(21)).as_deref(), Some("this process lacks CAP_SYS_ADMIN"));
        assert_eq!(
            told(eperm, without(6) & without(7)).as_deref(),
            Some("this process lacks CAP_SETGID, CAP_SETUID")
        );
        assert_eq!(told(eacces, without(21)), None);
        assert_eq!(
            told(eacces, without(1)).as_deref(),
            Some("this process lacks CAP_DAC_OVERRIDE")
        );
        assert_eq!(told(eacces, 0).as_deref(), Some("barque needs root"));
        assert_eq!(effective("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(all));
        assert_eq!(rights(libc::ENOENT), None);
    }
}
