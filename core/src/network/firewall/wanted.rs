//! What the table holds: rules that are always the same, and sets that follow from the record.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::super::bridge::{Bridge, bridge_name, masquerades};
use super::super::publish::Published;
use super::super::record::Record;
use super::super::subnet::{Address, Subnet};
use crate::sys::netlink::message::{Message, octets};
use crate::sys::netlink::nftables::{Element, Hook, Rule, Table, Type, Verdict, interface, port};
use crate::sys::netlink::{Refusal, Socket};

/// The bridges, and those of internal networks; the subnets that are known outside by the host's address only.
const BRIDGES: &str = "bridges";
/// From each bridge to itself: where `br_netfilter` is loaded, packets that do not leave a bridge pass here too.
const WITHIN: &str = "within";
const INTERNAL: &str = "internal";
const HIDDEN: &str = "hidden";
const HIDDEN6: &str = "hidden6";
/// Where published ports lead: those of all addresses of this host, and those of one.
const PORTS: &str = "ports";
const PORTS_AT: &str = "ports_at";
const PORTS6: &str = "ports6";
const PORTS6_AT: &str = "ports6_at";
/// From the address of each container that has any to itself.
const ITSELF: &str = "itself";
const ITSELF6: &str = "itself6";

/// All of them.
const SETS: [&str; 11] = [
    BRIDGES, INTERNAL, HIDDEN, HIDDEN6, WITHIN, PORTS, PORTS_AT, PORTS6, PORTS6_AT, ITSELF, ITSELF6,
];

/// Elements by set.
pub(super) type Elements = BTreeMap<&'static str, BTreeSet<Element>>;

/// What should be in the sets.
pub(super) struct Wanted(Elements);

impl Wanted {
    pub(super) fn of(networks: &[Record], destinations: &[(Published, IpAddr)]) -> Wanted {
        let mut elements = published(destinations.iter().map(|(published, to)| (published, *to)));
        let mut put = |set: &'static str, element: Element| {
            elements.entry(set).or_default().insert(element);
        };
        let (mut ranges, mut ranges6) = (Vec::new(), Vec::new());
        for network in networks.iter().filter(|n| n.driver == Bridge::NAME && !n.removing) {
            let name = interface(&bridge_name(network));
            put(BRIDGES, Element::of(&name));
            put(WITHIN, Element::of(&[name; 2].concat()));
            if network.document.internal {
                put(INTERNAL, Element::of(&name));
            }
            if masquerades(network) {
                ranges.extend(network.range.map(|range| bounds(range.subnet)));
                ranges6.extend(network.range6.map(|range| bounds(range.subnet)));
            }
        }
        for (first, end) in joined(ranges) {
            put(HIDDEN, Element::of(&Ipv4Addr::of(first).octets()));
            put(HIDDEN, Element::range_end(&Ipv4Addr::of(end).octets()));
        }
        for (first, end) in joined(ranges6) {
            put(HIDDEN6, Element::of(&first.to_be_bytes()));
            put(HIDDEN6, Element::range_end(&end.to_be_bytes()));
        }
        Wanted(elements)
    }

    /// The same without what is published.
    pub(super) fn unpublished(&self) -> Wanted {
        let published = [PORTS, PORTS_AT, PORTS6, PORTS6_AT, ITSELF, ITSELF6];
        let mut elements = self.0.clone();
        elements.retain(|set, _| !published.contains(set));
        Wanted(elements)
    }

    fn elements(&self, set: &str) -> impl Iterator<Item = &Element> {
        self.0.get(set).into_iter().flatten()
    }

    /// What is to be done to the sets that are there.
    pub(super) fn corrections(
        &self,
        socket: &Socket,
        table: Table<'_>,
    ) -> Result<Vec<Message>, Refusal> {
        let mut messages = Vec::new();
        for set in SETS {
            let there = socket.elements(table, set)?;
            let wanted: BTreeSet<&Element> = self.elements(set).collect();
            messages
                .extend(table.delete_elements(set, there.iter().filter(|e| !wanted.contains(e))));
            let missing = wanted.into_iter().filter(|element| !there.contains(element));
            messages.extend(table.add_elements(set, missing));
        }
        Ok(messages)
    }

    /// That all of it is in sets that have nothing else.
    pub(super) fn additions(&self, table: Table<'_>) -> Vec<Message> {
        SETS.iter().flat_map(|set| table.add_elements(set, self.elements(set))).collect()
    }

    /// The whole table, instead of the one that is there.
    pub(super) fn messages(&self, table: Table<'_>) -> Vec<Message> {
        let mut messages = vec![table.add(), table.delete(), table.add()];
        messages.extend([
            table.set(BRIDGES, 1, Type::INTERFACE, false),
            table.set(INTERNAL, 2, Type::INTERFACE, false),
            table.set(HIDDEN, 3, Type::ADDRESS, true),
            table.set(WITHIN, 4, Type::INTERFACES, false),
            table.map(PORTS, 5, Type::PORT, Type::PLACE),
            table.map(PORTS_AT, 6, Type::PORT_AT, Type::PLACE),
            table.set(ITSELF, 7, Type::ADDRESSES, false),
            table.set(HIDDEN6, 8, Type::ADDRESS6, true),
            table.map(PORTS6, 9, Type::PORT, Type::PLACE6),
            table.map(PORTS6_AT, 10, Type::PORT_AT6, Type::PLACE6),
            table.set(ITSELF6, 11, Type::ADDRESSES6, false),
        ]);
        messages.extend(self.additions(table));
        // Priorities of linux/netfilter_ipv4.h: raw, dstnat, filter, srcnat.
        messages.extend([
            table.chain("prerouting", "filter", Hook::Prerouting, -300),
            table.chain("published", "nat", Hook::Prerouting, -100),
            table.chain("own", "nat", Hook::Output, -100),
            table.chain("forward", "filter", Hook::Forward, 0),
            table.chain("postrouting", "nat", Hook::Postrouting, 100),
        ]);
        let to_ports =
            |map: &str| Rule::new().ipv4().for_this_host().redirect_by(map, map == PORTS_AT);
        let to_ports6 =
            |map: &str| Rule::new().ipv6().for_this_host().redirect6_by(map, map == PORTS6_AT);
        let rules = [
            // The host's loopback is nobody's on a bridge (CVE-2020-8558). Every packet of this host's is asked this, so first what costs least.
            (
                "prerouting",
                Rule::new().ipv4().for_loopback().coming_by(BRIDGES).verdict(Verdict::Drop),
            ),
            // What is for a published port, from elsewhere or from this host itself. Only what is for this host: a container's port is
            // nobody's on its way to another host.
            // What comes from elsewhere for the loopback is led nowhere: then the kernel drops it, as it always does (CVE-2020-8558).
            ("published", Rule::new().ipv4().for_loopback().verdict(Verdict::Accept)),
            ("published", to_ports(PORTS_AT)),
            ("published", to_ports(PORTS)),
            ("published", to_ports6(PORTS6_AT)),
            ("published", to_ports6(PORTS6)),
            ("own", to_ports(PORTS_AT)),
            ("own", to_ports(PORTS)),
            // Nothing may come from ::1 on another link (RFC 4291, 2.5.3), and there is no setting that would let it.
            ("own", Rule::new().ipv6().for_loopback6().verdict(Verdict::Accept)),
            ("own", to_ports6(PORTS6_AT)),
            ("own", to_ports6(PORTS6)),
            // Into a network comes what was asked for from inside, and what is for a published port, and nothing else: not from other
            // networks, and not from outside, by whatever route (moby 28, "direct access to container ports").
            // Nearly all packets are of a connection that is there, whichever way they go: these ask no other rule.
            ("forward", Rule::new().answers().not_coming_by(INTERNAL).verdict(Verdict::Accept)),
            ("forward", Rule::new().leaving_by(BRIDGES).redirected().verdict(Verdict::Accept)),
            ("forward", Rule::new().between_interfaces_in(WITHIN).verdict(Verdict::Accept)),
            ("forward", Rule::new().leaving_by(BRIDGES).verdict(Verdict::Drop)),
            ("forward", Rule::new().coming_by(INTERNAL).verdict(Verdict::Drop)),
            ("forward", Rule::new().coming_by(BRIDGES).verdict(Verdict::Accept)),
            // Who asks by this host's address must have the answer from there: not from a neighbour in its own network, not from
            // itself (which the first rule does not see where `br_netfilter` is loaded), and not from elsewhere than its own
            // loopback. Others are seen as who they are.
            ("postrouting", Rule::new().between_interfaces_in(WITHIN).redirected().masquerade()),
            ("postrouting", Rule::new().ipv4().between_addresses_in(ITSELF).masquerade()),
            ("postrouting", Rule::new().ipv6().between_addresses6_in(ITSELF6).masquerade()),
            (
                "postrouting",
                Rule::new().ipv4().source_is_loopback().leaving_by(BRIDGES).masquerade(),
            ),
            (
                "postrouting",
                Rule::new().ipv4().source_in(HIDDEN).not_leaving_by(BRIDGES).masquerade(),
            ),
            (
                "postrouting",
                Rule::new().ipv6().source6_in(HIDDEN6).not_leaving_by(BRIDGES).masquerade(),
            ),
        ];
        messages.extend(rules.into_iter().map(|(chain, rule)| table.rule(chain, rule)));
        messages
    }
}

