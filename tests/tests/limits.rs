//! Each limit is written where the kernel reads it, is what the container sees, and holds; one that can't be applied is an
//! error. The values come from three sides: the cgroup files from outside, `testbox` from inside, and what happens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use barque_tests::suite::skip;
use barque_tests::{Sandbox, invariants, sandbox, suite};
use serde_json::{Value, json};

suite!(
    memory_is_limited_and_the_oom_kill_is_told,
    memory_reservation_swap_and_swappiness_are_written,
    processes_are_limited,
    an_update_holds_at_once,
    cpu_time_is_limited,
    cpu_shares_and_period_are_written,
    cpu_sets_pin_to_processors,
    block_io_limits_are_written,
    devices_outside_the_list_cannot_be_opened,
    resource_limits_hold,
    shared_memory_has_its_size,
    shared_memory_keeps_its_size_when_its_owner_is_gone,
    oom_score_is_set,
    a_cgroup_that_is_asked_for_holds_the_container,
    a_limit_whose_controller_is_missing_is_an_error,
    limits_that_the_kernel_refuses_are_errors,
    an_oom_kill_of_a_child_is_told_and_the_container_goes_on,
    a_fork_bomb_is_killed_with_its_container,
    a_flood_of_a_gigabyte_does_not_grow_the_monitor,
);

/// Where the cgroup of a running container is in the hierarchy of `controller`: v1, or the unified one of v2.
fn cgroup(sandbox: &Sandbox, controller: &str, id: &str) -> PathBuf {
    let below = format!("barque-{}-{id}", sandbox.instance());
    for place in [format!("/sys/fs/cgroup/{controller}"), "/sys/fs/cgroup".to_owned()] {
        let path = PathBuf::from(&place).join(&below);
        if path.is_dir() {
            return path;
        }
    }
    skip(format!("no {controller} controller is mounted here"))
}

/// Start `testbox sleep forever` with these options, read cgroup files `controller/file`, and remove it.
fn files(sandbox: &Sandbox, options: &[&str], wanted: &[&str]) -> BTreeMap<String, String> {
    let mut arguments = vec!["run", "--detach", "--network", "none"];
    arguments.extend(options);
    arguments.extend(["testbox", "sleep", "forever"]);
    let id = sandbox.ok(&arguments);
    let mut found = BTreeMap::new();
    for name in wanted {
        let (controller, file) = name.split_once('/').expect("controller/file");
        let path = cgroup(sandbox, controller, &id).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| format!("{e}"));
        found.insert((*name).to_owned(), text.trim().to_owned());
    }
    sandbox.ok(&["rm", "--force", &id]);
    found
}

fn is_v1() -> bool {
    std::path::Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
        || std::path::Path::new("/sys/fs/cgroup/memory/tasks").exists()
}

fn memory_is_limited_and_the_oom_kill_is_told() {
    let sandbox = Sandbox::with_testbox();
    let memory = ["run", "--network", "none", "--memory", "48m", "--memory-swap", "48m"];
    let eat = |name: &'static str, mib: &'static str| {
        let mut arguments = memory.to_vec();
        arguments.extend(["--name", name, "testbox", "eat", mib]);
        sandbox.barque(&arguments)
    };
    let little = eat("little", "8");
    assert_eq!((little.code, little.stdout.as_str()), (0, "ate 8\n"), "{}", little.stderr);
    let much = eat("much", "200");
    assert_eq!(much.code, 137, "{}", much.stdout);
    let state = &sandbox.inspect("much")["State"];
    assert_eq!(state["OOMKilled"], true, "{state}");
    assert_eq!(state["ExitReason"], "oom-killed", "{state}");
    assert_eq!(sandbox.inspect("little")["State"]["OOMKilled"], false);
    let seen = if is_v1() {
        let seen = files(
            &sandbox,
            &memory[3..],
            &["memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"],
        );
        vec![seen["memory/memory.limit_in_bytes"].clone()]
    } else {
        let seen = files(&sandbox, &memory[3..], &["memory/memory.max", "memory/memory.swap.max"]);
        assert_eq!(seen["memory/memory.swap.max"], "0");
        vec![seen["memory/memory.max"].clone()]
    };
    assert_eq!(seen, ["50331648"]);
    invariants::hold(&sandbox, "an OOM kill");
}

