//! `prune`: the networks that no container has.

use std::collections::BTreeSet;

use super::Networks;
use super::filter::Filter;
use crate::api::{NetworkPrune, NetworksPruned};
use crate::error::{ErrorKind, Result};
use crate::events;

impl Networks<'_> {
    /// Remove the networks that no container has, but for those that every engine has.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn prune(&self, request: &NetworkPrune) -> Result<NetworksPruned> {
        self.prune_without(request, &BTreeSet::new())
    }

    /// The same, with these containers gone already; which in a dry run they are not.
    pub(crate) fn prune_without(
        &self,
        request: &NetworkPrune,
        gone: &BTreeSet<String>,
    ) -> Result<NetworksPruned> {
        let filter = Filter::of_cleanup(&request.filters)?;
        let mut pruned = NetworksPruned::default();
        for record in self.meant(&filter, gone)? {
            self.engine.canceller().check()?;
            if !request.dry_run {
                match self.remove_unused(&record) {
                    // A container has it since, or somebody else has removed it.
                    Err(error)
                        if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) =>
                    {
                        continue;
                    }
                    removed => removed?,
                }
            }
            pruned.networks_deleted.push(record.name);
        }
        if !request.dry_run {
            events::pruned(self.engine, "network", 0);
        }
        Ok(pruned)
    }
}
