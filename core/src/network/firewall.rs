//! What passes between a network, this host and the rest of the world: a table of nf_tables, the engine's own.
//!
//! The rules are the same whatever networks there are; what differs are the elements of the sets that they ask. So a packet costs
//! as much with a thousand networks as with one. All of it follows from the record, and is put into the kernel in one step: when
//! anybody has changed any rule since the last look (the kernel counts), the whole table is made again, and nothing else is touched.
//!
//! A rule of another table can still drop what these let pass: docker and firewalls do, and an accept is only ever one table's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;

use super::attach::{outward, places_of};
use super::bridge::{Bridge, bridge_name, masquerades};
use super::publish::{self, Published};
use super::record::Record;
use crate::Engine;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::netlink::message::{Attributes, Message};
use crate::sys::netlink::nftables::{
    Hook, Rule, Table, Type, Verdict, element, entry, interface, port, range_end,
};
use crate::sys::netlink::{Refusal, Socket, batch};

/// The bridges, and those of internal networks; the subnets that are known outside by the host's address only.
const BRIDGES: &str = "bridges";
/// From each bridge to itself: where `br_netfilter` is loaded, packets that do not leave a bridge pass here too.
const WITHIN: &str = "within";
const INTERNAL: &str = "internal";
const HIDDEN: &str = "hidden";
/// Where published ports lead: those of all addresses of this host, and those of one.
const PORTS: &str = "ports";
const PORTS_AT: &str = "ports_at";
/// From the address of each container that has any to itself.
const ITSELF: &str = "itself";

