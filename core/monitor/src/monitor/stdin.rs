//! The way to the container's standard input.
//!
//! What does not fit into the pipe at once waits here, and nobody's further input is read until it has gone: never more than
//! one read's worth.

use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;
use rustix::io::{Errno, write};

use super::poller::{Poller, Source};

/// The container's standard input, as long as it takes any.
pub(super) struct Stdin {
    fd: Option<OwnedFd>,
    terminal: bool,
    source: Source,
    waiting: Vec<u8>,
    gone: usize,
    ending: bool,
}

impl Stdin {
    /// `fd` does not block; `None`: the container has no input from us. `source` is what the poller calls it.
    pub(super) fn new(fd: Option<OwnedFd>, terminal: bool, source: Source) -> Stdin {
        Stdin { fd, terminal, source, waiting: Vec::new(), gone: 0, ending: false }
    }

    /// More can be taken now.
    pub(super) fn is_ready(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Pass bytes on. A container that reads no input any more (or never did) loses them, as with any pipe.
    pub(super) fn give(&mut self, bytes: &[u8], poller: &Poller) {
        let Some(fd) = &self.fd else { return };
        if self.ending {
            return;
        }
        match write_some(fd, bytes) {
            Ok(count) if count == bytes.len() => {}
            Ok(count) => {
                self.waiting.extend_from_slice(&bytes[count..]);
                if poller.watch(fd, self.source, EventFlags::OUT).is_err() {
                    self.close(poller);
                }
            }
            Err(_) => self.close(poller),
        }
    }

    /// There is room for what is waiting.
    pub(super) fn go_on(&mut self, poller: &Poller) {
        let Some(fd) = &self.fd else { return };
        match write_some(fd, &self.waiting[self.gone..]) {
            Ok(count) => self.gone += count,
            Err(_) => return self.close(poller),
        }
        if self.gone == self.waiting.len() {
            poller.forget(fd);
            (self.waiting, self.gone) = (Vec::new(), 0);
            if self.ending {
                self.close(poller);
            }
        }
    }

    /// No more input comes. A terminal has no end: it is the other side too.
    pub(super) fn end(&mut self, poller: &Poller) {
        if self.terminal {
            return;
        }
        self.ending = true;
        if self.is_ready() {
            self.close(poller);
        }
    }

    /// No input is passed on any more.
    pub(super) fn close(&mut self, poller: &Poller) {
        if let Some(fd) = self.fd.take() {
            poller.forget(&fd);
        }
        (self.waiting, self.gone) = (Vec::new(), 0);
    }
}

fn write_some(fd: &OwnedFd, bytes: &[u8]) -> Result<usize, Errno> {
    let mut gone = 0;
    while gone < bytes.len() {
        match write(fd, &bytes[gone..]) {
            Ok(count) => gone += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(gone)
}
