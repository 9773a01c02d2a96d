//! Giving a container its networks: its namespace, made and furnished before anything runs in it.

use std::fs;
use std::io::ErrorKind as Io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use super::DEFAULT;
use super::bridge::Bridge;
use super::driver::{self, Inside};
use super::interface;
use super::links;
use super::names;
use super::publish;
use super::record::{Endpoint, Record};
use super::resolver::{self, Sockets};
use crate::Engine;
use crate::container::plan::WantedPort;
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
    /// One of its networks has names.
    pub(crate) has_names: bool,
    /// The host's, as it reaches it.
    pub(crate) gateway: String,
    /// What holds its published ports, if it has any.
    pub(crate) ports: Option<OwnedFd>,
    /// Where its questions about names arrive.
    pub(crate) resolver: Sockets,
}

/// Make a network namespace for a container, with an interface for each of its networks, and publish these of its ports. What is half
/// made goes with the namespace and the run directory. `made`: the namespace, if there is one already.
pub(crate) fn attach(
    engine: &Engine,
    container: &str,
    wanted: &[WantedPort],
    made: Option<OwnedFd>,
) -> Result<Attached> {
    let places = places(engine, container)?;
    let reached = Reached::at(&places);
    let ports = match wanted.is_empty() || reached == Reached::default() {
        false => Some(publish::hold(engine, container, wanted, reached)?),
        true => None,
    };
    let furnish = || {
        // Only links in networks of IPv6 have it: others would give themselves addresses.
        match fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
            Err(error) if error.kind() != Io::NotFound => {
                return Err(Error::system("keep IPv6 out of a network namespace", error));
            }
            _ => {}
        }
        let socket = Socket::route()?;
        let failed = |refusal: Refusal| refusal.error("set up a network namespace");
        if let Some(index) = socket.link("lo").map_err(failed)? {
            socket.set_up(index).map_err(failed)?;
        }
        Ok((socket, resolver::open()?))
    };
    let (namespace, (socket, resolver)) = match made {
        None => namespace::make_network(furnish)?,
        Some(made) => {
            let furnished = namespace::in_network(namespace::hold(made.as_fd())?, furnish)?;
            (made, furnished)
        }
    };
    failpoint("network-namespace-made")?;
    let inside = Inside { namespace: namespace.as_fd(), socket: &socket };
    for (network, endpoint) in &places {
        driver::of(&network.driver)?.join(engine, network, endpoint, &inside)?;
    }
    set_default_route(&socket, &places)?;
    links::write_down(engine, container, &places, &socket)?;
    failpoint("network-attached")?;
    let bridged = outward(&places).or_else(|| outward6(&places));
    let bridged = bridged.filter(|(network, _)| network.driver == Bridge::NAME);
    let gateway = bridged.or(places.first()).and_then(|(network, _)| network.gateway());
    let gateway = gateway.map_or_else(String::new, |gateway| gateway.to_string());
    let addresses = places.iter().flat_map(|(_, endpoint)| endpoint.addresses());
    let addresses = addresses.map(|address| address.to_string()).collect();
    let has_names = places.iter().any(|(network, _)| network.name != DEFAULT);
    names::publish(engine, container)?;
    Ok(Attached { namespace, addresses, has_names, gateway, ports, resolver })
}

/// A container's networks, which must all be there.
pub(super) fn places(engine: &Engine, container: &str) -> Result<Vec<(Record, Endpoint)>> {
    let found = engine.store().read(|c| Endpoint::with_networks(c, container))?.into_iter();
    found
        .map(|(network, endpoint)| match network.filter(|network| !network.removing) {
            Some(network) => Ok((network, endpoint)),
            None => Err(super::not_found(&endpoint.network)),
        })
        .collect()
}

/// Those of a container's networks that are there.
pub(super) fn places_of(engine: &Engine, container: &str) -> Result<Vec<(Record, Endpoint)>> {
    let found = engine.store().read(|c| Endpoint::with_networks(c, container))?.into_iter();
    let there = found.filter_map(|(network, endpoint)| Some((network?, endpoint)));
    Ok(there.filter(|(network, _)| !network.removing).collect())
}

/// A container's address in the default network; `None`: it is not in it.
pub(crate) fn address_in_default(engine: &Engine, container: &str) -> Result<Option<Ipv4Addr>> {
    let places = places_of(engine, container)?;
    let place = places.iter().find(|(network, _)| network.name == DEFAULT);
    Ok(place.and_then(|(_, endpoint)| endpoint.address))
}

/// The place that a container is reached at from outside, and goes out from: in the network with the highest priority, of these the
/// first.
fn outward(places: &[(Record, Endpoint)]) -> Option<&(Record, Endpoint)> {
    outward_among(places, |network| network.range.is_some())
}

/// The same by IPv6.
fn outward6(places: &[(Record, Endpoint)]) -> Option<&(Record, Endpoint)> {
    outward_among(places, |network| network.range6.is_some())
}

fn outward_among(
    places: &[(Record, Endpoint)],
    fits: impl Fn(&Record) -> bool,
) -> Option<&(Record, Endpoint)> {
    let open = |network: &Record| !network.document.internal && fits(network);
    let outward = places.iter().rev().filter(|(network, _)| open(network));
    outward.max_by_key(|(_, endpoint)| endpoint.settings.gw_priority)
}

/// Where published ports lead, of each family. There is none in internal networks, nor where the host has no part in a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl Reached {
    pub(super) fn at(places: &[(Record, Endpoint)]) -> Reached {
        let bridged = |place: &&(Record, Endpoint)| place.0.driver == Bridge::NAME;
        Reached {
            v4: outward(places).filter(bridged).and_then(|(_, endpoint)| endpoint.address),
            v6: outward6(places).filter(bridged).and_then(|(_, endpoint)| endpoint.address6),
        }
    }

    /// From an address of this host's.
    pub(super) fn from(self, host: IpAddr) -> Option<IpAddr> {
        match host {
            IpAddr::V4(_) => self.v4.map(IpAddr::V4),
            IpAddr::V6(_) => self.v6.map(IpAddr::V6),
        }
    }
}

/// Have a way out, where there is none.
pub(super) fn set_default_route(socket: &Socket, places: &[(Record, Endpoint)]) -> Result<()> {
    for (network, endpoint) in places {
        for gateway in gateways(places, endpoint) {
            send_by(socket, network, endpoint, gateway)?;
        }
    }
    Ok(())
}

/// What the container sends everything else to by this one of its places: a gateway of each family, of one, or none.
pub(super) fn gateways(places: &[(Record, Endpoint)], place: &Endpoint) -> Vec<IpAddr> {
    let here = |(network, _): &&(Record, Endpoint)| network.id == place.network;
    let v4 = outward(places).filter(here).and_then(|(network, _)| network.range);
    let v6 = outward6(places).filter(here).and_then(|(network, _)| network.range6);
    let v4 = v4.map(|range| range.gateway.into());
    v4.into_iter().chain(v6.map(|range| range.gateway.into())).collect()
}

fn send_by(socket: &Socket, network: &Record, endpoint: &Endpoint, gateway: IpAddr) -> Result<()> {
    let failed = |refusal: Refusal| {
        refusal.error(format!("set the default route to network {}", network.name))
    };
    let interface = interface::name(endpoint);
    let index = socket.link(&interface).map_err(failed)?;
    let index = index.ok_or_else(|| Error::internal(format!("the link {interface} is gone")))?;
    socket.add_default_route(index, gateway).map_err(failed)
}
