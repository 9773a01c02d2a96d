//! Processor time and processors: Documentation/scheduler/{sched-bwc,sched-rt-group}.rst for cgroup v1, "CPU" and
//! "Cpuset" in cgroup-v2.rst.

use super::{Setting, Settings, only_in_v1};
use crate::oci::Resources;

pub(super) fn sets(resources: &Resources) -> Settings {
    let Some(cpu) = &resources.cpu else { return Ok(Vec::new()) };
    let mut settings = Vec::new();
    if !cpu.cpus.is_empty() {
        settings.push(Setting::new("processors", "cpuset.cpus", &cpu.cpus));
    }
    if !cpu.mems.is_empty() {
        settings.push(Setting::new("memory nodes", "cpuset.mems", &cpu.mems));
    }
    Ok(settings)
}

pub(super) fn v1(resources: &Resources) -> Settings {
    let Some(cpu) = &resources.cpu else { return Ok(Vec::new()) };
    let mut settings = Vec::new();
    if let Some(shares) = cpu.shares.filter(|s| *s != 0) {
        settings.push(Setting::new("CPU shares", "cpu.shares", shares));
    }
    if let Some(period) = cpu.period.filter(|p| *p != 0) {
        settings.push(Setting::new("CPU period", "cpu.cfs_period_us", period));
    }
    if let Some(quota) = cpu.quota.filter(|q| *q != 0) {
        settings.push(Setting::new("CPU quota", "cpu.cfs_quota_us", quota.max(-1)));
    }
    if let Some(burst) = cpu.burst {
        settings.push(Setting::new("CPU burst", "cpu.cfs_burst_us", burst));
    }
    if let Some(period) = cpu.realtime_period.filter(|p| *p != 0) {
        settings.push(Setting::new("CPU real-time period", "cpu.rt_period_us", period));
    }
    if let Some(runtime) = cpu.realtime_runtime.filter(|r| *r != 0) {
        settings.push(Setting::new("CPU real-time runtime", "cpu.rt_runtime_us", runtime));
    }
    if let Some(idle) = cpu.idle {
        settings.push(Setting::new("CPU idle", "cpu.idle", idle));
    }
    Ok(settings)
}

pub(super) fn v2(resources: &Resources) -> Settings {
    let Some(cpu) = &resources.cpu else { return Ok(Vec::new()) };
    if cpu.realtime_period.is_some_and(|p| p != 0) {
        return only_in_v1("CPU real-time period");
    }
    if cpu.realtime_runtime.is_some_and(|r| r != 0) {
        return only_in_v1("CPU real-time runtime");
    }
    let mut settings = Vec::new();
    if let Some(shares) = cpu.shares.filter(|s| *s != 0) {
        settings.push(Setting::new("CPU shares", "cpu.weight", weight(shares)));
    }
    let quota = cpu.quota.filter(|q| *q != 0);
    let quota = quota.map(|q| if q < 0 { "max".to_owned() } else { q.to_string() });
    match (quota, cpu.period.filter(|p| *p != 0)) {
        (None, None) => {}
        (Some(quota), None) => settings.push(Setting::new("CPU quota", "cpu.max", quota)),
        (None, Some(period)) => {
            settings.push(Setting::new("CPU period", "cpu.max", format!("max {period}")));
        }
        (Some(quota), Some(period)) => {
            settings.push(Setting::new("CPU quota", "cpu.max", format!("{quota} {period}")));
        }
    }
    if let Some(burst) = cpu.burst {
        settings.push(Setting::new("CPU burst", "cpu.max.burst", burst));
    }
    if let Some(idle) = cpu.idle {
        settings.push(Setting::new("CPU idle", "cpu.idle", idle));
    }
    Ok(settings)
}

/// v2's weight (1 to 10000, 100 is usual) for v1's shares (2 to 262144, 1024 is usual).
///
/// The curve goes through all three pairs. runc and crun have used it since 2025 (opencontainers/cgroups#20); the straight
/// line that Kubernetes defined before (KEP-2254) gave the usual container a weight of 39, less than half of what any
/// other process of the machine has.
pub(super) fn weight(shares: u64) -> u64 {
    // 2 to the power of 18 and more than 2: the logarithm is exact enough that rounding up needs a little tolerance only.
    let log = (shares.clamp(2, 262_144) as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(exponent) - 1e-6).ceil() as u64
}
