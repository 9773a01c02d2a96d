//! The resolver of a container: what answers at 127.0.0.11.
//!
//! Its two sockets are in the container's network namespace, opened by the library on ports of the kernel's choice, and rules there
//! take the place of port 53 (`core/src/network/resolver.rs`); so only what runs in the container can ask. Names of containers are answered from
//! the tables that the library keeps ([`crate::names::table`]). What is left goes to the host's name servers from here, the host's network
//! namespace, unless all of the container's networks are internal: then there are no other names.
//!
//! What a container asks costs a bounded number of descriptors and bytes, and its answers wait for nobody.

mod forward;
mod stream;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::epoll::EventFlags;

use super::poller::{Poller, Source};
use crate::names::packet::{self, Answer, Code, Heard, Query};
use crate::names::table::{Network, Table};
use forward::Forwarded;
use stream::Stream;

/// Bytes of a packet by UDP, either way: more than any that is sent in one piece.
const PACKET: usize = 4096;
/// How many packets are taken at once, so that the rest of the monitor's work is not kept waiting.
const AT_ONCE: usize = 64;
/// How many questions wait for other servers, and how many connections there are.
const MOST_FORWARDED: usize = 256;
const MOST_STREAMS: usize = 32;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameSource {
    /// A question by UDP.
    Packets,
    /// A connection.
    Connections,
    /// The answer of another server to a question by UDP.
    Forwarded,
    /// A connection, or that to another server for its sake.
    Stream,
}

/// The resolver.
pub(super) struct Names {
    packets: UdpSocket,
    connections: TcpListener,
    table: Table<'static>,
    container: String,
    servers: Vec<IpAddr>,
    forwarded: Vec<Option<Forwarded>>,
    streams: Vec<Option<Stream>>,
    chance: Chance,
    /// Who is the first of several.
    turn: usize,
}

/// What becomes of a question.
enum Fate {
    Answer(Vec<u8>),
    /// It is for other servers.
    Forward,
    Nothing,
}

impl Names {
    pub(super) fn new(
        packets: OwnedFd,
        connections: OwnedFd,
        run: BorrowedFd<'static>,
        container: &str,
        servers: &[String],
    ) -> Names {
        Names {
            packets: packets.into(),
            connections: connections.into(),
            table: Table { run },
            container: container.to_owned(),
            servers: parsed(servers),
            forwarded: Vec::new(),
            streams: Vec::new(),
            chance: Chance { keys: RandomState::new(), count: 0 },
            turn: 0,
        }
    }

    /// Other servers from now on.
    pub(super) fn set_servers(&mut self, servers: &[String]) {
        self.servers = parsed(servers);
    }

    /// Begin to answer. Where a socket cannot be watched there are no names, and the container runs all the same.
    pub(super) fn watch(&self, poller: &Poller) {
        let _ = poller.watch(&self.packets, Source::Names(NameSource::Packets, 0), EventFlags::IN);
        // What cannot be accepted for lack of descriptors is tried again with the next connection, and not without end.
        let flags = EventFlags::IN | EventFlags::ET;
        let _ = poller.watch(&self.connections, Source::Names(NameSource::Connections, 0), flags);
    }

    /// Answer nothing more. What is open closes, and is forgotten by that.
    pub(super) fn stop(&mut self, poller: &Poller) {
        poller.forget(&self.packets);
        poller.forget(&self.connections);
        self.forwarded.clear();
        self.streams.clear();
    }

