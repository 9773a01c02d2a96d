//! A container's interface in a network: what it is called, and what it is given.

use std::fs;
use std::io::ErrorKind as Io;
use std::net::IpAddr;

use super::driver::Inside;
use super::record::{Endpoint, Record};
use crate::error::{Error, Result};
use crate::sys::namespace;
use crate::sys::netlink::Refusal;

/// Its name.
pub(super) fn name(endpoint: &Endpoint) -> String {
    format!("eth{}", endpoint.position)
}

/// Give an interface that is there its addresses, and set it up.
pub(super) fn furnish(inside: &Inside<'_>, network: &Record, endpoint: &Endpoint) -> Result<()> {
    let name = name(endpoint);
    let failed =
        |refusal: Refusal| refusal.error(format!("set up {name} in network {}", network.name));
    let index = inside.socket.link(&name).map_err(failed)?;
    let index = index.ok_or_else(|| Error::internal(format!("the link {name} is gone")))?;
    if let (Some(range), Some(address)) = (network.range, endpoint.address) {
        let prefix = range.subnet.prefix();
        inside.socket.add_address(index, IpAddr::V4(address), prefix).map_err(failed)?;
    }
    if let (Some(range), Some(address)) = (network.range6, endpoint.address6) {
        let (link, namespace) = (name.clone(), namespace::hold(inside.namespace)?);
        namespace::in_network(namespace, move || with_ipv6(&link))?;
        let prefix = range.subnet.prefix();
        inside.socket.add_address(index, IpAddr::V6(address), prefix).map_err(failed)?;
    }
    inside.socket.set_up(index).map_err(failed)
}

/// A setting below /proc/sys/net, of the network namespace that a thread is in, and its value.
pub(super) type Setting = (String, &'static str);

pub(super) fn write(path: &str, value: &str) -> Result<()> {
    fs::write(path, value).map_err(|error| Error::system(format!("write {path}"), error))
}

/// Have IPv6 on a link of the network namespace that this thread is in.
pub(super) fn with_ipv6(link: &str) -> Result<()> {
    for (path, value) in ipv6(link) {
        fs::write(&path, value).map_err(|error| match error.kind() {
            Io::NotFound => Error::unsupported("this kernel has no IPv6"),
            _ => Error::system(format!("write {path}"), error),
        })?;
    }
    Ok(())
}

/// What a link with IPv6 has: the addresses that it is given and no others, whatever routers say there (SEC-129). Nobody else can have
/// them, so they are not asked for either: for a second nothing could be sent by the link (RFC 4862, 5.4).
pub(super) fn ipv6(link: &str) -> [Setting; 4] {
    ["accept_ra", "autoconf", "accept_dad", "disable_ipv6"]
        .map(|setting| (format!("/proc/sys/net/ipv6/conf/{link}/{setting}"), "0"))
}

/// What a link has that is only for IPv4: no addresses by themselves, and nothing learned from what a container sends there (SEC-129).
pub(super) fn no_ipv6(link: &str) -> Setting {
    (format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6"), "1")
}

pub(super) fn without_ipv6(link: &str) -> Result<()> {
    let (path, value) = no_ipv6(link);
    match fs::write(&path, value) {
        // This kernel has none.
        Err(error) if error.kind() == Io::NotFound => Ok(()),
        done => done.map_err(|error| Error::system(format!("write {path}"), error)),
    }
}
