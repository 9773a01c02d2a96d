//! `prune`: the volumes that no container has.

use std::collections::BTreeSet;

use super::Volumes;
use super::filter::Filter;
use super::record::Record;
use crate::api::{VolumePrune, VolumesPruned};
use crate::error::{ErrorKind, Result};
use crate::events;
use crate::store::Durability;

impl Volumes<'_> {
    /// Remove the volumes that no container has: those that nobody gave a name, or with the filter `all` every one.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn prune(&self, request: &VolumePrune) -> Result<VolumesPruned> {
        self.prune_without(request, &BTreeSet::new())
    }

    /// The same, with these containers gone already; which in a dry run they are not.
    pub(crate) fn prune_without(
        &self,
        request: &VolumePrune,
        gone: &BTreeSet<String>,
    ) -> Result<VolumesPruned> {
        let filter = Filter::parse(&request.filters, &["all", "label", "label!"])?;
        let mut pruned = VolumesPruned::default();
        let kept = self.engine.store().read(|connection| Record::used(connection, gone))?;
        for (record, _) in self.meant(&filter)? {
            if kept.contains(&record.name) || !(filter.all || record.anonymous) {
                continue;
            }
            self.engine.canceller().check()?;
            let size = self.size(&record)?.unwrap_or(0);
            if !request.dry_run {
                match self.remove_unused(&record.name, Durability::Full) {
                    // A container has it since.
                    Err(error) if error.kind() == ErrorKind::Conflict => continue,
                    removed => removed?,
                }
            }
            pruned.volumes_deleted.push(record.name);
            pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(size);
        }
        if !request.dry_run {
            events::pruned(self.engine, "volume", pruned.space_reclaimed);
        }
        Ok(pruned)
    }
}