fn memory_reservation_swap_and_swappiness_are_written() {
    let sandbox = Sandbox::with_testbox();
    let options = ["--memory", "64m", "--memory-reservation", "32m"];
    if is_v1() {
        let mut options = options.to_vec();
        options.extend(["--memory-swappiness", "10"]);
        let seen = files(
            &sandbox,
            &options,
            &["memory/memory.soft_limit_in_bytes", "memory/memory.swappiness"],
        );
        assert_eq!(seen["memory/memory.soft_limit_in_bytes"], "33554432");
        assert_eq!(seen["memory/memory.swappiness"], "10");
    } else {
        let seen = files(&sandbox, &options, &["memory/memory.low", "memory/memory.max"]);
        assert_eq!(seen["memory/memory.low"], "33554432");
    }
}

fn processes_are_limited() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&["--pids-limit", "12"], &["forks", "100"]);
    assert_eq!(seen, json!({"forked": 11, "errno": libc::EAGAIN}));
    let seen = sandbox.report(&[], &["forks", "100"]);
    assert_eq!(seen["forked"], 100);
    let seen = files(&sandbox, &["--pids-limit", "12"], &["pids/pids.max"]);
    assert_eq!(seen["pids/pids.max"], "12");
}

fn an_update_holds_at_once() {
    let sandbox = Sandbox::with_testbox();
    let options = ["--memory", "24m", "--memory-swap", "24m", "--pids-limit", "50"];
    let mut words = vec!["run", "--detach", "--name", "c", "--network", "none"];
    words.extend(options);
    words.extend(["testbox", "sleep", "forever"]);
    sandbox.ok(&words);
    let exec = |words: &[&str]| {
        let mut all = vec!["exec", "c", "/testbox"];
        all.extend(words);
        sandbox.barque(&all)
    };
    assert_eq!(exec(&["eat", "40"]).code, 137);
    sandbox.ok(&["update", "--memory", "64m", "--memory-swap", "64m", "c"]);
    let ate = exec(&["eat", "40"]);
    assert_eq!((ate.code, ate.stdout.as_str()), (0, "ate 40\n"), "{}", ate.stderr);
    // Downwards, in the order that the kernel wants: memory and swap together are never less than memory.
    sandbox.ok(&["update", "--memory", "24m", "--memory-swap", "24m", "c"]);
    assert_eq!(exec(&["eat", "40"]).code, 137);
    let forked = || {
        let done = exec(&["forks", "100"]);
        let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
        seen["forked"].clone()
    };
    // Process 1 and the exec itself are there already.
    assert_eq!(forked(), 48);
    sandbox.ok(&["update", "--pids-limit", "12", "c"]);
    // Each time: what sets an exec up is no longer counted when its command begins.
    for _ in 0..5 {
        assert_eq!(forked(), 10);
    }
    sandbox.ok(&["update", "--pids-limit", "-1", "c"]);
    assert_eq!(forked(), 100);
    // And for the next run too.
    sandbox.ok(&["update", "--pids-limit", "20", "c"]);
    sandbox.ok(&["restart", "--time", "0", "c"]);
    assert_eq!(forked(), 18);
    let state = &sandbox.inspect("c")["State"];
    assert_eq!(state["Status"], "running", "{state}");
    sandbox.ok(&["rm", "--force", "c"]);
    invariants::hold(&sandbox, "updates");
}

fn cpu_time_is_limited() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&["--cpus", "0.25"], &["burn", "1.5", "2"]);
    let cpus = seen["cpus"].as_f64().expect("a number");
    assert!((0.05..0.40).contains(&cpus), "{seen}");
}

fn cpu_shares_and_period_are_written() {
    let sandbox = Sandbox::with_testbox();
    let options = ["--cpu-shares", "512", "--cpu-period", "50000", "--cpu-quota", "20000"];
    if is_v1() {
        let wanted = ["cpu/cpu.shares", "cpu/cpu.cfs_period_us", "cpu/cpu.cfs_quota_us"];
        let seen = files(&sandbox, &options, &wanted);
        let values: Vec<&String> = wanted.iter().map(|name| &seen[*name]).collect();
        assert_eq!(values, ["512", "50000", "20000"]);
    } else {
        let seen = files(&sandbox, &options, &["cpu/cpu.max", "cpu/cpu.weight"]);
        assert_eq!(seen["cpu/cpu.max"], "20000 50000");
        // 512 of 1024 shares: less than the default weight of 100, whichever of runc's two formulas is used.
        let weight: u32 = seen["cpu/cpu.weight"].parse().expect("a weight");
        assert!((10..100).contains(&weight), "{weight}");
    }
}

