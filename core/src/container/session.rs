//! A connection to a container's standard streams, as a stream: what `run` and `attach` give back.
//!
//! It ends with the document that says how the container ended, when the monitor has closed the connection: then nothing of
//! the run is left, and a container that goes with it is gone.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use barque_monitor::protocol::{Channel, Event};
use barque_monitor::state::{RunState, Status};

use super::connection::{Connection, Received};
use super::polled::Polled;
use super::record::Record;
use super::settle;
use super::state::{self, Standing};
use crate::Engine;
use crate::api::ContainerCreated;
use crate::error::{Error, Result};
use crate::stream::{Canceller, Chunk, Item, Next, Output, Source};

/// Which of a container's standard streams somebody wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

/// A connection to a container's standard streams.
pub(super) struct Session {
    engine: Engine,
    record: Record,
    connection: Polled,
    wanted: Wanted,
    /// Of the container's creation, where this stream began with it.
    warnings: Vec<String>,
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
        let connection = Polled::new(connection)?;
        Ok(Session { engine, record, connection, wanted, warnings, exit: None, ended: false })
    }

    /// How the container ended. The monitor is gone, or about to go.
    fn end(&mut self) -> Result<String> {
        let run = match self.exit.take() {
            Some(run) => run,
            None => ending(&self.engine, &self.record)?,
        };
        settle::after_exit(&self.engine, &self.record)?;
        document(&self.record, &run)
    }
}

impl Source for Session {
    fn try_next(&mut self) -> Result<Next> {
        if self.ended {
            return Ok(Next::Done);
        }
        self.connection.flush()?;
        loop {
            let (channel, data) = match self.connection.try_receive()? {
                Received::Output(Channel::Stdout, data) if self.wanted.stdout => {
                    (Output::Stdout, data)
                }
                Received::Output(Channel::Stderr, data) if self.wanted.stderr => {
                    (Output::Stderr, data)
                }
                Received::Event(Event::Exited { state, again: false }) => {
                    self.exit = Some(state);
                    continue;
                }
                // The container goes on, but what comes from now on is another run's.
                Received::Event(Event::Exited { state, again: true }) => {
                    self.ended = true;
                    return Ok(Next::Item(Item::Document(document(&self.record, &state)?)));
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
        self.connection.readable()
    }

    fn write(&mut self, data: &[u8]) -> Result<usize> {
        if !self.wanted.stdin {
            return Err(Error::invalid(
                "the container takes no input: it was created without OpenStdin, or attached without Stdin",
            ));
        }
        let ended = self.ended || self.exit.is_some();
        self.connection
            .input(data, "the container", ended)
            .map_err(|error| error.about("container", &self.record.id))
    }

    fn cancel_with(&mut self, canceller: &Canceller) {
        self.engine = self.engine.with_canceller(canceller);
    }

    fn container(&self) -> Option<ContainerCreated> {
        Some(ContainerCreated { id: self.record.id.clone(), warnings: self.warnings.clone() })
    }

    fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.wanted.stdin.then(|| self.connection.writable())
    }
}

fn document(record: &Record, run: &RunState) -> Result<String> {
    serde_json::to_string(&state::exit(&record.id, run))
        .map_err(|error| Error::internal("write a document").because(error))
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
