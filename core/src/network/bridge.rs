//! The driver `bridge`: a bridge of Linux on this host, and for each container a pair of links between that and its namespace.
//!
//! The host is the bridge's gateway, with an address of its own there, and lets packets through as [`firewall`] says. The far
//! end of a pair is made in the container's namespace, so when that goes the pair goes by itself.

use std::fs;
use std::os::fd::AsRawFd;

use super::driver::{Driver, Inside};
use super::firewall;
use super::interface::{self, Setting, with_ipv6, without_ipv6, write};
use super::links;
use super::publish::{self, Published};
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::api::NetworkCreate;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::sys::namespace;
use crate::sys::netlink::Socket;
use crate::sys::netlink::route::{self, Veth};

/// Docker's names of the options.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
const MTU: &str = "com.docker.network.driver.mtu";

/// Bytes of a link's name, without the zero that ends it (`IFNAMSIZ`).
const LONGEST: usize = 15;

pub(super) struct Bridge;

impl Bridge {
    pub(super) const NAME: &'static str = "bridge";
}

impl Driver for Bridge {
    fn validate(&self, request: &NetworkCreate) -> Result<()> {
        for (option, value) in &request.options {
            let fits = match option.as_str() {
                MASQUERADE => value.parse::<bool>().is_ok(),
                // RFC 791: every link carries as much.
                MTU => value.parse::<u32>().is_ok_and(|mtu| (68..=65535).contains(&mtu)),
                BRIDGE_NAME => is_link_name(value),
                _ => {
                    return Err(Error::invalid(format!(
                        "unknown option of bridge networks: {option}"
                    ))
                    .about("field", "Options"));
                }
            };
            if !fits {
                return Err(Error::invalid(format!("invalid value of {option}: \"{value}\""))
                    .about("field", "Options"));
            }
        }
        Ok(())
    }

    fn may_join(&self, _: &Record) -> Result<()> {
        Ok(())
    }

    fn join(
        &self,
        engine: &Engine,
        network: &Record,
        endpoint: &Endpoint,
        inside: &Inside<'_>,
    ) -> Result<()> {
        let outside = Socket::route()?;
        // First what keeps others out, then what lets them in.
        let bridge = {
            let lock = namespace::lock_network()?;
            firewall::ensure(engine, &lock)?;
            failpoint("network-firewall-set")?;
            ensure(engine, &outside, network)?
        };
        failpoint("network-bridge-up")?;
        let (name, interface) = (link_name(endpoint), interface::name(endpoint));
        let veth = Veth {
            name: &name,
            peer: &interface,
            peer_namespace: inside.namespace.as_raw_fd(),
            peer_mac: endpoint.mac()?,
            bridge,
            mtu: mtu(network),
            indexes: [0, 0],
        };
        let mut made = outside.change(route::veth(&veth));
        if made.as_ref().is_err_and(|refusal| refusal.errno == libc::EEXIST) {
            // It is of a run that has ended: the kernel takes away a namespace's links some time after the namespace.
            outside
                .delete_link(&name)
                .map_err(|refusal| refusal.error(format!("remove the link {name}")))?;
            made = outside.change(route::veth(&veth));
        }
        made.map_err(|refusal| match refusal.errno {
            libc::EXFULL => Error::new(
                ErrorKind::ResourceExhausted,
                format!("network {} is full: a bridge has at most 1023 ports", network.name),
            )
            .with_reason("bridge_full")
            .about("network", &network.name),
            _ => refusal.error(format!("connect the container to network {}", network.name)),
        })?;
        failpoint("network-link-made")?;
        without_ipv6(&name)?;
        let failed = |refusal: crate::sys::netlink::Refusal| {
            refusal.error(format!("set up {interface} in network {}", network.name))
        };
        let published = publish::of(engine, &endpoint.container)?;
        if let Some(index) = outside.link(&name).map_err(failed)? {
            if !published.is_empty() {
                // It may ask for its own port at this host's address. Where `br_netfilter` is loaded, that is decided within the bridge.
                outside.change(route::reflecting(index)).map_err(failed)?;
            }
            outside.set_up(index).map_err(failed)?;
        }
        if let Some((path, value)) = from_loopback(network, &published) {
            write(&path, value)?;
        }
        interface::furnish(inside, network, endpoint)
    }

    fn leave(&self, _: &Engine, endpoint: &Endpoint) -> Result<()> {
        let name = link_name(endpoint);
        Socket::route()?
            .delete_link(&name)
            .map_err(|refusal| refusal.error(format!("remove the link {name}")))
    }

    fn tear_down(&self, engine: &Engine, network: &Record) -> Result<()> {
        let name = bridge_name(network);
        let lock = namespace::lock_network()?;
        Socket::route()?
            .delete_link(&name)
            .map_err(|refusal| refusal.error(format!("remove the bridge {name}")))?;
        failpoint("network-bridge-removed")?;
        firewall::ensure_if_there(engine, &lock)
    }
}

