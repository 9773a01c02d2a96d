//! The cache of builds, as those see it who look after the disk: what there is, and what can go.
//!
//! A record is *shared* while an image has its files, and *in use* while a build goes on that has taken it. Layers and blobs go with the last
//! that needs them, be it a record or an image. Directories of `RUN --mount=type=cache` are in the same list, as docker has it.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use super::cache_filter::CacheFilter;
use super::cache_mounts::{self, CacheMount};
use super::content_lock::ContentLock;
use super::digest::Digest;
use super::sharing::{self, Freed};
use super::{Images, budget, build};
use crate::api::{BuildCache, BuilderPrune, BuilderPruned, ImageRemoved};
use crate::container;
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::Durability;
use crate::store::lease::Lease;
use crate::sys::clock;

/// What a record is, and what a directory of a cache mount is, in Docker's words.
pub(super) const REGULAR: &str = "regular";
pub(super) const MOUNT: &str = "exec.cachemount";

/// A row of the record, or a directory.
pub(super) struct Row {
    pub(super) key: String,
    pub(super) kind: &'static str,
    parent: Option<String>,
    chain: Option<String>,
    blob: Option<String>,
    pub(super) description: String,
    created: i64,
    pub(super) used: i64,
    uses: i64,
    size: i64,
    pub(super) is_shared: bool,
    pub(super) in_use: bool,
}

impl Images<'_> {
    /// Remove records of the build cache that no build uses: those whose files no image has, or all. Directories of cache mounts go with
    /// them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an unknown filter or a negative size.
    pub fn prune_builds(&self, request: &BuilderPrune) -> Result<BuilderPruned> {
        self.prune_builds_without(request, &BTreeSet::new(), &[])
    }

    /// The same, with these containers and images gone already; which in a dry run they are not.
    pub(crate) fn prune_builds_without(
        &self,
        request: &BuilderPrune,
        containers: &BTreeSet<String>,
        images: &[ImageRemoved],
    ) -> Result<BuilderPruned> {
        let filter = CacheFilter::parse(&request.filters)?;
        for (field, space) in [
            ("ReservedSpace", request.reserved_space),
            ("MaxUsedSpace", request.max_used_space),
            ("MinFreeSpace", request.min_free_space),
        ] {
            if space < 0 {
                let error = Error::invalid("the space to keep cannot be negative");
                return Err(error.about("field", field));
            }
        }
        let free = budget::Disk::of(self.engine)?.free;
        let mounts = cache_mounts::all(self.engine)?;
        let lock = ContentLock::take(self.engine)?;
        let (taken, freed) = self.engine.store().free(Durability::Full, |transaction| {
            if request.dry_run {
                transaction.execute_batch("SAVEPOINT dry_run")?;
                container::forget(transaction, containers)?;
                for image in images.iter().filter(|image| !image.deleted.is_empty()) {
                    sharing::forget(transaction, &Digest::parse(&image.deleted)?)?;
                }
                let pruned = take_out(transaction, request, &filter, &mounts, free)?;
                transaction.execute_batch("ROLLBACK TO dry_run; RELEASE dry_run")?;
                return Ok(pruned);
            }
            let (taken, mut freed) = take_out(transaction, request, &filter, &mounts, free)?;
            freed.intend(transaction, self.engine)?;
            Ok((taken, freed))
        })?;
        let mut pruned =
            BuilderPruned { caches_deleted: taken.records, space_reclaimed: freed.size };
        if !request.dry_run {
            failpoint("builder-prune-recorded")?;
            self.discard(&freed, &lock)?;
        }
        drop(lock);
        let lease = Lease::take(self.engine.layout())?;
        for mount in taken.mounts {
            // A step may have taken it in between.
            if request.dry_run || cache_mounts::remove(self.engine, &lease, &mount.name)? {
                pruned.caches_deleted.push(mount.name.as_str().to_owned());
                pruned.space_reclaimed = pruned.space_reclaimed.saturating_add(mount.size);
            }
        }
        if !request.dry_run {
            events::pruned(self.engine, "builder", pruned.space_reclaimed);
        }
        Ok(pruned)
    }

    /// What the build cache has, last used first.
    pub(crate) fn build_cache(&self) -> Result<Vec<BuildCache>> {
        let mounts = cache_mounts::all(self.engine)?;
        let rows = with_mounts(self.engine.store().read(rows)?, &mounts);
        let shown = |row: Row| BuildCache {
            id: row.key,
            parents: row.parent.into_iter().collect(),
            kind: row.kind.to_owned(),
            description: row.description,
            in_use: row.in_use,
            shared: row.is_shared,
            size: row.size,
            created_at: clock::rfc3339(row.created),
            last_used_at: clock::rfc3339(row.used),
            usage_count: row.uses,
        };
        Ok(rows.into_iter().rev().map(shown).collect())
    }
}

