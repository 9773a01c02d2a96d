//! What a container asks for in its networks, and what it has there.

use rusqlite::Transaction;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::{Endpoint, Record};
use super::subnet::Address;
use super::{DEFAULT, Networks, addresses, driver, is_predefined, names};
use crate::Engine;
use crate::api::{ContainerCreate, EndpointSettings};
use crate::container;
use crate::container::plan::{self, NetworkMode};
use crate::error::{Error, ErrorKind, Result};

/// A network that a new container is to be in.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    network: String,
    name: String,
    settings: EndpointSettings,
}

/// The networks that a request asks for, the first first.
pub(crate) fn wanted(engine: &Engine, create: &ContainerCreate) -> Result<Vec<Wanted>> {
    let mut asked: BTreeMap<&str, &EndpointSettings> = BTreeMap::new();
    for (name, settings) in create.networking_config.iter().flat_map(|c| &c.endpoints_config) {
        asked.insert(name, settings);
    }
    let mode = plan::network_mode(create);
    let main = match mode {
        NetworkMode::Named(main) => main,
        NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => {
            // The docker command sends an entry for the mode, and one for what it takes for the default.
            let (mode, nothing) = (plan::mode_name(create), EndpointSettings::default());
            let means_nothing = |name: &str, settings: &EndpointSettings| {
                (name == "default" || name == mode) && *settings == nothing
            };
            return match asked.iter().find(|(name, settings)| !means_nothing(name, settings)) {
                Some((name, _)) => Err(Error::invalid(format!(
                    "conflicting options: network mode {mode} and what is asked for in network {name}"
                ))
                .about("field", "NetworkingConfig")),
                None if !create.mac_address.is_empty() => Err(Error::invalid(format!(
                    "conflicting options: mac-address and the network mode {mode}"
                ))
                .about("field", "MacAddress")),
                None => Ok(Vec::new()),
            };
        }
    };
    let default = EndpointSettings::default();
    let settings = asked.remove(main).or_else(|| asked.remove("default")).unwrap_or(&default);
    let mut settings = settings.clone();
    if main != DEFAULT {
        // There they are names that only this container knows.
        settings.links.extend_from_slice(&create.host_config.links);
    }
    let mut wanted = vec![want(engine, main, &settings, &create.mac_address)?];
    for (name, settings) in asked {
        let more = want(engine, name, settings, "")?;
        if !wanted.iter().any(|known| known.network == more.network) {
            wanted.push(more);
        }
    }
    Ok(wanted)
}

/// Check what is asked for in one network.
pub(super) fn want(
    engine: &Engine,
    name: &str,
    settings: &EndpointSettings,
    mac_address: &str,
) -> Result<Wanted> {
    let network = Networks::new(engine).find(name)?;
    driver::of(&network.driver)?.may_join(&network)?;
    let mut settings = settings.clone();
    if settings.mac_address.is_empty() {
        mac_address.clone_into(&mut settings.mac_address);
    }
    if !settings.mac_address.is_empty() {
        mac(&settings.mac_address)?;
    }
    let not_yet = |field: &str| Error::not_yet(field).about("field", field);
    names::check(&network, &settings.aliases)?;
    names::check_links(engine, &network, &mut settings.links)?;
    if !settings.driver_opts.is_empty() {
        return Err(not_yet("NetworkingConfig.EndpointsConfig.DriverOpts"));
    }
    if let Some(addresses) = &settings.ipam_config {
        if !addresses.link_local_ips.is_empty() {
            return Err(not_yet("NetworkingConfig.EndpointsConfig.IPAMConfig.LinkLocalIPs"));
        }
        asked::<Ipv4Addr>(&addresses.ipv4_address)?;
        asked::<Ipv6Addr>(&addresses.ipv6_address)?;
        let any = !addresses.ipv4_address.is_empty() || !addresses.ipv6_address.is_empty();
        if any && is_predefined(&network.name) {
            return Err(Error::invalid(
                "invalid config for network bridge: user specified IP address is supported on user defined networks only",
            ));
        }
    }
    Ok(Wanted { network: network.id, name: name.to_owned(), settings })
}

