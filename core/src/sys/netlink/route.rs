//! rtnetlink(7): links, their addresses, and routes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::message::{Attributes, Message, attributes, number, octets};
use super::{Refusal, Socket};

type Done<T = ()> = std::result::Result<T, Refusal>;

/// Numbers of linux/if_link.h and linux/veth.h that libc does not have, or has with other types.
mod number_of {
    pub(super) const IFLA_ADDRESS: u16 = 1;
    pub(super) const IFLA_IFNAME: u16 = 3;
    pub(super) const IFLA_MTU: u16 = 4;
    pub(super) const IFLA_LINK: u16 = 5;
    pub(super) const IFLA_MASTER: u16 = 10;
    pub(super) const IFLA_LINKINFO: u16 = 18;
    pub(super) const IFLA_NET_NS_FD: u16 = 28;
    pub(super) const IFLA_INFO_KIND: u16 = 1;
    pub(super) const IFLA_INFO_DATA: u16 = 2;
    pub(super) const IFLA_INFO_SLAVE_KIND: u16 = 4;
    pub(super) const IFLA_INFO_SLAVE_DATA: u16 = 5;
    pub(super) const IFLA_BRPORT_MODE: u16 = 4;
    pub(super) const IFLA_MACVLAN_MODE: u16 = 1;
    pub(super) const IFLA_IPVLAN_MODE: u16 = 1;
    pub(super) const VETH_INFO_PEER: u16 = 1;
    pub(super) const IFA_ADDRESS: u16 = 1;
    pub(super) const IFA_LOCAL: u16 = 2;
    pub(super) const RTA_DST: u16 = 1;
    pub(super) const RTA_OIF: u16 = 4;
    pub(super) const RTA_GATEWAY: u16 = 5;
}
use number_of::*;

const CREATE: libc::c_int = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// A pair of links, each the other's far end.
pub(crate) struct Veth<'a> {
    /// The one that stays in the socket's namespace.
    pub(crate) name: &'a str,
    /// The other, in another namespace.
    pub(crate) peer: &'a str,
    /// That, as a descriptor of whoever sends the message.
    pub(crate) peer_namespace: RawFd,
    pub(crate) peer_mac: [u8; 6],
    /// The bridge that the first belongs to, by number.
    pub(crate) bridge: u32,
    pub(crate) mtu: Option<u32>,
    /// Their numbers; 0: the kernel chooses.
    pub(crate) indexes: [u32; 2],
}

/// A link that is one more on another.
pub(crate) struct Child<'a> {
    pub(crate) name: &'a str,
    /// The namespace that it is in, unlike its parent.
    pub(crate) namespace: BorrowedFd<'a>,
    /// Its parent, by number.
    pub(crate) parent: u32,
    pub(crate) kind: Kind,
    pub(crate) mac: Option<[u8; 6]>,
}

/// How it is one, with the number of its mode.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Macvlan(u32),
    Ipvlan(u16),
}

impl Socket {
    /// The number of the link of this name.
    pub(crate) fn link(&self, name: &str) -> Done<Option<u32>> {
        let message = Message::new(libc::RTM_GETLINK, 0, &link_header(0, 0))
            .with(Attributes::new().text(IFLA_IFNAME, name));
        let mut index = None;
        match self.get(message, |payload| index = number(payload, 4)) {
            Err(refusal) if refusal.errno == libc::ENODEV => Ok(None),
            Err(refusal) => Err(refusal),
            Ok(()) => Ok(index),
        }
    }

