//! `inspect`: a network's document.

use super::record::{Endpoint, Record};
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
        let range = record.range;
        for (endpoint, name) in self.running(inside)? {
            let prefix = range.map_or(32, |range| range.subnet.prefix());
            let container = NetworkContainer {
                name,
                endpoint_id: endpoint.id(),
                mac_address: endpoint::written(endpoint.mac()?),
                ipv4_address: format!("{}/{prefix}", endpoint.address),
                ipv6_address: String::new(),
            };
            document.containers.insert(endpoint.container, container);
        }
        Ok(document)
    }
}

/// The document of a network, without the containers in it.
pub(super) fn document(record: &Record) -> Network {
    let asked = &record.document;
    let config = match record.range {
        None => asked.ipam.config.clone(),
        Some(range) => {
            let asked = asked.ipam.config.first().cloned().unwrap_or_default();
            let (subnet, gateway) = (range.subnet.to_string(), range.gateway.to_string());
            vec![IpamConfig { subnet, gateway, ..asked }]
        }
    };
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
        enable_ipv4: true,
        enable_ipv6: false,
        ipam: Ipam { driver, options: asked.ipam.options.clone(), config },
        internal: asked.internal,
        attachable: asked.attachable,
        options: asked.options.clone(),
        labels: asked.labels.clone(),
        ..Network::default()
    }
}