/// Write down that a container has these networks, and give it addresses there: in the transaction that writes its row.
pub(crate) fn claim(
    transaction: &Transaction<'_>,
    container: &str,
    wanted: &[Wanted],
) -> Result<Vec<Endpoint>> {
    let taken = Endpoint::of_container(transaction, container)?;
    let mut free = (0..).filter(|position| !taken.iter().any(|other| other.position == *position));
    let mut endpoints = Vec::new();
    for Wanted { network, name, settings } in wanted {
        let record = Record::find(transaction, network)?.filter(|record| !record.removing);
        // It was removed since it was looked at.
        let record = record.ok_or_else(|| super::not_found(name))?;
        let config = settings.ipam_config.clone().unwrap_or_default();
        let asked4 = asked(&config.ipv4_address)?;
        let asked6 = asked(&config.ipv6_address)?;
        let endpoint = Endpoint {
            container: container.to_owned(),
            network: network.clone(),
            position: free.next().unwrap_or(u32::MAX),
            settings: settings.clone(),
            address: addresses::claim(transaction, &record, record.range, asked4)?,
            address6: addresses::claim(transaction, &record, record.range6, asked6)?,
        };
        endpoint.insert(transaction)?;
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// What a container is called by those in its networks.
pub(crate) struct Called<'c> {
    pub(crate) id: &'c str,
    pub(crate) name: &'c str,
    pub(crate) hostname: &'c str,
}

impl<'c> From<&'c container::Record> for Called<'c> {
    fn from(record: &'c container::Record) -> Called<'c> {
        Called { id: &record.id, name: &record.name, hostname: &record.config.hostname }
    }
}

/// A container's networks by name, as documents show them; `running`: with what it has only then.
pub(crate) fn documents(
    engine: &Engine,
    container: &Called<'_>,
    running: bool,
) -> Result<BTreeMap<String, EndpointSettings>> {
    Places::of(engine, [container.id].into_iter())?.documents(container, running)
}

/// What containers have in their networks, read at once.
pub(crate) struct Places {
    /// By container, in their order.
    endpoints: BTreeMap<String, Vec<Endpoint>>,
    /// By id; those that were removed are missing.
    networks: BTreeMap<String, Record>,
}

impl Places {
    /// Those of these containers.
    pub(crate) fn of<'i>(
        engine: &Engine,
        containers: impl Iterator<Item = &'i str>,
    ) -> Result<Places> {
        let containers: Vec<&str> = containers.collect();
        let mut places = Places { endpoints: BTreeMap::new(), networks: BTreeMap::new() };
        if containers.is_empty() {
            return Ok(places);
        }
        let (endpoints, networks) = engine.store().read(|connection| {
            let endpoints = Endpoint::of_containers(connection, &containers)?;
            let ids: BTreeSet<&str> = endpoints.iter().map(|e| e.network.as_str()).collect();
            let networks: rusqlite::Result<Vec<Option<Record>>> =
                ids.into_iter().map(|id| Record::find(connection, id)).collect();
            let networks = networks?;
            Ok((endpoints, networks))
        })?;
        for endpoint in endpoints {
            places.endpoints.entry(endpoint.container.clone()).or_default().push(endpoint);
        }
        let networks = networks.into_iter().flatten();
        places.networks = networks.map(|network| (network.id.clone(), network)).collect();
        Ok(places)
    }

    /// As [`documents`]. What was read of the container is given away.
    pub(crate) fn documents(
        &mut self,
        container: &Called<'_>,
        running: bool,
    ) -> Result<BTreeMap<String, EndpointSettings>> {
        let mut documents = BTreeMap::new();
        for endpoint in self.endpoints.remove(container.id).unwrap_or_default() {
            let network = self.networks.get(&endpoint.network);
            // Of a network that was removed there is only the id.
            let place = network.map_or_else(|| endpoint.network.clone(), |n| n.name.clone());
            let document = document(endpoint, network.filter(|_| running), &place, container)?;
            documents.insert(place, document);
        }
        Ok(documents)
    }
}

/// What a container has in a network of this name; `network`: where it runs and that is there.
fn document(
    endpoint: Endpoint,
    network: Option<&Record>,
    place: &str,
    container: &Called<'_>,
) -> Result<EndpointSettings> {
    let mut document = endpoint.settings.clone();
    if place != DEFAULT {
        document.dns_names = names::of(container, &document);
    }
    if let Some(network) = network {
        document.endpoint_id = endpoint.id();
        document.mac_address = written(endpoint.mac()?);
        if let (Some(range), Some(address)) = (&network.range, endpoint.address) {
            document.gateway = range.gateway.to_string();
            document.ip_address = address.to_string();
            document.ip_prefix_len = range.subnet.prefix().into();
        }
        if let (Some(range), Some(address)) = (&network.range6, endpoint.address6) {
            document.ipv6_gateway = range.gateway.to_string();
            document.global_ipv6_address = address.to_string();
            document.global_ipv6_prefix_len = range.subnet.prefix().into();
        }
    }
    document.network_id = endpoint.network;
    Ok(document)
}

/// An address.
pub(super) fn address<A: Address>(text: &str) -> Result<A> {
    text.parse().map_err(|_| Error::invalid(format!("invalid {} address: {text}", A::FAMILY)))
}

/// The same, where one is asked for.
fn asked<A: Address>(text: &str) -> Result<Option<A>> {
    if text.is_empty() { Ok(None) } else { address(text).map(Some) }
}

/// An Ethernet address, `92:d0:c6:0a:29:33`.
pub(super) fn mac(text: &str) -> Result<[u8; 6]> {
    let wrong =
        || Error::invalid(format!("invalid MAC address: {text}")).about("field", "MacAddress");
    let mut bytes = [0; 6];
    let mut words = text.split([':', '-']);
    for byte in &mut bytes {
        let word = words.next().ok_or_else(wrong)?;
        let digits = word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit());
        *byte = u8::from_str_radix(word, 16).ok().filter(|_| digits).ok_or_else(wrong)?;
    }
    // One of a group is nobody's own.
    if words.next().is_some() || bytes[0] & 1 != 0 || bytes == [0; 6] {
        return Err(wrong());
    }
    Ok(bytes)
}

/// An Ethernet address as text.
pub(super) fn written(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What is said to a second connection of a container to a network.
pub(super) fn connected_already(container: &str, network: &str) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("endpoint with name {container} already exists in network {network}"),
    )
    .with_reason("connected")
    .about("network", network)
}

#[cfg(test)]
mod tests {
    use super::{mac, written};

    #[test]
    fn ethernet_addresses_are_read_and_written() {
        assert_eq!(written(mac("92:D0:c6:0a:29:33").unwrap()), "92:d0:c6:0a:29:33");
        for text in [
            "",
            "92",
            "92:d0:c6:0a:29",
            "92:d0:c6:0a:29:33:1",
            "01:00:5e:00:00:01",
            "+2:d0:c6:0a:29:33",
            "00:00:00:00:00:00",
            "92:d0:c6:0a:29:3",
            "92:d0:c6:0a:29:333",
        ] {
            assert!(mac(text).is_err(), "{text}");
        }
    }
}
