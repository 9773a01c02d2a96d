//! What passes between a network, this host and the rest of the world: a table of nf_tables, the engine's own.
//!
//! The rules are the same whatever networks there are; what differs are the elements of the sets that they ask. So a packet costs
//! as much with a thousand networks as with one. All of it follows from the record, and is put into the kernel in one step: when
//! anybody has changed any rule since the last look (the kernel counts), the whole table is made again, and nothing else is touched.
//!
//! A rule of another table can still drop what these let pass: docker and firewalls do, and an accept is only ever one table's.

mod wanted;

use std::fs::File;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use sha2::{Digest, Sha256};

use super::attach::{Reached, places_of};
use super::publish::{self, Published};
use super::record::Record;
use crate::Engine;
use crate::error::{Error, Result};
use crate::id;
use crate::sys;
use crate::sys::netlink::message::Message;
use crate::sys::netlink::nftables::Table;
use crate::sys::netlink::{Refusal, Socket, batch};
use wanted::{Wanted, published};

/// Have the rules as they should be. `lock` is that of the network namespace: what is in the kernel and what was written about it
/// change together.
pub(super) fn ensure(engine: &Engine, lock: &File) -> Result<()> {
    let wanted = Wanted::of(&engine.store().read(Record::all)?, &destinations(engine)?);
    let socket = Socket::netfilter()?;
    let name = engine.layout().firewall_table();
    let table = Table(&name);
    let failed = |refusal: Refusal| match refusal.errno {
        libc::EPERM => refusal.error("set up the firewall: it needs CAP_NET_ADMIN"),
        libc::EOPNOTSUPP | libc::ENOENT | libc::EPROTONOSUPPORT => refusal.error(
            "set up the firewall: this kernel lacks nf_tables or its nat, masquerade or conntrack",
        ),
        _ => refusal.error(format!("set up the firewall (table inet {name})")),
    };
    let before = socket.generation().map_err(failed)?;
    let namespace = lock
        .metadata()
        .map_err(|error| Error::system("look at the network namespace", error))?
        .ino();
    let elements = fingerprint(&batch(wanted.additions(table), 0));
    let seen = Seen::read(engine).filter(|seen| seen.namespace == namespace);
    // Nobody has changed anything since, and nothing is to change. Numbers of namespaces and of rule sets are used again: it must be there.
    if seen.as_ref().is_some_and(|s| s.generation == before && s.elements == elements)
        && socket.has_table(table).map_err(failed)?
    {
        return Ok(());
    }
    // First, for whoever finds the rules gone, or has to look at them, when we have not come any further: what the kernel was asked for it may
    // have done, whatever we hear of that.
    write_down(engine, &name, &wanted)?;
    if seen.is_none() {
        Seen::nothing(namespace).write(engine)?;
    }
    // Numbers of rules are not used again within a namespace, and a table has some.
    let look = || socket.shape(table).map(|shape| shape.as_deref().map(fingerprint));
    let shape = look().map_err(failed)?;
    let ours = seen.is_some_and(|seen| Some(seen.shape) == shape);
    let mut corrections = None;
    if ours {
        let messages = wanted.corrections(&socket, table).map_err(failed)?;
        // Somebody may have changed the sets since they were looked at.
        corrections = commit(&socket, messages).ok();
    }
    let (commits, shape) = match corrections {
        Some(commits) => (commits, shape),
        None => {
            let commits = commit(&socket, wanted.messages(table)).map_err(failed)?;
            (commits, look().map_err(failed)?)
        }
    };
    let generation = before.wrapping_add(commits);
    // If somebody else has changed something in between, the next look is a close one.
    if let Some(shape) = shape
        && socket.generation().map_err(failed)? == generation
    {
        Seen { namespace, generation, shape, elements }.write(engine)?;
    }
    Ok(())
}

/// Have it done; how far the number of the rule set goes on with that.
fn commit(socket: &Socket, messages: Vec<Message>) -> std::result::Result<u32, Refusal> {
    if messages.is_empty() {
        return Ok(0);
    }
    socket.batch(messages).map(|()| 1)
}

