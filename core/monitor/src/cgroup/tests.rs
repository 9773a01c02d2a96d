use super::*;
use serde_json::json;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

#[test]
fn a_path_has_names_only() {
    assert_eq!(names("/barque/x").unwrap(), ["barque", "x"]);
    assert_eq!(names("barque-x").unwrap(), ["barque-x"]);
    for wrong in ["", "/", "/../x", "/a/./b", "/a\nb", &"x".repeat(256)] {
        assert!(names(wrong).is_err(), "{wrong:?}");
    }
}

/// A cgroup of this test's own, removed at the end. `None` where the test may not make one.
struct Scratch {
    path: String,
    cgroup: Cgroup,
}

impl Scratch {
    fn with(resources: serde_json::Value) -> Option<Scratch> {
        let path = scratch_path()?;
        let cgroup = Cgroup::create(&path, &serde_json::from_value(resources).unwrap()).unwrap();
        Some(Scratch { path, cgroup })
    }

    fn read(&self, controller: (&str, &str), v1: &str, v2: &str) -> String {
        match self.cgroup.place(controller.0, controller.1).unwrap() {
            Place::V1(directory) => directory.read(v1).unwrap().trim().to_owned(),
            Place::V2(directory) => directory.read(v2).unwrap().trim().to_owned(),
        }
    }

    fn has_everywhere(&self, processes: usize) -> bool {
        self.cgroup.members.iter().all(|m| m.directory.processes().unwrap().len() == processes)
    }

    /// Run a command in it.
    fn spawn(&self, script: &str) -> Child {
        let files: Vec<String> = self
            .cgroup
            .members
            .iter()
            .map(|m| format!("{}/cgroup.procs", m.directory.path()))
            .collect();
        let join = files.iter().map(|f| format!("echo $$ >'{f}' || exit 99; ")).collect::<String>();
        Command::new("/bin/sh").arg("-c").arg(join + script).stdout(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.cgroup.kill().unwrap();
        self.cgroup.remove(Duration::from_secs(5)).unwrap();
        assert!(Cgroup::open(&self.path).unwrap().is_none(), "{} is left", self.path);
    }
}

fn scratch_path() -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    if !rustix::process::geteuid().is_root() || hierarchy::detect().is_err() {
        eprintln!("skipped: needs root and a cgroup file system");
        return None;
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Some(format!("/barque-test/{}/{count}", std::process::id()))
}

fn failure(resources: serde_json::Value) -> Option<Failure> {
    let path = scratch_path()?;
    let result = Cgroup::create(&path, &serde_json::from_value(resources).unwrap());
    assert!(Cgroup::open(&path).unwrap().is_none(), "{path} is left after {result:?}");
    Some(result.unwrap_err())
}

#[test]
fn limits_can_be_read_back() {
    let Some(scratch) = Scratch::with(json!({
        "memory": {"limit": 64 << 20, "swap": 96 << 20},
        "cpu": {"shares": 512, "quota": 20000, "period": 50000, "cpus": "0"},
        "pids": {"limit": 17},
    })) else {
        return;
    };
    let memory = ("memory", "memory");
    assert_eq!(scratch.read(memory, "memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(scratch.read(("pids", "pids"), "pids.max", "pids.max"), "17");
    assert_eq!(scratch.read(("cpuset", "cpuset"), "cpuset.cpus", "cpuset.cpus"), "0");
    match scratch.cgroup.place("cpu", "cpu").unwrap() {
        Place::V1(directory) => {
            assert_eq!(directory.read("cpu.shares").unwrap().trim(), "512");
            assert_eq!(directory.read("cpu.cfs_quota_us").unwrap().trim(), "20000");
            assert_eq!(directory.read("cpu.cfs_period_us").unwrap().trim(), "50000");
        }
        Place::V2(directory) => {
            assert_eq!(directory.read("cpu.weight").unwrap().trim(), "59");
            assert_eq!(directory.read("cpu.max").unwrap().trim(), "20000 50000");
        }
    }
}

#[test]
fn limits_can_be_raised_and_lowered_in_any_order() {
    let Some(scratch) = Scratch::with(json!({"memory": {"limit": 64 << 20, "swap": 64 << 20}}))
    else {
        return;
    };
    for (limit, swap) in [(128, 128), (32, 48), (48, 48), (256, 512), (16, 16)] {
        let resources = json!({"memory": {"limit": limit << 20, "swap": swap << 20}});
        scratch.cgroup.apply(&serde_json::from_value(resources).unwrap()).unwrap();
        let now = scratch.read(("memory", "memory"), "memory.limit_in_bytes", "memory.max");
        assert_eq!(now, (limit << 20).to_string());
    }
}

#[test]
fn a_limit_that_cannot_be_applied_is_named_with_file_and_value() {
    let Some(refused) = failure(json!({"cpu": {"cpus": "4095"}})) else { return };
    let text = refused.message;
    assert!(
        text.contains("processors") && text.contains("cpuset.cpus") && text.contains("4095"),
        "{text}"
    );

    let refused = failure(json!({"unified": {"memory.nonesuch": "1"}})).unwrap();
    assert!(refused.message.contains("memory.nonesuch"), "{}", refused.message);

    // This hands the controller down from the root, which stays so.
    let enabled = || std::fs::read_to_string("/sys/fs/cgroup/unified/cgroup.subtree_control");
    let before = enabled().unwrap_or_default();
    let refused = failure(json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]})).unwrap();
    if enabled().is_ok_and(|now| now != before) {
        let control = "/sys/fs/cgroup/unified/cgroup.subtree_control";
        // Somebody else's container may have it by now: then it is busy (cgroups(7)), and stays.
        if let Err(error) = std::fs::write(control, "-hugetlb") {
            assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{error}");
        }
    }
    assert!(refused.message.contains("huge page limit"), "{}", refused.message);
    assert_eq!(refused.class, crate::protocol::FailureClass::Unsupported);
}

