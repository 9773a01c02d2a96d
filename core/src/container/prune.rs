//! `prune`: the containers that do not run.

use std::collections::BTreeSet;

use rusqlite::Transaction;

use super::Containers;
use super::record::Record;
use super::state::Standing;
use crate::api::{ContainerPrune, ContainerRemove, ContainersPruned};
use crate::error::{ErrorKind, Result};
use crate::events;
use crate::filters::Cleanup;
use crate::volume;

impl Containers<'_> {
    /// Remove the containers that do not run. Their volumes stay.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn prune(&self, request: &ContainerPrune) -> Result<ContainersPruned> {
        let cleanup = Cleanup::parse(&request.filters)?;
        let mut pruned = ContainersPruned::default();
        for record in self.engine.store().read(Record::all)? {
            self.engine.canceller().check()?;
            if !cleanup.admits(record.created, &record.config.labels) || self.is_in_use(&record)? {
                continue;
            }
            let written = self.written(&record.id)?;
            if !request.dry_run {
                let remove = ContainerRemove { id: record.id.clone(), ..Default::default() };
                match self.remove(&remove) {
                    // It was started, or removed by another, since it was looked at.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) =>
                    {
                        continue;
                    }
                    removed => removed?,
                }
            }
            pruned.containers_deleted.push(record.id);
            pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(written);
        }
        if !request.dry_run {
            events::pruned(self.engine, "container", pruned.space_reclaimed);
        }
        Ok(pruned)
    }

    /// Whether it runs, is gone in all but name, or is about to be started by whoever has just created it.
    fn is_in_use(&self, record: &Record) -> Result<bool> {
        let standing = Standing::of(self.engine, &record.id)?;
        let about_to_start = record.owner.as_ref().is_some_and(|owner| owner.is_alive());
        Ok(standing.is_running()
            || standing.lock.monitor
            || standing.is_over(record.auto_remove)
            || about_to_start)
    }
}

/// Take these out of the record as if they had been removed: in a transaction that is taken back.
pub(crate) fn forget(transaction: &Transaction<'_>, containers: &BTreeSet<String>) -> Result<()> {
    for id in containers {
        volume::release(transaction, id, false)?;
        Record::delete(transaction, id)?;
    }
    Ok(())
}
