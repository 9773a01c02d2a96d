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
use crate::sys::{directory, socket};

impl Containers<'_> {
    /// Make an image of a container.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a name or change that cannot be. See `docs/errors.md`.
    pub fn commit(&self, request: &ContainerCommit) -> Result<ImageCreated> {
        let engine = self.engine;
        let record = self.find(&request.id)?;
        if Standing::of(engine, &record.id)?.is_over(&record) || record.removing {
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

fn is_frozen(engine: &Engine, id: &str) -> Result<bool> {
    let failed = |failure| failure::error(&failure, id);
    match Cgroup::open(&engine.layout().cgroup(id)).map_err(failed)? {
        Some(cgroup) => cgroup.is_frozen().map_err(failed),
        None => Ok(false),
    }
}

/// Thaws a cgroup when it is dropped.
struct Thaw<'a>(Option<&'a str>);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        let cgroup = self.0.map(Cgroup::open);
        if let Some(Ok(Some(cgroup))) = cgroup {
            // One that is gone meanwhile needs it no more.
            let _ = cgroup.thaw();
        }
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
    let freezes = request.pause
        && lock.has_monitor()?
        && Standing::of(engine, &record.id)?.is_running()
        && !is_frozen(engine, &record.id)?;
    let path = engine.layout().cgroup(&record.id);
    // Also where the jail could not: it is dropped, and with that killed, before this.
    let _thaw = Thaw(freezes.then_some(path.as_str()));
    let freeze = if freezes { path.clone() } else { String::new() };
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