#[test]
fn everything_in_it_is_killed_below_too() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    let mut child = scratch.spawn("sleep 1000 & sleep 1000 & wait");
    wait_until("the processes have joined", || scratch.has_everywhere(3));
    scratch.cgroup.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until("all are gone", || scratch.cgroup.processes().unwrap().is_empty());
}

#[test]
fn a_signal_loop_does_what_cgroup_kill_does() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    let mut only_v1 = Cgroup::open(&scratch.path).unwrap().unwrap();
    only_v1.members.retain(|m| !m.hierarchy.unified);
    if only_v1.members.is_empty() {
        return;
    }
    let mut child = scratch.spawn("while :; do sleep 1000 & sleep 0.001; done");
    wait_until("it forks", || scratch.cgroup.processes().unwrap().len() > 5);
    only_v1.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until("all are gone", || scratch.cgroup.processes().unwrap().is_empty());
}

#[test]
fn frozen_processes_do_not_run_and_can_be_killed() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    let mut child = scratch.spawn("while :; do :; done");
    wait_until("it has joined", || scratch.has_everywhere(1));
    let used = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit(')').next().unwrap().split(' ').nth(12).unwrap().parse::<u64>().unwrap()
    };
    scratch.cgroup.freeze(Duration::from_secs(5)).unwrap();
    let before = used();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(used(), before);
    scratch.cgroup.thaw().unwrap();
    wait_until("it runs again", || used() > before);
    scratch.cgroup.freeze(Duration::from_secs(5)).unwrap();
    scratch.cgroup.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn removal_takes_nested_directories_along() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    for member in &scratch.cgroup.members {
        std::fs::create_dir_all(format!("{}/a/b", member.directory.path())).unwrap();
    }
    scratch.cgroup.remove(Duration::ZERO).unwrap();
    assert!(Cgroup::open(&scratch.path).unwrap().is_none());
}

#[test]
fn a_leftover_without_processes_is_made_anew() {
    let Some(scratch) = Scratch::with(json!({"pids": {"limit": 17}})) else { return };
    drop(Cgroup::create(&scratch.path, &Resources::default()).unwrap());
    let scratch = Scratch {
        cgroup: Cgroup::open(&scratch.path).unwrap().unwrap(),
        path: scratch.path.clone(),
    };
    assert_eq!(scratch.read(("pids", "pids"), "pids.max", "pids.max"), "max");
}

#[test]
fn a_cgroup_in_use_is_not_taken_over() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    let mut child = scratch.spawn("exec sleep 1000");
    wait_until("it has joined", || scratch.has_everywhere(1));
    let refused = Cgroup::create(&scratch.path, &Resources::default()).unwrap_err();
    assert_eq!(refused.errno, Some(libc::EBUSY), "{}", refused.message);
    assert!(!scratch.cgroup.processes().unwrap().is_empty());
    scratch.cgroup.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn devices_outside_the_rules_cannot_be_opened() {
    let Some(scratch) = Scratch::with(json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"},
    ]})) else {
        return;
    };
    let script =
        "exec </dev/null && head -c1 /dev/zero && ! head -c1 /dev/urandom && ! true >/dev/zero";
    assert!(scratch.spawn(script).wait().unwrap().success());
}

#[test]
fn the_bpf_program_holds_like_the_v1_controller() {
    let Some(scratch) = Scratch::with(json!({})) else { return };
    let Some(unified) = scratch.cgroup.unified() else { return };
    let rules = device::tests::rules(&["deny a", "allow c 1:3 rwm", "allow c 1:5 r"]);
    device_program::attach(unified, &rules).unwrap();
    let script =
        "exec </dev/null && head -c1 /dev/zero && ! head -c1 /dev/urandom && ! true >/dev/zero";
    assert!(scratch.spawn(script).wait().unwrap().success());
}

#[test]
fn kills_for_lack_of_memory_are_counted_and_told() {
    let Some(scratch) = Scratch::with(json!({"memory": {"limit": 8 << 20, "swap": 8 << 20}}))
    else {
        return;
    };
    let watch = scratch.cgroup.watch_oom().unwrap();
    assert_eq!(scratch.cgroup.oom_kills(), 0);
    let mut child = scratch.spawn("cat /dev/zero | tail -c 100m");
    assert!(!child.wait().unwrap().success());
    assert_eq!(scratch.cgroup.oom_kills(), 1);
    let mut poll = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::IN)];
    assert_eq!(
        rustix::event::poll(&mut poll, Some(&rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 })),
        Ok(1)
    );
    watch.clear();
}

#[test]
fn making_and_removing_is_quick() {
    let Some(path) = scratch_path() else { return };
    let flat = format!("/{}", path.trim_matches('/').replace('/', "-"));
    let resources = serde_json::from_value(json!({
        "memory": {"limit": 64 << 20}, "cpu": {"shares": 512}, "pids": {"limit": 17},
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        ],
    }))
    .unwrap();
    for path in [&flat, &path] {
        let mut times: Vec<(Duration, Duration)> = (0..50)
            .map(|_| {
                let start = Instant::now();
                let cgroup = Cgroup::create(path, &resources).unwrap();
                let made = start.elapsed();
                cgroup.remove(Duration::from_secs(1)).unwrap();
                (made, start.elapsed() - made)
            })
            .collect();
        times.sort();
        let (made, removed) = times[times.len() / 2];
        eprintln!("cgroup {path}: made in {made:?}, removed in {removed:?} (medians)");
        // Even on a busy machine.
        assert!(made < Duration::from_millis(20) && removed < Duration::from_millis(20));
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