    /// Make a link on another.
    pub(crate) fn add_child(&self, child: &Child<'_>) -> Done {
        let (kind, data) = match child.kind {
            Kind::Macvlan(mode) => ("macvlan", Attributes::new().number(IFLA_MACVLAN_MODE, mode)),
            Kind::Ipvlan(mode) => {
                ("ipvlan", Attributes::new().bytes(IFLA_IPVLAN_MODE, &mode.to_ne_bytes()))
            }
        };
        let mut attributes = Attributes::new()
            .text(IFLA_IFNAME, child.name)
            .number(IFLA_LINK, child.parent)
            .number(IFLA_NET_NS_FD, child.namespace.as_raw_fd().cast_unsigned());
        if let Some(mac) = child.mac {
            attributes = attributes.bytes(IFLA_ADDRESS, &mac);
        }
        let kind = Attributes::new().text(IFLA_INFO_KIND, kind).nest(IFLA_INFO_DATA, data);
        self.change(
            Message::new(libc::RTM_NEWLINK, CREATE, &link_header(0, 0))
                .with(attributes.nest(IFLA_LINKINFO, kind)),
        )
    }

    /// Set a link up.
    pub(crate) fn set_up(&self, index: u32) -> Done {
        self.change(up(index))
    }

    /// Remove a link; that there is none is fine.
    pub(crate) fn delete_link(&self, name: &str) -> Done {
        let message = Message::new(libc::RTM_DELLINK, 0, &link_header(0, 0))
            .with(Attributes::new().text(IFLA_IFNAME, name));
        match self.change(message) {
            Err(refusal) if refusal.errno == libc::ENODEV => Ok(()),
            done => done,
        }
    }

    /// Give a link an address, which nobody else has there; that it has it is fine.
    pub(crate) fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> Done {
        self.have(self::address(index, address, prefix))
    }

    /// Send what has no other way to `gateway`.
    pub(crate) fn add_default_route(&self, index: u32, gateway: IpAddr) -> Done {
        self.have(default_route(index, gateway))
    }

    /// Have something made; that it is there is fine.
    fn have(&self, message: Message) -> Done {
        match self.change(message) {
            Err(refusal) if refusal.errno == libc::EEXIST => Ok(()),
            done => done,
        }
    }

    /// Where this namespace sends what, of a family (`AF_INET`, `AF_INET6`): an address and the length of each destination but the
    /// default, of links and routes.
    pub(crate) fn destinations(&self, family: libc::c_int) -> Done<BTreeSet<(IpAddr, u8)>> {
        let mut found = BTreeSet::new();
        let mut add = |address: &[u8], prefix: u8| {
            let four = <[u8; 4]>::try_from(address).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from));
            if let Ok(address) = address
                && prefix > 0
            {
                found.insert((address, prefix));
            }
        };
        let family = family as u8;
        let header = [family, 0, 0, 0, 0, 0, 0, 0];
        self.dump(&Message::new(libc::RTM_GETADDR, 0, &header), |payload| {
            let prefix = payload.get(1).copied().unwrap_or(0);
            let address = attributes(payload.get(8..).unwrap_or_default());
            address
                .filter(|(kind, _)| *kind == IFA_ADDRESS)
                .for_each(|(_, value)| add(value, prefix));
        })?;
        let header = route_header(family, 0, 0, 0);
        self.dump(&Message::new(libc::RTM_GETROUTE, 0, &header), |payload| {
            let prefix = payload.get(1).copied().unwrap_or(0);
            let address = attributes(payload.get(12..).unwrap_or_default());
            address.filter(|(kind, _)| *kind == RTA_DST).for_each(|(_, value)| add(value, prefix));
        })?;
        Ok(found)
    }
}

/// Make a bridge, with this number (0: the kernel chooses). One without an address of its own has the lowest of its ports'
/// (`br_stp_recalculate_bridge_id`), so another with each that comes or goes, which the neighbours do not hear of.
pub(crate) fn bridge(name: &str, mac: [u8; 6], mtu: Option<u32>, index: u32) -> Message {
    let attributes = Attributes::new().text(IFLA_IFNAME, name).bytes(IFLA_ADDRESS, &mac);
    let kind = Attributes::new().text(IFLA_INFO_KIND, "bridge");
    Message::new(libc::RTM_NEWLINK, CREATE, &link_header(index, 0))
        .with(with_mtu(attributes, mtu).nest(IFLA_LINKINFO, kind))
}