/// All records, the one first that was used last longest ago; of one build the uppermost first.
fn rows(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached(
            "SELECT key, build_cache.parent, build_cache.chain_id, blob, description, build_cache.created, used, uses,
                 IFNULL(layers.size, 0) + IFNULL(blobs.size, 0),
                 EXISTS (SELECT 1 FROM image_layers
                         WHERE chain_id = IFNULL(build_cache.chain_id, build_cache.parent)),
                 EXISTS (SELECT 1 FROM intents WHERE operation = ?1 AND object = key)
             FROM build_cache LEFT JOIN layers USING (chain_id) LEFT JOIN blobs ON blob = digest
             ORDER BY used, build_cache.created DESC, key",
        )?
        .query_map([build::INTENT], |row| {
            Ok(Row {
                key: row.get(0)?,
                kind: REGULAR,
                parent: row.get(1)?,
                chain: row.get(2)?,
                blob: row.get(3)?,
                description: row.get(4)?,
                created: row.get(5)?,
                used: row.get(6)?,
                uses: row.get(7)?,
                size: row.get(8)?,
                is_shared: row.get(9)?,
                in_use: row.get(10)?,
            })
        })?
        .collect()
}

/// The same with directories of cache mounts among them.
fn with_mounts(mut rows: Vec<Row>, mounts: &[CacheMount]) -> Vec<Row> {
    rows.extend(mounts.iter().map(|mount| Row {
        key: mount.name.as_str().to_owned(),
        kind: MOUNT,
        parent: None,
        chain: None,
        blob: None,
        description: format!("cached mount {}", mount.id),
        created: mount.created,
        used: mount.used,
        uses: mount.uses,
        size: mount.size,
        is_shared: false,
        in_use: mount.in_use,
    }));
    // Stable: records keep their order.
    rows.sort_by_key(|row| row.used);
    rows
}

/// What is to go.
struct Taken<'a> {
    /// Keys of records that were taken out.
    records: Vec<String>,
    /// Directories that are still to be removed.
    mounts: Vec<&'a CacheMount>,
}

/// Take records out, and what only they kept.
fn take_out<'a>(
    transaction: &Transaction<'_>,
    request: &BuilderPrune,
    filter: &CacheFilter,
    mounts: &'a [CacheMount],
    free: i64,
) -> Result<(Taken<'a>, Freed)> {
    let rows = with_mounts(rows(transaction)?, mounts);
    // What an image has takes no more space for being in the cache, too.
    let mut kept: i64 = rows.iter().filter(|row| !row.is_shared).map(|row| row.size).sum();
    let limit = budget::limit(request, kept, free);
    let mut taken = Taken { records: Vec::new(), mounts: Vec::new() };
    let mut freed = Freed::default();
    for row in rows {
        if limit.is_some_and(|limit| kept <= limit) {
            break;
        }
        let is_meant = (request.all || !row.is_shared) && filter.admits(&row);
        if row.in_use || !is_meant {
            continue;
        }
        if !row.is_shared {
            kept -= row.size;
        }
        if row.kind == MOUNT {
            taken.mounts.extend(mounts.iter().find(|mount| mount.name.as_str() == row.key));
            continue;
        }
        transaction.execute("DELETE FROM build_cache WHERE key = ?1", [&row.key])?;
        freed.layers(transaction, row.chain)?;
        freed.blobs(transaction, row.blob)?;
        taken.records.push(row.key);
    }
    Ok((taken, freed))
}
