//! What a default container can reach (SEC-011, -015, -022, -023, -025, -029, -030, -031).

use std::process::Command;

use barque_tests::suite::{Suite, skip};
use barque_tests::{Sandbox, invariants, sandbox};
use serde_json::{Value, json};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-029 the seccomp profile refuses what Docker's refuses", the_profile_refuses);
    suite.add("SEC-029 and lets through what programs need", the_profile_lets_through);
    suite.add("SEC-030 paths are masked and read-only", paths_are_masked);
    suite.add("SEC-030 and in a privileged container they are not", privileged_paths);
    suite.add("SEC-011 no cgroup file can be written", no_cgroup_file_can_be_written);
    suite.add("SEC-022 release_agent cannot be reached", release_agent);
    suite.add("SEC-023 no abstract socket is barque's", no_abstract_socket);
    suite.add("SEC-015 inheritable and ambient sets are empty for every user", inheritable_sets);
    suite.add("SEC-031 another user reaches nothing in the engine's directories", another_user);
    suite.add("SEC-025 a thousand attached clients leave nothing in the monitor", attached_clients);
    suite.add("SEC-002 a container sees no process but its own", no_foreign_process);
    suite.add("namespaces are the container's own", namespaces_are_own);
    suite.add("mounts have the flags that keep them harmless", mount_flags);
    suite.add("keys of the caller are not the container's", keyrings);
}

const EPERM: i32 = libc::EPERM;

fn the_profile_refuses() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&[], &["syscalls"]);
    // clone3 is refused with ENOSYS, so that a C library falls back to clone, whose flags a filter can read.
    assert_eq!(seen["clone3"], libc::ENOSYS, "{seen}");
    for name in [
        "socket_alg",
        "socket_vsock",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "unshare_user",
        "unshare_mount",
        "clone_user",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "open_by_handle_at",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "open_tree",
        "move_mount",
        "mount_setattr",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "acct",
        "swapon",
        "swapoff",
        "reboot",
        "settimeofday",
        "clock_settime",
        "lookup_dcookie",
        "quotactl",
        "syslog",
        "vhangup",
        "fanotify_init",
        "sethostname",
    ] {
        assert!(seen[name] == EPERM || seen[name] == libc::ENOSYS, "{name} answers {}", seen[name]);
    }
    if cfg!(target_arch = "x86_64") {
        for name in ["iopl", "ioperm", "uselib", "x32_ptrace", "int80_mount"] {
            let answer = &seen[name];
            assert!(
                *answer == EPERM || *answer == libc::ENOSYS || answer["signal"] == libc::SIGSYS,
                "{name} answers {answer}"
            );
        }
    }
}

fn the_profile_lets_through() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&[], &["syscalls"]);
    for name in ["socket_inet", "socket_unix", "getpid"] {
        assert!(seen[name] == 0 || name == "getpid", "{name} answers {}", seen[name]);
    }
    // getpid answers the pid, and the table tells failures only: EPERM would be one.
    assert_ne!(seen["getpid"], EPERM);
    assert_eq!(seen["chroot"], libc::EFAULT, "root has CAP_SYS_CHROOT");
}

fn paths_are_masked() {
    let sandbox = Sandbox::with_testbox();
    for options in [&[][..], &["--read-only"][..], &["--user", "sailor"][..]] {
        let seen = sandbox.report(options, &["report", "paths"]);
        let paths = &seen["paths"];
        for path in [
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/sched_debug",
            "/proc/timer_stats",
        ] {
            let found = &paths[path];
            assert!(
                found["type"] == "null" || found["errno"] == libc::ENOENT,
                "{options:?} {path}: {found}"
            );
        }
        for path in [
            "/proc/acpi",
            "/proc/asound",
            "/proc/scsi",
            "/sys/firmware",
            "/sys/devices/virtual/powercap",
        ] {
            let found = &paths[path];
            let hidden = found["entries"] == 0 && !found["write_errno"].is_null();
            assert!(hidden || found["errno"] == libc::ENOENT, "{options:?} {path}: {found}");
        }
        for path in [
            "/proc/bus",
            "/proc/fs",
            "/proc/irq",
            "/proc/sys",
            "/proc/sys/kernel/core_pattern",
            "/proc/sysrq-trigger",
            "/sys",
            "/sys/kernel",
        ] {
            let found = &paths[path];
            assert!(
                !found["write_errno"].is_null() || found["errno"] == libc::ENOENT,
                "{options:?} {path}: {found}"
            );
        }
        for (path, found) in paths.as_object().expect("a map") {
            if path.ends_with("thermal_throttle") {
                assert_eq!(found["entries"], 0, "{path}");
            }
        }
        assert_eq!(paths["/dev/null"]["type"], "null");
    }
    let writable = sandbox.report(&[], &["report", "paths"]);
    assert!(
        writable["paths"]["/"]["write_errno"].is_null()
            && writable["paths"]["/tmp"]["write_errno"].is_null()
    );
    let read_only = sandbox.report(&["--read-only"], &["report", "paths"]);
    assert_eq!(read_only["paths"]["/"]["write_errno"], libc::EROFS);
    assert!(read_only["paths"]["/dev/shm"]["write_errno"].is_null());
}