/// Have the bridge as it should be; its number. Another engine's choice of addresses waits for the caller's lock.
fn ensure(engine: &Engine, outside: &Socket, network: &Record) -> Result<u32> {
    let name = bridge_name(network);
    let failed = |refusal: crate::sys::netlink::Refusal| {
        let permitted = refusal.errno != libc::EPERM;
        let error = refusal.error(format!("set up the bridge {name} of network {}", network.name));
        match permitted {
            true => error,
            false => error.because("it needs CAP_NET_ADMIN: networks none and host do not"),
        }
    };
    // One that was there under a name that was asked for may be somebody's; of another, whoever made it may have come no further.
    let mut ours = !network.document.options.contains_key(BRIDGE_NAME);
    let index = match outside.link(&name).map_err(failed)? {
        Some(index) => index,
        None => {
            ours = true;
            let new = |index| route::bridge(&name, mac(network), mtu(network), index);
            // Somebody has removed it: containers that run find it by the number that it had.
            let mut made = outside.change(new(links::number(engine, network)?));
            if made.as_ref().is_err_and(|refusal| refusal.errno == libc::EEXIST) {
                made = outside.change(new(0));
            }
            made.map_err(failed)?;
            let made = outside.link(&name).map_err(failed)?;
            made.ok_or_else(|| Error::internal(format!("the bridge {name} is gone")))?
        }
    };
    match network.range6 {
        Some(_) => with_ipv6(&name)?,
        None if ours => without_ipv6(&name)?,
        None => {}
    }
    if let Some(range) = network.range {
        let prefix = range.subnet.prefix();
        outside.add_address(index, range.gateway.into(), prefix).map_err(failed)?;
    }
    if let Some(range) = network.range6 {
        outside.add_address(index, range.gateway.into(), range.subnet.prefix()).map_err(failed)?;
    }
    outside.set_up(index).map_err(failed)?;
    if !network.document.internal {
        if network.range.is_some() {
            forward("ipv4/ip_forward")?;
        }
        if network.range6.is_some() {
            forward("ipv6/conf/all/forwarding")?;
        }
    }
    Ok(index)
}

/// Let this host pass packets on, as docker does: without it nothing outside is reached from a container.
fn forward(setting: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{setting}");
    let failed = |error| Error::system(format!("let this host forward packets ({path})"), error);
    if fs::read(&path).map_err(failed)?.first() == Some(&b'0') {
        fs::write(&path, "1").map_err(failed)?;
    }
    Ok(())
}

/// What lets packets from 127.0.0.1 go out to a network's bridge, and their answers come back, as published ports on that address need it.
/// That nothing else comes from there to this host's loopback the firewall sees to.
pub(super) fn from_loopback(network: &Record, published: &[Published]) -> Option<Setting> {
    let at_loopback = |port: &Published| {
        let host_ip = port.host_ip;
        host_ip.is_ipv4() && (host_ip.is_unspecified() || host_ip.is_loopback())
    };
    let path = format!("/proc/sys/net/ipv4/conf/{}/route_localnet", bridge_name(network));
    published.iter().any(at_loopback).then_some((path, "1"))
}

/// The bridge's name.
pub(super) fn bridge_name(network: &Record) -> String {
    match network.document.options.get(BRIDGE_NAME) {
        Some(name) => name.clone(),
        None => format!("bq-{}", &network.id[..12]),
    }
}

/// The bridge's Ethernet address: one of those that anybody may choose (IEEE 802, the bit 2 of the first byte), the same each time.
pub(super) fn mac(network: &Record) -> [u8; 6] {
    let byte = |at: usize| u8::from_str_radix(&network.id[at..at + 2], 16).unwrap_or_default();
    [2, byte(0), byte(2), byte(4), byte(6), byte(8)]
}

/// The name of the host's end of a pair.
pub(super) fn link_name(endpoint: &Endpoint) -> String {
    format!("bqv{}", &endpoint.id()[..12])
}

/// Whether what leaves the network is sent on as the host's own.
pub(super) fn masquerades(network: &Record) -> bool {
    !network.document.internal
        && network
            .document
            .options
            .get(MASQUERADE)
            .is_none_or(|value| value.parse().unwrap_or(true))
}

pub(super) fn mtu(network: &Record) -> Option<u32> {
    network.document.options.get(MTU)?.parse().ok()
}

/// dev_valid_name() in net/core/dev.c, and nothing that a path or a pattern could be made of.
pub(super) fn is_link_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(plain)
        && !matches!(name, "." | ".." | "all" | "default" | "lo")
}
