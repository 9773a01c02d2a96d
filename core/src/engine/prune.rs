//! `system prune`: everything that nothing needs.

use std::collections::BTreeSet;

use super::Engine;
use crate::api::{
    BuilderPrune, ContainerPrune, ImagePrune, NetworkPrune, SystemPrune, SystemPruned, VolumePrune,
};
use crate::error::{Error, Result};

impl Engine {
    /// Remove the containers that do not run, then the networks that no other has, the images that nothing needs and what builds have left of no image, and if asked for
    /// the volumes too: those that nobody gave a name and no container has.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn prune(&self, request: &SystemPrune) -> Result<SystemPruned> {
        let SystemPrune { all, volumes, dry_run, .. } = *request;
        if volumes && request.filters.contains_key("until") {
            return Err(Error::invalid("the \"until\" filter is not supported with \"--volumes\"")
                .about("field", "Filters.until"));
        }
        let filters = || request.filters.clone();
        let containers =
            self.containers().prune(&ContainerPrune { filters: filters(), dry_run })?;
        let gone: BTreeSet<String> = containers.containers_deleted.iter().cloned().collect();
        let mut pruned = SystemPruned {
            containers_deleted: containers.containers_deleted,
            space_reclaimed: containers.space_reclaimed,
            ..SystemPruned::default()
        };
        let request = NetworkPrune { filters: filters(), dry_run };
        pruned.networks_deleted = self.networks().prune_without(&request, &gone)?.networks_deleted;
        if volumes {
            let request = VolumePrune { filters: filters(), dry_run };
            let volumes = self.volumes().prune_without(&request, &gone)?;
            pruned.volumes_deleted = volumes.volumes_deleted;
            pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(volumes.space_reclaimed);
        }
        let builds = BuilderPrune { filters: filters(), dry_run, ..BuilderPrune::default() };
        let mut filters = filters();
        filters.insert("dangling".to_owned(), vec![(!all).to_string()]);
        let images = self.images().prune_without(&ImagePrune { filters, dry_run }, &gone)?;
        pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(images.space_reclaimed);
        let builds = self.images().prune_builds_without(&builds, &gone, &images.images_deleted)?;
        pruned.images_deleted = images.images_deleted;
        pruned.caches_deleted = builds.caches_deleted;
        pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(builds.space_reclaimed);
        Ok(pruned)
    }
}
