//! `exec.kill`: a signal for a further process.

use barque_monitor::protocol::Request;

use super::Execs;
use crate::api::ExecKill;
use crate::error::Result;
use crate::shorthand;

impl Execs<'_> {
    /// Send a signal to a further process. SIGKILL goes to all that it has started, too.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when it does not run. See `docs/errors.md`.
    pub fn kill(&self, request: &ExecKill) -> Result<()> {
        let signal = match request.signal.as_str() {
            "" => libc::SIGKILL,
            text => shorthand::signal(text)?,
        };
        let kill = Request::ExecKill { id: request.id.clone(), signal };
        self.ask_about(&request.id, &kill).map(drop)
    }
}
