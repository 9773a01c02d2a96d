//! Which ports a container wants published.
//!
//! What is asked for is checked when the container is created. Which of a range it is, or which one where any will do, is known when
//! it is started and not before: then it is taken (`network/publish.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::namespaces::{NetworkMode, network_mode};
use crate::api::{ContainerConfig, ContainerCreate, PortBinding};
use crate::error::{Error, Result};
use crate::shorthand;

/// A port of a container, and where it is to be on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// As the key of Docker's maps has it: the port in the container, and `tcp`, `udp` or `sctp`.
    pub(crate) port: u16,
    pub(crate) protocol: String,
    /// 0.0.0.0 and :: are all of this host's, of a family; `None`: both, as far as the container has them.
    pub(crate) host_ip: Option<IpAddr>,
    /// Any one of these, the first that is free. From 0: any that is.
    pub(crate) host_ports: (u16, u16),
}

/// The ports that a container wants published: what the request says of each, and each that it listens on where it says so. `config` is
/// the container's, with what its image says.
pub(crate) fn published(create: &ContainerCreate, config: &ContainerConfig) -> Result<Vec<Wanted>> {
    let host_config = &create.host_config;
    let mut wanted = Vec::new();
    for (key, bindings) in &host_config.port_bindings {
        let (port, protocol) = port(key)?;
        for binding in bindings {
            wanted.push(Wanted {
                port,
                protocol: protocol.clone(),
                host_ip: address(&binding.host_ip)?,
                host_ports: range(&binding.host_port)?,
            });
        }
    }
    if host_config.publish_all_ports {
        let bound =
            |key: &String| host_config.port_bindings.get(key).is_some_and(|b| !b.is_empty());
        for key in config.exposed_ports.keys().filter(|key| !bound(key)) {
            let (port, protocol) = port(key)?;
            let (host_ip, host_ports) = (None, (0, 0));
            wanted.push(Wanted { port, protocol, host_ip, host_ports });
        }
    }
    Ok(wanted)
}

/// Whether anything is to be published.
pub(crate) fn publishes(create: &ContainerCreate) -> bool {
    any_published(create.host_config.publish_all_ports, &create.host_config.port_bindings)
}

/// The same of what is asked for.
pub(crate) fn any_published(all: bool, bindings: &BTreeMap<String, Vec<PortBinding>>) -> bool {
    all || bindings.values().any(|bindings| !bindings.is_empty())
}

/// What docker says where it does not publish what was asked for.
pub(super) fn warning(create: &ContainerCreate) -> Option<String> {
    let discarded = publishes(create) && network_mode(create) == NetworkMode::Host;
    discarded.then(|| "Published ports are discarded when using host network mode".to_owned())
}

/// The key of a map of ports, `80/tcp` or `80`.
pub(crate) fn port(key: &str) -> Result<(u16, String)> {
    let wrong = || {
        Error::invalid(format!("invalid port specification: \"{key}\""))
            .about("field", "HostConfig.PortBindings")
    };
    let mut ports = shorthand::port(key).map_err(|_| wrong())?;
    match (ports.pop(), ports.is_empty()) {
        (Some(port), true) if port.host_port.is_empty() && port.container_port > 0 => {
            Ok((port.container_port, port.protocol))
        }
        _ => Err(wrong()),
    }
}

fn address(text: &str) -> Result<Option<IpAddr>> {
    match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| {
            Error::invalid(format!("invalid host IP address: {text}"))
                .about("field", "HostConfig.PortBindings.HostIp")
        }),
    }
}

/// A host's port, a range of them, or any.
fn range(text: &str) -> Result<(u16, u16)> {
    match text {
        "" | "0" => Ok((0, 0)),
        text => shorthand::ports(text).filter(|range| *range.start() > 0).map_or_else(
            || {
                Err(Error::invalid(format!("invalid hostPort: {text}"))
                    .about("field", "HostConfig.PortBindings.HostPort"))
            },
            |range| Ok(range.into_inner()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: Value) -> Result<Vec<Wanted>> {
        let create: ContainerCreate = serde_json::from_value(document).unwrap();
        let config =
            ContainerConfig { exposed_ports: create.exposed_ports.clone(), ..Default::default() };
        published(&create, &config)
    }

    fn wanted(port: u16, protocol: &str, host_ip: &str, host_ports: (u16, u16)) -> Wanted {
        Wanted { port, protocol: protocol.to_owned(), host_ip: host_ip.parse().ok(), host_ports }
    }

    #[test]
    fn each_binding_is_a_port_of_its_own() {
        let bindings = json!([{"HostPort": "8080"}, {"HostIp": "127.0.0.1", "HostPort": "7000-7010"}, {"HostIp": "::"}, {}]);
        let read = read(
            json!({"HostConfig": {"PortBindings": {"80/tcp": bindings, "53/udp": [{"HostPort": "0"}]}}}),
        );
        assert_eq!(
            read.unwrap(),
            [
                wanted(53, "udp", "", (0, 0)),
                wanted(80, "tcp", "", (8080, 8080)),
                wanted(80, "tcp", "127.0.0.1", (7000, 7010)),
                wanted(80, "tcp", "::", (0, 0)),
                wanted(80, "tcp", "", (0, 0)),
            ]
        );
    }

    #[test]
    fn all_ports_are_those_that_it_listens_on_and_that_have_no_place_yet() {
        let exposed = json!({"80/tcp": {}, "443/tcp": {}, "53/udp": {}});
        let bindings = json!({"80/tcp": [{"HostPort": "8080"}], "443/tcp": []});
        let host_config = json!({"PublishAllPorts": true, "PortBindings": bindings});
        let read = read(json!({"ExposedPorts": exposed, "HostConfig": host_config})).unwrap();
        let any = |port, protocol| wanted(port, protocol, "", (0, 0));
        assert_eq!(read, [wanted(80, "tcp", "", (8080, 8080)), any(443, "tcp"), any(53, "udp")]);
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for (key, binding) in [
            ("80/icmp", json!({})),
            ("0/tcp", json!({})),
            ("", json!({})),
            ("80-81/tcp", json!({})),
            ("8080:80/tcp", json!({})),
            ("80/tcp", json!({"HostPort": "65536"})),
            ("80/tcp", json!({"HostPort": "90-80"})),
            ("80/tcp", json!({"HostPort": "0-80"})),
            ("80/tcp", json!({"HostPort": "-1"})),
            ("80/tcp", json!({"HostIp": "localhost"})),
            ("80/tcp", json!({"HostIp": "[::1]"})),
        ] {
            let read = read(json!({"HostConfig": {"PortBindings": {key: [binding]}}}));
            assert!(read.is_err(), "{key} {binding}");
        }
    }
}
