//! Which namespaces are the container's own, and which it shares with the host.

use barque_monitor::oci::{Namespace, NamespaceKind};

use super::unsupported;
use crate::api::ContainerCreate;
use crate::error::{Error, Result};

/// What an empty network mode, or `default`, stands for. Docker's default is `bridge`, and so will be ours when there are
/// networks.
pub(crate) const DEFAULT_NETWORK: &str = "none";

/// The modes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespaces {
    pub(super) host_network: bool,
    pub(super) host_pid: bool,
    pub(super) ipc: Ipc,
    pub(super) host_uts: bool,
    pub(super) host_cgroup: bool,
}

/// Whose System V IPC, message queues and `/dev/shm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ipc {
    /// The container's own.
    Private,
    /// The container's own, and no `/dev/shm`.
    None,
    /// The host's.
    Host,
}

impl Namespaces {
    pub(super) fn of(create: &ContainerCreate) -> Result<Namespaces> {
        let host_config = &create.host_config;
        let host_network = if create.network_disabled {
            false
        } else {
            match host_config.network_mode.as_str() {
                "" | "default" => DEFAULT_NETWORK == "host",
                "none" => false,
                "host" => true,
                mode => {
                    return Err(unsupported::not_yet(&format!(
                        "network mode {mode}; use none or host"
                    )));
                }
            }
        };
        let host_pid = host("PID", &host_config.pid_mode)?;
        let host_uts = host("UTS", &host_config.uts_mode)?;
        let ipc = match host_config.ipc_mode.as_str() {
            // The container of another may join a shareable one, and none can yet.
            "" | "private" | "shareable" => Ipc::Private,
            "none" => Ipc::None,
            "host" => Ipc::Host,
            mode => return Err(refused("IPC", mode)),
        };
        let host_cgroup = match host_config.cgroupns_mode.as_str() {
            "" | "private" => false,
            "host" => true,
            mode => return Err(Error::invalid(format!("invalid cgroup namespace mode: {mode}"))),
        };
        match host_config.userns_mode.as_str() {
            "" | "host" => {}
            mode => return Err(Error::invalid(format!("invalid USER mode: {mode}"))),
        }
        if host_uts && !create.hostname.is_empty() {
            return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
        }
        if host_uts && !create.domainname.is_empty() {
            return Err(Error::invalid("conflicting options: domainname and the UTS mode"));
        }
        Ok(Namespaces { host_network, host_pid, ipc, host_uts, host_cgroup })
    }

    /// The new ones.
    pub(super) fn list(self) -> Vec<Namespace> {
        use NamespaceKind::{Cgroup, Ipc as IpcKind, Mount, Network, Pid, Uts};
        let own = [
            (Mount, true),
            (Network, !self.host_network),
            (Uts, !self.host_uts),
            (Pid, !self.host_pid),
            (IpcKind, self.ipc != Ipc::Host),
            (Cgroup, !self.host_cgroup),
        ];
        own.into_iter()
            .filter(|(_, own)| *own)
            .map(|(kind, _)| Namespace { kind, path: None })
            .collect()
    }
}

/// A mode that is `host` or nothing.
fn host(name: &str, mode: &str) -> Result<bool> {
    match mode {
        "" | "private" => Ok(false),
        "host" => Ok(true),
        mode => Err(refused(name, mode)),
    }
}

fn refused(name: &str, mode: &str) -> Error {
    if mode.starts_with("container:") {
        return unsupported::not_yet(&format!("{name} mode {mode}"));
    }
    Error::invalid(format!("invalid {name} mode: {mode}"))
}
