//! What is around this process: cgroups, mounts, masked paths, devices, links, other processes, the terminal.

use std::fs;

use serde_json::{Map, Value, json};

use crate::attack::probe_path;
use crate::io::describe;

/// Membership by controller, and the limit files of this process's own cgroups as far as they are mounted.
pub(super) fn cgroup() -> Value {
    const FILES: &[&str] = &[
        "memory.limit_in_bytes",
        "memory.soft_limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "memory.swappiness",
        "memory.oom_control",
        "cpu.shares",
        "cpu.cfs_quota_us",
        "cpu.cfs_period_us",
        "cpuset.cpus",
        "cpuset.mems",
        "pids.max",
        "blkio.weight",
        "blkio.bfq.weight",
        "blkio.throttle.read_bps_device",
        "blkio.throttle.write_bps_device",
        "blkio.throttle.read_iops_device",
        "blkio.throttle.write_iops_device",
        "devices.list",
        "memory.max",
        "memory.high",
        "memory.low",
        "memory.swap.max",
        "cpu.weight",
        "cpu.max",
        "io.weight",
        "io.bfq.weight",
        "io.max",
        "cgroup.controllers",
    ];
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut files = Map::new();
    for line in membership.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or("/"));
        let name = controllers.strip_prefix("name=").unwrap_or(controllers);
        let places = match name {
            "" => vec!["/sys/fs/cgroup".to_owned(), "/sys/fs/cgroup/unified".to_owned()],
            name => vec![format!("/sys/fs/cgroup/{name}")],
        };
        for place in places {
            for file in FILES {
                let read = fs::read_to_string(format!("{place}{path}/{file}"))
                    .or_else(|_| fs::read_to_string(format!("{place}/{file}")));
                if let Ok(text) = read {
                    files.insert((*file).to_owned(), json!(text.trim()));
                }
            }
        }
    }
    json!({"membership": membership.lines().collect::<Vec<_>>(), "files": files})
}

pub(super) fn mounts() -> Value {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let rows = text.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        Some(json!({
            "root": left.get(3),
            "target": left.get(4),
            "options": left.get(5)?.split(',').collect::<Vec<_>>(),
            "propagation": left.get(6..),
            "type": right.first(),
            "source": right.get(1),
            "super": right.get(2)?.split(',').collect::<Vec<_>>(),
        }))
    });
    rows.collect()
}

/// The paths that Docker masks or makes read-only, and a few that must work.
pub(super) fn paths() -> Value {
    const PATHS: &[&str] = &[
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/sys",
        "/sys/kernel",
        "/sys/fs/cgroup",
        "/dev/null",
        "/dev/shm",
        "/dev/mqueue",
        "/dev/pts",
        "/tmp",
        "/",
    ];
    let mut answer = Map::new();
    for path in PATHS {
        answer.insert((*path).to_owned(), probe_path(path));
    }
    if let Ok(entries) = fs::read_dir("/sys/devices/system/cpu") {
        for entry in entries.flatten() {
            let path = entry.path().join("thermal_throttle");
            if path.exists() {
                let path = path.display().to_string();
                answer.insert(path.clone(), probe_path(&path));
            }
        }
    }
    Value::from(answer)
}

/// Everything in `/dev`.
pub(super) fn devices() -> Value {
    let mut answer = Map::new();
    let Ok(entries) = fs::read_dir("/dev") else { return Value::Null };
    for entry in entries.flatten() {
        let path = entry.path().display().to_string();
        if let Ok(found) = fs::symlink_metadata(&path) {
            answer.insert(path.clone(), describe(&path, &found));
        }
    }
    Value::from(answer)
}

/// Links from `/proc/net/dev`, which needs no sysfs, and whether loopback answers.
pub(super) fn network() -> Value {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let mut links: Vec<&str> =
        text.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    links.sort_unstable();
    let loopback = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        let address = listener.local_addr()?;
        // The listener must live while it is connected to.
        std::net::TcpStream::connect(address)
    });
    json!({"links": links, "loopback": loopback.is_ok()})
}

/// The processes that `/proc` shows, as `PID NAME`.
pub(super) fn processes() -> Value {
    let Ok(entries) = fs::read_dir("/proc") else { return Value::Null };
    let mut found: Vec<(u32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_string_lossy().parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((pid, name.trim().to_owned()))
        })
        .collect();
    found.sort();
    found.into_iter().map(|(pid, name)| json!(format!("{pid} {name}"))).collect()
}

pub(super) fn terminal() -> Value {
    // SAFETY: queries of descriptors 0 to 2; the ioctl fills the struct.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        let sized = libc::ioctl(0, libc::TIOCGWINSZ, &mut size) == 0;
        json!({
            "isatty": [libc::isatty(0) == 1, libc::isatty(1) == 1, libc::isatty(2) == 1],
            "size": sized.then_some([size.ws_row, size.ws_col]),
            "name": fs::read_link("/proc/self/fd/0").map(|p| p.display().to_string()).ok(),
            "controlling": fs::File::open("/dev/tty").is_ok(),
        })
    }
}