fn cpu_sets_pin_to_processors() {
    let sandbox = Sandbox::with_testbox();
    let seen =
        sandbox.report(&["--cpuset-cpus", "1", "--cpuset-mems", "0"], &["report", "process"]);
    assert_eq!(seen["process"]["cpus_allowed"], "1");
    assert_eq!(seen["process"]["mems_allowed"], "0");
}

fn block_io_limits_are_written() {
    let sandbox = Sandbox::with_testbox();
    let device = "/dev/vda";
    let Ok(found) = std::fs::metadata(device) else { skip("no /dev/vda here") };
    let number = std::os::unix::fs::MetadataExt::rdev(&found);
    let number = format!("{}:{}", libc::major(number), libc::minor(number));
    let (read, write) = (format!("{device}:1mb"), format!("{device}:200"));
    let options = ["--device-read-bps", &read, "--device-write-iops", &write];
    if is_v1() {
        let wanted =
            ["blkio/blkio.throttle.read_bps_device", "blkio/blkio.throttle.write_iops_device"];
        let seen = files(&sandbox, &options, &wanted);
        assert_eq!(seen[wanted[0]], format!("{number} 1048576"));
        assert_eq!(seen[wanted[1]], format!("{number} 200"));
    } else {
        let seen = files(&sandbox, &options, &["io/io.max"]);
        assert_eq!(
            seen["io/io.max"],
            format!("{number} rbps=1048576 wbps=max riops=max wiops=200")
        );
    }
}

fn devices_outside_the_list_cannot_be_opened() {
    let sandbox = Sandbox::with_testbox();
    // /dev/null by its number is allowed, /dev/mem and a disk are not, though CAP_MKNOD lets their nodes be made.
    let null = sandbox.report(&[], &["device", "c", "1", "3"]);
    assert_eq!(null, json!({"mknod": 0, "read": 0, "write": 0}));
    let memory = sandbox.report(&[], &["device", "c", "1", "1"]);
    assert_eq!(
        (&memory["read"], &memory["write"]),
        (&json!(libc::EPERM), &json!(libc::EPERM)),
        "{memory}"
    );
    let disk = sandbox.report(&[], &["device", "b", "7", "0"]);
    assert_eq!(
        (&disk["read"], &disk["write"]),
        (&json!(libc::EPERM), &json!(libc::EPERM)),
        "{disk}"
    );
    let names = sandbox.report(&[], &["report", "devices"])["devices"].clone();
    let names: Vec<&str> = names.as_object().expect("a map").keys().map(String::as_str).collect();
    let expected = [
        "/dev/core",
        "/dev/fd",
        "/dev/full",
        "/dev/mqueue",
        "/dev/null",
        "/dev/ptmx",
        "/dev/pts",
        "/dev/random",
        "/dev/shm",
        "/dev/stderr",
        "/dev/stdin",
        "/dev/stdout",
        "/dev/tty",
        "/dev/urandom",
        "/dev/zero",
    ];
    assert_eq!(names, expected);
}

fn resource_limits_hold() {
    let sandbox = Sandbox::with_testbox();
    let options = ["--ulimit", "nofile=40:50", "--ulimit", "core=0", "--ulimit", "stack=1048576"];
    let seen = sandbox.report(&options, &["report", "rlimits"]);
    assert_eq!(seen["rlimits"]["Max open files"], json!(["40", "50"]));
    assert_eq!(seen["rlimits"]["Max core file size"], json!(["0", "0"]));
    assert_eq!(seen["rlimits"]["Max stack size"], json!(["1048576", "1048576"]));
    let seen = sandbox.report(&options, &["open-files", "100"]);
    assert_eq!(seen, json!({"opened": 37, "errno": libc::EMFILE}));
}

fn shared_memory_has_its_size() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&["--shm-size", "4m"], &["fill", "/dev/shm/f", "16"]);
    assert_eq!(seen, json!({"written": 4 << 20, "errno": libc::ENOSPC}));
    let seen = sandbox.report(&[], &["fill", "/dev/shm/f", "80"]);
    assert_eq!(seen, json!({"written": 64 << 20, "errno": libc::ENOSPC}));
}

