//! Namespaces of other containers that a container joins.
//!
//! Its specification says whose they are. The way to one is found anew for every run, since the other container may have been
//! started again meanwhile, and it leads over a descriptor of this process, so that a number of a process that has ended, and is
//! another's, is never looked up again.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use super::directories::Directories;
use super::record::start_time;
use crate::oci::{MOUNT_NAMESPACE, NamespaceKind, OF_CONTAINER, Spec};
use crate::protocol::{Failure, Launch};
use crate::runtime::user_namespace::UserNamespace;
use crate::state::{RunState, Status};

/// Put the ways to the namespaces of other containers into a specification. What is returned must be kept until they are joined.
pub(super) fn resolve(
    directories: &Directories,
    launch: &Launch,
    spec: &mut Spec,
) -> Result<Vec<OwnedFd>, Failure> {
    let mut held = Vec::new();
    let mut way = |id: &str, kind: &str, name: &str| -> Result<String, Failure> {
        let namespace = open(directories, launch, id, kind, name)?;
        let way = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        held.push(namespace);
        Ok(way)
    };
    let mut unmapped = false;
    for namespace in &mut spec.linux.namespaces {
        let Some(path) = &mut namespace.path else { continue };
        let Some(id) = path.strip_prefix(OF_CONTAINER) else { continue };
        *path = match namespace.kind {
            NamespaceKind::Pid => way(id, "pid", "PID")?,
            NamespaceKind::Ipc => way(id, "ipc", "IPC")?,
            NamespaceKind::Network => way(id, "net", "network")?,
            NamespaceKind::User => {
                let run = running(directories, launch, id, "USER")?;
                match UserNamespace::of_process(run.pid)?.map(UserNamespace::into_maps) {
                    Some(maps) => (spec.linux.uid_mappings, spec.linux.gid_mappings) = maps,
                    None => unmapped = true,
                }
                way(id, "user", "USER")?
            }
            kind => {
                return Err(Failure::invalid(format!("cannot join a {kind:?} of container {id}")));
            }
        };
    }
    if unmapped {
        // It shares the host's, and so does this one.
        spec.linux.namespaces.retain(|namespace| namespace.kind != NamespaceKind::User);
    }
    for mount in &mut spec.mounts {
        let name = if mount.kind == "proc" { "PID" } else { "IPC" };
        for option in &mut mount.options {
            let namespace = option.strip_prefix(MOUNT_NAMESPACE).and_then(|o| o.strip_prefix('='));
            let Some(id) = namespace.and_then(|path| path.strip_prefix(OF_CONTAINER)) else {
                continue;
            };
            *option = format!("{MOUNT_NAMESPACE}={}", way(id, "mnt", name)?);
        }
    }
    Ok(held)
}

fn open(
    directories: &Directories,
    launch: &Launch,
    id: &str,
    kind: &str,
    name: &str,
) -> Result<OwnedFd, Failure> {
    let run = running(directories, launch, id, name)?;
    let path = format!("/proc/{}/ns/{kind}", run.pid);
    let namespace = match File::open(&path) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
            return Err(not_running(id, name));
        }
        opened => opened.map_err(|error| {
            Failure::system(format!("open {path}"), error.raw_os_error().unwrap_or(libc::EIO))
        })?,
    };
    // The number was its own when the namespace was opened if it is so afterwards.
    match start_time(run.pid) {
        Some(time) if time == run.pid_start_time => Ok(namespace.into()),
        _ => Err(not_running(id, name)),
    }
}

/// The run of a container that is to be joined.
fn running(
    directories: &Directories,
    launch: &Launch,
    id: &str,
    name: &str,
) -> Result<RunState, Failure> {
    directories
        .state_of(id)?
        .filter(|run| run.status == Status::Running && run.boot_id == launch.boot_id)
        .ok_or_else(|| not_running(id, name))
}

fn not_running(id: &str, name: &str) -> Failure {
    Failure::conflict(format!(
        "cannot join {name} namespace of container {id}: container {id} is not running"
    ))
}
