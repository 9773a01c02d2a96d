//! Limits, and what Docker says about wrong ones.

use serde_json::{Value, json};

use super::{TestHost, image, invalid, plan_of, plan_with, spec_of, unsupported};

fn resources(host_config: Value) -> Value {
    spec_of(host_config)["linux"]["resources"].clone()
}

fn refused(host_config: Value) -> String {
    invalid(json!({"HostConfig": host_config}))
}

const MIB: i64 = 1 << 20;

#[test]
fn no_limits_are_no_limits() {
    let resources = resources(json!({"PidsLimit": -1, "MemorySwap": -1}));
    assert_eq!(resources.as_object().unwrap().keys().collect::<Vec<_>>(), ["devices"]);
}

#[test]
fn swap_is_as_much_as_memory_unless_said_otherwise() {
    let memory = |host_config| resources(host_config)["memory"].clone();
    assert_eq!(memory(json!({"Memory": 64 * MIB})), json!({"limit": 64 * MIB, "swap": 128 * MIB}));
    assert_eq!(
        memory(json!({"Memory": "64m", "MemorySwap": "-1"})),
        json!({"limit": 64 * MIB, "swap": -1})
    );
    assert_eq!(
        memory(json!({"Memory": 64 * MIB, "MemorySwap": 64 * MIB})),
        json!({"limit": 64 * MIB, "swap": 64 * MIB})
    );
    assert_eq!(memory(json!({"Memory": i64::MAX})), json!({"limit": i64::MAX, "swap": i64::MAX}));
    assert_eq!(memory(json!({"MemoryReservation": 32 * MIB})), json!({"reservation": 32 * MIB}));
}

