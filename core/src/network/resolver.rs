//! 127.0.0.11 in a container: sockets that are handed to its monitor, and rules by which questions come to them.
//!
//! Docker's address and port are what programs expect, but port 53 is the container's own: the sockets have ports of the kernel's choice,
//! and in the container's namespace the port in packets to and from 127.0.0.11 is exchanged on their way out of a program. That needs no
//! connection tracking, which would cost every packet of the container something.

use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use crate::error::{Error, Result};
use crate::sys::netlink::nftables::{Hook, Protocol, Rule, Table};
use crate::sys::netlink::{Refusal, Socket};

/// Docker's.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const PORT: u16 = 53;

/// The table in the container's namespace.
const TABLE: Table<'static> = Table("barque");

/// Where questions arrive.
pub(crate) struct Sockets {
    pub(crate) packets: OwnedFd,
    pub(crate) connections: OwnedFd,
}

/// Open the sockets, in the network namespace that this thread is in and whose loopback link is up.
pub(super) fn open() -> Result<Sockets> {
    let failed =
        |error: io::Error| Error::system("open the sockets of a container's resolver", error);
    let packets = UdpSocket::bind((ADDRESS, 0)).map_err(failed)?;
    let connections = TcpListener::bind((ADDRESS, 0)).map_err(failed)?;
    packets.set_nonblocking(true).map_err(failed)?;
    connections.set_nonblocking(true).map_err(failed)?;
    let ports = [
        (Protocol::UDP, packets.local_addr().map_err(failed)?.port()),
        (Protocol::TCP, connections.local_addr().map_err(failed)?.port()),
    ];
    let mut messages = vec![
        TABLE.add(),
        // Before anybody else looks (NF_IP_PRI_RAW).
        TABLE.chain("resolver", "filter", Hook::Output, -300),
    ];
    for (protocol, port) in ports {
        let to = Rule::new().ipv4().lead_to_port(ADDRESS, protocol, PORT, port);
        let from = Rule::new().ipv4().pretend_port(ADDRESS, protocol, port, PORT);
        messages.extend([TABLE.rule("resolver", to), TABLE.rule("resolver", from)]);
    }
    let failed = |refusal: Refusal| refusal.error("lead a container's questions to its resolver");
    Socket::netfilter()?.batch(messages).map_err(failed)?;
    Ok(Sockets { packets: packets.into(), connections: connections.into() })
}
