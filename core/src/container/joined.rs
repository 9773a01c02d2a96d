//! Namespaces of other containers that a container joins: found when it starts, and held until it has joined them.
//!
//! A plan only says whose they are. The way that the monitor goes is a descriptor of this process, so that a number of a process
//! that has ended meanwhile, and is another's, is never looked up again.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use barque_monitor::oci::MOUNT_NAMESPACE;
use serde_json::Value;

use super::plan::OF_CONTAINER;
use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::store::start_time;

/// Put the ways to the namespaces of other containers into a specification. What is returned must be kept until they are joined.
pub(super) fn resolve(engine: &Engine, spec: &mut Value) -> Result<Vec<OwnedFd>> {
    let mut held = Vec::new();
    for namespace in items(&mut spec["linux"]["namespaces"]) {
        let (kind, name) = match namespace["type"].as_str() {
            Some("pid") => ("pid", "PID"),
            Some("ipc") => ("ipc", "IPC"),
            _ => continue,
        };
        if let Some(container) = container(&namespace["path"], "") {
            namespace["path"] = way(engine, container, kind, name, &mut held)?.into();
        }
    }
    let prefix = format!("{MOUNT_NAMESPACE}=");
    for mount in items(&mut spec["mounts"]) {
        let name = if mount["type"] == "proc" { "PID" } else { "IPC" };
        for option in items(&mut mount["options"]) {
            if let Some(container) = container(option, &prefix) {
                let way = way(engine, container, "mnt", name, &mut held)?;
                *option = format!("{prefix}{way}").into();
            }
        }
    }
    Ok(held)
}

/// That a container that is to be joined is there, and may be.
pub(super) fn check(engine: &Engine, host_config: &crate::api::HostConfig) -> Result<()> {
    if let Some(container) = host_config.pid_mode.strip_prefix(OF_CONTAINER) {
        engine.containers().find(container)?;
    }
    if let Some(container) = host_config.ipc_mode.strip_prefix(OF_CONTAINER) {
        may_share(&engine.containers().find(container)?)?;
    }
    Ok(())
}

fn items(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

fn container<'a>(value: &'a Value, prefix: &str) -> Option<&'a str> {
    value.as_str()?.strip_prefix(prefix)?.strip_prefix(OF_CONTAINER)
}

/// A path that leads to a namespace of a running container for as long as `held` is there.
fn way(
    engine: &Engine,
    container: &str,
    kind: &str,
    name: &str,
    held: &mut Vec<OwnedFd>,
) -> Result<String> {
    let record = engine.containers().find(container)?;
    if name == "IPC" {
        may_share(&record)?;
    }
    let not_running = || {
        cannot_join(name, &record, format!("container {} is not running", record.id))
            .with_reason("not_running")
    };
    let run = Standing::of(engine, &record.id)?;
    let run = run.run.as_ref().filter(|_| run.is_running()).ok_or_else(not_running)?;
    let path = format!("/proc/{}/ns/{kind}", run.pid);
    let namespace = match File::open(&path) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
            return Err(not_running());
        }
        opened => opened.map_err(|error| Error::system(format!("open {path}"), error))?,
    };
    // The number was its own when the namespace was opened if it is so afterwards.
    if u32::try_from(run.pid).ok().and_then(start_time) != Some(run.pid_start_time) {
        return Err(not_running());
    }
    let way = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
    held.push(namespace.into());
    Ok(way)
}

/// The memory that a container shares with others, as docker has it, only if it was created to.
fn may_share(record: &Record) -> Result<()> {
    match record.document.host_config.ipc_mode.as_str() {
        "shareable" => Ok(()),
        _ => Err(cannot_join(
            "IPC",
            record,
            "non-shareable IPC (hint: use IpcMode:shareable for the donor container)".to_owned(),
        )),
    }
}

fn cannot_join(name: &str, record: &Record, why: String) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("cannot join {name} namespace of container {}: {why}", record.id),
    )
    .about("container", &record.id)
}
