//! `remove`: a container, and everything of it.

use std::time::Duration;

use barque_monitor::protocol::Request;

use super::Containers;
use super::lock::OperationLock;
use super::monitor;
use super::record::Record;
use super::settle::{self, Left};
use super::state::Standing;
use crate::Engine;
use crate::api::ContainerRemove;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Deadline;

/// How long the monitor of a container that has ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

impl Containers<'_> {
    /// Remove a container. One that runs is killed first when that was asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it runs and `Force` was not given. See `docs/errors.md`.
    pub fn remove(&self, request: &ContainerRemove) -> Result<()> {
        let (engine, record) = (self.engine, self.find(&request.id)?);
        let lock = OperationLock::take(engine, &record.id, "remove")?;
        let id = &record.id;
        let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
            // Another removal was first.
            lock.remove(engine)?;
            return Err(Error::not_found("container", &request.id));
        };
        let standing = Standing::of(engine, &record.id)?;
        if standing.is_running() {
            if !request.force {
                return Err(running(&record, &standing));
            }
            kill(engine, &record)?;
        }
        if !lock.wait_for_monitor(engine, PATIENCE)? {
            monitor::end(engine, &record)?;
            if !lock.wait_for_monitor(engine, PATIENCE)? {
                let message = format!("the monitor of container {} does not end", record.id);
                return Err(Error::new(ErrorKind::Busy, message).about("container", &request.id));
            }
        }
        let with_volumes = record.with_volumes || request.volumes;
        let left = Left::of(engine, &record.id, &lock);
        settle::erase(engine, &Record { with_volumes, ..record }, lock, left)
    }
}

fn kill(engine: &Engine, record: &Record) -> Result<()> {
    let Some(mut connection) = monitor::connect(engine, &record.id)? else { return Ok(()) };
    let kill = Request::Kill { signal: libc::SIGKILL };
    match monitor::ask(engine, &record.id, &mut connection, &kill, monitor::soon()) {
        Ok(monitor::Answer::Done) => {
            monitor::ask(engine, &record.id, &mut connection, &Request::Wait, Deadline::never())
                .map(drop)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::Timeout => monitor::end(engine, record),
        // It has ended since it was looked at.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        Err(error) => Err(error),
    }
}

fn running(record: &Record, standing: &Standing) -> Error {
    let status = standing.status(false);
    Error::new(
        ErrorKind::Conflict,
        format!(
            "cannot remove container \"/{}\": container is {status}: stop the container before removing or force remove",
            record.name
        ),
    )
    .with_reason("running")
    .about("container", &record.id)
}
