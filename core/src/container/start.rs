//! `start`: a container that was created, or has ended, runs.

use std::time::Duration;

use super::Containers;
use super::connection::Connection;
use super::launch::{self, Manner};
use super::lock::OperationLock;
use super::plan::Plan;
use super::record::Record;
use super::settle;
use super::state::Standing;
use crate::Engine;
use crate::api::ContainerStart;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Durability;

/// How long the monitor of a run that has ended may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

impl Containers<'_> {
    /// Start a container, and return as soon as its command runs.
    ///
    /// # Errors
    /// [`ErrorKind::NotModified`] when it runs already. See `docs/errors.md`.
    pub fn start(&self, request: &ContainerStart) -> Result<()> {
        let record = self.find(&request.id)?;
        let manner = Manner { owned: request.tied, ..Manner::default() };
        start(self.engine, &record.id, None, manner).map(drop)
    }
}

/// Start the container with this id; with the plan that was just made for it, or else a new one.
pub(super) fn start(
    engine: &Engine,
    id: &str,
    plan: Option<Plan>,
    manner: Manner,
) -> Result<Connection> {
    let lock = OperationLock::take(engine, id, "start")?;
    let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
        lock.remove(engine)?;
        return Err(Error::not_found("container", id));
    };
    let result = start_locked(engine, &record, plan, &lock, manner);
    match &result {
        Ok(_) if record.owner.is_some() && !record.auto_remove => {
            // From now on it outlives the process that ran it.
            engine.store().write(Durability::Crash, |t| Record::clear_owner(t, id))?;
        }
        // As docker does. A monitor that is still there is somebody's running container.
        Err(error)
            if record.auto_remove
                && error.kind() != ErrorKind::NotModified
                && !lock.has_monitor()? =>
        {
            settle::erase(engine, &record, lock, settle::Left::Everything)?;
        }
        _ => {}
    }
    result
}

fn start_locked(
    engine: &Engine,
    record: &Record,
    plan: Option<Plan>,
    lock: &OperationLock,
    manner: Manner,
) -> Result<Connection> {
    if record.removing {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("container {} is marked for removal and cannot be started", record.id),
        )
        .about("container", &record.id));
    }
    let mut standing = Standing::of(engine, &record.id)?;
    if standing.is_running() {
        return Err(Error::new(
            ErrorKind::NotModified,
            format!("container {} is already running", record.id),
        )
        .about("container", &record.id));
    }
    if standing.lock.monitor {
        if !lock.wait_for_monitor(engine, PATIENCE)? {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("the monitor of container {} does not end", record.id),
            )
            .about("container", &record.id));
        }
        standing = Standing::of(engine, &record.id)?;
    }
    if standing.unsettled || engine.layout().container_run(&record.id).exists() {
        settle::settle(engine, record, &standing)?;
    }
    let plan = match plan {
        Some(plan) => plan,
        None => {
            let image = engine.images().of_container(&record.image_id)?;
            launch::plan(engine, &record.id, &record.document, &record.mounts, &image)?
        }
    };
    launch::launch(engine, record, plan, lock, manner)
}