fn privileged_paths() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&["--privileged"], &["report", "paths", "capabilities", "security"]);
    assert!(seen["paths"]["/proc/sysrq-trigger"]["write_errno"].is_null(), "{seen}");
    assert_eq!(seen["security"]["seccomp"], 0);
    assert!(
        seen["capabilities"]["effective"].as_array().expect("a list").contains(&json!("SYS_ADMIN"))
    );
}

fn no_cgroup_file_can_be_written() {
    let sandbox = Sandbox::with_testbox();
    let mounts = sandbox.report(&[], &["report", "mounts"])["mounts"].clone();
    for mount in mounts.as_array().expect("a list") {
        if mount["type"].as_str().is_some_and(|kind| kind.starts_with("cgroup")) {
            let read_only = mount["options"].as_array().expect("a list").contains(&json!("ro"));
            assert!(read_only, "{mount}");
            // Its own part of the tree and nothing above: the root that the mount shows is the container's own group.
            let target = mount["target"].as_str().expect("a path");
            let done = sandbox.barque(&[
                "run",
                "--rm",
                "--network",
                "none",
                "testbox",
                "write",
                &format!("{target}/cgroup.procs"),
                "1",
            ]);
            assert_eq!(done.code, 1, "{target}: {done:?}");
        }
    }
    let membership = sandbox.report(&[], &["report", "cgroup"])["cgroup"]["membership"].clone();
    for line in membership.as_array().expect("a list").iter().filter_map(Value::as_str) {
        assert!(
            !line.contains(&sandbox.instance()),
            "a private cgroup namespace shows its path on the host: {line}"
        );
    }
}

fn release_agent() {
    let sandbox = Sandbox::with_testbox();
    for options in [&[][..], &["--security-opt", "seccomp=unconfined"][..]] {
        let seen = sandbox.report(options, &["release-agent"]);
        assert_ne!(seen["release_agent"], 0, "{options:?}: {seen}");
    }
    let seen = sandbox.report(&[], &["release-agent"]);
    assert_eq!((&seen["unshare"], &seen["mount"]), (&json!(EPERM), &json!(EPERM)), "{seen}");
}

fn no_abstract_socket() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&["run", "--detach", "--network", "host", "testbox", "sleep", "forever"]);
    let text = sandbox.ok(&["run", "--rm", "--network", "host", "testbox", "abstract-sockets"]);
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), json!({"abstract": []}));
    sandbox.ok(&["rm", "--force", &id]);
}

fn inheritable_sets() {
    let sandbox = Sandbox::with_testbox();
    for options in [
        &[][..],
        &["--user", "sailor"][..],
        &["--cap-add", "ALL"][..],
        &["--privileged"][..],
        &["--init"][..],
        &["--tty"][..],
    ] {
        let seen = sandbox.report(options, &["report", "capabilities"]);
        let sets = &seen["capabilities"];
        assert_eq!(
            (&sets["inheritable"], &sets["ambient"]),
            (&json!([]), &json!([])),
            "{options:?}"
        );
    }
}

/// As uid 1001 nothing below root and run directory can be listed, read or executed.
fn another_user() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"]);
    for place in [sandbox.root(), sandbox.run()] {
        let done = Command::new("setpriv")
            .args(["--reuid", "1001", "--regid", "1001", "--clear-groups", "find"])
            .arg(&place)
            .args(["-mindepth", "1", "-readable"])
            .output()
            .expect("run setpriv");
        let found = String::from_utf8_lossy(&done.stdout);
        let found: Vec<&str> =
            found.lines().filter(|path| !path.ends_with(&sandbox.instance())).collect();
        assert!(found.is_empty(), "another user reads {found:?}");
    }
    sandbox.ok(&["rm", "--force", &id]);
}