    /// The next time at which something has waited for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let forwarded = self.forwarded.iter().flatten().map(|forwarded| forwarded.until);
        forwarded.chain(self.streams.iter().flatten().map(|stream| stream.until)).min()
    }

    pub(super) fn handle(&mut self, source: NameSource, place: u32, poller: &Poller) {
        match source {
            NameSource::Packets => self.take_packets(poller),
            NameSource::Connections => self.take_connections(poller),
            NameSource::Forwarded => self.take_answer(place as usize, poller),
            NameSource::Stream => self.go_on(place as usize, poller),
        }
    }

    pub(super) fn look_at_clock(&mut self, now: Instant, poller: &Poller) {
        for place in 0..self.forwarded.len() {
            if self.forwarded[place].as_ref().is_some_and(|forwarded| now >= forwarded.until) {
                self.try_next_server(place, poller);
            }
        }
        for place in 0..self.streams.len() {
            if self.streams[place].as_ref().is_some_and(|stream| now >= stream.until) {
                self.stream_timed_out(place, poller);
            }
        }
    }

    fn take_packets(&mut self, poller: &Poller) {
        let mut buffer = [0; PACKET];
        for _ in 0..AT_ONCE {
            // One that is too long is cut off, and then no question.
            let Ok((length, client)) = self.packets.recv_from(&mut buffer) else { return };
            let question = &buffer[..length];
            match self.resolve(question, None) {
                Fate::Answer(answer) => self.answer(client, &answer),
                Fate::Forward => self.forward(question, client, poller),
                Fate::Nothing => {}
            }
        }
    }

    /// Send an answer. One that cannot be sent now is asked for again.
    fn answer(&self, client: SocketAddr, answer: &[u8]) {
        let _ = self.packets.send_to(answer, client);
    }

    /// Find out about a question; `room`: how long the answer may be, where the question does not say.
    fn resolve(&mut self, question: &[u8], room: Option<usize>) -> Fate {
        let query = match packet::read(question) {
            Heard::Query(query) => query,
            Heard::Wrong(answer) => return Fate::Answer(answer),
            Heard::Nothing => return Fate::Nothing,
        };
        let room = room.unwrap_or_else(|| query.room());
        let networks = self.table.networks(&self.container);
        if let Some(answer) = self.known(&query, &networks, room) {
            return Fate::Answer(answer);
        }
        let open = networks.iter().any(|network| !network.internal);
        match (open, self.servers.is_empty()) {
            (true, false) => Fate::Forward,
            (true, true) => Fate::Answer(query.answer(Answer::Code(Code::Failed), room)),
            // It would be a way out (SEC-128, CVE-2024-29018).
            (false, _) => Fate::Answer(query.answer(Answer::Code(Code::NoSuchName), room)),
        }
    }

    /// The answer to a question about a container.
    fn known(&mut self, query: &Query<'_>, networks: &[Network], room: usize) -> Option<Vec<u8>> {
        let name = query.name.as_deref().filter(|_| query.is_of_the_internet())?;
        if let Some(address) = query.reverse() {
            let (network, name) = networks
                .iter()
                .find_map(|network| Some((network, self.table.name(&network.id, address)?)))?;
            return Some(match query.kind {
                packet::PTR | packet::ANY => {
                    query.answer(Answer::Name(&format!("{name}.{}", network.name)), room)
                }
                _ => query.answer(Answer::Nothing, room),
            });
        }
        let mut addresses = networks
            .iter()
            .map(|network| self.addresses(network, name))
            .find(|addresses| !addresses.is_empty())?;
        addresses.retain(|address| match query.kind {
            packet::A => address.is_ipv4(),
            packet::AAAA => address.is_ipv6(),
            kind => kind == packet::ANY,
        });
        if addresses.is_empty() {
            // A container has nothing else, and nobody outside is asked about it.
            return Some(query.answer(Answer::Nothing, room));
        }
        // Who asks for a name asks for both kinds, and is to see the same one first.
        if query.kind != packet::AAAA {
            self.turn = self.turn.wrapping_add(1);
        }
        let first = self.turn % addresses.len();
        addresses.rotate_left(first);
        Some(query.answer(Answer::Addresses(&addresses), room))
    }

    /// Who has a name in a network, `web` or `web.network`.
    fn addresses(&self, network: &Network, name: &str) -> Vec<IpAddr> {
        let known = |name: &str| {
            let linked = network.links.iter().find(|(alias, _)| alias == name);
            self.table.addresses(&network.id, linked.map_or(name, |(_, linked)| linked))
        };
        let addresses = known(name);
        if !addresses.is_empty() {
            return addresses;
        }
        let split = name.len().checked_sub(network.name.len() + 1);
        match split.and_then(|at| Some((name.get(..at)?, name.get(at..)?))) {
            Some((name, suffix))
                if suffix.starts_with('.') && suffix[1..].eq_ignore_ascii_case(&network.name) =>
            {
                known(name)
            }
            _ => Vec::new(),
        }
    }
}

fn parsed(servers: &[String]) -> Vec<IpAddr> {
    servers.iter().filter_map(|server| server.parse().ok()).collect()
}

/// That there is no answer.
fn failed(question: &[u8]) -> Option<Vec<u8>> {
    match packet::read(question) {
        Heard::Query(query) => Some(query.answer(Answer::Code(Code::Failed), usize::MAX)),
        Heard::Wrong(_) | Heard::Nothing => None,
    }
}

/// Numbers that nobody can guess: a keyed hash of a count.
struct Chance {
    keys: RandomState,
    count: u64,
}

impl Chance {
    fn next(&mut self) -> u16 {
        self.count += 1;
        self.keys.hash_one(self.count) as u16
    }
}

/// Put something where there is room; where that is.
fn place<T>(list: &mut Vec<Option<T>>, most: usize, value: T) -> Option<usize> {
    match list.iter().position(Option::is_none) {
        Some(free) => {
            list[free] = Some(value);
            Some(free)
        }
        None if list.len() < most => {
            list.push(Some(value));
            Some(list.len() - 1)
        }
        None => None,
    }
}
