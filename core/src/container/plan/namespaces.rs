//! Which namespaces are the container's own, and which it shares with the host or another container.

use barque_monitor::oci::{Namespace, NamespaceKind, OF_CONTAINER};

use super::unsupported;
use crate::api::ContainerCreate;
use crate::error::{Error, Result};

/// What an empty network mode, or `default`, stands for. Docker's default is `bridge`, and so will be ours when there are
/// networks.
pub(crate) const DEFAULT_NETWORK: &str = "none";

/// The modes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespaces<'a> {
    pub(super) host_network: bool,
    pub(super) pid: Pid<'a>,
    pub(super) ipc: Ipc<'a>,
    pub(super) host_uts: bool,
    pub(super) host_cgroup: bool,
}

/// Whose process numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pid<'a> {
    /// The container's own.
    Private,
    /// The host's.
    Host,
    /// Those of this container.
    Container(&'a str),
}

/// Whose System V IPC, message queues and `/dev/shm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ipc<'a> {
    /// The container's own.
    Private,
    /// The container's own, and no `/dev/shm`.
    None,
    /// The host's.
    Host,
    /// Those of this container.
    Container(&'a str),
}

impl Namespaces<'_> {
    pub(super) fn of(create: &ContainerCreate) -> Result<Namespaces<'_>> {
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
        let pid = match host_config.pid_mode.as_str() {
            "" | "private" => Pid::Private,
            "host" => Pid::Host,
            mode => Pid::Container(container("PID", mode)?),
        };
        let host_uts = match host_config.uts_mode.as_str() {
            "" | "private" => false,
            "host" => true,
            mode => return Err(invalid("UTS", mode)),
        };
        let ipc = match host_config.ipc_mode.as_str() {
            "" | "private" | "shareable" => Ipc::Private,
            "none" => Ipc::None,
            "host" => Ipc::Host,
            mode => Ipc::Container(container("IPC", mode)?),
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
        Ok(Namespaces { host_network, pid, ipc, host_uts, host_cgroup })
    }

    /// Those that are not the host's.
    pub(super) fn list(self) -> Vec<Namespace> {
        use NamespaceKind::{Cgroup, Ipc as IpcKind, Mount, Network, Pid as PidKind, Uts};
        let of = |container: &str| Some(format!("{OF_CONTAINER}{container}"));
        let own = |own: bool| own.then_some(None);
        let pid = match self.pid {
            Pid::Private => own(true),
            Pid::Host => own(false),
            Pid::Container(container) => Some(of(container)),
        };
        let ipc = match self.ipc {
            Ipc::Private | Ipc::None => own(true),
            Ipc::Host => own(false),
            Ipc::Container(container) => Some(of(container)),
        };
        [
            (Mount, own(true)),
            (Network, own(!self.host_network)),
            (Uts, own(!self.host_uts)),
            (PidKind, pid),
            (IpcKind, ipc),
            (Cgroup, own(!self.host_cgroup)),
        ]
        .into_iter()
        .filter_map(|(kind, path)| Some(Namespace { kind, path: path? }))
        .collect()
    }
}

/// The container of a mode `container:<name|id>`.
fn container<'a>(name: &str, mode: &'a str) -> Result<&'a str> {
    mode.strip_prefix(OF_CONTAINER)
        .filter(|container| !container.is_empty())
        .ok_or_else(|| invalid(name, mode))
}

fn invalid(name: &str, mode: &str) -> Error {
    Error::invalid(format!("invalid {name} mode: {mode}"))
}
