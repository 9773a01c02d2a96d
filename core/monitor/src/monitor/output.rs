//! The container's output: one chunk at a time from a pipe or the terminal to the log and to the clients.
//!
//! There is one buffer, and it is filled again only when every attached client has taken what is in it. So the slowest
//! client sets the pace of the container (as a pipe's reader does), and memory does not grow. While a chunk is held up,
//! the pipes are not watched at all: epoll would report their end over and over.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread, read};

use super::client::Chunk;
use super::clients::Clients;
use super::log::{Log, PIECE_MAX, Stream};
use super::poller::{Poller, Source};

/// How many chunks are taken from one stream before others have their turn.
const TURN: usize = 16;

/// How long after the container's end a terminal's last output may take to come through the kernel's line discipline.
const TERMINAL_PATIENCE: Duration = Duration::from_millis(500);

/// The container's output streams, and the chunk that is under way.
pub(super) struct Output {
    streams: [Option<OwnedFd>; 2],
    /// Our own descriptor of the terminal's other side. With it the container can close all of its own and open some again:
    /// a master whose other side nobody has open reports an error to whoever reads it.
    keep_open: Option<OwnedFd>,
    terminal: bool,
    chunk: Vec<u8>,
    stream: Stream,
    watched: bool,
}

/// Where output goes.
pub(super) struct Sinks<'a> {
    pub(super) log: &'a mut Option<Log>,
    pub(super) clients: &'a mut Clients,
    pub(super) poller: &'a Poller,
}

/// How a read has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There may be more.
    More,
    /// There is nothing now.
    Empty,
    /// There will be nothing any more.
    End,
    /// A client has to take this chunk first.
    HeldUp,
}

impl Output {
    /// Descriptors that do not block. The terminal is standard output.
    pub(super) fn new(
        stdout: OwnedFd,
        stderr: Option<OwnedFd>,
        keep_open: Option<OwnedFd>,
    ) -> Output {
        let terminal = stderr.is_none();
        Output {
            streams: [Some(stdout), stderr],
            keep_open,
            terminal,
            chunk: Vec::new(),
            stream: Stream::Stdout,
            watched: false,
        }
    }

    /// The chunk under way.
    pub(super) fn chunk(&self) -> Chunk<'_> {
        Chunk::new(self.stream, &self.chunk)
    }

    /// Watch the streams, or not while a chunk is held up.
    pub(super) fn watch(&mut self, poller: &Poller, clients: &Clients) -> Result<(), Errno> {
        let wanted = !clients.hold_up_output();
        if wanted == self.watched {
            return Ok(());
        }
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(fd) = &self.streams[stream as usize] else { continue };
            if wanted {
                poller.watch(fd, Source::Output(stream), EventFlags::IN)?;
            } else {
                poller.forget(fd);
            }
        }
        self.watched = wanted;
        Ok(())
    }

    /// Pass on what a stream has.
    pub(super) fn pump(&mut self, stream: Stream, sinks: &mut Sinks<'_>) {
        for _ in 0..TURN {
            match self.step(stream, sinks) {
                Next::More => {}
                Next::Empty | Next::HeldUp => return,
                Next::End => return self.close(stream, sinks.poller),
            }
        }
    }

    /// Pass on what the container has left when all its processes are dead. `wait` is called while a client holds it up, and
    /// returns when something has changed.
    ///
    /// Nothing can come after that, so a pipe is read as far as it is filled now: its end may never come, when a process of
    /// another container has got hold of the other side. Of a terminal the kernel passes on the last output a moment later,
    /// and then says that it is over.
    pub(super) fn drain(
        &mut self,
        clients: &mut Clients,
        log: &mut Option<Log>,
        poller: &Poller,
        mut wait: impl FnMut(&mut Clients, Chunk<'_>),
    ) {
        self.keep_open = None;
        let patience = Instant::now() + TERMINAL_PATIENCE;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let Some(fd) = &self.streams[stream as usize] else { continue };
            let mut left = if self.terminal { u64::MAX } else { ioctl_fionread(fd).unwrap_or(0) };
            while left > 0 {
                while clients.hold_up_output() {
                    wait(clients, Chunk::new(self.stream, &self.chunk));
                }
                let mut sinks = Sinks { log, clients, poller };
                match self.step(stream, &mut sinks) {
                    Next::More | Next::HeldUp => {
                        left = left.saturating_sub(self.chunk.len() as u64)
                    }
                    Next::Empty if self.terminal && Instant::now() < patience => {
                        self.await_terminal()
                    }
                    Next::Empty | Next::End => break,
                }
            }
            self.close(stream, poller);
        }
        while clients.hold_up_output() {
            wait(clients, Chunk::new(self.stream, &self.chunk));
        }
        self.chunk.clear();
    }

    fn await_terminal(&self) {
        let Some(fd) = &self.streams[0] else { return };
        let timeout = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        // The next read tells what has come.
        let _ = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&timeout));
    }

    fn step(&mut self, stream: Stream, sinks: &mut Sinks<'_>) -> Next {
        if sinks.clients.hold_up_output() {
            return Next::HeldUp;
        }
        let Some(fd) = &self.streams[stream as usize] else { return Next::End };
        self.chunk.clear();
        self.chunk.reserve_exact(PIECE_MAX);
        // Into memory as it is: a page that output never reaches stays untouched.
        match read(fd, spare_capacity(&mut self.chunk)) {
            Ok(0) => return Next::End,
            Ok(_) => {}
            Err(Errno::AGAIN) => return Next::Empty,
            Err(Errno::INTR) => return Next::More,
            // A terminal whose other side is closed says EIO.
            Err(_) => return Next::End,
        }
        self.stream = stream;
        let logged = match sinks.log {
            Some(log) => {
                log.append(stream, &self.chunk);
                true
            }
            None => false,
        };
        sinks.clients.offer(stream, Chunk::new(stream, &self.chunk), logged);
        if sinks.clients.hold_up_output() { Next::HeldUp } else { Next::More }
    }

    fn close(&mut self, stream: Stream, poller: &Poller) {
        if let Some(fd) = self.streams[stream as usize].take() {
            poller.forget(&fd);
        }
    }
}
