//! `remove`: a volume, and all that is in it.
//!
//! The row is marked first, in a transaction that finds no container using it, and deleted last. In between the
//! directory goes, under its lock; whoever finds a marked row does the rest.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use rusqlite::{Transaction, params};
use rustix::fs::Mode;

use super::Volumes;
use super::directory::{self, Directory};
use super::record::Record;
use crate::Engine;
use crate::api::VolumeRemove;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::Durability;
use crate::sys;

impl Volumes<'_> {
    /// Remove a volume.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while a container has it. See `docs/errors.md`.
    pub fn remove(&self, request: &VolumeRemove) -> Result<()> {
        match self.find(&request.name) {
            Err(error) if error.kind() == ErrorKind::NotFound && request.force => return Ok(()),
            found => found?,
        };
        self.remove_unused(&request.name, Durability::Full)
    }

    /// Remove the volume, if no container has it.
    pub(super) fn remove_unused(&self, name: &str, durability: Durability) -> Result<()> {
        failpoint("volume-remove-begun")?;
        let users = self
            .engine
            .store()
            .free(durability, |transaction| Ok(Record::mark_removing(transaction, name)?))?;
        if !users.is_empty() {
            return Err(in_use(name, &users));
        }
        failpoint("volume-remove-marked")?;
        finish(self.engine, name)
    }
}

/// Finish the removal of a volume whose row is marked; that it is gone, or another one now, is fine.
pub(crate) fn finish(engine: &Engine, name: &str) -> Result<()> {
    let lock = Directory::lock(engine, name)?;
    let record = engine.store().read(|connection| Record::find(connection, name))?;
    // Another process may have finished it while we waited for the lock, and a third made one of that name.
    if !record.is_some_and(|record| record.removing) {
        return Ok(());
    }
    if lock.is_some() {
        let volumes = sys::directory::open(&engine.layout().volumes())?;
        sys::directory::remove_tree(volumes.as_fd(), name)?;
    }
    failpoint("volume-remove-directory-removed")?;
    engine.store().free(Durability::Crash, |transaction| {
        transaction
            .prepare_cached("DELETE FROM volumes WHERE name = ?1 AND removing")?
            .execute([name])?;
        Ok(())
    })?;
    failpoint("volume-remove-row-deleted")?;
    events::volume(engine, "destroy", name, &[]);
    Ok(())
}

/// A container is about to lose its row: mark those of its anonymous volumes that no other container has, and forget that
/// it has any. The names of the marked.
pub(crate) fn release(
    transaction: &Transaction<'_>,
    container: &str,
    with_volumes: bool,
) -> Result<Vec<String>> {
    let going: Vec<String> = match with_volumes {
        true => transaction
            .prepare_cached(
                "SELECT volume FROM volume_uses AS mine WHERE container_id = ?1 AND anonymous AND NOT EXISTS
                     (SELECT 1 FROM volume_uses WHERE volume = mine.volume AND container_id <> ?1)",
            )?
            .query_map([container], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
        false => Vec::new(),
    };
    transaction
        .prepare_cached("DELETE FROM volume_uses WHERE container_id = ?1")?
        .execute(params![container])?;
    for name in &going {
        transaction
            .prepare_cached("UPDATE volumes SET removing = 1 WHERE name = ?1")?
            .execute([name])?;
    }
    Ok(going)
}

/// Finish the removals that others began.
pub(crate) fn finish_removals(engine: &Engine) -> Result<()> {
    for name in engine.store().read(Record::removing)? {
        finish(engine, &name)?;
    }
    Ok(())
}

/// Take away directories without a record.
pub(crate) fn clear_orphans(engine: &Engine) -> Result<()> {
    let path = engine.layout().volumes();
    let failed = |error| Error::system(format!("read {}", path.display()), error);
    let entries = match std::fs::read_dir(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    // Names first and rows afterwards: a volume that is made in between has its row before its directory.
    let names = entries
        .map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().unwrap_or_default()))
        .collect::<Result<Vec<_>>>()?;
    let known: BTreeSet<String> =
        engine.store().read(Record::all)?.into_iter().map(|record| record.name).collect();
    for name in names.iter().filter(|name| !name.is_empty() && !known.contains(*name)) {
        clear_orphan(engine, name)?;
    }
    Ok(())
}

/// A directory without a record: of an anonymous volume whose container went with its run, or somebody's, after a database was
/// restored or replaced.
fn clear_orphan(engine: &Engine, name: &str) -> Result<()> {
    let Some(lock) = Directory::lock(engine, name)? else { return Ok(()) };
    if engine.store().read(|connection| Record::find(connection, name))?.is_some() {
        return Ok(());
    }
    let path = engine.layout().volume(name);
    let goes = std::fs::symlink_metadata(&path)
        .is_ok_and(|metadata| directory::goes_with_its_run(&metadata));
    if goes {
        let volumes = sys::directory::open(&engine.layout().volumes())?;
        return sys::directory::remove_tree(volumes.as_fd(), name);
    }
    let lost = engine.layout().root().join("lost+found");
    sys::directory::make(&lost, Mode::RWXU)?;
    std::fs::rename(&path, lost.join(format!("volume-{name}")))
        .map_err(|error| Error::system(format!("move {} to lost+found", path.display()), error))?;
    drop(lock);
    Ok(())
}

fn in_use(name: &str, users: &[String]) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("remove {name}: volume is in use - [{}]", users.join(", ")),
    )
    .with_reason("volume_in_use")
    .about("volume", name)
}
