//! `resize`: the size of a container's terminal.

use barque_monitor::protocol::Request;

use super::Containers;
use super::monitor::{self, Answer};
use crate::api::ContainerResize;
use crate::error::Result;

impl Containers<'_> {
    /// Set the size of a running container's terminal.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when it does not run. See `docs/errors.md`.
    pub fn resize(&self, request: &ContainerResize) -> Result<()> {
        let (engine, record) = (self.engine, self.find(&request.id)?);
        let Some(mut connection) = monitor::connect(engine, &record.id)? else {
            return Err(monitor::not_running(&record.id));
        };
        let resize = Request::Resize { rows: request.h, columns: request.w };
        match monitor::ask(engine, &record.id, &mut connection, &resize, monitor::soon())? {
            Answer::Done => Ok(()),
            Answer::Ended => Err(monitor::not_running(&record.id)),
        }
    }
}
