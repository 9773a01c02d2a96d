//! The flags that join networks.

use std::collections::BTreeMap;

use barque::api::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};
use clap::Args;

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
    pub(super) fn documents(&self) -> Result<(String, Option<NetworkingConfig>), String> {
        let mut endpoints_config: BTreeMap<String, EndpointSettings> = BTreeMap::new();
        let mut first = String::new();
        for text in &self.network {
            let (name, endpoint) = network(text)?;
            if first.is_empty() {
                first.clone_from(&name);
            }
            endpoints_config.insert(name, endpoint);
        }
        let nothing = EndpointSettings::default();
        let name = if first.is_empty() { "default" } else { &first };
        let mut endpoint = endpoints_config.get(name).cloned().unwrap_or_default();
        self.add_to(&mut endpoint);
        if endpoint != nothing {
            endpoints_config.insert(name.to_owned(), endpoint);
        }
        let plain = endpoints_config.len() < 2 && endpoints_config.values().all(|e| *e == nothing);
        Ok((first, (!plain).then_some(NetworkingConfig { endpoints_config })))
    }

    /// What the flags beside `--network` say about the first network.
    fn add_to(&self, endpoint: &mut EndpointSettings) {
        let addresses = endpoint.ipam_config.get_or_insert_default();
        if !self.ip.is_empty() {
            addresses.ipv4_address.clone_from(&self.ip);
        }
        if !self.ip6.is_empty() {
            addresses.ipv6_address.clone_from(&self.ip6);
        }
        addresses.link_local_ips.extend(self.link_local_ip.iter().cloned());
        endpoint.ipam_config = endpoint.ipam_config.take().filter(asks);
        endpoint.aliases.extend(self.network_alias.iter().cloned());
    }
}

/// Whether it asks for an address.
fn asks(addresses: &EndpointIpamConfig) -> bool {
    *addresses != EndpointIpamConfig::default()
}

/// `name`, or docker's long form `name=web,alias=a,ip=172.20.0.5,driver-opt=K=V`.
fn network(text: &str) -> Result<(String, EndpointSettings), String> {
    let mut endpoint = EndpointSettings::default();
    if !text.contains('=') {
        return Ok((text.to_owned(), endpoint));
    }
    let (mut name, mut addresses) = (String::new(), EndpointIpamConfig::default());
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field} in --network"));
        };
        match key.to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut name),
            "alias" => endpoint.aliases.push(value.to_owned()),
            "ip" => value.clone_into(&mut addresses.ipv4_address),
            "ip6" => value.clone_into(&mut addresses.ipv6_address),
            "mac-address" => value.clone_into(&mut endpoint.mac_address),
            "gw-priority" => {
                endpoint.gw_priority =
                    value.parse().map_err(|_| format!("invalid gw-priority: {value}"))?;
            }
            "driver-opt" => driver_option(value, &mut endpoint.driver_opts)?,
            _ => return Err(format!("invalid field key {key} in --network")),
        }
    }
    if name.is_empty() {
        return Err(format!("--network {text} has no name"));
    }
    endpoint.ipam_config = Some(addresses).filter(asks);
    Ok((name, endpoint))
}

/// `K=V`.
fn driver_option(text: &str, options: &mut BTreeMap<String, String>) -> Result<(), String> {
    let Some((option, value)) = text.split_once('=') else {
        return Err(format!("invalid key/value pair format in driver options: {text}"));
    };
    options.insert(option.to_ascii_lowercase(), value.to_owned());
    Ok(())
}
