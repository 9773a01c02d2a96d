//! The further processes of a container (Docker's exec): those that are to run, that run and that have run.
//!
//! Each has its own pipes or terminal and at most one client, the one that has started it. So its output needs no sharing: a
//! piece is read when the client has taken the one before, and who does not read holds up nobody else.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::{Errno, ioctl_fionread, read};
use serde_json::Value;

use super::client::Chunk;
use super::clients::Clients;
use super::ending::{Asked, Ending};
use super::health::Kept;
use super::log::{PIECE_MAX, Stream};
use super::poller::{ExecSource, Poller, Source};
use super::stdin::Stdin;
use crate::cgroup::Below;
use crate::protocol;
use crate::runtime;

/// How many are remembered. Beyond, the oldest that has ended is forgotten.
const MOST: usize = 512;

/// How many pieces are taken from one stream before others have their turn.
const TURN: usize = 16;

/// As for a container's terminal.
const TERMINAL_PATIENCE: Duration = Duration::from_millis(500);

/// All of them, the oldest first.
#[derive(Default)]
pub(super) struct Execs {
    all: Vec<Exec>,
    next: u32,
}

/// One.
pub(super) struct Exec {
    /// Never given twice.
    pub(super) number: u32,
    pub(super) id: String,
    pub(super) document: Value,
    pub(super) stage: Stage,
    pub(super) pid: i32,
    pub(super) cgroup: Option<Below>,
    pub(super) output: Output,
    pub(super) stdin: Stdin,
    pub(super) terminal: Option<OwnedFd>,
    pub(super) client: Option<(u32, u32)>,
    /// It goes on when its client leaves.
    pub(super) detached: bool,
    /// When it is killed at the latest.
    pub(super) limit: Option<Instant>,
    pub(super) asked: Asked,
    /// It is a health check: what it has written.
    pub(super) kept: Option<Kept>,
}

/// How far one is.
pub(super) enum Stage {
    /// It is to be started.
    Created(Box<protocol::Exec>),
    /// It is on its way to the command.
    Starting(runtime::Exec),
    /// The command runs.
    Running(OwnedFd),
    /// It has ended; output may be left.
    Draining(Ending),
    /// That has been passed on too.
    Over { exit_code: i32 },
}

impl Execs {
    /// Remember one; its number. `None` when there are too many.
    pub(super) fn add(&mut self, exec: Box<protocol::Exec>) -> Option<u32> {
        if self.all.len() >= MOST {
            let over = self.all.iter().position(|e| matches!(e.stage, Stage::Over { .. }));
            let waiting = || self.all.iter().position(|e| matches!(e.stage, Stage::Created(_)));
            match over.or_else(waiting) {
                Some(at) => drop(self.all.remove(at)),
                None => return None,
            }
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.all.push(Exec {
            number,
            id: exec.id.clone(),
            document: exec.document.clone(),
            stage: Stage::Created(exec),
            pid: 0,
            cgroup: None,
            output: Output::default(),
            stdin: Stdin::new(None, false, Source::Exec(ExecSource::Stdin, number)),
            terminal: None,
            client: None,
            detached: false,
            limit: None,
            asked: Asked::default(),
            kept: None,
        });
        Some(number)
    }

    pub(super) fn find(&mut self, id: &str) -> Option<&mut Exec> {
        self.all.iter_mut().find(|exec| exec.id == id)
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Exec> {
        self.all.iter_mut().find(|exec| exec.number == number)
    }

    /// Remember one no more.
    pub(super) fn forget(&mut self, number: u32) {
        self.all.retain(|exec| exec.number != number);
    }

    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Exec> {
        self.all.iter_mut()
    }

    /// Some are alive, or have output left.
    pub(super) fn are_busy(&self) -> bool {
        self.all.iter().any(|exec| exec.is_busy())
    }

    /// More input can be taken by one.
    pub(super) fn is_ready(&self, number: u32) -> bool {
        self.all.iter().find(|e| e.number == number).is_none_or(|e| e.stdin.is_ready())
    }

    /// A child of ours that is one of them.
    pub(super) fn have(&self, pid: i32) -> bool {
        self.all.iter().any(|exec| match &exec.stage {
            Stage::Starting(starting) => starting.pid == pid,
            Stage::Running(_) => exec.pid == pid,
            _ => false,
        })
    }

    /// The next time at which something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let busy = self.all.iter().filter(|exec| exec.is_busy());
        busy.filter_map(|exec| exec.deadline()).min()
    }

    /// Watch their output where it can be passed on.
    pub(super) fn watch(&mut self, poller: &Poller, clients: &mut Clients) {
        for exec in self.all.iter_mut().filter(|exec| exec.is_busy()) {
            let held_up = held_up(exec.client, clients);
            exec.output.watch(exec.number, !held_up, poller);
        }
    }
}

impl Exec {
    /// Its words, as docker's events have them.
    pub(super) fn command(&self) -> String {
        let config = &self.document["ProcessConfig"];
        let arguments = config["arguments"].as_array().into_iter().flatten();
        let words = std::iter::once(&config["entrypoint"]).chain(arguments);
        words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Starting(_) | Stage::Running(_) | Stage::Draining(_))
    }

