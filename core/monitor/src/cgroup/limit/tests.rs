use super::*;
use serde_json::json;

fn resources(document: serde_json::Value) -> Resources {
    serde_json::from_value(document).unwrap()
}

fn written(settings: Settings) -> Vec<String> {
    settings.unwrap().into_iter().map(|s| format!("{}={}", s.file, s.value)).collect()
}

#[test]
fn memory_becomes_the_files_of_each_version() {
    let r = resources(json!({"memory": {"limit": 1000, "swap": 1500, "reservation": 500}}));
    assert_eq!(
        written(memory::v1(&r)),
        [
            "memory.limit_in_bytes=1000",
            "memory.soft_limit_in_bytes=500",
            "memory.memsw.limit_in_bytes=1500"
        ]
    );
    assert_eq!(
        written(memory::v2(&r)),
        ["memory.max=1000", "memory.low=500", "memory.swap.max=500"]
    );
    let r = resources(json!({"memory": {"limit": 1000, "swap": -1}}));
    assert_eq!(written(memory::v2(&r)), ["memory.max=1000", "memory.swap.max=max"]);
}

#[test]
fn swap_below_memory_is_refused() {
    for memory in [json!({"limit": 10, "swap": 5}), json!({"swap": 5}), json!({"limit": -2})] {
        let r = resources(json!({ "memory": memory }));
        assert!(memory::v1(&r).is_err());
        assert!(memory::v2(&r).is_err());
    }
}

#[test]
fn zero_is_no_limit() {
    let r = resources(json!({
        "memory": {"limit": 0, "swap": 0, "reservation": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": ""},
        "pids": {"limit": 0},
        "blockIO": {"weight": 0},
    }));
    for section in SECTIONS {
        assert_eq!(written((section.v1)(&r)), [""; 0]);
        assert_eq!(written((section.v2)(&r)), [""; 0]);
    }
}

#[test]
fn what_v2_has_not_is_refused_there() {
    for (section, document) in [
        ("memory", json!({"memory": {"swappiness": 10}})),
        ("memory", json!({"memory": {"disableOOMKiller": true}})),
        ("memory", json!({"memory": {"kernel": 10}})),
        ("cpu", json!({"cpu": {"realtimeRuntime": 10}})),
        ("blkio", json!({"blockIO": {"leafWeight": 10}})),
    ] {
        let r = resources(document);
        let section = SECTIONS.iter().find(|s| s.names.0 == section).unwrap();
        assert!((section.v1)(&r).is_ok());
        assert!((section.v2)(&r).unwrap_err().message.contains("cgroup v2 has no such limit"));
    }
}

#[test]
fn cpu_time_becomes_the_files_of_each_version() {
    let r = resources(json!({"cpu": {"shares": 512, "quota": 50000, "period": 100000}}));
    assert_eq!(
        written(cpu::v1(&r)),
        ["cpu.shares=512", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]
    );
    assert_eq!(written(cpu::v2(&r)), ["cpu.weight=59", "cpu.max=50000 100000"]);
    let r = resources(json!({"cpu": {"quota": -1}}));
    assert_eq!(written(cpu::v1(&r)), ["cpu.cfs_quota_us=-1"]);
    assert_eq!(written(cpu::v2(&r)), ["cpu.max=max"]);
}

#[test]
fn shares_and_weights_have_the_same_ends_and_middle() {
    assert_eq!([0, 2, 1024, 262_144, 1 << 40].map(cpu::weight), [1, 1, 100, 10_000, 10_000]);
    assert_eq!([10, 500, 1000].map(block_io::io_weight), [1, 4950, 10_000]);
    let mut weights = (2..262_144).step_by(97).map(cpu::weight);
    let mut last = weights.next().unwrap();
    assert!(weights.all(|w| std::mem::replace(&mut last, w) <= w));
}

#[test]
fn block_devices_become_the_files_of_each_version() {
    let r = resources(json!({"blockIO": {
        "weight": 500,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 10}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1048576}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 100}],
    }}));
    assert_eq!(
        written(block_io::v1(&r)),
        [
            "blkio.weight=500",
            "blkio.weight_device=8:0 10",
            "blkio.throttle.read_bps_device=8:0 1048576",
            "blkio.throttle.write_iops_device=8:0 100"
        ]
    );
    let v2 = block_io::v2(&r).unwrap();
    assert_eq!(v2[0].otherwise, Some(("io.weight", "default 4950".to_owned())));
    assert_eq!(v2[1].otherwise, Some(("io.weight", "8:0 1".to_owned())));
    assert_eq!(
        written(Ok(v2)),
        [
            "io.bfq.weight=500",
            "io.bfq.weight=8:0 10",
            "io.max=8:0 rbps=1048576",
            "io.max=8:0 wiops=100"
        ]
    );
}

#[test]
fn v2_controllers_are_wanted_for_what_v1_has_not() {
    let r = resources(json!({
        "memory": {"limit": 1}, "pids": {"limit": 5}, "cpu": {"cpus": "0"},
        "unified": {"hugetlb.2MB.max": "0", "cgroup.max.depth": "3"},
    }));
    assert_eq!(wanted_of_v2(&r, |_| false).unwrap(), ["cpuset", "memory", "pids", "hugetlb"]);
    assert_eq!(wanted_of_v2(&r, |c| c != "hugetlb").unwrap(), ["hugetlb"]);
}

#[test]
fn names_of_files_do_not_lead_elsewhere() {
    for file in ["../memory.max", "x", ".x", "a.b/c"] {
        assert!(small::unified(&resources(json!({"unified": {file: "1"}}))).is_err(), "{file}");
    }
    let r = resources(json!({"hugepageLimits": [{"pageSize": "2MB/../x", "limit": 1}]}));
    assert!(small::huge_pages_v2(&r).is_err());
}