#[test]
fn memory_limits_are_checked() {
    let see_usage = "Minimum memory limit can not be less than memory reservation limit, see usage";
    for (host_config, message) in [
        (json!({"Memory": 6 * MIB - 1}), "Minimum memory limit allowed is 6MB"),
        (json!({"Memory": -1}), "Minimum memory limit allowed is 6MB"),
        (json!({"MemoryReservation": 1}), "Minimum memory reservation allowed is 6MB"),
        (json!({"Memory": 8 * MIB, "MemoryReservation": 9 * MIB}), see_usage),
        (
            json!({"Memory": 8 * MIB, "MemorySwap": 7 * MIB}),
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        (
            json!({"MemorySwap": 8 * MIB}),
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        ),
        (json!({"MemorySwap": -2}), "invalid memory swap limit: -2: use -1 for unlimited swap"),
        (
            json!({"MemorySwappiness": 101}),
            "invalid value: 101, valid memory swappiness range is 0-100",
        ),
        (
            json!({"MemorySwappiness": -2}),
            "invalid value: -2, valid memory swappiness range is 0-100",
        ),
    ] {
        assert_eq!(refused(host_config.clone()), message, "{host_config}");
    }
    assert_eq!(resources(json!({"Memory": 6 * MIB}))["memory"]["limit"], 6 * MIB);
    assert_eq!(resources(json!({"MemorySwappiness": 0}))["memory"], json!({"swappiness": 0}));
    assert_eq!(resources(json!({"MemorySwappiness": -1})).get("memory"), None);
}

#[test]
fn an_oom_killer_that_is_off_without_a_limit_is_warned_about() {
    let plan = plan_of(json!({"HostConfig": {"OomKillDisable": true}}));
    assert_eq!(plan.warnings.len(), 1);
    let plan = plan_of(json!({"HostConfig": {"OomKillDisable": true, "Memory": 64 * MIB}}));
    assert!(plan.warnings.is_empty());
}

#[test]
fn fractions_of_cpus_are_a_quota() {
    let cpu = |host_config| resources(host_config)["cpu"].clone();
    assert_eq!(
        cpu(json!({"NanoCpus": 1_500_000_000})),
        json!({"quota": 150_000, "period": 100_000})
    );
    assert_eq!(cpu(json!({"NanoCpus": 10_000_000})), json!({"quota": 1_000, "period": 100_000}));
    assert_eq!(cpu(json!({"CpuQuota": -1})), json!({"quota": -1}));
    assert_eq!(
        cpu(json!({"CpuShares": 512, "CpusetCpus": "0,2-3"})),
        json!({"shares": 512, "cpus": "0,2-3"})
    );
}

#[test]
fn cpu_limits_are_checked() {
    let range = "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available";
    for (host_config, message) in [
        (json!({"NanoCpus": 4_000_000_001_i64}), range),
        (json!({"NanoCpus": -1}), range),
        (json!({"NanoCpus": 9_999_999}), range),
        (
            json!({"NanoCpus": 1_000_000_000, "CpuPeriod": 1000}),
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        (
            json!({"NanoCpus": 1_000_000_000, "CpuQuota": 1000}),
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ),
        (json!({"CpuShares": -1}), "invalid CPU shares (-1): value must be a positive integer"),
        (json!({"CpuShares": 1}), "the minimum allowed cpu-shares is 2"),
        (json!({"CpuShares": 262_145}), "the maximum allowed cpu-shares is 262144"),
        (
            json!({"CpuPeriod": 999}),
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        (json!({"CpuQuota": 999}), "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        (
            json!({"CpusetCpus": "2-4"}),
            "requested CPUs are not available - requested 2-4, available: 0-3",
        ),
        (json!({"CpusetCpus": "a"}), "invalid value a for cpuset cpus"),
        (json!({"CpusetCpus": "3-1"}), "invalid value 3-1 for cpuset cpus"),
        (json!({"CpusetCpus": "0-99999999"}), "invalid value 0-99999999 for cpuset cpus"),
        (
            json!({"CpusetMems": "1"}),
            "requested memory nodes are not available - requested 1, available: 0",
        ),
        (
            json!({"CpuRealtimeRuntime": 2, "CpuRealtimePeriod": 1}),
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ),
    ] {
        assert_eq!(refused(host_config.clone()), message, "{host_config}");
    }
}

#[test]
fn block_devices_are_named_by_their_numbers() {
    let throttled = json!([{"major": 253, "minor": 0, "rate": 1024}]);
    let block_io = resources(json!({"BlkioDeviceReadBps": [{"Path": "/dev/dm-0", "Rate": 1024}]}))
        ["blockIO"]
        .clone();
    assert_eq!(block_io, json!({"throttleReadBpsDevice": throttled}));
    assert_eq!(refused(json!({"BlkioWeight": 9})), "range of blkio weight is from 10 to 1000");
    assert_eq!(refused(json!({"BlkioWeight": 1001})), "range of blkio weight is from 10 to 1000");
    assert!(
        refused(json!({"BlkioDeviceReadBps": [{"Path": "/dev/fuse", "Rate": 1}]}))
            .contains("not a block device")
    );
    assert!(
        refused(json!({"BlkioDeviceReadBps": [{"Path": "/dev/no", "Rate": 1}]}))
            .contains("/dev/no")
    );
    assert!(
        refused(json!({"BlkioWeightDevice": [{"Path": "/dev/dm-0", "Weight": 5}]}))
            .contains("/dev/dm-0")
    );
}

#[test]
fn processes_and_resource_limits() {
    assert_eq!(resources(json!({"PidsLimit": 10}))["pids"], json!({"limit": 10}));
    assert_eq!(refused(json!({"PidsLimit": -2})), "invalid pids limit: -2: use -1 for no limit");
    let ulimits = json!([{"Name": "nofile", "Soft": 1, "Hard": 2}, {"Name": "nofile", "Soft": -1, "Hard": -1}]);
    assert_eq!(
        spec_of(json!({"Ulimits": ulimits}))["process"]["rlimits"],
        json!([{"type": "RLIMIT_NOFILE", "soft": u64::MAX, "hard": u64::MAX}])
    );
    assert_eq!(
        refused(json!({"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]})),
        "ulimit soft limit must be less than or equal to hard limit: 2 > 1"
    );
    assert_eq!(refused(json!({"Ulimits": [{"Name": "x"}]})), "invalid ulimit type: x");
    assert_eq!(
        refused(json!({"OomScoreAdj": 1001})),
        "invalid value 1001, range for oom score adj is [-1000, 1000]"
    );
    assert_eq!(refused(json!({"ShmSize": -1})), "SHM size can not be less than 0");
}

#[test]
fn what_the_machine_cannot_limit_is_refused_when_it_was_asked_for() {
    let mut host = TestHost::default();
    host.facts.cgroup_v2 = true;
    for host_config in [
        json!({"MemorySwappiness": 10}),
        json!({"OomKillDisable": true}),
        json!({"CpuRealtimePeriod": 1000}),
    ] {
        unsupported(json!({"HostConfig": host_config}), &host);
    }
    host.facts.swap_limit = false;
    unsupported(json!({"HostConfig": {"Memory": 64 * MIB, "MemorySwap": 65 * MIB}}), &host);
    let plan = plan_with(json!({"HostConfig": {"Memory": 64 * MIB}}), &image(), &host).unwrap();
    assert_eq!(plan.launch.spec.linux.resources.unwrap().memory.unwrap().limit, Some(64 * MIB));
    assert_eq!(plan.warnings.len(), 1);
}
