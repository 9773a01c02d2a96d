//! What a request may ask for and this version does not do yet. Whoever implements a field deletes its row.
//!
//! Refused and not ignored: a container without the volume or the port it asked for is not the container that was asked
//! for.

use crate::api::ContainerCreate;
use crate::error::{Error, Result};

type Row = (&'static str, fn(&ContainerCreate) -> bool);

/// A field, and whether a request uses it.
const NOT_YET: &[Row] = &[
    ("HostConfig.Cgroup", |c| !c.host_config.cgroup.is_empty()),
    ("HostConfig.StorageOpt", |c| !c.host_config.storage_opt.is_empty()),
    ("HostConfig.DeviceRequests", |c| !c.host_config.device_requests.is_empty()),
];

/// What there is no sense in on Linux, or no more.
const NEVER: &[Row] = &[
    ("ArgsEscaped", |c| c.args_escaped),
    ("HostConfig.Isolation", |c| !matches!(c.host_config.isolation.as_str(), "" | "default")),
    ("HostConfig.CpuCount", |c| c.host_config.cpu_count != 0),
    ("HostConfig.CpuPercent", |c| c.host_config.cpu_percent != 0),
    ("HostConfig.IOMaximumIOps", |c| c.host_config.io_maximum_iops != 0),
    ("HostConfig.IOMaximumBandwidth", |c| c.host_config.io_maximum_bandwidth != 0),
    ("HostConfig.KernelMemory", |c| c.host_config.kernel_memory != 0),
    ("HostConfig.KernelMemoryTCP", |c| c.host_config.kernel_memory_tcp != 0),
];

/// Refuse a request that uses one of them.
pub(super) fn refuse(create: &ContainerCreate) -> Result<()> {
    if let Some((field, _)) = NOT_YET.iter().find(|(_, used)| used(create)) {
        return Err(not_yet(field));
    }
    if let Some((field, _)) = NEVER.iter().find(|(_, used)| used(create)) {
        return Err(Error::unsupported(format!("{field} cannot be set for Linux containers"))
            .about("field", *field));
    }
    match create.host_config.runtime.as_str() {
        "" | "barque" => Ok(()),
        other => Err(Error::invalid(format!("unknown or invalid runtime name: {other}"))),
    }
}

/// Whether a field, or what it is part of, is refused when it is used.
pub(crate) fn refuses(field: &str) -> bool {
    NOT_YET.iter().chain(NEVER).any(|(refused, _)| {
        field.strip_prefix(refused).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The error for something that is not implemented yet.
pub(super) fn not_yet(what: &str) -> Error {
    Error::not_yet(what).about("field", what)
}