/// SEC-055.
fn shared_memory_keeps_its_size_when_its_owner_is_gone() {
    let sandbox = Sandbox::with_testbox();
    let base = ["run", "--detach", "--network", "none", "--name"];
    let owner = ["owner", "--ipc", "shareable", "--shm-size", "1m", "testbox", "sleep", "forever"];
    let guest = ["guest", "--ipc", "container:owner", "testbox", "sleep", "forever"];
    sandbox.ok(&[&base, &owner[..]].concat());
    sandbox.ok(&[&base, &guest[..]].concat());
    let filled = |container: &str, name: &str| -> Value {
        let text = sandbox.ok(&["exec", container, "/testbox", "fill", name, "8"]);
        serde_json::from_str(&text).expect("JSON")
    };
    let full = json!({"written": 1 << 20, "errno": libc::ENOSPC});
    assert_eq!(filled("owner", "/dev/shm/one"), full);
    sandbox.ok(&["rm", "--force", "owner"]);
    assert_eq!(filled("guest", "/dev/shm/two"), json!({"written": 0, "errno": libc::ENOSPC}));
    assert_eq!(filled("guest", "/dev/shm/one"), full);
    sandbox.ok(&["rm", "--force", "guest"]);
    invariants::hold(&sandbox, "shared memory of a container that is gone");
}

fn oom_score_is_set() {
    let sandbox = Sandbox::with_testbox();
    let seen = sandbox.report(&["--oom-score-adj", "321"], &["report", "process"]);
    assert_eq!(seen["process"]["oom_score_adj"], "321");
}

/// A cgroup below the roots of all hierarchies, which whoever asked for it removes.
struct Parent(String);

impl Parent {
    fn places(&self) -> impl Iterator<Item = PathBuf> {
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let places = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
        places.map(|place| place.join(&self.0)).filter(|place| place.is_dir())
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        for place in self.places() {
            let _ = std::fs::remove_dir(place.join("below"));
            let _ = std::fs::remove_dir(place);
        }
    }
}

