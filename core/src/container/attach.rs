//! `attach`: the standard streams of a container that runs.

use barque_monitor::protocol::Request;

use super::Containers;
use super::monitor::{self, Answer};
use super::session::{Session, Wanted};
use crate::api::ContainerAttach;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Stream;

impl Containers<'_> {
    /// Attach to a running container: its output from now on, and at last a
    /// [`ContainerExit`](crate::api::ContainerExit).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it does not run. See `docs/errors.md`.
    pub fn attach(&self, request: &ContainerAttach) -> Result<Stream> {
        let record = self.find(&request.id)?;
        let engine = self.engine;
        let Some(mut connection) = monitor::connect(engine, &record.id)? else {
            return Err(monitor::not_running(&record.id).because(Error::new(
                ErrorKind::Conflict,
                "You cannot attach to a stopped container, start it first",
            )));
        };
        let wanted = Wanted {
            stdin: request.stdin && record.config.open_stdin,
            stdout: request.stdout,
            stderr: request.stderr,
        };
        let attach =
            Request::Attach { stdin: wanted.stdin, stdout: wanted.stdout, stderr: wanted.stderr };
        match monitor::ask(engine, &record.id, &mut connection, &attach, monitor::soon())? {
            Answer::Done => {}
            Answer::Ended => return Err(monitor::not_running(&record.id)),
        }
        let session = Session::new(engine.clone(), record, connection, wanted, Vec::new())?;
        Stream::new(Box::new(session), engine.canceller().clone())
    }
}
