//! Limits: `HostConfig`'s resources as the runtime specification's.
//!
//! The ranges are Docker's, and so are the messages. What this machine can't limit is refused, where Docker drops the limit
//! and warns; only a limit that nobody asked for (of swap, which follows from the one of memory) is left out.

use barque_monitor::oci::{
    BlockIo, Cpu, Memory, Pids, Resources, Rlimit, ThrottleDevice, WeightDevice,
};

use super::host::{DeviceNode, Host, HostFacts};
use crate::api::{self, HostConfig};
use crate::error::{Error, Result};
use crate::shorthand;

/// Less memory than this and not even a process can be started.
const LEAST_MEMORY: i64 = 6 << 20;
/// Length of a CPU period, microseconds: what a fraction of a CPU is a fraction of.
const PERIOD: i64 = 100_000;
const BILLION: i64 = 1_000_000_000;

/// All limits of cgroups but those of devices; and what the caller should know.
pub(super) fn plan(host_config: &HostConfig, host: &dyn Host) -> Result<(Resources, Vec<String>)> {
    let mut warnings = Vec::new();
    let facts = host.facts();
    let resources = Resources {
        memory: memory(host_config, facts, &mut warnings)?,
        cpu: cpu(host_config, facts)?,
        pids: pids(host_config)?,
        block_io: block_io(host_config, host)?,
        ..Resources::default()
    };
    Ok((resources, warnings))
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid(message))
}

fn memory(c: &HostConfig, facts: &HostFacts, warnings: &mut Vec<String>) -> Result<Option<Memory>> {
    if c.memory < 0 || (c.memory > 0 && c.memory < LEAST_MEMORY) {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if c.memory_reservation < 0 || (c.memory_reservation > 0 && c.memory_reservation < LEAST_MEMORY)
    {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if c.memory > 0 && c.memory < c.memory_reservation {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        );
    }
    if c.memory_swap < -1 {
        return invalid(format!(
            "invalid memory swap limit: {}: use -1 for unlimited swap",
            c.memory_swap
        ));
    }
    if c.memory_swap > 0 && c.memory == 0 {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage",
        );
    }
    if c.memory_swap > 0 && c.memory_swap < c.memory {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    let positive = |bytes: i64| (bytes > 0).then_some(bytes);
    let swap = match c.memory_swap {
        0 if c.memory == 0 => None,
        0 if facts.swap_limit => Some(c.memory.saturating_mul(2)),
        0 => {
            warnings.push("this host cannot limit swap: memory limited without swap".to_owned());
            None
        }
        -1 if c.memory == 0 => None,
        -1 => facts.swap_limit.then_some(-1),
        _ if !facts.swap_limit => {
            return Err(Error::unsupported(
                "memory swap limit: this host's kernel does not limit swap",
            ));
        }
        limit => Some(limit),
    };
    let swappiness = match c.memory_swappiness {
        None | Some(-1) => None,
        Some(value @ 0..=100) if !facts.cgroup_v2 => Some(value.unsigned_abs()),
        Some(0..=100) => {
            return Err(Error::unsupported("memory swappiness cannot be set with cgroup v2"));
        }
        Some(value) => {
            return invalid(format!(
                "invalid value: {value}, valid memory swappiness range is 0-100"
            ));
        }
    };
    let disable_oom_killer = c.oom_kill_disable.unwrap_or(false);
    if disable_oom_killer && facts.cgroup_v2 {
        return Err(Error::unsupported("the OOM killer cannot be disabled with cgroup v2"));
    }
    if disable_oom_killer && c.memory == 0 {
        warnings.push(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running \
             out of resources."
                .to_owned(),
        );
    }
    let memory = Memory {
        limit: positive(c.memory),
        reservation: positive(c.memory_reservation),
        swap,
        swappiness,
        disable_oom_killer: disable_oom_killer.then_some(true),
        ..Memory::default()
    };
    Ok((memory != Memory::default()).then_some(memory))
}

fn cpu(c: &HostConfig, facts: &HostFacts) -> Result<Option<Cpu>> {
    if c.nano_cpus > 0 && c.cpu_period > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if c.nano_cpus > 0 && c.cpu_quota > 0 {
        return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    if c.nano_cpus < 0 || c.nano_cpus > i64::from(facts.cpus) * BILLION {
        return invalid(format!(
            "range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available",
            facts.cpus
        ));
    }
    if c.cpu_shares < 0 {
        return invalid(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            c.cpu_shares
        ));
    }
    match c.cpu_shares {
        1 => return invalid("the minimum allowed cpu-shares is 2"),
        262_145.. => return invalid("the maximum allowed cpu-shares is 262144"),
        _ => {}
    }
    if c.cpu_period != 0 && !(1_000..=1_000_000).contains(&c.cpu_period) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if c.cpu_quota > 0 && c.cpu_quota < 1_000 {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if c.cpu_realtime_period < 0 || c.cpu_realtime_runtime < 0 {
        return invalid("CPU real-time period and runtime cannot be negative");
    }
    if c.cpu_realtime_runtime > 0 && c.cpu_realtime_runtime > c.cpu_realtime_period {
        return invalid("cpu real-time runtime cannot be higher than cpu real-time period");
    }
    if (c.cpu_realtime_period != 0 || c.cpu_realtime_runtime != 0) && facts.cgroup_v2 {
        return Err(Error::unsupported("CPU real-time limits cannot be set with cgroup v2"));
    }
    let (quota, period) = if c.nano_cpus > 0 {
        let quota = i128::from(c.nano_cpus) * i128::from(PERIOD) / i128::from(BILLION);
        // Rounded down to less than the kernel's least, 1 ms (sched/core.c, min_cfs_quota_period).
        (Some(quota as i64), Some(PERIOD.unsigned_abs()))
    } else {
        (nonzero(c.cpu_quota), u64::try_from(c.cpu_period).ok().filter(|period| *period != 0))
    };
    if c.nano_cpus > 0 && quota.is_some_and(|quota| quota < 1_000) {
        return invalid(format!(
            "range of CPUs is from 0.01 to {0}.00, as there are only {0} CPUs available",
            facts.cpus
        ));
    }
    let cpu = Cpu {
        shares: u64::try_from(c.cpu_shares).ok().filter(|shares| *shares != 0),
        quota,
        period,
        realtime_runtime: nonzero(c.cpu_realtime_runtime),
        realtime_period: u64::try_from(c.cpu_realtime_period).ok().filter(|period| *period != 0),
        cpus: set("CPUs", "cpus", &c.cpuset_cpus, &facts.cpuset_cpus)?,
        mems: set("memory nodes", "mems", &c.cpuset_mems, &facts.cpuset_mems)?,
        ..Cpu::default()
    };
    Ok((cpu != Cpu::default()).then_some(cpu))
}

fn nonzero(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

/// Check that a list such as `0-2,7` is one, and part of what there is.
fn set(what: &str, field: &str, asked: &str, available: &str) -> Result<String> {
    if asked.is_empty() {
        return Ok(String::new());
    }
    let Some(wanted) = ranges(asked) else {
        return invalid(format!("invalid value {asked} for cpuset {field}"));
    };
    let there = ranges(available).unwrap_or_default();
    let is_there =
        |number: u32| there.iter().any(|(first, last)| (*first..=*last).contains(&number));
    let all_there = wanted.iter().all(|(first, last)| (*first..=*last).all(is_there));
    if !available.is_empty() && !all_there {
        return invalid(format!(
            "requested {what} are not available - requested {asked}, available: {available}"
        ));
    }
    Ok(asked.to_owned())
}

fn ranges(text: &str) -> Option<Vec<(u32, u32)>> {
    // More than any kernel has (NR_CPUS is at most 8,192).
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u32>().ok()).flatten().filter(|number| *number < 65_536)
    };
    text.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        })
        .collect()
}

