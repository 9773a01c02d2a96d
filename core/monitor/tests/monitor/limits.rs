//! Limits: in the container's own cgroup, and refused by name when they cannot be applied.

use barque_monitor::protocol::{Event, FailureClass};
use serde_json::json;

use crate::bench::{Bench, set};

#[test]
fn limits_hold_for_process_1() {
    let bench = Bench::new();
    let mut launch = bench.launch(&["/bin/sleep", "1000"]);
    let resources = json!({
        "memory": {"limit": 64 << 20, "swap": 64 << 20},
        "cpu": {"shares": 256, "quota": 20000, "period": 100000, "cpus": "0"},
        "pids": {"limit": 9},
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "access": "m"},
            {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
        ],
    });
    set(&mut launch, "/linux/resources", resources);
    let mut running = bench.start(&launch);
    let pid = running.started();
    let mut seen = 0;
    for line in std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap().lines() {
        let fields: Vec<&str> = line.splitn(3, ':').collect();
        assert_eq!(fields[2], bench.cgroup, "{line}");
        let name = fields[1].trim_start_matches("name=");
        let directory = match name {
            "" if std::path::Path::new("/sys/fs/cgroup/unified").exists() => {
                "/sys/fs/cgroup/unified".to_owned()
            }
            "" => "/sys/fs/cgroup".to_owned(),
            name => format!("/sys/fs/cgroup/{name}"),
        };
        for (file, value) in [
            ("memory.limit_in_bytes", "67108864"),
            ("memory.max", "67108864"),
            ("cpu.shares", "256"),
            ("cpu.cfs_quota_us", "20000"),
            ("cpu.max", "20000 100000"),
            ("cpuset.cpus", "0"),
            ("pids.max", "9"),
            ("devices.list", "c *:* m\nc 1:3 rwm"),
        ] {
            if let Ok(now) = std::fs::read_to_string(format!("{directory}{}/{file}", bench.cgroup))
            {
                assert_eq!(now.trim(), value, "{file}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "only {seen} limits were found");
    running.connect().ask(barque_monitor::protocol::Request::Kill { signal: 9 });
    running.wire.exited();
}

#[test]
fn a_limit_that_cannot_be_applied_fails_the_start_by_name() {
    let bench = Bench::new();
    for (resources, words) in [
        (json!({"cpu": {"cpus": "999"}}), &["processors", "cpuset.cpus", "999"][..]),
        (json!({"memory": {"limit": 8 << 20, "swap": 4 << 20}}), &["memory and swap limit"]),
        (json!({"unified": {"memory.nonesuch": "5"}}), &["memory.nonesuch"]),
    ] {
        let mut launch = bench.script("true");
        set(&mut launch, "/linux/resources", resources);
        let mut running = bench.start(&launch);
        let Event::Failed { failure } = running.wire.event() else { panic!("{words:?}") };
        assert!(words.iter().all(|w| failure.message.contains(w)), "{}", failure.message);
        assert!(matches!(failure.class, FailureClass::Invalid | FailureClass::Unsupported));
        bench.assert_gone();
        running.wire.closed();
    }
}

#[test]
fn a_number_of_processes_is_a_limit_of_the_container() {
    let bench = Bench::new();
    let mut launch = bench.script("for n in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait");
    set(&mut launch, "/linux/resources", json!({"pids": {"limit": 4}}));
    let (_, stderr, state) = bench.run(launch);
    assert!(String::from_utf8_lossy(&stderr).contains("can't fork"), "{stderr:?}");
    assert_ne!(state.exit_code, 0);
}
