//! Questions that are sent on by UDP. Each has a socket of its own, connected to the server: so it has a port of the kernel's choice, and
//! nobody else's packets arrive there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::{AT_ONCE, MOST_FORWARDED, NameSource, Names, PACKET, failed, place};
use crate::monitor::poller::{Poller, Source};
use crate::names::packet::{self, Said};

/// How long a server may take before the next is asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the last may, or the only one: clients ask again after five seconds.
const LAST_PATIENCE: Duration = Duration::from_secs(4);

/// The port of name servers.
pub(super) const PORT: u16 = 53;

/// A question that was sent on.
pub(super) struct Forwarded {
    socket: UdpSocket,
    client: SocketAddr,
    /// As the client has sent it.
    question: Box<[u8]>,
    /// The number that it has now.
    id: u16,
    server: usize,
    pub(super) until: Instant,
}

impl Names {
    /// Send a question on.
    pub(super) fn forward(&mut self, question: &[u8], client: SocketAddr, poller: &Poller) {
        // When there are too many, those that have begun are brought to their end.
        let room =
            self.forwarded.len() < MOST_FORWARDED || self.forwarded.iter().any(Option::is_none);
        if !(room && self.ask(question.into(), client, 0, poller))
            && let Some(answer) = failed(question)
        {
            self.answer(client, &answer);
        }
    }

    /// Ask a server, or the next ones where that cannot be done. Whether one was asked.
    fn ask(
        &mut self,
        question: Box<[u8]>,
        client: SocketAddr,
        first: usize,
        poller: &Poller,
    ) -> bool {
        for server in first..self.servers.len() {
            let id = self.chance.next();
            let mut packet = question.clone();
            packet::set_id(&mut packet, id);
            let Ok(socket) = sent(self.servers[server], &packet) else { continue };
            let last = server + 1 == self.servers.len();
            let until = Instant::now() + if last { LAST_PATIENCE } else { PATIENCE };
            let forwarded = Forwarded { socket, client, question, id, server, until };
            let Some(at) = place(&mut self.forwarded, MOST_FORWARDED, forwarded) else {
                return false;
            };
            let watched = self.forwarded[at].as_ref().is_some_and(|forwarded| {
                let source = Source::Names(NameSource::Forwarded, at as u32);
                poller.watch(&forwarded.socket, source, EventFlags::IN).is_ok()
            });
            if !watched {
                self.forwarded[at] = None;
            }
            return watched;
        }
        false
    }

    /// Something has come from another server.
    pub(super) fn take_answer(&mut self, at: usize, poller: &Poller) {
        let mut buffer = [0; PACKET];
        for _ in 0..AT_ONCE {
            let Some(Some(forwarded)) = self.forwarded.get(at) else { return };
            let length = match forwarded.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Nobody is there.
                Err(_) => return self.try_next_server(at, poller),
            };
            let reply = &mut buffer[..length];
            let last = forwarded.server + 1 >= self.servers.len();
            match packet::said(&forwarded.question, forwarded.id, reply) {
                Said::Unrelated => continue,
                Said::Failure if !last => return self.try_next_server(at, poller),
                Said::Failure | Said::Answer => {}
            }
            packet::set_id(reply, packet::id(&forwarded.question));
            let client = forwarded.client;
            self.answer(client, &buffer[..length]);
            self.forwarded[at] = None;
            return;
        }
    }

    /// The server that was asked does not answer.
    pub(super) fn try_next_server(&mut self, at: usize, poller: &Poller) {
        let Some(Forwarded { client, question, server, .. }) =
            self.forwarded.get_mut(at).and_then(Option::take)
        else {
            return;
        };
        let answer = failed(&question);
        if !self.ask(question, client, server + 1, poller)
            && let Some(answer) = answer
        {
            self.answer(client, &answer);
        }
    }
}

/// A socket on which a packet was sent.
fn sent(server: IpAddr, packet: &[u8]) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect((server, PORT))?;
    socket.send(packet)?;
    Ok(socket)
}
