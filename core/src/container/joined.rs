//! Containers whose namespaces another one joins: known by their ids since that was created, and running when it starts. Its
//! monitor opens the namespaces, for every run anew.

use std::fs::File;
use std::os::fd::OwnedFd;

use barque_monitor::oci::OF_CONTAINER;
use barque_monitor::state::RunState;

use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::api::HostConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::store::start_time;

/// Write ids for the names of containers that are to be joined, as docker does: a name may be another's later.
pub(super) fn identify(engine: &Engine, host_config: &mut HostConfig) -> Result<()> {
    let HostConfig { pid_mode, ipc_mode, network_mode, userns_mode, .. } = host_config;
    let modes = [(pid_mode, false), (ipc_mode, true), (network_mode, false), (userns_mode, false)];
    for (mode, shared) in modes {
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
    let modes = [
        ("PID", &host_config.pid_mode),
        ("IPC", &host_config.ipc_mode),
        ("network", &host_config.network_mode),
        ("USER", &host_config.userns_mode),
    ];
    for (name, mode) in modes {
        let Some(container) = mode.strip_prefix(OF_CONTAINER) else { continue };
        let record = engine.containers().find(container)?;
        if !Standing::of(engine, &record.id)?.is_running() {
            let why = format!("container {} is not running", record.id);
            return Err(cannot_join(name, &record, why).with_reason("not_running"));
        }
    }
    Ok(())
}

/// The network namespace of a container; `None` when it does not run.
pub(crate) fn network_of(engine: &Engine, id: &str) -> Result<Option<OwnedFd>> {
    let standing = Standing::of(engine, id)?;
    standing.running().map_or(Ok(None), |run| namespace(run, "net"))
}

/// A namespace of a running container; `None` when its process 1 is not there any more.
pub(super) fn namespace(run: &RunState, kind: &str) -> Result<Option<OwnedFd>> {
    let path = format!("/proc/{}/ns/{kind}", run.pid);
    let opened = match File::open(&path) {
        Ok(file) => OwnedFd::from(file),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::system(format!("open {path}"), error)),
    };
    // The pid was its own when the namespace was opened if it is so afterwards.
    let still = u32::try_from(run.pid).ok().and_then(start_time) == Some(run.pid_start_time);
    Ok(still.then_some(opened))
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
