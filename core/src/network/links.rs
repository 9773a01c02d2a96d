//! What a container's monitor does when somebody has removed links of it or set them down, written down while they are there.
//!
//! It is about bridges and the pairs of links that end there: the monitor hears of it, and makes again what is not there
//! (`core/monitor/src/monitor/links.rs`). It knows nothing of networks, so it is given the messages to send, with the numbers that the links
//! have now: the kernel gives a number to no other link by itself, and makes a link with the number that it is asked for.

use std::fs;
use std::io::ErrorKind as Io;
use std::net::IpAddr;

use barque_monitor::protocol::{Action, LINKS_FILE, Link, Links, Request, Step, fd};

use super::attach::gateways;
use super::bridge::{self, Bridge, bridge_name, link_name};
use super::interface::{self, Setting, ipv6, no_ipv6};
use super::publish;
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::container;
use crate::error::{Error, Result};
use crate::sys::netlink::message::Message;
use crate::sys::netlink::route::{self, Veth, address, default_route, member, reflecting, up};
use crate::sys::netlink::{Refusal, Socket};
use crate::sys::{self, namespace};

/// Write down the links of a container that has these places, `inside` its network namespace.
pub(super) fn write_down(
    engine: &Engine,
    container: &str,
    places: &[(Record, Endpoint)],
    inside: &Socket,
) -> Result<()> {
    let bridged = |(network, _): &&(Record, Endpoint)| network.driver == Bridge::NAME;
    if !places.iter().any(|place| bridged(&place)) {
        return write(engine, container, &Links::default());
    }
    let outside = Socket::route()?;
    let failed = |refusal: Refusal| refusal.error("look at the links of a container");
    let published = publish::of(engine, container)?;
    let mut links = Links::default();
    for (network, endpoint) in places.iter().filter(bridged) {
        let bridge = outside.link(&bridge_name(network)).map_err(failed)?;
        let near = outside.link(&link_name(endpoint)).map_err(failed)?;
        let far = inside.link(&interface::name(endpoint)).map_err(failed)?;
        match (bridge, near, far) {
            (Some(bridge), Some(near), Some(far)) => {
                let gateways = gateways(places, endpoint);
                let again = Again { network, endpoint, bridge, near, far, gateways };
                links.0.push(again.link(&published)?);
            }
            // One is gone just now. What was written down about it still holds.
            _ => {
                let known = read(engine, container)?.0.into_iter();
                links.0.extend(known.filter(|link| link.network == network.id));
            }
        }
    }
    write(engine, container, &links)
}

/// A container leaves a network: its link there is not made again from now on.
pub(super) fn forget(engine: &Engine, container: &str, network: &str) -> Result<()> {
    // Its monitor has looked at all of them or sees this first.
    let _lock = namespace::lock_network()?;
    let mut links = read(engine, container)?;
    links.0.retain(|link| link.network != network);
    write(engine, container, &links)
}

/// Have the container's monitor look at them. One of an older build does not.
pub(super) fn tell(engine: &Engine, container: &str) {
    container::tell(engine, container, &Request::Links);
}

/// The number of a network's bridge in what is written down; 0, where nothing is.
pub(super) fn number(engine: &Engine, network: &Record) -> Result<u32> {
    for (endpoint, _) in engine.store().read(|c| Endpoint::in_network(c, &network.id))? {
        let links = read(engine, &endpoint.container)?.0;
        if let Some(link) = links.into_iter().find(|link| link.network == network.id) {
            return Ok(link.bridge);
        }
    }
    Ok(0)
}

fn read(engine: &Engine, container: &str) -> Result<Links> {
    let path = engine.layout().container_run(container).join(LINKS_FILE);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| Error::internal(format!("read {}", path.display())).because(error)),
        // There may be anything where the directory should be.
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => {
            Ok(Links::default())
        }
        Err(error) => Err(Error::system(format!("read {}", path.display()), error)),
    }
}

fn write(engine: &Engine, container: &str, links: &Links) -> Result<()> {
    let path = engine.layout().container_run(container).join(LINKS_FILE);
    if links.0.is_empty() && !path.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec(links)
        .map_err(|error| Error::internal("write down the links of a container").because(error))?;
    sys::file::replace(&path, &text, 0o600)
}

/// A link, and the numbers of all that belongs to it.
struct Again<'a> {
    network: &'a Record,
    endpoint: &'a Endpoint,
    bridge: u32,
    near: u32,
    far: u32,
    gateways: Vec<IpAddr>,
}

impl Again<'_> {
    fn link(&self, published: &[publish::Published]) -> Result<Link> {
        let Again { network, endpoint, bridge, near, .. } = *self;
        let mut member_again = vec![send(member(near, bridge))];
        if !published.is_empty() {
            member_again.push(send(reflecting(near)));
        }
        member_again.extend(bridge::from_loopback(network, published).map(set));
        member_again.push(send(up(near)));
        Ok(Link {
            network: network.id.clone(),
            bridge,
            number: near,
            bridge_again: self.bridge_again(),
            bridge_set_up: self.bridge_set_up(),
            link_again: self.link_again(endpoint)?,
            member_again,
        })
    }

    /// As `bridge::ensure` has it.
    fn bridge_again(&self) -> Vec<Step> {
        let Again { network, bridge, .. } = *self;
        let name = bridge_name(network);
        let new = route::bridge(&name, bridge::mac(network), bridge::mtu(network), bridge);
        let mut steps = vec![send(new)];
        match network.range6 {
            Some(_) => steps.extend(ipv6(&name).map(set)),
            None => steps.push(set(no_ipv6(&name))),
        }
        steps
    }

    fn bridge_set_up(&self) -> Vec<Step> {
        let Again { network, bridge, .. } = *self;
        let v4 = network.range.map(|r| address(bridge, r.gateway.into(), r.subnet.prefix()));
        let v6 = network.range6.map(|r| address(bridge, r.gateway.into(), r.subnet.prefix()));
        [v4, v6, Some(up(bridge))].into_iter().flatten().map(send).collect()
    }

    /// As `Bridge::join`, `interface::furnish` and `attach::set_default_route` have it.
    fn link_again(&self, endpoint: &Endpoint) -> Result<Vec<Step>> {
        let Again { network, bridge, near, far, .. } = *self;
        let (name, interface) = (link_name(endpoint), interface::name(endpoint));
        let veth = Veth {
            name: &name,
            peer: &interface,
            peer_namespace: fd::NETWORK,
            peer_mac: endpoint.mac()?,
            bridge,
            mtu: bridge::mtu(network),
            indexes: [near, far],
        };
        let mut steps = vec![send(route::veth(&veth)), set(no_ipv6(&name)), send(up(near))];
        let mut within = Vec::new();
        if let (Some(range), Some(own)) = (network.range, endpoint.address) {
            within.push(send(address(far, own.into(), range.subnet.prefix())));
        }
        if let (Some(range), Some(own)) = (network.range6, endpoint.address6) {
            within.extend(ipv6(&interface).map(set));
            within.push(send(address(far, own.into(), range.subnet.prefix())));
        }
        within.push(send(up(far)));
        within.extend(self.gateways.iter().map(|gateway| send(default_route(far, *gateway))));
        steps.extend(within.into_iter().map(|step| Step { inside: true, ..step }));
        Ok(steps)
    }
}

fn send(message: Message) -> Step {
    Step { inside: false, action: Action::Send(message.alone()) }
}

fn set((path, value): Setting) -> Step {
    Step { inside: false, action: Action::Set(path, value.to_owned()) }
}
