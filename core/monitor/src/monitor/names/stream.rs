//! Questions by TCP: a connection has one question answered after the other, and what is sent on is sent on by TCP too.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::forward::PORT;
use super::{Fate, MOST_STREAMS, NameSource, Names, failed, place};
use crate::monitor::poller::{Poller, Source};
use crate::names::packet::{self, Said};

/// How long a connection may be quiet, and a server.
const PATIENCE: Duration = Duration::from_secs(10);
const SERVER_PATIENCE: Duration = Duration::from_secs(4);
/// Questions on a connection that are answered at once, so that the rest of the monitor's work is not kept waiting.
const AT_ONCE: usize = 256;
/// Bytes of a message behind its length.
const LONGEST: usize = 65_535;

/// A client's connection.
pub(super) struct Stream {
    client: TcpStream,
    received: Vec<u8>,
    answer: Vec<u8>,
    /// The question that was sent on, with the connection to the server.
    forwarded: Option<Forwarded>,
    pub(super) until: Instant,
}

struct Forwarded {
    socket: TcpStream,
    question: Vec<u8>,
    id: u16,
    server: usize,
    unsent: Vec<u8>,
    received: Vec<u8>,
}

/// What came of moving bytes.
enum Moved {
    /// All that there was to move.
    All,
    /// There is to be more later.
    Some,
    /// The other side is gone.
    Gone,
}

impl Names {
    pub(super) fn take_connections(&mut self, poller: &Poller) {
        while let Ok((client, _)) = self.connections.accept() {
            if client.set_nonblocking(true).is_err() {
                continue;
            }
            let stream = Stream {
                client,
                received: Vec::new(),
                answer: Vec::new(),
                forwarded: None,
                until: Instant::now() + PATIENCE,
            };
            // One too many closes at once.
            let Some(at) = place(&mut self.streams, MOST_STREAMS, stream) else { continue };
            let watched =
                self.streams[at].as_ref().is_some_and(|s| watch(poller, &s.client, at).is_ok());
            match watched {
                true => self.go_on(at, poller),
                false => self.streams[at] = None,
            }
        }
    }

    /// Go on with a connection as far as that goes now.
    pub(super) fn go_on(&mut self, at: usize, poller: &Poller) {
        for _ in 0..AT_ONCE {
            let Some(Some(stream)) = self.streams.get_mut(at) else { return };
            if !stream.answer.is_empty() {
                match write(&mut stream.client, &mut stream.answer) {
                    Moved::All => stream.until = Instant::now() + PATIENCE,
                    Moved::Some => return,
                    Moved::Gone => break,
                }
                continue;
            }
            if let Some(forwarded) = &mut stream.forwarded {
                match forwarded.go_on() {
                    Moved::Some => return,
                    Moved::All => {
                        stream.answer = framed(&forwarded.received[2..]);
                        stream.forwarded = None;
                    }
                    Moved::Gone => self.ask_next_server(at, poller),
                }
                continue;
            }
            match receive(&mut stream.client, &mut stream.received) {
                Moved::Some => return,
                Moved::Gone => break,
                Moved::All => {}
            }
            let length = 2 + length(&stream.received).unwrap_or(0);
            let rest = stream.received.split_off(length);
            let question = std::mem::replace(&mut stream.received, rest).split_off(2);
            match self.resolve(&question, Some(LONGEST)) {
                Fate::Answer(answer) => {
                    if let Some(Some(stream)) = self.streams.get_mut(at) {
                        stream.answer = framed(&answer);
                    }
                }
                Fate::Forward => self.ask_server(at, question, 0, poller),
                Fate::Nothing => break,
            }
        }
        // It is over, is nonsense, or takes more than its share.
        if let Some(stream) = self.streams.get_mut(at) {
            *stream = None;
        }
    }

    fn ask_server(&mut self, at: usize, question: Vec<u8>, first: usize, poller: &Poller) {
        let id = self.chance.next();
        let mut packet = question.clone();
        packet::set_id(&mut packet, id);
        let Some(Some(stream)) = self.streams.get_mut(at) else { return };
        stream.forwarded = None;
        stream.until = Instant::now() + SERVER_PATIENCE;
        for (server, address) in self.servers.iter().enumerate().skip(first) {
            let Ok(socket) = connected(*address) else { continue };
            if watch(poller, &socket, at).is_err() {
                continue;
            }
            let (unsent, received) = (framed(&packet), Vec::new());
            stream.forwarded = Some(Forwarded { socket, question, id, server, unsent, received });
            return;
        }
        // A question was read from it, so this is an answer.
        stream.answer = framed(&failed(&question).unwrap_or_default());
    }

    fn ask_next_server(&mut self, at: usize, poller: &Poller) {
        let forwarded = self.streams.get_mut(at).and_then(Option::as_mut);
        if let Some(forwarded) = forwarded.and_then(|stream| stream.forwarded.take()) {
            self.ask_server(at, forwarded.question, forwarded.server + 1, poller);
        }
    }

    pub(super) fn stream_timed_out(&mut self, at: usize, poller: &Poller) {
        let Some(Some(stream)) = self.streams.get(at) else { return };
        match stream.forwarded {
            Some(_) => {
                self.ask_next_server(at, poller);
                self.go_on(at, poller);
            }
            None => self.streams[at] = None,
        }
    }
}

impl Forwarded {
    fn go_on(&mut self) -> Moved {
        match write(&mut self.socket, &mut self.unsent) {
            Moved::All => {}
            moved => return moved,
        }
        match receive(&mut self.socket, &mut self.received) {
            Moved::All => {}
            moved => return moved,
        }
        self.received.truncate(2 + length(&self.received).unwrap_or(0));
        let reply = &mut self.received[2..];
        match packet::said(&self.question, self.id, reply) {
            Said::Answer => {
                packet::set_id(reply, packet::id(&self.question));
                Moved::All
            }
            Said::Failure | Said::Unrelated => Moved::Gone,
        }
    }
}

/// All that happens at a socket is told once.
fn watch(poller: &Poller, socket: &TcpStream, at: usize) -> Result<(), Errno> {
    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
    poller.watch(socket, Source::Names(NameSource::Stream, at as u32), flags)
}

/// A connection that has begun.
fn connected(server: IpAddr) -> Result<TcpStream, Errno> {
    let address = SocketAddr::new(server, PORT);
    let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket.into()),
        Err(errno) => Err(errno),
    }
}

/// A message behind its length.
fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

/// What a message's length is said to be.
fn length(received: &[u8]) -> Option<usize> {
    received.first_chunk().map(|bytes| u16::from_be_bytes(*bytes).into())
}

fn write(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Moved {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Moved::Gone,
            Ok(count) => drop(bytes.drain(..count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // One that is not connected yet says so by this too.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Moved::Some,
            Err(_) => return Moved::Gone,
        }
    }
    *bytes = Vec::new();
    Moved::All
}

/// Receive until there is a whole message.
fn receive(socket: &mut TcpStream, bytes: &mut Vec<u8>) -> Moved {
    let mut buffer = [0; 2048];
    loop {
        if length(bytes).is_some_and(|length| bytes.len() >= 2 + length) {
            return Moved::All;
        }
        match socket.read(&mut buffer) {
            Ok(0) => return Moved::Gone,
            Ok(count) => bytes.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Moved::Some,
            Err(_) => return Moved::Gone,
        }
    }
}
