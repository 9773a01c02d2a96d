//! `kill`: a signal for a container's process 1.

use barque_monitor::protocol::Request;

use super::Containers;
use super::monitor::{self, Answer};
use super::settle;
use crate::api::ContainerKill;
use crate::error::{Error, ErrorKind, Result};
use crate::shorthand;
use crate::stream::Deadline;

impl Containers<'_> {
    /// Send a signal to a container's process 1. When it is SIGKILL, wait until the container has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it does not run. See `docs/errors.md`.
    pub fn kill(&self, request: &ContainerKill) -> Result<()> {
        let signal = match request.signal.as_str() {
            "" => libc::SIGKILL,
            text => shorthand::signal(text)?,
        };
        let (engine, record) = (self.engine, self.find(&request.id)?);
        let cannot = |error: Error| {
            Error::new(
                ErrorKind::Conflict,
                format!("cannot kill container: {}: {}", request.id, error.message()),
            )
            .with_reason("not_running")
            .about("container", &request.id)
        };
        let Some(mut connection) = monitor::connect(engine, &record.id)? else {
            return Err(cannot(monitor::not_running(&record.id)));
        };
        let kill = Request::Kill { signal };
        let answer = match monitor::ask(engine, &record.id, &mut connection, &kill, monitor::soon())
        {
            Ok(Answer::Done) if signal == libc::SIGKILL => monitor::ask(
                engine,
                &record.id,
                &mut connection,
                &Request::Wait,
                Deadline::never(),
            )?,
            Err(error) if error.kind() == ErrorKind::Timeout && signal == libc::SIGKILL => {
                monitor::end(engine, &record)?;
                Answer::Ended
            }
            Err(error) if error.reason() == "not_running" => return Err(cannot(error)),
            answer => answer?,
        };
        if !matches!(answer, Answer::Done) {
            settle::after_exit(engine, &record)?;
        }
        Ok(())
    }
}
