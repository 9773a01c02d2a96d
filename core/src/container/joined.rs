//! Containers whose namespaces another one joins: known by their ids since that was created, and running when it starts. Its
//! monitor opens the namespaces, for every run anew.

use barque_monitor::oci::OF_CONTAINER;

use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::api::HostConfig;
use crate::error::{Error, ErrorKind, Result};

/// Write ids for the names of containers that are to be joined, as docker does: a name may be another's later.
pub(super) fn identify(engine: &Engine, host_config: &mut HostConfig) -> Result<()> {
    let HostConfig { pid_mode, ipc_mode, .. } = host_config;
    for (mode, shared) in [(pid_mode, false), (ipc_mode, true)] {
        let Some(container) = mode.strip_prefix(OF_CONTAINER) else { continue };
        let record = engine.containers().find(container)?;
        if shared {
            may_share(&record)?;
        }
        *mode = format!("{OF_CONTAINER}{}", record.id);
    }
    Ok(())
}

/// That those that a container joins run.
pub(super) fn check(engine: &Engine, host_config: &HostConfig) -> Result<()> {
    for (name, mode) in [("PID", &host_config.pid_mode), ("IPC", &host_config.ipc_mode)] {
        let Some(container) = mode.strip_prefix(OF_CONTAINER) else { continue };
        let record = engine.containers().find(container)?;
        if !Standing::of(engine, &record.id)?.is_running() {
            let why = format!("container {} is not running", record.id);
            return Err(cannot_join(name, &record, why).with_reason("not_running"));
        }
    }
    Ok(())
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