fn a_cgroup_that_is_asked_for_holds_the_container() {
    let sandbox = Sandbox::with_testbox();
    let parent = Parent(format!("asked-for-{}", sandbox.instance()));
    let held = || -> Vec<PathBuf> {
        let below = parent.places().map(|place| place.join("below"));
        let entries = below.filter_map(|below| std::fs::read_dir(below).ok());
        let paths = entries.flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let option = format!("--cgroup-parent=/{}/below", parent.0);
    let run = ["run", "--detach", "--network", "none", "--pids-limit", "20", &option];
    let id = sandbox.ok(&[&run[..], &["testbox", "sleep", "forever"]].concat());
    let name = format!("barque-{}-{id}", sandbox.instance());
    let found = held();
    assert!(!found.is_empty() && found.iter().all(|path| path.ends_with(&name)), "{found:?}");
    let limits: Vec<String> = found
        .iter()
        .filter_map(|path| std::fs::read_to_string(path.join("pids.max")).ok())
        .collect();
    assert_eq!(limits, ["20\n"]);
    // Whatever looks for the container's processes finds them there.
    assert!(sandbox.ok(&["top", &id]).contains("sleep forever"));
    assert!(!sandbox.ok(&["stats", "--no-stream", "--format", "{{.PIDs}}", &id]).is_empty());
    sandbox.ok(&["commit", &id, "held"]);
    sandbox.ok(&["exec", &id, "/testbox", "exit", "0"]);
    sandbox.kill_monitor(&id);
    assert_eq!(sandbox.inspect(&id)["State"]["Status"], "exited");
    assert_eq!(held(), Vec::<PathBuf>::new(), "what a dead monitor left");
    sandbox.ok(&["start", &id]);
    sandbox.ok(&["rm", "--force", &id]);
    assert_eq!(held(), Vec::<PathBuf>::new());
    invariants::hold(&sandbox, "a cgroup that was asked for");
}

/// In a mount namespace where the hierarchy of a controller is not mounted, that controller is missing.
fn a_limit_whose_controller_is_missing_is_an_error() {
    if !is_v1() {
        skip("cgroup v2 has one hierarchy");
    }
    let sandbox = Sandbox::with_testbox();
    for (controller, options) in [
        ("pids", ["--pids-limit", "10"]),
        ("memory", ["--memory", "64m"]),
        ("cpuset", ["--cpuset-cpus", "0"]),
        ("blkio", ["--blkio-weight", "300"]),
    ] {
        let barque = barque_tests::programs::barque();
        let mut command =
            sandbox.command_of(std::path::Path::new("unshare"), &["--mount", "sh", "-c"]);
        command
            .arg(format!("umount /sys/fs/cgroup/{controller} && exec \"$@\""))
            .arg("sh")
            .arg(barque)
            .args([
                "run",
                "--rm",
                "--network",
                "none",
                options[0],
                options[1],
                "testbox",
                "exit",
                "0",
            ]);
        let done = sandbox::finish(command, b"");
        assert_eq!(done.code, 125, "{controller} is missing and nothing was said: {done:?}");
        assert!(
            done.stderr.contains(controller),
            "the error does not name {controller}: {}",
            done.stderr
        );
        invariants::hold(&sandbox, controller);
    }
}

fn limits_that_the_kernel_refuses_are_errors() {
    let sandbox = Sandbox::with_testbox();
    for (options, named) in [
        (["--cpuset-cpus", "77"], "77"),
        (["--memory", "1k"], "emory"),
        (["--cpus", "10000"], "cpu"),
        (["--ulimit", "nofile=50:40"], "nofile"),
        (["--ulimit", "nofile=100000000:100000000"], "nofile"),
        (["--sysctl", "kernel.hostname=x"], "kernel.hostname"),
        (["--sysctl", "net.ipv4.no_such_thing=1"], "no_such_thing"),
    ] {
        let mut arguments = vec!["run", "--rm", "--network", "none"];
        arguments.extend(options);
        arguments.extend(["testbox", "exit", "0"]);
        let done = sandbox.barque(&arguments);
        assert_eq!(done.code, 125, "{options:?}: {done:?}");
        let told = done.stderr.to_lowercase();
        assert!(told.contains(&named.to_lowercase()), "{options:?} is not named: {}", done.stderr);
    }
    invariants::hold(&sandbox, "refused limits");
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
}

fn an_oom_kill_of_a_child_is_told_and_the_container_goes_on() {
    let sandbox = Sandbox::with_testbox();
    // With an init the eater is not process 1: the kernel kills it, the init reports its death.
    let done = sandbox.barque(&[
        "run",
        "--name",
        "child",
        "--network",
        "none",
        "--memory",
        "48m",
        "--memory-swap",
        "48m",
        "--init",
        "testbox",
        "eat",
        "300",
    ]);
    assert_eq!(done.code, 137);
    assert_eq!(sandbox.inspect("child")["State"]["OOMKilled"], true);
}

fn a_fork_bomb_is_killed_with_its_container() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&[
        "run",
        "--detach",
        "--network",
        "none",
        "--pids-limit",
        "200",
        "testbox",
        "forks",
        "150",
        ",",
        "sleep",
        "forever",
    ]);
    let id2 = sandbox.ok(&[
        "run",
        "--detach",
        "--network",
        "none",
        "--pids-limit",
        "200",
        "--init",
        "testbox",
        "trap",
        "TERM",
    ]);
    sandbox.ok(&["kill", &id]);
    sandbox.ok(&["stop", "--time", "0", &id2]);
    sandbox.ok(&["rm", &id, &id2]);
    invariants::hold(&sandbox, "a killed fork bomb");
}

/// G-30, P16: a gigabyte through the log, with rotation, must not be held in memory.
fn a_flood_of_a_gigabyte_does_not_grow_the_monitor() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&[
        "run",
        "--detach",
        "--network",
        "none",
        "--log-opt",
        "max-size=8m",
        "--log-opt",
        "max-file=2",
        "testbox",
        "flood",
        "1073741824",
        "0",
        ",",
        "echo",
        "done",
        ",",
        "sleep",
        "forever",
    ]);
    let state: Value = serde_json::from_str(
        &std::fs::read_to_string(sandbox.root().join("containers").join(&id).join("state.json"))
            .expect("read state.json"),
    )
    .expect("state.json is JSON");
    let monitor = state["monitor_pid"].as_i64().expect("a monitor");
    let resident = || {
        let text =
            std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Private_Dirty:"));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let mut most = 0;
    sandbox::wait_until("a gigabyte is written", std::time::Duration::from_secs(60), || {
        most = most.max(resident());
        sandbox.ok(&["logs", "--tail", "1", &id]).ends_with("done")
    });
    assert!(most > 0 && most < 4096, "the monitor took {most} KiB");
    let log: u64 = std::fs::read_dir(sandbox.root().join("containers").join(&id))
        .expect("list a container's directory")
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|found| found.len())
        .sum();
    assert!(log < 40 << 20, "the log takes {log} bytes");
    sandbox.ok(&["rm", "--force", &id]);
}
