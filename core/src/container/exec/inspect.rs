//! `exec.inspect`: what a further process is, and how.

use barque_monitor::protocol::{Event, Request};
use serde::Deserialize;

use super::Execs;
use crate::api::ExecInspect;
use crate::error::{Error, Result};

impl Execs<'_> {
    /// Everything about a further process. It is known until its container ends.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound). See `docs/errors.md`.
    pub fn inspect(&self, id: &str) -> Result<ExecInspect> {
        let request = Request::ExecInspect { id: id.to_owned() };
        match self.ask_about(id, &request)? {
            Event::Exec { document, running, exit_code, pid } => {
                let document = ExecInspect::deserialize(document)
                    .map_err(|error| Error::internal("read a document").because(error))?;
                let can_remove = exit_code.is_some();
                Ok(ExecInspect { running, exit_code, pid, can_remove, ..document })
            }
            _ => Err(Error::internal("the monitor answered something else")),
        }
    }
}
