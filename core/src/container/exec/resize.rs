//! `exec.resize`: the size of a further process's terminal.

use barque_monitor::protocol::Request;

use super::Execs;
use crate::api::ExecResize;
use crate::error::Result;

impl Execs<'_> {
    /// Set the size of a running process's terminal.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when it does not run. See `docs/errors.md`.
    pub fn resize(&self, request: &ExecResize) -> Result<()> {
        let ExecResize { id, h: rows, w: columns } = request.clone();
        self.ask_about(&request.id, &Request::ExecResize { id, rows, columns }).map(drop)
    }
}
