//! Making the record true again after a monitor or a caller died: what reconciling does to one container.
//!
//! Everything here happens under the container's operation lock and only while no monitor lives; each step may be repeated,
//! so whoever is killed in the middle of it leaves the rest to the next.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;

use barque_monitor::cgroup::Cgroup;
use barque_monitor::protocol::LOG_FILE;
use barque_monitor::state::{Reason, Status};

use super::failure;
use super::lock::OperationLock;
use super::record::Record;
use super::state::{self, Standing};
use crate::Engine;
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::Durability;
use crate::{network, sys, volume};

/// How long the dying processes of a cgroup are waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Settle the container with this id, unless somebody is busy with it. Its record may be gone already.
pub(crate) fn settle_if_free(engine: &Engine, id: &str) -> Result<()> {
    let Some(lock) = OperationLock::try_take(engine, id, "reconcile")? else { return Ok(()) };
    // A directory without a log was made to copy files into it.
    let tried = !lock.is_fresh() || engine.layout().container(id).join(LOG_FILE).exists();
    if lock.has_monitor()? {
        return Ok(());
    }
    let Some(record) = engine.store().read(|connection| Record::find(connection, id))? else {
        return clear_orphan(engine, id, lock);
    };
    let standing = Standing::of(engine, id)?;
    let never_started = standing.run.is_none();
    let owner_died = record.owner.as_ref().is_some_and(|owner| !owner.is_alive());
    let abandoned = never_started && owner_died;
    if record.removing || abandoned || (record.auto_remove && tried) {
        let with_volumes = record.with_volumes || abandoned;
        return erase(engine, &Record { with_volumes, ..record }, lock, Left::Everything);
    }
    settle(engine, &record, &standing)?;
    if owner_died {
        engine.store().write(Durability::Crash, |t| Record::clear_owner(t, id))?;
    }
    if never_started && !tried {
        lock.remove(engine)?;
    }
    Ok(())
}

/// Take away what a dead monitor left, and write down that the run is over. Its directory stays.
pub(super) fn settle(engine: &Engine, record: &Record, standing: &Standing) -> Result<()> {
    clear_kernel(engine, &record.id, &record.cgroup(engine.layout()))?;
    failpoint("settle-kernel-cleared")?;
    if standing.unsettled
        && let Some(run) = &standing.run
    {
        // Not durable: after a power cut it would only be found out again.
        state::write(&engine.layout().container(&record.id), run)?;
        let code = run.exit_code.to_string();
        events::container(engine, record, "die", &[("exitCode", &code)]);
    }
    failpoint("settle-state-written")
}

/// Kill what runs in the container's cgroup, and remove cgroup and run directory.
fn clear_kernel(engine: &Engine, id: &str, cgroup: &str) -> Result<()> {
    let failed = |failure| failure::error(&failure, id);
    if let Some(cgroup) = Cgroup::open(cgroup).map_err(failed)? {
        cgroup.kill().map_err(failed)?;
        cgroup.remove(PATIENCE).map_err(failed)?;
    }
    network::withdraw(engine, id)?;
    let run = sys::directory::open(engine.layout().run())?;
    sys::directory::remove_tree(run.as_fd(), id)
}

/// What there may be of a container whose monitor is gone, or that had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its record, and nothing else: it was never started, and no file was copied into it.
    Record,
    /// Its directory as well.
    Directory,
    /// What a monitor makes as well.
    Everything,
}

impl Left {
    /// What may be left of the container whose lock this is.
    pub(super) fn of(engine: &Engine, id: &str, lock: &OperationLock) -> Left {
        // A start takes the lock before it makes anything. The directory outlives a reboot, and the lock does not.
        let bare = lock.is_fresh()
            && std::fs::symlink_metadata(engine.layout().container(id))
                .is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if bare { Left::Record } else { Left::Everything }
    }
}

