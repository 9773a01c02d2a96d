//! `pause` and `unpause`: all processes of a container hold still, and go on.

use barque_monitor::protocol::Request;

use super::Containers;
use super::lock::OperationLock;
use super::monitor::{self, Answer};
use super::state::Standing;
use crate::error::{Error, ErrorKind, Result};

impl Containers<'_> {
    /// Freeze all processes of a container.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it does not run, or is paused. See `docs/errors.md`.
    pub fn pause(&self, id: &str) -> Result<()> {
        self.freeze(id, &Request::Pause, "is already paused")
    }

    /// Let the processes of a paused container go on.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it is not paused. See `docs/errors.md`.
    pub fn unpause(&self, id: &str) -> Result<()> {
        self.freeze(id, &Request::Unpause, "is not paused")
    }

    fn freeze(&self, id: &str, request: &Request, so_already: &str) -> Result<()> {
        let (engine, record) = (self.engine, self.find(id)?);
        // A commit freezes it for a moment, and thaws it again.
        let _lock = OperationLock::take_quietly(engine, &record.id)?;
        let Some(mut connection) = monitor::connect(engine, &record.id)? else {
            return Err(monitor::not_running(&record.id));
        };
        let standing = Standing::of(engine, &record.id)?;
        let pauses = matches!(request, Request::Pause);
        if standing.running().is_some_and(|run| run.paused == pauses) {
            let message = format!("Container {} {so_already}", record.id);
            return Err(Error::new(ErrorKind::Conflict, message).about("container", id));
        }
        match monitor::ask(engine, &record.id, &mut connection, request, monitor::soon())? {
            Answer::Done => Ok(()),
            Answer::Ended => Err(monitor::not_running(&record.id)),
        }
    }
}