fn attached_clients() {
    let sandbox = Sandbox::with_testbox();
    let id =
        sandbox.ok(&["run", "--detach", "--interactive", "--network", "none", "testbox", "cat"]);
    let pid = sandbox.pid(&id);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("read a status");
    let monitor = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a parent")
        .trim()
        .to_owned();
    let engine = sandbox.engine();
    let attach = || {
        let request = barque::api::ContainerAttach { id: id.clone(), ..Default::default() };
        drop(engine.containers().attach(&request).expect("attach"));
    };
    let measure = || {
        let fds =
            std::fs::read_dir(format!("/proc/{monitor}/fd")).expect("list descriptors").count();
        let text =
            std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).expect("read memory");
        let line = text
            .lines()
            .find(|line| line.starts_with("Private_Dirty:"))
            .unwrap_or_default()
            .to_owned();
        (fds, line.split_whitespace().nth(1).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0))
    };
    // As many before as after: what is allocated for many at once stays allocated, what leaks grows every time.
    (0..1000).for_each(|_| attach());
    std::thread::sleep(std::time::Duration::from_millis(200));
    let before = measure();
    (0..1000).for_each(|_| attach());
    sandbox::wait_until("the monitor lets go", std::time::Duration::from_secs(30), || {
        measure().0 <= before.0
    });
    let after = measure();
    assert!(after.1 <= before.1 + 256, "KiB before {before:?}, after {after:?}");
    drop(engine);
    sandbox.ok(&["rm", "--force", &id]);
    invariants::hold(&sandbox, "a thousand clients");
}

fn no_foreign_process() {
    let sandbox = Sandbox::with_testbox();
    let other =
        sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"]);
    let seen = sandbox.report(&["--cap-add", "SYS_PTRACE"], &["report", "processes"]);
    assert_eq!(seen["processes"], json!(["1 testbox"]));
    sandbox.ok(&["rm", "--force", &other]);
}

fn namespaces_are_own() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&[], &["report", "namespaces"])["namespaces"].clone();
    let again = sandbox.report(&[], &["report", "namespaces"])["namespaces"].clone();
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("read a namespace");
        assert_ne!(seen[name], json!(host.display().to_string()), "{name}");
    }
    assert_eq!(
        seen["user"], again["user"],
        "without rootless mode the user namespace is the host's"
    );
    let text = sandbox.ok(&[
        "run",
        "--rm",
        "--network",
        "host",
        "--uts",
        "host",
        "--ipc",
        "host",
        "--cgroupns",
        "host",
        "testbox",
        "report",
        "namespaces",
    ]);
    let host: Value = serde_json::from_str(&text).expect("JSON");
    for name in ["net", "uts", "ipc", "cgroup"] {
        let own = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("read a namespace");
        assert_eq!(host["namespaces"][name], json!(own.display().to_string()), "{name}");
    }
}

fn mount_flags() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&[], &["report", "mounts"])["mounts"].clone();
    let find = |target: &str| {
        let all = seen.as_array().expect("a list");
        all.iter().rfind(|mount| mount["target"] == target).cloned().unwrap_or(Value::Null)
    };
    for (target, kind, flags) in [
        ("/", "overlay", &[][..]),
        ("/proc", "proc", &["nosuid", "nodev", "noexec"][..]),
        ("/dev", "tmpfs", &["nosuid"]),
        ("/dev/pts", "devpts", &["nosuid", "noexec"]),
        ("/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec"]),
        ("/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"]),
        ("/sys", "sysfs", &["nosuid", "nodev", "noexec", "ro"]),
    ] {
        let mount = find(target);
        assert_eq!(mount["type"], kind, "{target}: {mount}");
        for flag in flags {
            assert!(
                mount["options"].as_array().expect("a list").contains(&json!(flag)),
                "{target} lacks {flag}: {mount}"
            );
        }
    }
    for mount in seen.as_array().expect("a list") {
        let shared = mount["propagation"].as_array().into_iter().flatten();
        let shared: Vec<&Value> = shared
            .filter(|field| field.as_str().is_some_and(|f| f.starts_with("shared")))
            .collect();
        assert!(shared.is_empty(), "a mount propagates to the host: {mount}");
    }
}

fn keyrings() {
    let sandbox = Sandbox::with_testbox();
    let Ok(text) = std::fs::read_to_string("/proc/keys") else { skip("this kernel has no keys") };
    let count = text.lines().count();
    sandbox.ok(&["run", "--rm", "--network", "none", "testbox", "exit", "0"]);
    // The kernel collects keys a moment after their last holder is gone.
    sandbox::wait_until(
        "the container's keys are gone",
        std::time::Duration::from_secs(10),
        || std::fs::read_to_string("/proc/keys").expect("read keys").lines().count() <= count,
    );
}
