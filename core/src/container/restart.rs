//! `restart`: stop, and start again. A container that does not run is only started.
//!
//! Its monitor does both, so that nobody finds it stopped in between, and one that is to be removed at its end is not.

use std::time::Duration;

use barque_monitor::protocol::{Launch, Request};

use super::Containers;
use super::launch::{self, Manner};
use super::lock::OperationLock;
use super::record::Record;
use super::stop::{MARGIN, patience, stop_signal};
use super::{joined, link, monitor, start};
use crate::Engine;
use crate::api::ContainerRestart;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Deadline;

impl Containers<'_> {
    /// Stop a container and start it again.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn restart(&self, request: &ContainerRestart) -> Result<()> {
        let (engine, record) = (self.engine, self.find(&request.id)?);
        let signal = stop_signal(&record, &request.signal)?;
        let timeout = patience(&record, request.timeout);
        if !restart(engine, &record, signal, timeout)? {
            match start::start(engine, &record.id, None, Manner::default()) {
                // Somebody else has started it.
                Err(error) if error.kind() == ErrorKind::NotModified => {}
                started => drop(started?),
            }
        }
        Ok(())
    }
}

/// Have the monitor do it; `false` when there is none.
fn restart(
    engine: &Engine,
    record: &Record,
    signal: i32,
    timeout: Option<Duration>,
) -> Result<bool> {
    let _lock = OperationLock::take_quietly(engine, &record.id)?;
    let id = &record.id;
    let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
        return Err(Error::not_found("container", id));
    };
    let Some(mut connection) = monitor::connect(engine, &record.id)? else { return Ok(false) };
    let request = Request::Restart {
        launch: Box::new(again(engine, &record)?),
        signal,
        timeout_ms: timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
    };
    let deadline = match timeout.and_then(|timeout| timeout.checked_add(MARGIN)) {
        Some(patience) => Deadline::after(patience),
        None => Deadline::never(),
    };
    match monitor::ask(engine, &record.id, &mut connection, &request, deadline)? {
        monitor::Answer::Done => Ok(true),
        monitor::Answer::Ended => Ok(false),
    }
}

/// What a monitor is to run once more.
pub(super) fn again(engine: &Engine, record: &Record) -> Result<Launch> {
    joined::check(engine, &record.document.host_config)?;
    let image = engine.images().of_container(&record.image_id)?;
    let mut plan = launch::plan(engine, &record.id, &record.document, &record.mounts, &image)?;
    link::tell(&mut plan, &record.name, &link::in_default_network(engine, record)?);
    launch::document(engine, record, plan, Manner::default())
}
