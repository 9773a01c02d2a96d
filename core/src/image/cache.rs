//! The cache of builds, as those see it who look after the disk: what there is, and what can go.
//!
//! A record is *shared* while an image has its files, and *in use* while a build goes on that has taken it. Layers and blobs go with the last
//! that needs them, be it a record or an image.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction};

use super::content_lock::ContentLock;
use super::digest::Digest;
use super::sharing::{self, Freed};
use super::{Images, build};
use crate::api::{BuildCache, BuilderPrune, BuilderPruned, ImageRemoved};
use crate::container;
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::filters::Cleanup;
use crate::store::Durability;
use crate::sys::clock;

/// A row of the record.
struct Row {
    key: String,
    parent: Option<String>,
    chain: Option<String>,
    blob: Option<String>,
    description: String,
    created: i64,
    used: i64,
    uses: i64,
    size: i64,
    is_shared: bool,
    in_use: bool,
}

impl Images<'_> {
    /// Remove records of the build cache that no build uses: those whose files no image has, or all.
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
        let cleanup = Cleanup::parse(&request.filters)?;
        if request.reserved_space < 0 {
            return Err(Error::invalid("the space to keep cannot be negative")
                .about("field", "ReservedSpace"));
        }
        let lock = ContentLock::take(self.engine)?;
        let (caches_deleted, freed) =
            self.engine.store().free(Durability::Full, |transaction| {
                if request.dry_run {
                    transaction.execute_batch("SAVEPOINT dry_run")?;
                    container::forget(transaction, containers)?;
                    for image in images.iter().filter(|image| !image.deleted.is_empty()) {
                        sharing::forget(transaction, &Digest::parse(&image.deleted)?)?;
                    }
                    let pruned = take_out(transaction, request, &cleanup)?;
                    transaction.execute_batch("ROLLBACK TO dry_run; RELEASE dry_run")?;
                    return Ok(pruned);
                }
                let (keys, mut freed) = take_out(transaction, request, &cleanup)?;
                freed.intend(transaction, self.engine)?;
                Ok((keys, freed))
            })?;
        if !request.dry_run {
            failpoint("builder-prune-recorded")?;
            self.discard(&freed, &lock)?;
            events::pruned(self.engine, "builder", freed.size);
        }
        Ok(BuilderPruned { caches_deleted, space_reclaimed: freed.size })
    }

    /// What the build cache has, last used first.
    pub(crate) fn build_cache(&self) -> Result<Vec<BuildCache>> {
        let rows = self.engine.store().read(rows)?;
        let shown = |row: Row| BuildCache {
            id: row.key,
            parents: row.parent.into_iter().collect(),
            kind: "regular".to_owned(),
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

/// Take records out, and what only they kept; their keys.
fn take_out(
    transaction: &Transaction<'_>,
    request: &BuilderPrune,
    cleanup: &Cleanup,
) -> Result<(Vec<String>, Freed)> {
    let rows = rows(transaction)?;
    // What an image has takes no more space for being in the cache, too.
    let mut kept: i64 = rows.iter().filter(|row| !row.is_shared).map(|row| row.size).sum();
    let (mut keys, mut freed) = (Vec::new(), Freed::default());
    for row in rows {
        if request.reserved_space > 0 && kept <= request.reserved_space {
            break;
        }
        let is_meant =
            (request.all || !row.is_shared) && cleanup.admits(row.used, &BTreeMap::new());
        if row.in_use || !is_meant {
            continue;
        }
        transaction.execute("DELETE FROM build_cache WHERE key = ?1", [&row.key])?;
        freed.layers(transaction, row.chain)?;
        freed.blobs(transaction, row.blob)?;
        if !row.is_shared {
            kept -= row.size;
        }
        keys.push(row.key);
    }
    Ok((keys, freed))
}
