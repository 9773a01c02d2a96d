//! The flags that join networks.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value, json};

#[derive(Args)]
pub(crate) struct NetworkFlags {
    /// Connect a container to a network
    #[arg(long, alias = "net", value_name = "network")]
    network: Vec<String>,
    /// Add network-scoped alias for the container
    #[arg(long, alias = "net-alias", value_name = "list")]
    network_alias: Vec<String>,
    /// IPv4 address (e.g., 172.30.100.104)
    #[arg(long, value_name = "string", default_value = "")]
    ip: String,
    /// IPv6 address (e.g., 2001:db8::33)
    #[arg(long, value_name = "string", default_value = "")]
    ip6: String,
    /// Container IPv4/IPv6 link-local addresses
    #[arg(long, value_name = "list")]
    link_local_ip: Vec<String>,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    pub(super) link: Vec<String>,
    /// Container MAC address (e.g., 92:d0:c6:0a:29:33)
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) mac_address: String,
}

impl NetworkFlags {
    /// `HostConfig.NetworkMode`, and `NetworkingConfig` where more is said than a name.
    pub(super) fn documents(&self) -> Result<(String, Option<Value>), String> {
        let mut endpoints: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        let mut first = String::new();
        for text in &self.network {
            let (name, endpoint) = network(text)?;
            if first.is_empty() {
                first.clone_from(&name);
            }
            endpoints.insert(name, endpoint);
        }
        let flags = self.flags();
        if !flags.is_empty() {
            let name = if first.is_empty() { "default".to_owned() } else { first.clone() };
            endpoints.entry(name).or_default().extend(flags);
        }
        let plain = endpoints.len() < 2 && endpoints.values().all(Map::is_empty);
        let config = (!plain).then(|| json!({"EndpointsConfig": endpoints}));
        Ok((first, config))
    }

    /// What the flags beside `--network` say about the first network.
    fn flags(&self) -> Map<String, Value> {
        let mut endpoint = Map::new();
        let mut addresses = Map::new();
        for (name, address) in [("IPv4Address", &self.ip), ("IPv6Address", &self.ip6)] {
            if !address.is_empty() {
                addresses.insert(name.to_owned(), address.as_str().into());
            }
        }
        if !self.link_local_ip.is_empty() {
            addresses.insert("LinkLocalIPs".to_owned(), self.link_local_ip.clone().into());
        }
        if !addresses.is_empty() {
            endpoint.insert("IPAMConfig".to_owned(), addresses.into());
        }
        if !self.network_alias.is_empty() {
            endpoint.insert("Aliases".to_owned(), self.network_alias.clone().into());
        }
        endpoint
    }
}

/// `name`, or docker's long form `name=web,alias=a,ip=172.20.0.5,driver-opt=K=V`.
fn network(text: &str) -> Result<(String, Map<String, Value>), String> {
    if !text.contains('=') {
        return Ok((text.to_owned(), Map::new()));
    }
    let (mut name, mut endpoint) = (String::new(), Map::new());
    let (mut addresses, mut options, mut aliases) = (Map::new(), Map::new(), Vec::<Value>::new());
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field} in --network"));
        };
        match key.to_ascii_lowercase().as_str() {
            "name" => name = value.to_owned(),
            "alias" => aliases.push(value.into()),
            "ip" => drop(addresses.insert("IPv4Address".to_owned(), value.into())),
            "ip6" => drop(addresses.insert("IPv6Address".to_owned(), value.into())),
            "mac-address" => drop(endpoint.insert("MacAddress".to_owned(), value.into())),
            "gw-priority" => {
                let priority: i64 =
                    value.parse().map_err(|_| format!("invalid gw-priority: {value}"))?;
                endpoint.insert("GwPriority".to_owned(), priority.into());
            }
            "driver-opt" => {
                let Some((option, value)) = value.split_once('=') else {
                    return Err(format!(
                        "invalid key/value pair format in driver options: {value}"
                    ));
                };
                options.insert(option.to_ascii_lowercase(), value.into());
            }
            _ => return Err(format!("invalid field key {key} in --network")),
        }
    }
    if name.is_empty() {
        return Err(format!("--network {text} has no name"));
    }
    if !aliases.is_empty() {
        endpoint.insert("Aliases".to_owned(), aliases.into());
    }
    for (key, fields) in [("IPAMConfig", addresses), ("DriverOpts", options)] {
        if !fields.is_empty() {
            endpoint.insert(key.to_owned(), fields.into());
        }
    }
    Ok((name, endpoint))
}
