//! `prune`: the images that nothing needs.
//!
//! All of them go in one transaction, so that the space reclaimed has each layer once that only they shared. A dry run is that
//! transaction too, taken back before it ends.

use std::collections::BTreeSet;

use rusqlite::Transaction;

use super::Images;
use super::blob;
use super::content_lock::ContentLock;
use super::digest::Digest;
use super::index;
use super::names;
use super::remove::{Outcome, take_out, untag};
use super::sharing::{self, Freed};
use crate::api::{ImagePrune, ImagesPruned};
use crate::container;
use crate::error::Result;
use crate::events;
use crate::failpoint::failpoint;
use crate::filters::{self, Cleanup};
use crate::store::Durability;

/// What a clean-up comes to: each image with what became of it, and all that can go.
type Pruned = (Vec<(Digest, Outcome)>, Freed);

impl Images<'_> {
    /// Remove the images without a tag that no container stands on, or with the filter `dangling=false` all that no container
    /// stands on.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn prune(&self, request: &ImagePrune) -> Result<ImagesPruned> {
        self.prune_without(request, &BTreeSet::new())
    }

    /// The same, with these containers gone already; which in a dry run they are not.
    pub(crate) fn prune_without(
        &self,
        request: &ImagePrune,
        gone: &BTreeSet<String>,
    ) -> Result<ImagesPruned> {
        let mut filters = request.filters.clone();
        let dangling = match filters.remove("dangling") {
            Some(values) => filters::truth("dangling", &values)?.unwrap_or(true),
            None => true,
        };
        let candidates = self.candidates(&Cleanup::parse(&filters)?)?;
        let lock = ContentLock::take(self.engine)?;
        let (images, freed) = self.engine.store().free(Durability::Full, |transaction| {
            if request.dry_run {
                transaction.execute_batch("SAVEPOINT dry_run")?;
                container::forget(transaction, gone)?;
                let pruned = take_out_all(transaction, &candidates, dangling)?;
                transaction.execute_batch("ROLLBACK TO dry_run; RELEASE dry_run")?;
                return Ok(pruned);
            }
            let (images, mut freed) = take_out_all(transaction, &candidates, dangling)?;
            freed.intend(transaction, self.engine)?;
            Ok((images, freed))
        })?;
        if !request.dry_run {
            failpoint("image-prune-recorded")?;
            index::keep_up(self.engine, &lock);
            for (image, outcome) in &images {
                self.tell(image, &outcome.rows);
            }
            self.discard(&freed, &lock)?;
            events::pruned(self.engine, "image", freed.size);
        }
        let images_deleted = images.into_iter().flat_map(|(_, outcome)| outcome.rows).collect();
        Ok(ImagesPruned { images_deleted, space_reclaimed: freed.size })
    }

    /// The images that a clean-up is about, whoever needs them.
    fn candidates(&self, cleanup: &Cleanup) -> Result<Vec<Digest>> {
        let rows = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, created FROM images WHERE hidden = 0 ORDER BY loaded, id",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<Vec<(String, i64)>>>()
        })?;
        let mut candidates = Vec::new();
        for (id, created) in rows {
            let id = Digest::parse(&id)?;
            let admitted = match blob::config(self.engine.layout(), &id)? {
                Some(config) => cleanup.admits(created, &config.config.labels),
                None => cleanup.admits_unread(created),
            };
            if admitted {
                candidates.push(id);
            }
        }
        Ok(candidates)
    }
}

/// Take those out of the record that no container stands on, and with `dangling` that have no tag.
fn take_out_all(
    transaction: &Transaction<'_>,
    candidates: &[Digest],
    dangling: bool,
) -> Result<Pruned> {
    let (mut images, mut freed) = (Vec::new(), Freed::default());
    for image in candidates {
        let names = names::of(transaction, image.as_str())?;
        let needed = sharing::is_used(transaction, image)?;
        if needed || (dangling && !names.tags.is_empty()) {
            continue;
        }
        let mut outcome = Outcome::default();
        untag(transaction, &names.stored, &mut outcome)?;
        take_out(transaction, image, &mut outcome)?;
        freed.add(std::mem::take(&mut outcome.freed));
        images.push((image.clone(), outcome));
    }
    Ok((images, freed))
}