/// Have the rules as they should be. `lock` is that of the network namespace: what is in the kernel and what was written about it
/// change together.
pub(super) fn ensure(engine: &Engine, lock: &File) -> Result<()> {
    let wanted = Wanted::of(&engine.store().read(Record::all)?, destinations(engine)?);
    let socket = Socket::netfilter()?;
    let table = engine.layout().firewall_table();
    let failed = |refusal: Refusal| match refusal.errno {
        libc::EPERM => refusal.error("set up the firewall: it needs CAP_NET_ADMIN"),
        libc::EOPNOTSUPP | libc::ENOENT | libc::EPROTONOSUPPORT => refusal.error(
            "set up the firewall: this kernel lacks nf_tables or its nat, masquerade or conntrack",
        ),
        _ => refusal.error(format!("set up the firewall (table inet {table})")),
    };
    let before = socket.generation().map_err(failed)?;
    let path = engine.layout().firewall();
    let namespace = lock
        .metadata()
        .map_err(|error| Error::system("look at the network namespace", error))?
        .ino();
    let said =
        |generation: u32| format!("{namespace} {generation}\n{wanted}", wanted = wanted.text);
    let seen = std::fs::read_to_string(&path).unwrap_or_default();
    // Numbers of namespaces and of rule sets are used again: it must be there, and only this engine makes it.
    if seen == said(before) && socket.has_table(Table(&table)).map_err(failed)? {
        return Ok(());
    }
    socket.batch(wanted.messages(Table(&table))).map_err(failed)?;
    // If somebody else has changed something in between, the next look is a close one.
    if socket.generation().map_err(failed)? == before.wrapping_add(1) {
        sys::file::replace(&path, said(before.wrapping_add(1)).as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Put the rules back if they are those of this network namespace and anybody has changed any rule since the last look. It costs
/// every command of an engine that has a bridge a question to the kernel, and others nothing.
pub(super) fn heal(engine: &Engine) -> Result<()> {
    let Some(generation) = seen(engine)? else { return Ok(()) };
    let failed = |refusal: Refusal| refusal.error("look at the firewall");
    match Socket::netfilter()?.generation().map_err(failed)?.to_string() == generation {
        true => Ok(()),
        false => ensure(engine, &crate::sys::namespace::lock_network()?),
    }
}

/// The number of the rule set at the last look, where that was in this network namespace.
fn seen(engine: &Engine) -> Result<Option<String>> {
    let seen = std::fs::read_to_string(engine.layout().firewall()).unwrap_or_default();
    let Some((namespace, generation)) = seen.lines().next().and_then(|line| line.split_once(' '))
    else {
        return Ok(None);
    };
    // Another program's network namespace may be another host's, as far as rules go.
    let here = namespace == crate::sys::namespace::network_number()?.to_string();
    Ok(here.then(|| generation.to_owned()))
}

/// The same where there is anything of ours; a host that never had a bridge needs no table.
pub(super) fn ensure_if_there(engine: &Engine, lock: &File) -> Result<()> {
    match engine.layout().firewall().exists() {
        true => ensure(engine, lock),
        false => Ok(()),
    }
}

/// Have the rules as they should be after a change of what is published, where there are any of this network namespace.
pub(super) fn follow(engine: &Engine) -> Result<()> {
    match seen(engine)? {
        Some(_) => ensure(engine, &crate::sys::namespace::lock_network()?),
        None => Ok(()),
    }
}

/// A message that takes away what these ports have in the maps.
pub(super) fn withdrawal(engine: &Engine, published: &[Published]) -> Vec<u8> {
    let table = engine.layout().firewall_table();
    let deletions = published.iter().map(|published| {
        let (map, key) = key(published);
        Table(&table).delete_element(map, element(&key))
    });
    batch(deletions.collect(), 0)
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
    match published.host_ip.is_unspecified() {
        true => (PORTS, key),
        false => (PORTS_AT, [&published.host_ip.octets()[..], &key].concat()),
    }
}

/// The published ports of all containers, and the places that they lead to.
type Destinations = Vec<(Published, (Ipv4Addr, u16))>;

fn destinations(engine: &Engine) -> Result<Destinations> {
    let mut destinations = Vec::new();
    for (container, ports) in publish::all(engine)? {
        let places = places_of(engine, &container)?;
        let Some((_, endpoint)) = outward(&places) else { continue };
        destinations.extend(ports.into_iter().map(|published| {
            let to = (endpoint.address, published.port);
            (published, to)
        }));
    }
    Ok(destinations)
}

/// What the table should hold.
struct Wanted {
    bridges: BTreeSet<String>,
    internal: BTreeSet<String>,
    /// Elements of [`PORTS`] and [`PORTS_AT`].
    ports: BTreeMap<(&'static str, Vec<u8>), Vec<u8>>,
    /// The addresses that they lead to.
    published: BTreeSet<Ipv4Addr>,
    /// First addresses of the subnets and those behind them; ranges that touch are one.
    hidden: Vec<(u32, u32)>,
    /// All of it, to be compared.
    text: String,
}

impl Wanted {
    fn of(networks: &[Record], destinations: Destinations) -> Wanted {
        let (mut bridges, mut internal) = (BTreeSet::new(), BTreeSet::new());
        let mut ranges = Vec::new();
        for network in networks.iter().filter(|n| n.driver == Bridge::NAME && !n.removing) {
            let name = bridge_name(network);
            if network.document.internal {
                internal.insert(name.clone());
            }
            bridges.insert(name);
            if let Some(range) = network.range
                && masquerades(network)
            {
                let end = range.subnet.broadcast().to_bits().saturating_add(1);
                ranges.push((range.subnet.address().to_bits(), end));
            }
        }
        ranges.sort_unstable();
        let mut hidden: Vec<(u32, u32)> = Vec::new();
        for (first, end) in ranges {
            match hidden.last_mut() {
                Some((_, before)) if *before >= first => *before = end.max(*before),
                _ => hidden.push((first, end)),
            }
        }
        let published = destinations.iter().map(|(_, (address, _))| *address).collect();
        let ports = destinations.into_iter().map(|(published, (address, number))| {
            (key(&published), [address.octets(), port(number)].concat())
        });
        let ports = ports.collect();
        let mut text = String::new();
        let _ = writeln!(text, "{bridges:?}\n{internal:?}\n{hidden:?}\n{ports:?}");
        Wanted { bridges, internal, ports, published, hidden, text }
    }

    /// The whole table, instead of the one that is there.
    fn messages(&self, table: Table<'_>) -> Vec<Message> {
        let names = |names: &BTreeSet<String>| -> Vec<Attributes> {
            names.iter().map(|name| element(&interface(name))).collect()
        };
        let ranges = self.hidden.iter().flat_map(|(first, end)| {
            [element(&first.to_be_bytes()), range_end(&end.to_be_bytes())]
        });
        let mut messages = vec![table.add(), table.delete(), table.add()];
        messages.extend([
            table.set(BRIDGES, 1, Type::INTERFACE, false),
            table.set(INTERNAL, 2, Type::INTERFACE, false),
            table.set(HIDDEN, 3, Type::ADDRESS, true),
            table.set(WITHIN, 4, Type::INTERFACES, false),
            table.map(PORTS, 5, Type::PORT, Type::PLACE),
            table.map(PORTS_AT, 6, Type::PORT_AT, Type::PLACE),
            table.set(ITSELF, 7, Type::ADDRESSES, false),
        ]);
        let twice = self.published.iter().map(|address| element(&[address.octets(); 2].concat()));
        messages.extend(table.elements(ITSELF, twice.collect()));
        for map in [PORTS, PORTS_AT] {
            let elements = self.ports.iter().filter(|((name, _), _)| *name == map);
            let entries = elements.map(|((_, key), to)| entry(key, to));
            messages.extend(table.elements(map, entries.collect()));
        }
        let twice = self.bridges.iter().map(|name| element(&[interface(name); 2].concat()));
        messages.extend(table.elements(WITHIN, twice.collect()));
        messages.extend(table.elements(BRIDGES, names(&self.bridges)));
        messages.extend(table.elements(INTERNAL, names(&self.internal)));
        messages.extend(table.elements(HIDDEN, ranges.collect()));
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
        let rules = [
            // The host's loopback is nobody's on a bridge (CVE-2020-8558).
            (
                "prerouting",
                Rule::new().ipv4().coming_by(BRIDGES).for_loopback().verdict(Verdict::Drop),
            ),
            // What is for a published port, from elsewhere or from this host itself. Only what is for this host: a container's port is
            // nobody's on its way to another host.
            // What comes from elsewhere for the loopback is led nowhere: then the kernel drops it, as it always does (CVE-2020-8558).
            ("published", Rule::new().ipv4().for_loopback().verdict(Verdict::Accept)),
            ("published", to_ports(PORTS_AT)),
            ("published", to_ports(PORTS)),
            ("own", to_ports(PORTS_AT)),
            ("own", to_ports(PORTS)),
            // Into a network comes what was asked for from inside, and what is for a published port, and nothing else: not from other
            // networks, and not from outside, by whatever route (moby 28, "direct access to container ports").
            ("forward", Rule::new().leaving_by(BRIDGES).answers().verdict(Verdict::Accept)),
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
            (
                "postrouting",
                Rule::new().ipv4().source_is_loopback().leaving_by(BRIDGES).masquerade(),
            ),
            (
                "postrouting",
                Rule::new().ipv4().source_in(HIDDEN).not_leaving_by(BRIDGES).masquerade(),
            ),
        ];
        messages.extend(rules.into_iter().map(|(chain, rule)| table.rule(chain, rule)));
        messages
    }
}