/// Write down what monitors send when somebody has taken the rules away.
fn write_down(engine: &Engine, name: &str, wanted: &Wanted) -> Result<()> {
    let messages = wanted.unpublished().messages(Table(name));
    let text = [name.as_bytes(), b"\n", &batch(messages, 0)].concat();
    let path = engine.layout().rules();
    match std::fs::read(&path) {
        Ok(before) if before == text => Ok(()),
        _ => sys::file::replace(&path, &text, 0o600),
    }
}

/// The last look at the table, in the run directory.
struct Seen {
    /// The number of the network namespace.
    namespace: u64,
    /// The number of the rule set, when it was as it should be.
    generation: u32,
    /// What the table was like but for what is in its sets.
    shape: String,
    /// What was in them.
    elements: String,
}

impl Seen {
    /// That there may be anything: the kernel's numbers of rule sets begin with 1.
    fn nothing(namespace: u64) -> Seen {
        Seen { namespace, generation: 0, shape: "-".to_owned(), elements: "-".to_owned() }
    }

    fn read(engine: &Engine) -> Option<Seen> {
        let text = std::fs::read_to_string(engine.layout().firewall()).ok()?;
        let mut words = text.split_ascii_whitespace();
        Some(Seen {
            namespace: words.next()?.parse().ok()?,
            generation: words.next()?.parse().ok()?,
            shape: words.next()?.to_owned(),
            elements: words.next()?.to_owned(),
        })
    }

    fn write(&self, engine: &Engine) -> Result<()> {
        let Seen { namespace, generation, shape, elements } = self;
        let text = format!("{namespace} {generation} {shape} {elements}\n");
        sys::file::replace(&engine.layout().firewall(), text.as_bytes(), 0o600)
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    id::hex(&Sha256::digest(bytes))
}

/// Put the rules back if they are those of this network namespace and anybody has changed any rule since the last look. It costs
/// every command of an engine that has a bridge a question to the kernel, and others nothing.
pub(crate) fn heal(engine: &Engine) -> Result<()> {
    let Some(seen) = seen_here(engine)? else { return Ok(()) };
    let failed = |refusal: Refusal| refusal.error("look at the firewall");
    match Socket::netfilter()?.generation().map_err(failed)? == seen.generation {
        true => Ok(()),
        false => ensure(engine, &sys::namespace::lock_network()?),
    }
}

/// The last look, where that was in this network namespace: another program's may be another host's, as far as rules go.
fn seen_here(engine: &Engine) -> Result<Option<Seen>> {
    let Some(seen) = Seen::read(engine) else { return Ok(None) };
    Ok((seen.namespace == sys::namespace::network_number()?).then_some(seen))
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
    match seen_here(engine)? {
        Some(_) => ensure(engine, &sys::namespace::lock_network()?),
        None => Ok(()),
    }
}

/// A message that puts into the sets what these ports have there, which lead to these addresses.
pub(super) fn publication(engine: &Engine, ports: &[Published], to: Reached) -> Vec<u8> {
    let name = engine.layout().firewall_table();
    let elements = leading(ports, to);
    let additions =
        elements.iter().flat_map(|(set, elements)| Table(&name).add_elements(set, elements));
    batch(additions.collect(), 0)
}

/// A message that takes it away.
pub(super) fn withdrawal(engine: &Engine, ports: &[Published], to: Reached) -> Vec<u8> {
    let name = engine.layout().firewall_table();
    let elements = leading(ports, to);
    // One by one, for whoever finds that some of them are not there.
    let deletions = elements.iter().flat_map(|(set, elements)| {
        elements.iter().flat_map(|element| Table(&name).delete_elements(set, [element]))
    });
    batch(deletions.collect(), 0)
}

/// What these ports have in the sets, which lead to these addresses.
fn leading(ports: &[Published], to: Reached) -> wanted::Elements {
    published(ports.iter().filter_map(|port| Some((port, to.from(port.host_ip)?))))
}

/// The published ports of all containers, and the addresses that they lead to.
type Destinations = Vec<(Published, IpAddr)>;

fn destinations(engine: &Engine) -> Result<Destinations> {
    let mut destinations = Vec::new();
    for (container, ports) in publish::all(engine)? {
        let reached = Reached::at(&places_of(engine, &container)?);
        destinations.extend(ports.into_iter().filter_map(|published| {
            let to = reached.from(published.host_ip)?;
            Some((published, to))
        }));
    }
    Ok(destinations)
}
