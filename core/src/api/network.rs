//! Documents about networks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// What to create: the body of `POST /networks/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkCreate {
    /// The network's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
    pub name: String,
    /// `bridge` (also when empty).
    pub driver: String,
    /// `local` (also when empty).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// Nothing outside of it is reached from it.
    pub internal: bool,
    /// For overlay networks; the others have no use for it.
    pub attachable: bool,
    /// For overlay networks of a swarm.
    #[serde(skip_serializing_if = "is_default")]
    pub ingress: bool,
    /// No longer said: a name is only ever given once.
    #[serde(skip_serializing_if = "is_default")]
    pub check_duplicate: bool,
    /// It is a configuration for others.
    #[serde(skip_serializing_if = "is_default")]
    pub config_only: bool,
    /// Whose configuration it has.
    #[serde(skip_serializing_if = "is_default")]
    pub config_from: ConfigReference,
    /// Whether it has IPv4; without it yes.
    #[serde(rename = "EnableIPv4", skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6", skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Options of the driver: `com.docker.network.driver.mtu`, `com.docker.network.bridge.name`,
    /// `com.docker.network.bridge.enable_ip_masquerade`.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The name of a network that is a configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConfigReference {
    /// Its name.
    pub network: String,
}

/// How addresses are given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ipam {
    /// `default` (also when empty).
    pub driver: String,
    /// Options of the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Ranges of addresses; none: one is chosen.
    pub config: Vec<IpamConfig>,
}

/// A range of addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct IpamConfig {
    /// The range, `172.20.0.0/16`.
    pub subnet: String,
    /// The part of it that containers get addresses from.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    /// The address of the host in it; empty: the first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that no container gets, by the name of who has them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// The answer to a create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkCreated {
    /// The new network's id, 64 hexadecimal digits.
    pub id: String,
    /// What the caller should know.
    pub warning: String,
}

/// A network and what to do with it: the request of the verbs that need nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkRef {
    /// Its name, its id, or the beginning of the id.
    pub id: String,
}

/// A network, as `GET /networks/{id}` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id, 64 hexadecimal digits.
    pub id: String,
    /// When it was created, RFC 3339.
    pub created: String,
    /// `local`: it is on this machine.
    pub scope: String,
    /// `bridge`, `host`, `null`.
    pub driver: String,
    /// Whether it has IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Nothing outside of it is reached from it.
    pub internal: bool,
    /// As in [`NetworkCreate`].
    pub attachable: bool,
    /// As in [`NetworkCreate`].
    pub ingress: bool,
    /// As in [`NetworkCreate`].
    pub config_from: ConfigReference,
    /// As in [`NetworkCreate`].
    pub config_only: bool,
    /// The running containers in it, by id; empty in a list.
    pub containers: BTreeMap<String, NetworkContainer>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A container in a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkContainer {
    /// The container's name.
    pub name: String,
    /// As in [`EndpointSettings`].
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// Its Ethernet address.
    pub mac_address: String,
    /// Its address and the length of the subnet's, `172.20.0.2/16`.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// The same of IPv6.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// List.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkList {
    /// `{"driver": ["bridge"], "id": […], "label": ["a=b"], "name": ["web"], "scope": ["local"], "type": ["custom"], "dangling":
    /// ["true"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
}

/// Remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkRemove {
    /// Its name, its id, or the beginning of the id.
    pub id: String,
    /// That there is none is fine.
    pub force: bool,
}

/// Remove those that no container has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkPrune {
    /// `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworksPruned {
    /// Names.
    pub networks_deleted: Vec<String>,
}

/// Connect a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkConnect {
    /// The network's name, its id, or the beginning of the id.
    pub id: String,
    /// The container's name, its id, or the beginning of the id.
    pub container: String,
    /// What the container has there.
    pub endpoint_config: EndpointSettings,
}

/// Disconnect a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkDisconnect {
    /// The network's name, its id, or the beginning of the id.
    pub id: String,
    /// The container's name, its id, or the beginning of the id.
    pub container: String,
    /// That the link cannot be taken away is fine.
    pub force: bool,
}

/// The networks that a new container joins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkingConfig {
    /// By name.
    pub endpoints_config: BTreeMap<String, EndpointSettings>,
}

/// What a container has in a network. The first fields are asked for; those from `NetworkID` on are answers, and empty in a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct EndpointSettings {
    /// Addresses that it must have.
    #[serde(rename = "IPAMConfig", skip_serializing_if = "Option::is_none")]
    pub ipam_config: Option<EndpointIpamConfig>,
    /// Links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// More names that it has there.
    pub aliases: Vec<String>,
    /// Its Ethernet address; empty: one that follows from its address.
    pub mac_address: String,
    /// Options of the driver.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: BTreeMap<String, String>,
    /// The network with the highest has the default route.
    pub gw_priority: i64,
    /// The network's id.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// 64 hexadecimal digits; empty while the container does not run.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The address of the host there.
    pub gateway: String,
    /// Its address; empty while the container does not run.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The length of the subnet's.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: i64,
    /// The same of IPv6.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The same of IPv6.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The same of IPv6.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: i64,
    /// All names that it has there.
    #[serde(rename = "DNSNames", skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
}

/// Addresses that a container must have in a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct EndpointIpamConfig {
    /// Of IPv4.
    #[serde(rename = "IPv4Address", skip_serializing_if = "String::is_empty")]
    pub ipv4_address: String,
    /// Of IPv6.
    #[serde(rename = "IPv6Address", skip_serializing_if = "String::is_empty")]
    pub ipv6_address: String,
    /// Link-local ones.
    #[serde(rename = "LinkLocalIPs", skip_serializing_if = "Vec::is_empty")]
    pub link_local_ips: Vec<String>,
}
