//! The streams of a further process.

use std::os::fd::BorrowedFd;

use barque_monitor::protocol::{Channel, Event, Request};
use barque_monitor::state::{EXIT_UNKNOWN, Reason};

use crate::api::ExecExit;
use crate::container::connection::{Connection, Received};
use crate::container::polled::Polled;
use crate::container::session::Wanted;
use crate::container::state;
use crate::error::{Error, Result};
use crate::stream::{Chunk, Item, Next, Output, Source};

/// A connection that a process was started over.
pub(super) struct ExecStream {
    id: String,
    connection: Polled,
    wanted: Wanted,
    stage: Stage,
}

enum Stage {
    /// Nobody is told more than that it runs.
    Detached,
    Attached,
    Ended,
}

impl ExecStream {
    pub(super) fn new(
        id: String,
        connection: Connection,
        wanted: Wanted,
        detached: bool,
    ) -> Result<ExecStream> {
        let stage = if detached { Stage::Detached } else { Stage::Attached };
        Ok(ExecStream { id, connection: Polled::new(connection)?, wanted, stage })
    }

    fn end(&mut self, exit: &ExecExit) -> Result<Next> {
        self.stage = Stage::Ended;
        let text = serde_json::to_string(exit)
            .map_err(|error| Error::internal("write a document").because(error))?;
        Ok(Next::Item(Item::Document(text)))
    }
}

impl Source for ExecStream {
    fn try_next(&mut self) -> Result<Next> {
        match self.stage {
            Stage::Ended => return Ok(Next::Done),
            Stage::Detached => {
                let id = self.id.clone();
                return self.end(&ExecExit { id, running: true, ..ExecExit::default() });
            }
            Stage::Attached => {}
        }
        self.connection.flush()?;
        loop {
            let (channel, data) = match self.connection.try_receive()? {
                Received::Output(Channel::Stdout, data) => (Output::Stdout, data),
                Received::Output(Channel::Stderr, data) => (Output::Stderr, data),
                Received::Event(Event::ExecExited { exit_code, reason }) => {
                    let exit = exit(&self.id, exit_code, reason);
                    return self.end(&exit);
                }
                Received::Event(_) | Received::Output(..) => continue,
                Received::Nothing => return Ok(Next::TimedOut),
                // It died with the monitor.
                Received::Closed => {
                    let exit = exit(&self.id, EXIT_UNKNOWN, Reason::MonitorDied);
                    return self.end(&exit);
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
                "the exec takes no input: it was created without AttachStdin",
            ));
        }
        let ended = !matches!(self.stage, Stage::Attached);
        self.connection
            .input(data, "the exec", ended)
            .map_err(|error| error.about("exec", &self.id))
    }

    fn writable(&self) -> Option<BorrowedFd<'_>> {
        self.wanted.stdin.then(|| self.connection.writable())
    }

    fn detach(&mut self) -> Result<()> {
        if matches!(self.stage, Stage::Attached) {
            self.connection.document(&Request::ExecDetach)?;
            self.stage = Stage::Detached;
        }
        Ok(())
    }
}

fn exit(id: &str, exit_code: i32, reason: Reason) -> ExecExit {
    ExecExit {
        id: id.to_owned(),
        running: false,
        exit_code: Some(exit_code),
        reason: state::reason(reason),
    }
}
