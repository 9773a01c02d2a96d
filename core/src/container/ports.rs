//! A container's ports as documents show them.

use std::collections::BTreeMap;

use super::listed::Listed;
use super::plan;
use super::record::Record;
use crate::Engine;
use crate::api::{PortBinding, PortSummary};
use crate::error::Result;
use crate::network;

/// The ports of a container that runs, with where each is published.
pub(super) fn by_key(
    engine: &Engine,
    record: &Record,
) -> Result<BTreeMap<String, Option<Vec<PortBinding>>>> {
    let mut ports: BTreeMap<String, Option<Vec<PortBinding>>> =
        record.config.exposed_ports.keys().map(|key| (key.clone(), None)).collect();
    for published in network::published(engine, &record.id)? {
        ports.entry(published.key()).or_default().get_or_insert_default().push(PortBinding {
            host_ip: published.host_ip.to_string(),
            host_port: published.host_port.to_string(),
        });
    }
    Ok(ports)
}

/// The ports of a container in a list: one that does not run has none.
pub(super) fn list(engine: &Engine, listed: &Listed, running: bool) -> Result<Vec<PortSummary>> {
    if !running {
        return Ok(Vec::new());
    }
    // The file that says it would only be looked for in vain.
    let published = match listed.publishes() {
        true => network::published(engine, &listed.id)?,
        false => Vec::new(),
    };
    let exposed = listed.config.exposed_ports.keys();
    let unpublished = exposed.filter(|key| !published.iter().any(|port| port.key() == **key));
    let mut ports = Vec::new();
    for key in unpublished {
        // An image may say anything.
        let Ok((private_port, kind)) = plan::port(key) else { continue };
        ports.push(PortSummary { private_port, kind, ..PortSummary::default() });
    }
    ports.extend(published.into_iter().map(|published| PortSummary {
        ip: published.host_ip.to_string(),
        private_port: published.port,
        public_port: Some(published.host_port),
        kind: published.protocol,
    }));
    ports.sort_by(|a, b| (a.private_port, &a.kind).cmp(&(b.private_port, &b.kind)));
    Ok(ports)
}
