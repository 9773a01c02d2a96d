//! Memory: Documentation/admin-guide/cgroup-v1/memory.rst, and "Memory" in cgroup-v2.rst.

use super::{Setting, Settings, only_in_v1};
use crate::oci::{Memory, Resources};
use crate::protocol::Failure;

/// The limits that are set, and how they hang together.
fn checked(resources: &Resources) -> Result<Memory, Failure> {
    let mut memory = resources.memory.clone().unwrap_or_default();
    let set = |value: Option<i64>| value.filter(|v| *v != 0);
    memory.limit = set(memory.limit);
    memory.swap = set(memory.swap);
    memory.reservation = set(memory.reservation);
    for (name, value) in [
        ("memory limit", memory.limit),
        ("memory and swap limit", memory.swap),
        ("memory reservation", memory.reservation),
    ] {
        if let Some(value) = value.filter(|v| *v < -1) {
            return Err(Failure::invalid(format!("{name} of {value} bytes")));
        }
    }
    match (memory.limit.unwrap_or(-1), memory.swap.unwrap_or(-1)) {
        (limit, swap) if swap > 0 && limit < 0 => Err(Failure::invalid(format!(
            "memory and swap limit of {swap} bytes without a memory limit"
        ))),
        (limit, swap) if swap > 0 && swap < limit => Err(Failure::invalid(format!(
            "memory and swap limit of {swap} bytes is below the memory limit of {limit} bytes"
        ))),
        _ => Ok(memory),
    }
}

/// Without swap in the kernel nothing can be swapped out, and the files that limit it do not exist.
fn kernel_has_no_swap() -> bool {
    !std::path::Path::new("/proc/swaps").exists()
}

pub(super) fn v1(resources: &Resources) -> Settings {
    let memory = checked(resources)?;
    let mut settings = Vec::new();
    let mut set = |limit, file: &'static str, value: Option<i64>| {
        settings.extend(value.map(|v| Setting::new(limit, file, v)));
    };
    set("memory limit", "memory.limit_in_bytes", memory.limit);
    set("memory reservation", "memory.soft_limit_in_bytes", memory.reservation);
    set("kernel memory limit", "memory.kmem.limit_in_bytes", memory.kernel);
    set("kernel TCP memory limit", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp);
    if let Some(swap) = memory.swap {
        settings.push(
            Setting::new("memory and swap limit", "memory.memsw.limit_in_bytes", swap)
                .optional(kernel_has_no_swap()),
        );
    }
    if let Some(swappiness) = memory.swappiness {
        settings.push(Setting::new("memory swappiness", "memory.swappiness", swappiness));
    }
    if memory.disable_oom_killer == Some(true) {
        settings.push(Setting::new("OOM killer setting", "memory.oom_control", 1));
    }
    Ok(settings)
}

pub(super) fn v2(resources: &Resources) -> Settings {
    let memory = checked(resources)?;
    for (limit, is_set) in [
        ("kernel memory limit", memory.kernel.is_some()),
        ("kernel TCP memory limit", memory.kernel_tcp.is_some()),
        ("memory swappiness", memory.swappiness.is_some()),
        ("OOM killer setting", memory.disable_oom_killer == Some(true)),
    ] {
        if is_set {
            return only_in_v1(limit);
        }
    }
    let mut settings = Vec::new();
    if let Some(limit) = memory.limit {
        settings.push(Setting::new("memory limit", "memory.max", max_or(limit)));
    }
    if let Some(reservation) = memory.reservation {
        settings.push(Setting::new("memory reservation", "memory.low", max_or(reservation)));
    }
    if let Some(swap) = memory.swap {
        // v2 counts swap by itself, the document counts it together with memory.
        let swap = if swap < 0 { -1 } else { swap - memory.limit.unwrap_or(0) };
        settings.push(
            Setting::new("memory and swap limit", "memory.swap.max", max_or(swap))
                .optional(kernel_has_no_swap()),
        );
    }
    Ok(settings)
}

/// cgroup v2's way to write a number of which -1 means "no limit".
pub(super) fn max_or(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}
