//! Which namespaces are the container's own, and which it shares with the host or another container.

use barque_monitor::oci::{Namespace, NamespaceKind, OF_CONTAINER};
use barque_monitor::protocol::fd;

use super::ports;
use super::user::User;
use crate::api::ContainerCreate;
use crate::error::{Error, Result};
use crate::network;

/// The modes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespaces<'a> {
    pub(super) network: NetworkMode<'a>,
    pub(super) pid: Pid<'a>,
    pub(super) ipc: Ipc<'a>,
    pub(super) host_uts: bool,
    pub(super) host_cgroup: bool,
}

/// Whose network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkMode<'a> {
    /// The container's own, with nothing but a loopback link.
    None,
    /// The host's.
    Host,
    /// That of this container.
    Container(&'a str),
    /// The container's own, made before it starts and joined to networks, of which this is the first.
    Named(&'a str),
}

/// The network mode of a request.
pub(crate) fn network_mode(create: &ContainerCreate) -> NetworkMode<'_> {
    NetworkMode::of(create.network_disabled, mode_name(create))
}

/// The network mode as Docker shows it.
pub(crate) fn mode_name(create: &ContainerCreate) -> &str {
    named_mode(&create.host_config.network_mode)
}

/// The same of what is asked for.
pub(crate) fn named_mode(asked: &str) -> &str {
    match asked {
        "" | "default" => network::DEFAULT,
        mode => mode,
    }
}

impl NetworkMode<'_> {
    /// That of a name that documents show.
    pub(crate) fn of(disabled: bool, mode: &str) -> NetworkMode<'_> {
        match mode {
            _ if disabled => NetworkMode::None,
            "none" => NetworkMode::None,
            "host" => NetworkMode::Host,
            mode => match mode.strip_prefix(OF_CONTAINER) {
                Some(container) => NetworkMode::Container(container),
                None => NetworkMode::Named(mode),
            },
        }
    }
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
        let network = network_mode(create);
        if let NetworkMode::Container(container) = network {
            refuse_beside_joined(create, container)?;
        }
        if network == NetworkMode::Host && !host_config.links.is_empty() {
            return Err(Error::invalid(
                "conflicting options: host type networking can't be used with links",
            )
            .about("field", "HostConfig.Links"));
        }
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
        if host_uts && !create.hostname.is_empty() {
            return Err(Error::invalid("conflicting options: hostname and the UTS mode"));
        }
        if host_uts && !create.domainname.is_empty() {
            return Err(Error::invalid("conflicting options: domainname and the UTS mode"));
        }
        Ok(Namespaces { network, pid, ipc, host_uts, host_cgroup })
    }

    /// Those that are not the host's.
    pub(super) fn list(self, user: &User) -> Vec<Namespace> {
        use NamespaceKind::{
            Cgroup, Ipc as IpcKind, Mount, Network, Pid as PidKind, User as UserKind, Uts,
        };
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
        let network = match self.network {
            NetworkMode::None => own(true),
            NetworkMode::Host => own(false),
            NetworkMode::Container(container) => Some(of(container)),
            // The monitor holds it, from its start to its end.
            NetworkMode::Named(_) => Some(Some(format!("/proc/self/fd/{}", fd::NETWORK))),
        };
        // Made before it starts, too, and with it the network namespace, over which its root is to have rights.
        let users = match user {
            User::Host => None,
            User::Own(_) | User::Mapped { .. } => Some(Some(format!("/proc/self/fd/{}", fd::USER))),
            User::Container(container) => Some(of(container)),
        };
        [
            (UserKind, users),
            (Mount, own(true)),
            (Network, network),
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

/// What cannot be asked for in another container's network: it is that container's.
fn refuse_beside_joined(create: &ContainerCreate, container: &str) -> Result<()> {
    if container.is_empty() {
        return Err(invalid("network", OF_CONTAINER));
    }
    let host_config = &create.host_config;
    let conflicts = [
        ("hostname", !create.hostname.is_empty()),
        ("links", !host_config.links.is_empty()),
        ("dns", !host_config.dns.is_empty()),
        ("custom host-to-IP mapping", !host_config.extra_hosts.is_empty()),
        ("mac-address", !create.mac_address.is_empty()),
        ("port publishing", ports::publishes(create)),
    ];
    match conflicts.into_iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(Error::invalid(format!(
            "conflicting options: {what} and the container type network mode"
        ))),
        None => Ok(()),
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
