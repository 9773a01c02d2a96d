//! What a jail sends, as a stream: first what it says about it, then the bytes, and an error where they ended too soon.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use barque_monitor::protocol::{Job, Report};
use rustix::io::Errno;

use super::jail::{Jail, Wiring};
use crate::Engine;
use crate::error::{Error, Result};
use crate::stream::{Canceller, Chunk, Item, Next, Output, Source, Stream};
use crate::sys::socket;

/// Bytes of a chunk.
const CHUNK: usize = 256 << 10;

/// The content that a jail sends.
pub(in crate::container) struct Content {
    jail: Option<Jail>,
    output: OwnedFd,
    first: Option<String>,
    canceller: Canceller,
    buffer: Vec<u8>,
}

impl Content {
    /// Have the container's files read by `job`; `stat`: that says what it is about first.
    pub(in crate::container) fn stream(
        engine: &Engine,
        id: &str,
        job: Job,
        stat: bool,
    ) -> Result<Stream> {
        let (output, theirs) = socket::pair()?;
        let wiring = Wiring { output: Some(theirs.as_fd()), ..Wiring::default() };
        let mut jail = Jail::start(engine, id, job, wiring)?;
        drop(theirs);
        let first = match stat {
            false => None,
            true => match jail.report(engine.canceller())? {
                Report::Stat(stat) => Some(
                    serde_json::to_string(&super::document(&stat))
                        .map_err(|error| Error::internal("write a document").because(error))?,
                ),
                _ => return Err(Error::internal("the jail does not say what it reads")),
            },
        };
        rustix::io::ioctl_fionbio(&output, true)
            .map_err(|errno| Error::system("set up a socket", errno.into()))?;
        let canceller = engine.canceller().clone();
        let source = Content { jail: Some(jail), output, first, canceller, buffer: vec![0; CHUNK] };
        Stream::new(Box::new(source), engine.canceller().clone())
    }
}

impl Source for Content {
    fn try_next(&mut self) -> Result<Next> {
        if let Some(first) = self.first.take() {
            return Ok(Next::Item(Item::Document(first)));
        }
        loop {
            let read = match rustix::io::read(&self.output, &mut self.buffer[..]) {
                Ok(0) | Err(Errno::CONNRESET) => break,
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(Next::TimedOut),
                Err(errno) => return Err(Error::system("read from the jail", errno.into())),
            };
            let data = self.buffer[..read].to_vec();
            let chunk = Chunk { channel: Output::Stdout, timestamp: None, data };
            return Ok(Next::Item(Item::Chunk(chunk)));
        }
        // Its end says nothing about whether it was whole.
        match self.jail.take() {
            Some(jail) => jail.finish(&self.canceller).map(|()| Next::Done),
            None => Ok(Next::Done),
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    fn cancel_with(&mut self, canceller: &Canceller) {
        self.canceller = canceller.clone();
    }
}
