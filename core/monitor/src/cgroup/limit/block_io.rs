//! Block devices: Documentation/admin-guide/cgroup-v1/blkio-controller.rst, "IO" in cgroup-v2.rst, and
//! Documentation/block/bfq-iosched.rst: since CFQ went (Linux 5.0) weights work only with the scheduler BFQ, whose files have
//! names of their own, or with io.cost.

use super::{Setting, Settings, only_in_v1};
use crate::oci::{BlockIo, Resources, ThrottleDevice};

pub(super) fn v1(resources: &Resources) -> Settings {
    let Some(io) = &resources.block_io else { return Ok(Vec::new()) };
    let mut settings = Vec::new();
    if let Some(weight) = io.weight.filter(|w| *w != 0) {
        settings.push(
            Setting::new("block I/O weight", "blkio.weight", weight).or("blkio.bfq.weight", weight),
        );
    }
    if let Some(weight) = io.leaf_weight.filter(|w| *w != 0) {
        settings.push(Setting::new("block I/O leaf weight", "blkio.leaf_weight", weight));
    }
    for device in &io.weight_device {
        let value = |weight| format!("{}:{} {weight}", device.major, device.minor);
        if let Some(weight) = device.weight {
            settings.push(
                Setting::new("block I/O device weight", "blkio.weight_device", value(weight))
                    .or("blkio.bfq.weight_device", value(weight)),
            );
        }
        if let Some(weight) = device.leaf_weight {
            let file = "blkio.leaf_weight_device";
            settings.push(Setting::new("block I/O device leaf weight", file, value(weight)));
        }
    }
    for throttle in throttles(io) {
        for device in throttle.devices {
            let value = format!("{}:{} {}", device.major, device.minor, device.rate);
            settings.push(Setting::new(throttle.limit, throttle.v1, value));
        }
    }
    Ok(settings)
}

pub(super) fn v2(resources: &Resources) -> Settings {
    let Some(io) = &resources.block_io else { return Ok(Vec::new()) };
    if io.leaf_weight.is_some_and(|w| w != 0)
        || io.weight_device.iter().any(|d| d.leaf_weight.is_some())
    {
        return only_in_v1("block I/O leaf weight");
    }
    let mut settings = Vec::new();
    if let Some(weight) = io.weight.filter(|w| *w != 0) {
        settings.push(
            Setting::new("block I/O weight", "io.bfq.weight", weight)
                .or("io.weight", format!("default {}", io_weight(weight))),
        );
    }
    for device in &io.weight_device {
        if let Some(weight) = device.weight {
            let value = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
            settings.push(
                Setting::new("block I/O device weight", "io.bfq.weight", value(weight.into()))
                    .or("io.weight", value(io_weight(weight))),
            );
        }
    }
    for throttle in throttles(io) {
        for device in throttle.devices {
            // A rate of 0 takes the limit away, in v1 as 0 and in v2 as `max`.
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            let value = format!("{}:{} {}={rate}", device.major, device.minor, throttle.v2);
            settings.push(Setting::new(throttle.limit, "io.max", value));
        }
    }
    Ok(settings)
}

/// v2's weight (1 to 10000) for the document's (10 to 1000): the straight line between the ends, as
/// <https://github.com/opencontainers/runc/blob/main/docs/cgroup-v2.md> and crun(1) give it.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + u64::from(weight.clamp(10, 1000) - 10) * 9999 / 990
}

struct Throttle<'a> {
    limit: &'static str,
    v1: &'static str,
    v2: &'static str,
    devices: &'a [ThrottleDevice],
}

fn throttles(io: &BlockIo) -> [Throttle<'_>; 4] {
    let throttle = |limit, v1, v2, devices| Throttle { limit, v1, v2, devices };
    [
        throttle(
            "device read rate",
            "blkio.throttle.read_bps_device",
            "rbps",
            &io.throttle_read_bps_device,
        ),
        throttle(
            "device write rate",
            "blkio.throttle.write_bps_device",
            "wbps",
            &io.throttle_write_bps_device,
        ),
        throttle(
            "device read operations",
            "blkio.throttle.read_iops_device",
            "riops",
            &io.throttle_read_iops_device,
        ),
        throttle(
            "device write operations",
            "blkio.throttle.write_iops_device",
            "wiops",
            &io.throttle_write_iops_device,
        ),
    ]
}
