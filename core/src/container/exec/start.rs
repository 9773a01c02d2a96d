//! `exec.start`: a further process runs.

use std::time::Duration;

use barque_monitor::protocol::{Event, Request};
use serde_json::Value;

use super::stream::ExecStream;
use super::{Created, Execs};
use crate::api::ExecStart;
use crate::container::connection::{Connection, Received};
use crate::container::session::Wanted;
use crate::container::{failure, monitor};
use crate::error::Result;
use crate::stream::{Deadline, Stream};

/// How long a process may take to become its command: joining namespaces takes a moment, and on a container that is being
/// frozen from elsewhere it takes for ever.
const PATIENCE: Duration = Duration::from_secs(60);

impl Execs<'_> {
    /// Start a process that was created. The stream is its output and, where it was created so, takes its input; at last comes
    /// an [`ExecExit`](crate::api::ExecExit). Unless it is detached, it ends when the stream is dropped.
    ///
    /// # Errors
    /// The reasons `command_not_found` and `command_not_executable` are docker's exit codes 127 and 126. See `docs/errors.md`.
    pub fn start(&self, request: &ExecStart) -> Result<Stream> {
        let engine = self.engine;
        let (container, mut connection) = self.reach(&request.id)?;
        let mut streams = Wanted { stdin: false, stdout: false, stderr: false };
        if !request.detach {
            // The answer comes before that to the start, which need not wait for it.
            connection.document(&Request::ExecInspect { id: request.id.clone() })?;
        }
        connection.document(&Request::ExecStart {
            id: request.id.clone(),
            detach: request.detach,
            timeout_ms: request.timeout_ms,
            size: Some(request.console_size).filter(|[rows, columns]| *rows > 0 && *columns > 0),
        })?;
        let deadline = Deadline::after(PATIENCE);
        loop {
            match connection.receive(engine.canceller(), deadline)? {
                Received::Event(Event::Exec { document, .. }) => streams = wanted(&document),
                Received::Event(Event::ExecStarted { .. }) => break,
                Received::Event(Event::Refused { failure }) => {
                    return Err(failure::error(&failure, &container).about("exec", &request.id));
                }
                Received::Closed => return Err(monitor::not_running(&container)),
                Received::Nothing => return Err(monitor::silent(&container)),
                Received::Event(_) | Received::Output(..) => {}
            }
        }
        let stream = ExecStream::new(request.id.clone(), connection, streams, request.detach)?;
        Stream::new(Box::new(stream), engine.canceller().clone())
    }

    /// The container of the exec `id`, and a connection to its monitor: the one that it was created over, where that is still of use.
    fn reach(&self, id: &str) -> Result<(String, Connection)> {
        let kept = self.engine.take_exec()?.filter(|created| created.id == id);
        if let Some(Created { container, mut connection, .. }) = kept
            // The container may have ended since, and be another run of it by now.
            && matches!(connection.try_receive(), Ok(Received::Nothing))
        {
            return Ok((container, connection));
        }
        self.find(id)
    }
}

/// The streams that it was created with.
fn wanted(document: &Value) -> Wanted {
    let open = |name: &str| document.get(name).and_then(Value::as_bool).unwrap_or(false);
    Wanted { stdin: open("OpenStdin"), stdout: open("OpenStdout"), stderr: open("OpenStderr") }
}