    fn deadline(&self) -> Option<Instant> {
        let limit = self.limit.filter(|_| !self.asked.timed_out);
        [limit, self.output.until].into_iter().flatten().min()
    }

    /// Pass on what a stream has.
    pub(super) fn pump(&mut self, stream: Stream, clients: &mut Clients, poller: &Poller) {
        for _ in 0..TURN {
            if held_up(self.client, clients) {
                return;
            }
            let mut piece = [0; PIECE_MAX];
            let Some(bytes) = self.output.read(stream, &mut piece, poller) else { return };
            if let Some(kept) = &mut self.kept {
                kept.add(bytes);
            }
            if let Some((place, turn)) = self.client
                && let Some(client) = clients.get(place, turn)
                && client.wants(stream)
            {
                client.queue_output(stream, bytes);
                // One that is gone is found so when the poller tells of it.
                clients.flush(place, turn, Chunk::new(stream, &[]));
            }
        }
    }
}

impl Exec {
    /// Queue all that there is now, whether the client takes it or not: at the container's end, when no more can come.
    pub(super) fn flush_out(&mut self, clients: &mut Clients, poller: &Poller) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut piece = [0; PIECE_MAX];
            while let Some(bytes) = self.output.read(stream, &mut piece, poller) {
                if let Some((place, turn)) = self.client
                    && let Some(client) = clients.get(place, turn)
                    && client.wants(stream)
                {
                    client.queue_output(stream, bytes);
                }
            }
        }
        self.output.close_all(poller);
    }
}

fn held_up(client: Option<(u32, u32)>, clients: &mut Clients) -> bool {
    client
        .and_then(|(place, turn)| clients.get(place, turn))
        .is_some_and(|client| client.has_unsent())
}

/// The output of one.
#[derive(Default)]
pub(super) struct Output {
    streams: [Option<OwnedFd>; 2],
    /// As for a container's terminal.
    keep_open: Option<OwnedFd>,
    watched: bool,
    /// Once it has ended: how much of each stream is its own. Processes that it has left behind may have the other sides open
    /// for ever.
    left: Option<[u64; 2]>,
    /// Until when a terminal's last output is waited for.
    pub(super) until: Option<Instant>,
}

impl Output {
    /// Descriptors that do not block.
    pub(super) fn new(streams: [Option<OwnedFd>; 2], keep_open: Option<OwnedFd>) -> Output {
        Output { streams, keep_open, ..Output::default() }
    }

    fn watch(&mut self, number: u32, wanted: bool, poller: &Poller) {
        if wanted == self.watched {
            return;
        }
        self.watched = wanted;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(fd) = &self.streams[stream as usize] else { continue };
            if wanted {
                let source = Source::Exec(ExecSource::Output(stream), number);
                if poller.watch(fd, source, EventFlags::IN).is_err() {
                    // Out of memory: it is asked for again.
                    self.watched = false;
                }
            } else {
                poller.forget(fd);
            }
        }
    }

    /// Nothing more is written by the process itself.
    pub(super) fn end(&mut self, poller: &Poller) {
        if self.keep_open.take().is_some() {
            self.left = Some([u64::MAX, 0]);
            self.until = Some(Instant::now() + TERMINAL_PATIENCE);
        } else {
            let left =
                |fd: &Option<OwnedFd>| fd.as_ref().map_or(0, |fd| ioctl_fionread(fd).unwrap_or(0));
            self.left = Some([left(&self.streams[0]), left(&self.streams[1])]);
        }
        self.close_exhausted(poller);
    }

    /// All of it has been read.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_some() && self.streams.iter().all(Option::is_none)
    }

    /// Give up what is left.
    pub(super) fn close_all(&mut self, poller: &Poller) {
        self.until = None;
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.close(stream, poller);
        }
    }

    fn read<'a>(
        &mut self,
        stream: Stream,
        piece: &'a mut [u8],
        poller: &Poller,
    ) -> Option<&'a [u8]> {
        let fd = self.streams[stream as usize].as_ref()?;
        let left = self.left.map_or(u64::MAX, |left| left[stream as usize]);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let count = loop {
            match read(fd, &mut piece[..most]) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                // A terminal whose other side is closed says EIO.
                Ok(0) | Err(_) => {
                    self.close(stream, poller);
                    return None;
                }
                Ok(count) => break count,
            }
        };
        if let Some(left) = &mut self.left
            && left[stream as usize] != u64::MAX
        {
            left[stream as usize] -= count as u64;
            self.close_exhausted(poller);
        }
        Some(&piece[..count])
    }

    fn close_exhausted(&mut self, poller: &Poller) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if self.left.is_some_and(|left| left[stream as usize] == 0) {
                self.close(stream, poller);
            }
        }
    }

    fn close(&mut self, stream: Stream, poller: &Poller) {
        if let Some(fd) = self.streams[stream as usize].take() {
            poller.forget(&fd);
        }
    }
}
