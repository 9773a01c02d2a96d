//! All connections of a monitor.
//!
//! Their number is bounded, and so is each one's memory ([`super::client`]). A place in the table is used again, with another
//! turn number: an event that was meant for the one before is then known as such.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;

use super::client::{Chunk, Client};
use super::log::Stream;
use super::poller::{Poller, Source};
use crate::protocol::Event;

/// Most clients at a time.
pub(super) const MOST: usize = 1024;

/// How long a client may hold up the container's output, or leave an answer unread, before it is dropped.
const STALL: Duration = Duration::from_secs(30);

/// Whether clients' requests are read for now.
#[derive(Clone, Copy)]
pub(super) enum Requests<'a> {
    /// They are, and standard input too where more of it can be taken, by the container or one of its further processes.
    Read { stdin_ready: &'a dyn Fn(Option<u32>) -> bool },
    /// They are not.
    Left,
}

/// The connections.
#[derive(Default)]
pub(super) struct Clients {
    places: Vec<Place>,
    count: usize,
    /// How many still have to take the current chunk.
    owing: usize,
}

#[derive(Default)]
struct Place {
    turn: u32,
    // Boxed, so that an empty place costs nothing.
    client: Option<Box<Client>>,
}

impl Clients {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Take in a connection; its place and turn.
    pub(super) fn add(&mut self, socket: OwnedFd) -> (u32, u32) {
        let place = self.places.iter().position(|p| p.client.is_none()).unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        self.count += 1;
        self.places[place].client = Some(Box::new(Client::new(socket)));
        // There are at most [`MOST`].
        (place as u32, self.places[place].turn)
    }

    pub(super) fn get(&mut self, place: u32, turn: u32) -> Option<&mut Client> {
        let place = self.places.get_mut(place as usize).filter(|p| p.turn == turn)?;
        place.client.as_deref_mut()
    }

    pub(super) fn remove(&mut self, place: u32, poller: &Poller) -> Option<Box<Client>> {
        let entry = self.places.get_mut(place as usize)?;
        let client = entry.client.take()?;
        entry.turn = entry.turn.wrapping_add(1);
        self.count -= 1;
        self.owing -= usize::from(client.owes());
        poller.forget(&*client);
        Some(client)
    }

    fn each(&mut self) -> impl Iterator<Item = (u32, u32, &mut Client)> {
        self.places.iter_mut().enumerate().filter_map(|(place, entry)| {
            Some((place as u32, entry.turn, entry.client.as_deref_mut()?))
        })
    }

    /// Where they all are.
    pub(super) fn all(&mut self) -> Vec<(u32, u32)> {
        self.each().map(|(place, turn, _)| (place, turn)).collect()
    }

    /// Somebody still has to take the current chunk.
    pub(super) fn hold_up_output(&self) -> bool {
        self.owing > 0
    }

    /// Somebody has not taken all that was sent.
    pub(super) fn have_unsent(&mut self) -> bool {
        self.each().any(|(_, _, client)| client.has_unsent())
    }

    /// Send a new chunk to those who want its stream, and a notice to those who follow the log.
    pub(super) fn offer(&mut self, stream: Stream, chunk: Chunk<'_>, logged: bool) {
        for place in &mut self.places {
            let Some(client) = place.client.as_deref_mut() else { continue };
            let wanted = client.exec.is_none() && client.wants(stream);
            // One that is gone is found so when the poller tells of it.
            if wanted {
                client.owe_chunk();
                let _ = client.flush(chunk);
                self.owing += usize::from(client.owes());
            }
            if logged && client.interests.log {
                let _ = client.notice_log(chunk);
            }
        }
    }

    /// Send to one client what it takes now. `false` when it is gone.
    pub(super) fn flush(&mut self, place: u32, turn: u32, chunk: Chunk<'_>) -> bool {
        let Some(client) = self.get(place, turn) else { return true };
        let owed = client.owes();
        let result = client.flush(chunk);
        let owes = client.owes();
        self.owing -= usize::from(owed && !owes);
        result.is_ok()
    }

    /// A client reads nothing any more: it holds nothing up either.
    pub(super) fn stop_sending(&mut self, place: u32, turn: u32) {
        let Some(client) = self.get(place, turn) else { return };
        let owed = client.owes();
        client.stop_sending();
        self.owing -= usize::from(owed);
    }

    /// Tell everybody who wants to know that the container has ended.
    pub(super) fn tell_exit(&mut self, event: &Event, chunk: Chunk<'_>) {
        for (_, _, client) in self.each() {
            if client.interests.exit {
                client.tell(event);
                let _ = client.flush(chunk);
            }
        }
    }

    /// Have the poller watch each for what it should.
    pub(super) fn watch(&mut self, poller: &Poller, requests: Requests<'_>) {
        for (place, turn, client) in self.each() {
            let flags = match requests {
                Requests::Read { stdin_ready } => client.flags(stdin_ready(client.exec)),
                Requests::Left => client.flags(false) & EventFlags::OUT,
            };
            if flags == client.watched {
                continue;
            }
            let source = Source::Client(place, turn);
            let changed = if client.hung_up {
                // epoll reports a hang-up whatever it is asked for, over and over: until what was sent before can be read,
                // the poller does not have it at all.
                poller.forget(&*client);
                if flags.is_empty() { Ok(()) } else { poller.watch(&*client, source, flags) }
            } else {
                poller.change(&*client, source, flags)
            };
            if changed.is_ok() {
                client.watched = flags;
            }
        }
    }

    /// When the next client has stalled for too long.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let clients = self.places.iter().filter_map(|p| p.client.as_deref());
        clients.filter_map(Client::stalled_since).min().map(|since| since + STALL)
    }

    /// One that has stalled for too long by now.
    pub(super) fn stalled(&mut self, now: Instant) -> Option<(u32, u32)> {
        self.each()
            .find(|(_, _, client)| client.stalled_since().is_some_and(|since| now >= since + STALL))
            .map(|(place, turn, _)| (place, turn))
    }
}
