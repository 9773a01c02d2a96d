//! Giving a container its networks: its namespace, made and furnished before anything runs in it.

use std::fs;
use std::io::ErrorKind as Io;
use std::os::fd::{AsFd, OwnedFd};

use super::driver::{self, Inside};
use super::endpoint;
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::sys::namespace;
use crate::sys::netlink::{Refusal, Socket};

/// What a container was given.
pub(crate) struct Attached {
    /// Its network namespace.
    pub(crate) namespace: OwnedFd,
    /// Its addresses.
    pub(crate) addresses: Vec<String>,
}

/// Make a network namespace for a container, with an interface for each of its networks. What is half made goes with the
/// namespace.
pub(crate) fn attach(engine: &Engine, container: &str) -> Result<Attached> {
    let places = places(engine, container)?;
    let (namespace, socket) = namespace::make_network(|| {
        // None of its networks has IPv6, and a link would give itself addresses.
        match fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
            Err(error) if error.kind() != Io::NotFound => {
                return Err(Error::system("keep IPv6 out of a network namespace", error));
            }
            _ => {}
        }
        Socket::route()
    })?;
    failpoint("network-namespace-made")?;
    let failed = |refusal: Refusal| refusal.error("set up a network namespace");
    if let Some(index) = socket.link("lo").map_err(failed)? {
        socket.set_up(index).map_err(failed)?;
    }
    let inside = Inside { namespace: namespace.as_fd(), socket: &socket };
    for (network, endpoint) in &places {
        driver::of(&network.driver)?.join(engine, network, endpoint, &inside)?;
    }
    set_default_route(&socket, &places)?;
    failpoint("network-attached")?;
    let addresses = places.iter().map(|(_, endpoint)| endpoint.address.to_string()).collect();
    Ok(Attached { namespace, addresses })
}

/// A container's networks, which must all be there.
pub(super) fn places(engine: &Engine, container: &str) -> Result<Vec<(Record, Endpoint)>> {
    let endpoints =
        engine.store().read(|connection| Endpoint::of_container(connection, container))?;
    let mut places = Vec::new();
    for endpoint in endpoints {
        let network =
            engine.store().read(|connection| Record::find(connection, &endpoint.network))?;
        match network.filter(|network| !network.removing) {
            Some(network) => places.push((network, endpoint)),
            None => return Err(super::not_found(&endpoint.network)),
        }
    }
    Ok(places)
}

/// Have a way out, where there is none: through the network with the highest priority, of these the first.
pub(super) fn set_default_route(socket: &Socket, places: &[(Record, Endpoint)]) -> Result<()> {
    let outward = places.iter().rev().filter(|(network, _)| !network.document.internal);
    let Some((network, endpoint)) =
        outward.max_by_key(|(_, endpoint)| endpoint.settings.gw_priority)
    else {
        return Ok(());
    };
    let failed = |refusal: Refusal| {
        refusal.error(format!("set the default route to network {}", network.name))
    };
    let interface = super::bridge::interface(endpoint);
    let index = socket.link(&interface).map_err(failed)?;
    let index = index.ok_or_else(|| Error::internal(format!("the link {interface} is gone")))?;
    socket.add_default_route(index, endpoint::range(network)?.gateway).map_err(failed)
}