/// Make a link that leads nowhere.
pub(crate) fn dummy(name: &str) -> Message {
    let kind = Attributes::new().text(IFLA_INFO_KIND, "dummy");
    let attributes = Attributes::new().text(IFLA_IFNAME, name).nest(IFLA_LINKINFO, kind);
    Message::new(libc::RTM_NEWLINK, CREATE, &link_header(0, 0)).with(attributes)
}

/// Make a pair, in one step: the far end is never anywhere but in its namespace.
pub(crate) fn veth(veth: &Veth<'_>) -> Message {
    let [near, far] = veth.indexes;
    let peer = Attributes::new()
        .text(IFLA_IFNAME, veth.peer)
        .bytes(IFLA_ADDRESS, &veth.peer_mac)
        .number(IFLA_NET_NS_FD, veth.peer_namespace.cast_unsigned());
    let peer = with_mtu(peer, veth.mtu);
    let data = Attributes::new().nest_behind(VETH_INFO_PEER, &link_header(far, 0), peer);
    let kind = Attributes::new().text(IFLA_INFO_KIND, "veth").nest(IFLA_INFO_DATA, data);
    let attributes =
        Attributes::new().text(IFLA_IFNAME, veth.name).number(IFLA_MASTER, veth.bridge);
    Message::new(libc::RTM_NEWLINK, CREATE, &link_header(near, 0))
        .with(with_mtu(attributes, veth.mtu).nest(IFLA_LINKINFO, kind))
}

/// Set a link up.
pub(crate) fn up(index: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, 0, &link_header(index, libc::IFF_UP as u32))
}

/// Put a link on a bridge.
pub(crate) fn member(index: u32, bridge: u32) -> Message {
    Message::new(libc::RTM_NEWLINK, 0, &link_header(index, 0))
        .with(Attributes::new().number(IFLA_MASTER, bridge))
}

/// Have a bridge send a packet back by the port that it came from (`hairpin_mode`), where that is its way.
pub(crate) fn reflecting(index: u32) -> Message {
    let data = Attributes::new().bytes(IFLA_BRPORT_MODE, &[1]);
    let of_bridge =
        Attributes::new().text(IFLA_INFO_SLAVE_KIND, "bridge").nest(IFLA_INFO_SLAVE_DATA, data);
    Message::new(libc::RTM_NEWLINK, 0, &link_header(index, 0))
        .with(Attributes::new().nest(IFLA_LINKINFO, of_bridge))
}

/// Give a link an address, which nobody else has there.
pub(crate) fn address(index: u32, address: IpAddr, prefix: u8) -> Message {
    // It can be used at once, and nobody is asked first (RFC 4862, 5.4).
    let flags = if address.is_ipv6() { libc::IFA_F_NODAD as u8 } else { 0 };
    let mut header = vec![family(address), prefix, flags, libc::RT_SCOPE_UNIVERSE];
    header.extend(index.to_ne_bytes());
    let octets = octets(address);
    let attributes = Attributes::new().bytes(IFA_LOCAL, &octets).bytes(IFA_ADDRESS, &octets);
    Message::new(libc::RTM_NEWADDR, CREATE, &header).with(attributes)
}

/// Send what has no other way to `gateway`.
pub(crate) fn default_route(index: u32, gateway: IpAddr) -> Message {
    let header =
        route_header(family(gateway), libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, libc::RTN_UNICAST);
    let attributes = Attributes::new().bytes(RTA_GATEWAY, &octets(gateway)).number(RTA_OIF, index);
    Message::new(libc::RTM_NEWROUTE, CREATE, &header).with(attributes)
}

fn with_mtu(attributes: Attributes, mtu: Option<u32>) -> Attributes {
    match mtu {
        Some(mtu) => attributes.number(IFLA_MTU, mtu),
        None => attributes,
    }
}

/// `struct ifinfomsg`; `flags` are those to be set.
fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&flags.to_ne_bytes());
    header
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

/// `struct rtmsg`.
fn route_header(family: u8, table: u8, protocol: u8, kind: u8) -> [u8; 12] {
    [family, 0, 0, 0, table, protocol, libc::RT_SCOPE_UNIVERSE, kind, 0, 0, 0, 0]
}
