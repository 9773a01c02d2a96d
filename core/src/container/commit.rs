//! `commit`: an image of what a container has become.
//!
//! The writable layer is packed as a layer of its own ([`barque_monitor::pack`]) and goes the way of every layer: by digest, through
//! the unpacker, into the store all at once. A container that runs is frozen while its files are read, and no longer.

use std::os::fd::AsFd;

use barque_monitor::cgroup::Cgroup;
use barque_monitor::protocol::Report;

use super::files::{Jail, Wiring};
use super::lock::OperationLock;
use super::record::Record;
use super::state::Standing;
use super::{Containers, failure};
use crate::Engine;
use crate::api::{ContainerCommit, ImageCreated};
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::image::Commit;
use crate::store::{Durability, Intent};
use crate::sys::{clock, directory, socket};

impl Containers<'_> {
    /// Make an image of a container.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name or change that cannot be. See `docs/errors.md`.
    pub fn commit(&self, request: &ContainerCommit) -> Result<ImageCreated> {
        let engine = self.engine;
        let record = self.find(&request.id)?;
        if Standing::of(engine, &record.id)?.is_over(record.auto_remove) || record.removing {
            return Err(Error::not_found("container", &request.id));
        }
        let mut commit = Commit::begin(engine, request, &record.image_id, &record.config)?;
        let upper = engine.layout().container(&record.id).join("upper");
        match directory::open(&upper) {
            Ok(upper) => pack(engine, &record, request, &upper, &mut commit)?,
            // It was never started, and nothing was copied into it.
            Err(error) if error.errno() == Some(libc::ENOENT) => commit.no_files()?,
            Err(error) => return Err(error),
        }
        failpoint("commit-packed")?;
        commit.finish()
    }
}

fn is_frozen(engine: &Engine, record: &Record) -> Result<bool> {
    let failed = |failure| failure::error(&failure, &record.id);
    match Cgroup::open(&record.cgroup(engine.layout())).map_err(failed)? {
        Some(cgroup) => cgroup.is_frozen().map_err(failed),
        None => Ok(false),
    }
}

/// The intent to hold a container still. The jail thaws it, as it does where this process is killed; this process does, where
/// that is killed; where both are, whoever opens the engine next finds the intent.
pub(crate) const HOLD: &str = "hold";

struct Hold<'a> {
    engine: &'a Engine,
    id: &'a str,
    intent: i64,
}

impl<'a> Hold<'a> {
    fn begin(engine: &'a Engine, id: &'a str) -> Result<Hold<'a>> {
        let intent = engine.store().write(Durability::Crash, |transaction| {
            Intent::begin(transaction, HOLD, id, engine.this_process(), clock::now())
        })?;
        Ok(Hold { engine, id, intent })
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        // What cannot be thawed keeps its intent.
        if thaw(self.engine, self.id).is_ok() {
            let _ = self
                .engine
                .store()
                .write(Durability::Crash, |transaction| Intent::finish(transaction, self.intent));
        }
    }
}

/// Let a container go on that is held still, if it is there.
pub(crate) fn thaw(engine: &Engine, id: &str) -> Result<()> {
    let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
        return Ok(());
    };
    let failed = |failure| failure::error(&failure, id);
    match Cgroup::open(&record.cgroup(engine.layout())).map_err(failed)? {
        Some(cgroup) => cgroup.thaw().map_err(failed),
        None => Ok(()),
    }
}

/// Pack what the container has written.
fn pack(
    engine: &Engine,
    record: &Record,
    request: &ContainerCommit,
    upper: &std::os::fd::OwnedFd,
    commit: &mut Commit<'_>,
) -> Result<()> {
    // Nobody starts, removes or pauses it meanwhile.
    let lock = OperationLock::take_quietly(engine, &record.id)?;
    // Who had the lock before may have removed it.
    if engine.store().read(|connection| Record::find(connection, &record.id))?.is_none() {
        return Err(Error::not_found("container", &request.id));
    }
    let freezes = request.pause
        && lock.has_monitor()?
        && Standing::of(engine, &record.id)?.is_running()
        && !is_frozen(engine, record)?;
    // Dropped after the jail, which is killed with that.
    let _hold = freezes.then(|| Hold::begin(engine, &record.id)).transpose()?;
    let freeze = if freezes { record.cgroup(engine.layout()) } else { String::new() };
    let (output, theirs) = socket::pair()?;
    // Not tied: a jail that is killed thaws nothing.
    let wiring = Wiring { output: Some(theirs.as_fd()), ..Wiring::default() };
    let mut jail = Jail::layer(engine, record, upper, freeze, wiring)?;
    drop(theirs);
    failpoint("commit-jail-started")?;
    let spooled = commit.layer(output);
    let packed = jail.report(engine.canceller());
    match (packed, spooled) {
        (Ok(Report::Done), spooled) => spooled,
        (Err(error), Ok(())) => Err(error),
        // What could not be written here made the jail fail.
        (_, Err(error)) => Err(error),
        (Ok(_), Ok(())) => Err(Error::internal("the jail does not say that it is done")),
    }
}