/// The number of a range's first address, and the one behind its last.
fn bounds<A: Address>(subnet: Subnet<A>) -> (u128, u128) {
    (subnet.address().number(), subnet.last().number().saturating_add(1))
}

/// Ranges, with those that touch as one.
fn joined(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u128, u128)> = Vec::new();
    for (first, end) in ranges {
        match joined.last_mut() {
            Some((_, before)) if *before >= first => *before = end.max(*before),
            _ => joined.push((first, end)),
        }
    }
    joined
}

/// What published ports have in the sets, with the addresses and ports that they lead to.
pub(super) fn published<'p>(ports: impl Iterator<Item = (&'p Published, IpAddr)>) -> Elements {
    let mut elements = Elements::new();
    for (published, address) in ports {
        let (map, key) = key(published);
        let octets = octets(address);
        let to = [&octets[..], &port(published.port)].concat();
        elements.entry(map).or_default().insert(Element::entry(&key, &to));
        let itself = if address.is_ipv6() { ITSELF6 } else { ITSELF };
        elements.entry(itself).or_default().insert(Element::of(&octets.repeat(2)));
    }
    elements
}

/// The map that a published port is in, and its key there.
fn key(published: &Published) -> (&'static str, Vec<u8>) {
    let protocol = match published.protocol.as_str() {
        "udp" => libc::IPPROTO_UDP,
        "sctp" => libc::IPPROTO_SCTP,
        _ => libc::IPPROTO_TCP,
    };
    // A register has 32 bits, and what is shorter stands at its beginning.
    let key = [[protocol as u8, 0, 0, 0], port(published.host_port)].concat();
    let at = || [&octets(published.host_ip)[..], &key].concat();
    match (published.host_ip.is_ipv6(), published.host_ip.is_unspecified()) {
        (false, true) => (PORTS, key),
        (false, false) => (PORTS_AT, at()),
        (true, true) => (PORTS6, key),
        (true, false) => (PORTS6_AT, at()),
    }
}
