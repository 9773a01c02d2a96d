//! Who and where this process is.

use serde_json::{Value, json};

pub(super) fn argv() -> Value {
    std::env::args_os().map(|a| json!(a.to_string_lossy())).collect()
}

/// In the kernel's order, with entries that are no `NAME=VALUE` too.
pub(super) fn env() -> Value {
    let bytes = std::fs::read("/proc/self/environ").unwrap_or_default();
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    entries.map(|entry| json!(String::from_utf8_lossy(entry))).collect()
}

pub(super) fn cwd() -> Value {
    // The link and not getcwd: it tells of a directory outside the root.
    json!(std::fs::read_link("/proc/self/cwd").map(|p| p.display().to_string()).ok())
}

pub(super) fn ids() -> Value {
    // SAFETY: getters of this process; the buffer is as long as the kernel is told.
    unsafe {
        let mut groups = vec![0; 65536];
        let count = libc::getgroups(groups.len() as i32, groups.as_mut_ptr());
        groups.truncate(count.max(0) as usize);
        let mask = libc::umask(0);
        libc::umask(mask);
        let mut uid = [0; 3];
        let mut gid = [0; 3];
        libc::getresuid(&mut uid[0], &mut uid[1], &mut uid[2]);
        libc::getresgid(&mut gid[0], &mut gid[1], &mut gid[2]);
        json!({
            "uid": uid,
            "gid": gid,
            "groups": groups,
            "umask": format!("{mask:04o}"),
        })
    }
}

pub(super) fn process() -> Value {
    // SAFETY: getters of this process.
    unsafe {
        json!({
            "pid": libc::getpid(),
            "ppid": libc::getppid(),
            "sid": libc::getsid(0),
            "pgid": libc::getpgid(0),
            "exe": std::fs::read_link("/proc/self/exe").map(|p| p.display().to_string()).ok(),
            "oom_score_adj": first_line("/proc/self/oom_score_adj"),
            "nice": libc::getpriority(libc::PRIO_PROCESS, 0),
            "cpus_allowed": super::kernel::status("Cpus_allowed_list"),
            "mems_allowed": super::kernel::status("Mems_allowed_list"),
        })
    }
}

pub(super) fn hostname() -> Value {
    // SAFETY: uname fills the struct with NUL-terminated names.
    unsafe {
        let mut names: libc::utsname = std::mem::zeroed();
        libc::uname(&mut names);
        let text = |field: &[libc::c_char]| {
            std::ffi::CStr::from_ptr(field.as_ptr()).to_string_lossy().into_owned()
        };
        json!({"name": text(&names.nodename), "domain": text(&names.domainname)})
    }
}

/// A file's first line, or null.
pub(super) fn first_line(path: &str) -> Value {
    let text = std::fs::read_to_string(path).ok();
    json!(text.and_then(|text| text.lines().next().map(str::to_owned)))
}
