//! `stop`: the container's stop signal, and SIGKILL when that was not enough.

use std::time::Duration;

use barque_monitor::protocol::Request;

use super::Containers;
use super::monitor;
use super::record::Record;
use super::settle;
use crate::api::ContainerStop;
use crate::error::{Error, ErrorKind, Result};
use crate::shorthand;
use crate::stream::Deadline;

/// Docker's patience where nobody says otherwise, seconds.
const DEFAULT_TIMEOUT: i64 = 10;

/// What the monitor may take longer than the time it was given.
pub(super) const MARGIN: Duration = Duration::from_secs(10);

impl Containers<'_> {
    /// Stop a container, and return when it has ended.
    ///
    /// # Errors
    /// [`ErrorKind::NotModified`] when it does not run. See `docs/errors.md`.
    pub fn stop(&self, request: &ContainerStop) -> Result<()> {
        let record = self.find(&request.id)?;
        let signal = stop_signal(&record, &request.signal)?;
        let timeout = patience(&record, request.timeout);
        let engine = self.engine;
        if !stop(self, &record, signal, timeout)? {
            return Err(Error::new(
                ErrorKind::NotModified,
                monitor::not_running(&record.id).message(),
            )
            .with_reason("not_running")
            .about("container", &request.id));
        }
        settle::after_exit(engine, &record)
    }
}

/// The signal to begin with: what was asked for, else the container's own.
pub(super) fn stop_signal(record: &Record, asked: &str) -> Result<i32> {
    match (asked, record.config.stop_signal.as_str()) {
        ("", "") => Ok(libc::SIGTERM),
        ("", configured) => shorthand::signal(configured),
        (asked, _) => shorthand::signal(asked),
    }
}

/// How long the container has before SIGKILL; `None`: as long as it takes, which a negative number of seconds means.
pub(super) fn patience(record: &Record, asked: Option<i64>) -> Option<Duration> {
    let seconds = asked.or(record.config.stop_timeout).unwrap_or(DEFAULT_TIMEOUT);
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Stop the container; `false` when it does not run.
fn stop(
    containers: &Containers<'_>,
    record: &Record,
    signal: i32,
    timeout: Option<Duration>,
) -> Result<bool> {
    let engine = containers.engine;
    let Some(mut connection) = monitor::connect(engine, &record.id)? else { return Ok(false) };
    let timeout_ms = timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    let request = Request::Stop { signal, timeout_ms };
    let deadline = match timeout.and_then(|timeout| timeout.checked_add(MARGIN)) {
        Some(patience) => Deadline::after(patience),
        None => Deadline::never(),
    };
    match monitor::ask(engine, &record.id, &mut connection, &request, deadline) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Timeout => {
            // The time it had is over, and its monitor did not see to it.
            monitor::end(engine, record)?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
