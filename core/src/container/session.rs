//! A connection to a container's standard streams, as a stream: what `run` and `attach` give back.
//!
//! It ends with the document that says how the container ended, when the monitor has closed the connection: then nothing of
//! the run is left, and a container that goes with it is gone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use barque_monitor::protocol::{Channel, Event};
use barque_monitor::state::{RunState, Status};
use rustix::event::epoll;

use super::connection::{Connection, Received};
use super::record::Record;
use super::settle;
use super::state::{self, Standing};
use crate::Engine;
use crate::api::ContainerCreated;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::{Canceller, Chunk, Item, Next, Output, Source};

/// Which of a container's standard streams somebody wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// How much input is sent in one piece.
const PIECE: usize = 64 << 10;

/// A connection to a container's standard streams.
pub(super) struct Session {
    engine: Engine,
    record: Record,
    connection: Connection,
    wanted: Wanted,
    /// Of the container's creation, where this stream began with it.
    warnings: Vec<String>,
    input_closed: bool,
    /// What a reader polls: the socket, for writing too while something is queued.
    poller: OwnedFd,
    polls_for_writing: bool,
    exit: Option<RunState>,
    ended: bool,
}

impl Session {
    /// The streams of a container over a connection that is attached.
    pub(super) fn new(
        engine: Engine,
        record: Record,
        connection: Connection,
        wanted: Wanted,
        warnings: Vec<String>,
    ) -> Result<Session> {
        let failed = |errno: rustix::io::Errno| Error::system("set up an epoll", errno.into());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let (data, readable) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        epoll::add(&poller, &connection, data, readable).map_err(failed)?;
        Ok(Session {
            engine,
            record,
            connection,
            wanted,
            warnings,
            input_closed: false,
            poller,
            polls_for_writing: false,
            exit: None,
            ended: false,
        })
    }

    /// Send what is queued, and have the reader woken when more of it can be sent.
    fn flush(&mut self) -> Result<()> {
        self.connection.flush()?;
        let waits = self.connection.queued() > 0;
        if waits != self.polls_for_writing {
            let flags = match waits {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            epoll::modify(&self.poller, &self.connection, epoll::EventData::new_u64(0), flags)
                .map_err(|errno| Error::system("change an epoll", errno.into()))?;
            self.polls_for_writing = waits;
        }
        Ok(())
    }

    /// How the container ended. The monitor is gone, or about to go.
    fn end(&mut self) -> Result<String> {
        let run = match self.exit.take() {
            Some(run) => run,
            None => ending(&self.engine, &self.record)?,
        };
        settle::after_exit(&self.engine, &self.record)?;
        serde_json::to_string(&state::exit(&self.record.id, &run))
            .map_err(|error| Error::internal("write a document").because(error))
    }
}

impl Source for Session {
    fn try_next(&mut self) -> Result<Next> {
        if self.ended {
            return Ok(Next::Done);
        }
        self.flush()?;
        loop {
            let (channel, data) = match self.connection.try_receive()? {
                Received::Output(Channel::Stdout, data) if self.wanted.stdout => {
                    (Output::Stdout, data)
                }
                Received::Output(Channel::Stderr, data) if self.wanted.stderr => {
                    (Output::Stderr, data)
                }
                Received::Event(Event::Exited { state }) => {
                    self.exit = Some(state);
                    continue;
                }
                Received::Event(Event::Refused { failure }) => {
                    return Err(super::failure::error(&failure, &self.record.id));
                }
                Received::Event(_) | Received::Output(..) => continue,
                Received::Nothing => return Ok(Next::TimedOut),
                Received::Closed => {
                    self.ended = true;
                    return Ok(Next::Item(Item::Document(self.end()?)));
                }
            };
            if !data.is_empty() {
                return Ok(Next::Item(Item::Chunk(Chunk { channel, timestamp: None, data })));
            }
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    fn write(&mut self, data: &[u8]) -> Result<usize> {
        let refused = |message: &str| {
            Err(Error::new(ErrorKind::Conflict, message).about("container", &self.record.id))
        };
        if !self.wanted.stdin {
            return Err(Error::invalid(
                "the container takes no input: it was created without OpenStdin, or attached without Stdin",
            ));
        }
        if data.is_empty() && (self.input_closed || self.ended || self.exit.is_some()) {
            return Ok(0);
        }
        if self.input_closed {
            return refused("the container's standard input was closed by this stream");
        }
        if self.ended || self.exit.is_some() {
            return refused("the container has ended");
        }
        self.flush()?;
        // Closing is always taken: its answer could not say that it was not.
        if self.connection.queued() > 0 && !data.is_empty() {
            return Ok(0);
        }
        let piece = &data[..data.len().min(PIECE)];
        self.input_closed = data.is_empty();
        self.connection.queue(Channel::Stdin, piece);
        self.flush()?;
        Ok(piece.len())
    }

    fn cancel_with(&mut self, canceller: &Canceller) {
        self.engine = self.engine.with_canceller(canceller);
    }

    fn container(&self) -> Option<ContainerCreated> {
        Some(ContainerCreated { id: self.record.id.clone(), warnings: self.warnings.clone() })
    }

    fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.wanted.stdin.then(|| self.connection.as_fd())
    }
}

/// How a container's run ended whose monitor did not say it: what it wrote down, or else that it died.
pub(super) fn ending(engine: &Engine, record: &Record) -> Result<RunState> {
    // The connection is closed a moment before the lock is given back.
    for pause in [0, 1, 2, 5, 10, 20, 50, 100, 200, 500] {
        engine.canceller().sleep(Duration::from_millis(pause))?;
        let standing = Standing::of(engine, &record.id)?;
        if standing.unsettled {
            settle::settle_if_free(engine, &record.id)?;
        }
        match standing.run {
            Some(run) if run.status == Status::Exited => return Ok(run),
            None if !standing.lock.monitor => break,
            _ => {}
        }
    }
    Ok(state::unknown())
}
