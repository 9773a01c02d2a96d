//! What the kernel holds about this process: namespaces, capabilities, filters, signals, limits, descriptors.

use serde_json::{Map, Value, json};

/// A field of `/proc/self/status`.
pub(super) fn status(field: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or_default().trim().to_owned()
}

pub(super) fn namespaces() -> Value {
    let mut answer = Map::new();
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let target = std::fs::read_link(format!("/proc/self/ns/{name}"));
        answer.insert(name.into(), json!(target.map(|t| t.display().to_string()).ok()));
    }
    Value::from(answer)
}

/// Names by number, `include/uapi/linux/capability.h`.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

pub(super) fn capabilities() -> Value {
    let mut answer = Map::new();
    for (field, name) in [
        ("CapInh", "inheritable"),
        ("CapPrm", "permitted"),
        ("CapEff", "effective"),
        ("CapBnd", "bounding"),
        ("CapAmb", "ambient"),
    ] {
        let bits = u64::from_str_radix(&status(field), 16).unwrap_or(u64::MAX);
        let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
        let names = set.map(|bit| match CAPABILITIES.get(bit) {
            Some(name) => json!(name),
            None => json!(format!("CAP_{bit}")),
        });
        answer.insert(name.into(), names.collect());
    }
    Value::from(answer)
}

pub(super) fn security() -> Value {
    json!({
        "no_new_privs": status("NoNewPrivs") == "1",
        "seccomp": status("Seccomp").parse::<u8>().ok(),
        "seccomp_filters": status("Seccomp_filters").parse::<u32>().ok(),
        "dumpable": unsafe_dumpable(),
        "parent_death_signal": parent_death_signal(),
        "label": super::identity::first_line("/proc/self/attr/current"),
    })
}

fn unsafe_dumpable() -> i32 {
    // SAFETY: a getter.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }
}

fn parent_death_signal() -> i32 {
    let mut signal = 0;
    // SAFETY: the kernel writes one int through the pointer.
    unsafe { libc::prctl(libc::PR_GET_PDEATHSIG, &mut signal) };
    signal
}

pub(super) fn signals() -> Value {
    let set = |field| {
        let bits = u64::from_str_radix(&status(field), 16).unwrap_or(u64::MAX);
        (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| bit + 1).collect::<Vec<i32>>()
    };
    // Rust's own runtime ignores SIGPIPE at start-up and handles SIGSEGV and SIGBUS; what the process was started with is
    // in the ignored set all the same but for SIGPIPE, which `sigpipe` cannot tell apart here.
    json!({"blocked": set("SigBlk"), "ignored": set("SigIgn"), "caught": set("SigCgt")})
}

pub(super) fn rlimits() -> Value {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let mut answer = Map::new();
    for line in text.lines().skip(1) {
        // Names hold single blanks; columns are at least two apart.
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let (Some(name), Some(soft), Some(hard)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        answer.insert(name.to_owned(), json!([soft, hard]));
    }
    Value::from(answer)
}

/// Open descriptors but the one that reads the directory.
pub(super) fn descriptors() -> Value {
    let mut answer = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Value::Null };
    for entry in entries.flatten() {
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let target = target.display().to_string();
        if target.starts_with("/proc/") && target.ends_with("/fd") {
            continue;
        }
        let fd: i32 = entry.file_name().to_string_lossy().parse().unwrap_or(-1);
        answer.push((fd, target));
    }
    answer.sort();
    answer.into_iter().map(|(fd, target)| json!({"fd": fd, "target": target})).collect()
}