/// Remove all of a container.
pub(super) fn erase(
    engine: &Engine,
    record: &Record,
    lock: OperationLock,
    left: Left,
) -> Result<()> {
    // A container that goes with its run does not outlive a reboot either, so nothing about it has to be durable.
    let durability = match record.auto_remove {
        true => Durability::Crash,
        false => Durability::Full,
    };
    // Where the record is all there is, its removal is one transaction like its creation.
    let at_once = left == Left::Record && !record.removing;
    if !record.removing && !record.auto_remove && !at_once {
        // Past this there is no way back: a power cut must not bring back a container without its files.
        engine
            .store()
            .free(durability, |t| Record::mark_removing(t, &record.id, record.with_volumes))?;
    }
    failpoint("remove-marked")?;
    if left == Left::Everything {
        clear_kernel(engine, &record.id, &record.cgroup(engine.layout()))?;
        failpoint("remove-kernel-cleared")?;
    }
    network::names::forget(engine, &record.id)?;
    if left != Left::Record {
        remove_directory(engine, &record.id)?;
    }
    failpoint("remove-directory-removed")?;
    let durability = if at_once { durability } else { Durability::Crash };
    let volumes = engine.store().free(durability, |transaction| {
        let volumes = volume::release(transaction, &record.id, record.with_volumes)?;
        Record::delete(transaction, &record.id)?;
        Ok(volumes)
    })?;
    failpoint("remove-row-deleted")?;
    events::container(engine, record, "destroy", &[]);
    volumes.iter().try_for_each(|name| volume::finish(engine, name))?;
    lock.remove(engine)?;
    // The image may have been kept only for this one.
    engine.images().release(&record.image_id)
}

fn remove_directory(engine: &Engine, id: &str) -> Result<()> {
    match sys::directory::open(&engine.layout().containers()) {
        Ok(containers) => sys::directory::remove_tree(containers.as_fd(), id),
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is left of a container that has no record: either its removal was cut short, or the record was lost.
fn clear_orphan(engine: &Engine, id: &str, lock: OperationLock) -> Result<()> {
    // A parent that it had is not known any more. Its cgroup went before its row did.
    clear_kernel(engine, id, &engine.layout().cgroup("", id))?;
    network::names::forget(engine, id)?;
    failpoint("orphan-kernel-cleared")?;
    let directory = engine.layout().container(id);
    match std::fs::symlink_metadata(&directory) {
        Ok(metadata) if super::launch::goes_with_its_run(&metadata) => {
            remove_directory(engine, id)?;
        }
        Ok(_) => {
            // A row is deleted after the directory, and was made durable before it. So this is a database that was
            // restored or replaced, and these are somebody's files.
            let lost = engine.layout().root().join("lost+found");
            sys::directory::make(&lost, rustix::fs::Mode::RWXU)?;
            std::fs::rename(&directory, lost.join(id)).map_err(|error| {
                Error::system(format!("move {} to lost+found", directory.display()), error)
            })?;
        }
        Err(_) => {}
    }
    lock.remove(engine)
}

/// The run of this container has ended: if it goes with it, it goes now. Whoever sees the end does it; that another was
/// faster is fine.
pub(super) fn after_exit(engine: &Engine, record: &Record) -> Result<()> {
    if !record.auto_remove {
        return Ok(());
    }
    let lock = OperationLock::take(engine, &record.id, "remove")?;
    if engine.store().read(|connection| Record::find(connection, &record.id))?.is_none() {
        return lock.remove(engine);
    }
    if !lock.wait_for_monitor(engine, PATIENCE)? {
        return Ok(());
    }
    let standing = Standing::of(engine, &record.id)?;
    // What the monitor itself has written as the end is after it has removed what it made.
    let clean = standing.run.as_ref().is_none_or(|run| {
        run.status == Status::Exited && run.reason != Reason::MonitorDied && !standing.unsettled
    });
    let left = match clean && !engine.layout().container_run(&record.id).exists() {
        true => Left::Directory,
        false => Left::Everything,
    };
    erase(engine, record, lock, left)
}
