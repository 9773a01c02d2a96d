//! Who uses what: which containers stand on an image, and which layers and blobs nobody refers to any more.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::build;
use super::digest::Digest;
use super::publish;
use crate::Engine;
use crate::container::Standing;
use crate::error::Result;
use crate::store::Intent;
use crate::sys::clock;

/// A container that stands on an image.
pub(super) struct User {
    pub(super) id: String,
    pub(super) image: String,
}

/// The containers that stand on an image, or on any when none is named.
pub(super) fn users(
    connection: &Connection,
    image: Option<&Digest>,
) -> rusqlite::Result<Vec<User>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, image_id FROM containers WHERE ?1 IS NULL OR image_id = ?1 ORDER BY created",
    )?;
    statement
        .query_map([image.map(Digest::as_str)], |row| {
            Ok(User { id: row.get(0)?, image: row.get(1)? })
        })?
        .collect()
}

/// For people: a running container, or a build that goes on, that stands on a layer.
pub(super) fn running_on_layer(engine: &Engine, chain: &Digest) -> Result<Option<String>> {
    let (ids, by_build): (Vec<String>, bool) = engine.store().read(|connection| {
        let ids = connection
            .prepare_cached(
                "SELECT DISTINCT containers.id FROM containers
                 JOIN image_layers USING (image_id) WHERE chain_id = ?1",
            )?
            .query_map([chain.as_str()], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        // The images and the records of the cache that a build stands on are those of its intents.
        let by_build = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM intents WHERE operation = ?2 AND object IN
                     (SELECT image_id FROM image_layers WHERE chain_id = ?1
                      UNION ALL SELECT key FROM build_cache WHERE chain_id = ?1))",
            )?
            .query_row([chain.as_str(), build::INTENT], |row| row.get(0))?;
        Ok((ids, by_build))
    })?;
    for id in ids {
        if Standing::of(engine, &id)?.is_running() {
            return Ok(Some(format!("container {}", &id[..12])));
        }
    }
    Ok(by_build.then(|| "a build".to_owned()))
}

/// Whether anything stands on an image: a container, or a build that goes on.
pub(super) fn is_used(connection: &Connection, image: &Digest) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM containers WHERE image_id = ?1)
             OR EXISTS (SELECT 1 FROM intents WHERE operation = ?2 AND object = ?1)",
        )?
        .query_row([image.as_str(), build::INTENT], |row| row.get(0))
}

/// What was taken out of the record, and has files that can go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Freed {
    /// Chain ids of unpacked layers, topmost first.
    pub(super) layers: Vec<String>,
    /// Digests of blobs.
    pub(super) blobs: Vec<String>,
    /// Bytes of both.
    pub(super) size: i64,
    /// The intent to remove the files.
    pub(super) intent: Option<i64>,
}

impl Freed {
    /// What another image let go, too.
    pub(super) fn add(&mut self, more: Freed) {
        self.layers.extend(more.layers);
        self.blobs.extend(more.blobs);
        self.size = self.size.saturating_add(more.size);
    }

    /// Whether there is nothing to be removed.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty() && self.blobs.is_empty()
    }

    /// Take a layer out of the record, and those below it, from the top down to one that an image, a layer above it or the build cache needs.
    pub(super) fn layers(
        &mut self,
        transaction: &Transaction<'_>,
        top: Option<String>,
    ) -> Result<()> {
        let mut delete = transaction.prepare_cached(
            "DELETE FROM layers WHERE chain_id = ?1
             AND NOT EXISTS (SELECT 1 FROM image_layers WHERE chain_id = ?1)
             AND NOT EXISTS (SELECT 1 FROM layers AS above WHERE above.parent = ?1)
             AND NOT EXISTS (SELECT 1 FROM build_cache WHERE chain_id = ?1)
             RETURNING size, parent",
        )?;
        let mut next = top;
        while let Some(chain) = next {
            let gone: Option<(i64, Option<String>)> =
                delete.query_row([&chain], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((size, parent)) = gone else { break };
            self.layers.push(chain);
            self.size = self.size.saturating_add(size);
            next = parent;
        }
        Ok(())
    }

    /// Take blobs out of the record that nothing refers to.
    pub(super) fn blobs(
        &mut self,
        transaction: &Transaction<'_>,
        blobs: impl IntoIterator<Item = String>,
    ) -> Result<()> {
        let mut delete = transaction.prepare_cached(
            "DELETE FROM blobs WHERE digest = ?1
             AND NOT EXISTS (SELECT 1 FROM image_layers WHERE blob = ?1)
             AND NOT EXISTS (SELECT 1 FROM images WHERE id = ?1 OR manifest = ?1)
             AND NOT EXISTS (SELECT 1 FROM build_cache WHERE blob = ?1)
             RETURNING size",
        )?;
        for blob in blobs {
            if let Some(size) = delete.query_row([&blob], |row| row.get::<_, i64>(0)).optional()? {
                self.blobs.push(blob);
                self.size = self.size.saturating_add(size);
            }
        }
        Ok(())
    }

    /// Write the intent to remove the files, if there are any, with what takes them out of the record.
    pub(super) fn intend(&mut self, transaction: &Transaction<'_>, engine: &Engine) -> Result<()> {
        if !self.is_empty() {
            let owner = engine.this_process();
            self.intent =
                Some(Intent::begin(transaction, publish::INTENT, "", owner, clock::now())?);
        }
        Ok(())
    }
}

/// Take an image out of the record, with every layer and blob that only it referred to.
pub(super) fn forget(transaction: &Transaction<'_>, image: &Digest) -> Result<Freed> {
    let blobs: Vec<String> = transaction
        .prepare_cached(
            "SELECT id FROM images WHERE id = ?1 UNION SELECT manifest FROM images WHERE id = ?1
             UNION SELECT blob FROM image_layers WHERE image_id = ?1",
        )?
        .query_map([image.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let top: Option<String> = transaction
        .prepare_cached(
            "SELECT chain_id FROM image_layers WHERE image_id = ?1 ORDER BY position DESC LIMIT 1",
        )?
        .query_row([image.as_str()], |row| row.get(0))
        .optional()?;
    transaction.execute("DELETE FROM tags WHERE image_id = ?1", [image.as_str()])?;
    transaction.execute("DELETE FROM images WHERE id = ?1", [image.as_str()])?;

    let mut freed = Freed::default();
    freed.layers(transaction, top)?;
    freed.blobs(transaction, blobs)?;
    Ok(freed)
}