fn pids(c: &HostConfig) -> Result<Option<Pids>> {
    match c.pids_limit {
        None | Some(0 | -1) => Ok(None),
        Some(limit) if limit > 0 => Ok(Some(Pids { limit })),
        Some(limit) => invalid(format!("invalid pids limit: {limit}: use -1 for no limit")),
    }
}

fn block_io(c: &HostConfig, host: &dyn Host) -> Result<Option<BlockIo>> {
    let weight_range = |weight: u16| weight == 0 || (10..=1000).contains(&weight);
    if !weight_range(c.blkio_weight) {
        return invalid("range of blkio weight is from 10 to 1000");
    }
    let weights = c.blkio_weight_device.iter().map(|device: &api::WeightDevice| {
        if !weight_range(device.weight) {
            return invalid(format!("range of blkio weight of {} is from 10 to 1000", device.path));
        }
        let node = block_device(host, &device.path)?;
        Ok(WeightDevice {
            major: node.major,
            minor: node.minor,
            weight: Some(device.weight),
            leaf_weight: None,
        })
    });
    let rates = |devices: &[api::ThrottleDevice]| -> Result<Vec<ThrottleDevice>> {
        let rate = |device: &api::ThrottleDevice| {
            let node = block_device(host, &device.path)?;
            Ok(ThrottleDevice { major: node.major, minor: node.minor, rate: device.rate })
        };
        devices.iter().map(rate).collect()
    };
    let block_io = BlockIo {
        weight: (c.blkio_weight != 0).then_some(c.blkio_weight),
        leaf_weight: None,
        weight_device: weights.collect::<Result<_>>()?,
        throttle_read_bps_device: rates(&c.blkio_device_read_bps)?,
        throttle_write_bps_device: rates(&c.blkio_device_write_bps)?,
        throttle_read_iops_device: rates(&c.blkio_device_read_iops)?,
        throttle_write_iops_device: rates(&c.blkio_device_write_iops)?,
    };
    Ok((block_io != BlockIo::default()).then_some(block_io))
}

fn block_device(host: &dyn Host, path: &str) -> Result<DeviceNode> {
    let nodes = host
        .devices(path)
        .map_err(|error| Error::invalid(format!("limit the device {path}")).because(error))?;
    match &nodes[..] {
        [node] if node.kind == 'b' => Ok(node.clone()),
        _ => invalid(format!("limit the device {path}: not a block device")),
    }
}

/// `Ulimits`; the last of a name counts.
pub(super) fn rlimits(ulimits: &[api::Ulimit]) -> Result<Vec<Rlimit>> {
    let mut limits: Vec<Rlimit> = Vec::new();
    for ulimit in ulimits {
        shorthand::check_ulimit(ulimit)?;
        let number = |limit: i64| u64::try_from(limit).unwrap_or(u64::MAX);
        let kind = format!("RLIMIT_{}", ulimit.name.to_ascii_uppercase());
        limits.retain(|limit| limit.kind != kind);
        limits.push(Rlimit { kind, soft: number(ulimit.soft), hard: number(ulimit.hard) });
    }
    Ok(limits)
}
