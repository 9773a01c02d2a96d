//! Who uses what: which containers stand on an image, and which layers and blobs nobody refers to any more.

use rusqlite::{Connection, OptionalExtension, Transaction};

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

/// The short id of a running container that stands on a layer.
pub(super) fn running_on_layer(engine: &Engine, chain: &Digest) -> Result<Option<String>> {
    let ids: Vec<String> = engine.store().read(|connection| {
        connection
            .prepare_cached(
                "SELECT DISTINCT containers.id FROM containers
                 JOIN image_layers USING (image_id) WHERE chain_id = ?1",
            )?
            .query_map([chain.as_str()], |row| row.get(0))?
            .collect()
    })?;
    for id in ids {
        if Standing::of(engine, &id)?.is_running() {
            return Ok(Some(id[..12].to_owned()));
        }
    }
    Ok(None)
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

    /// Write the intent to remove the files, if there are any, with what takes them out of the record.
    pub(super) fn intend(&mut self, transaction: &Transaction<'_>, engine: &Engine) -> Result<()> {
        if !self.blobs.is_empty() {
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
    let chain: Vec<String> = transaction
        .prepare_cached(
            "SELECT chain_id FROM image_layers WHERE image_id = ?1 ORDER BY position DESC",
        )?
        .query_map([image.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    transaction.execute("DELETE FROM tags WHERE image_id = ?1", [image.as_str()])?;
    transaction.execute("DELETE FROM images WHERE id = ?1", [image.as_str()])?;

    // From the top down: a layer is free when neither an image nor a layer above it is left.
    let mut freed = Freed::default();
    let mut delete = transaction.prepare_cached(
        "DELETE FROM layers WHERE chain_id = ?1
         AND NOT EXISTS (SELECT 1 FROM image_layers WHERE chain_id = ?1)
         AND NOT EXISTS (SELECT 1 FROM layers AS above WHERE above.parent = ?1)
         RETURNING size",
    )?;
    for layer in chain {
        let Some(size) = delete.query_row([&layer], |row| row.get::<_, i64>(0)).optional()? else {
            break;
        };
        freed.layers.push(layer);
        freed.size = freed.size.saturating_add(size);
    }
    let mut delete = transaction.prepare_cached(
        "DELETE FROM blobs WHERE digest = ?1
         AND NOT EXISTS (SELECT 1 FROM image_layers WHERE blob = ?1)
         AND NOT EXISTS (SELECT 1 FROM images WHERE id = ?1 OR manifest = ?1)
         RETURNING size",
    )?;
    for blob in blobs {
        if let Some(size) = delete.query_row([&blob], |row| row.get::<_, i64>(0)).optional()? {
            freed.blobs.push(blob);
            freed.size = freed.size.saturating_add(size);
        }
    }
    Ok(freed)
}
