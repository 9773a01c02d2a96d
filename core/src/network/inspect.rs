//! `inspect`: a network's document.

use super::record::{Endpoint, Range, Record};
use super::subnet::Address;
use super::{Networks, endpoint};
use crate::api::{Ipam, IpamConfig, Network, NetworkContainer};
use crate::error::Result;
use crate::sys::clock;

impl Networks<'_> {
    /// A network, and the running containers in it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound). See `docs/errors.md`.
    pub fn inspect(&self, id: &str) -> Result<Network> {
        let record = self.find(id)?;
        let inside =
            self.engine.store().read(|connection| Endpoint::in_network(connection, &record.id))?;
        let mut document = document(&record);
        for (endpoint, name) in self.running(inside)? {
            let prefix = record.range.map_or(32, |range| range.subnet.prefix());
            let prefix6 = record.range6.map_or(128, |range| range.subnet.prefix());
            let address = endpoint.address.map(|address| format!("{address}/{prefix}"));
            let address6 = endpoint.address6.map(|address| format!("{address}/{prefix6}"));
            let container = NetworkContainer {
                name,
                endpoint_id: endpoint.id(),
                mac_address: endpoint::written(endpoint.mac()?),
                ipv4_address: address.unwrap_or_default(),
                ipv6_address: address6.unwrap_or_default(),
            };
            document.containers.insert(endpoint.container, container);
        }
        Ok(document)
    }
}

/// The document of a network, without the containers in it.
pub(super) fn document(record: &Record) -> Network {
    let asked = &record.document;
    let ranges = [record.range.map(|range| shown(record, range))];
    let ranges = ranges.into_iter().chain([record.range6.map(|range| shown(record, range))]);
    let config: Vec<IpamConfig> = ranges.flatten().collect();
    let driver = match asked.ipam.driver.as_str() {
        "" => "default".to_owned(),
        driver => driver.to_owned(),
    };
    Network {
        name: record.name.clone(),
        id: record.id.clone(),
        created: clock::rfc3339(record.created),
        scope: "local".to_owned(),
        driver: record.driver.clone(),
        enable_ipv4: asked.enable_ipv4 != Some(false),
        enable_ipv6: record.range6.is_some(),
        ipam: Ipam { driver, options: asked.ipam.options.clone(), config },
        internal: asked.internal,
        attachable: asked.attachable,
        options: asked.options.clone(),
        labels: asked.labels.clone(),
        ..Network::default()
    }
}

/// The addresses of a family, as they were asked for and as they are.
fn shown<A: Address>(record: &Record, range: Range<A>) -> IpamConfig {
    let asked = record.asked::<A>().cloned().unwrap_or_default();
    let (subnet, gateway) = (range.subnet.to_string(), range.gateway.to_string());
    IpamConfig { subnet, gateway, ..asked }
}
