//! What a build takes from the store and puts into it: what the cache knows of its steps, the layers that these have written, and the image.

use std::path::PathBuf;

use barque_monitor::protocol::Unpacked;
use rusqlite::{OptionalExtension, Transaction, params};

use super::blob;
use super::build;
use super::commit;
use super::compression::Compression;
use super::config::ImageConfig;
use super::content::Content;
use super::digest::{Digest, chain_id};
use super::index;
use super::layer::{StagedBlob, StagedLayer};
use super::reference::Reference;
use super::resolve::ImageHandle;
use super::staging::{Found, Staging};
use super::tag;
use crate::Engine;
use crate::error::{Error, Result};
use crate::store::Durability;
use crate::store::lease::Lease;
use crate::sys::clock;

/// A layer that a step has written.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) chain: Digest,
    pub(crate) diff_id: Digest,
    /// Of the plain archive: the same digest; or of one that came compressed.
    pub(crate) blob: Content,
    /// The directory below the build's lease; `None`: it is in the store.
    pub(crate) directory: Option<PathBuf>,
    /// Bytes of file content.
    pub(crate) bytes: u64,
}

/// The layers of an image, lowest first, with the digest of the blob where there is one already.
pub(crate) type Layers = Vec<(Content, Option<Digest>)>;

/// What the cache has for a step.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    /// What it has written; `None`: nothing.
    pub(crate) layer: Option<Layer>,
    /// When, nanoseconds since 1970.
    pub(crate) created: i64,
}

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) key: Digest,
    /// The topmost layer below.
    pub(crate) parent: Option<Digest>,
    /// What it has written; `None`: nothing.
    pub(crate) layer: Option<Layer>,
    pub(crate) description: String,
    /// When it was done, nanoseconds since 1970.
    pub(crate) created: i64,
}

/// What a build has done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps {
    pub(crate) done: Vec<Record>,
    /// Keys of those that the cache had.
    pub(crate) taken: Vec<Digest>,
}

/// An image to be made.
pub(crate) struct Image {
    pub(crate) names: Vec<Reference>,
    pub(crate) config: ImageConfig,
    /// Lowest first.
    pub(crate) layers: Layers,
}

/// The layers that an image has, as a build goes on from them.
pub(crate) fn base(engine: &Engine, image: &ImageHandle) -> Result<Layers> {
    commit::layers(engine, &Digest::parse(&image.id)?)
}

/// The chain id of the topmost of these layers.
pub(crate) fn top<'a>(diff_ids: impl IntoIterator<Item = &'a Digest>) -> Option<Digest> {
    diff_ids.into_iter().fold(None, |below, diff_id| Some(chain_id(below.as_ref(), diff_id)))
}

/// What the cache has for a key, unless it has nothing, or something that a check has found damaged.
pub(super) fn look_up(
    engine: &Engine,
    transaction: &Transaction<'_>,
    key: &Digest,
) -> Result<Option<Cached>> {
    type Row = (i64, Option<String>, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let row: Option<Row> = transaction
        .prepare_cached(
            "SELECT build_cache.created, build_cache.chain_id, diff_id, blob, blobs.size, layers.size FROM build_cache
             LEFT JOIN layers USING (chain_id) LEFT JOIN blobs ON blob = digest
             WHERE key = ?1 AND layers.created IS NOT 0 AND damaged IS NOT 1",
        )?
        .query_row([key.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let (created, Some(chain), Some(diff_id), Some(blob), Some(size), Some(bytes)) = row else {
        return Ok(Some(Cached { layer: None, created: row.0 }));
    };
    let digest = Digest::parse(&blob)?;
    let path = engine.layout().blobs().join(digest.hex());
    let layer = Layer {
        chain: Digest::parse(&chain)?,
        diff_id: Digest::parse(&diff_id)?,
        blob: Content::Spooled { path, digest, size: size as u64 },
        directory: None,
        bytes: bytes as u64,
    };
    Ok(Some(Cached { layer: Some(layer), created }))
}

/// Put what was made into the store, all at once. The id of the image, if there is one.
pub(crate) fn publish(
    engine: &Engine,
    lease: &Lease,
    steps: &Steps,
    image: Option<Image>,
) -> Result<Option<String>> {
    if steps.done.is_empty()
        && let Some(image) = &image
        && let Some(id) = rename(engine, image, steps)?
    {
        return Ok(Some(id));
    }
    let mut staging = Staging::new(engine, lease);
    for record in &steps.done {
        if let Some(layer) = &record.layer
            && let Some(directory) = &layer.directory
        {
            staging.adopt(layer.chain.clone(), layer.staged(directory.clone())?);
        }
    }
    let found = match image {
        None => None,
        Some(image) => Some(Found {
            config: image.document()?,
            names: image.names,
            manifest: None,
            layers: image.layers,
        }),
    };
    let images =
        staging.publish_with(found.as_slice(), |transaction, now| steps.write(transaction, now))?;
    Ok(images.first().map(|image| image.id.as_str().to_owned()))
}

/// Give an image its names that is in the store already. Its id, if it is.
fn rename(engine: &Engine, image: &Image, steps: &Steps) -> Result<Option<String>> {
    let id = Digest::of(&image.document()?);
    let is_there = engine.store().write(Durability::Full, |transaction| {
        let is_there = transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1 AND hidden = 0)")?
            .query_row([id.as_str()], |row| row.get(0))?;
        if is_there {
            let now = clock::now();
            steps.write(transaction, now)?;
            image.names.iter().try_for_each(|name| tag::set(transaction, name, &id, now))?;
        }
        Ok(is_there)
    })?;
    if is_there && !image.names.is_empty() {
        // It is marked as stale, and otherwise the next reconciliation does it.
        let _ = index::bring_up_to_date(engine);
    }
    Ok(is_there.then(|| id.as_str().to_owned()))
}

impl Image {
    /// The id that it will have.
    pub(crate) fn id(&self) -> Result<Digest> {
        Ok(Digest::of(&self.document()?))
    }

    pub(super) fn document(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.config)
            .map_err(|error| Error::internal("write a configuration").because(error))
    }
}

impl Layer {
    fn staged(&self, path: PathBuf) -> Result<StagedLayer> {
        let Content::Spooled { path: blob, digest, size } = &self.blob else {
            return Err(Error::internal("a layer that was not written out"));
        };
        let compression = match *digest == self.diff_id {
            true => Compression::Plain,
            false => Compression::of(&blob::head_of(blob)?),
        };
        Ok(StagedLayer {
            path,
            diff_id: self.diff_id.clone(),
            blob: StagedBlob { path: blob.clone(), digest: digest.clone(), size: *size },
            compression,
            // Its directory was an overlay's: what it has is whole.
            unpacked: Unpacked { bytes: self.bytes, ..Unpacked::default() },
        })
    }

    fn blob_digest(&self) -> &Digest {
        match &self.blob {
            Content::Spooled { digest, .. } => digest,
            // Plain: its content's digest is its own.
            _ => &self.diff_id,
        }
    }
}

impl Steps {
    fn write(&self, transaction: &Transaction<'_>, now: i64) -> Result<()> {
        self.done.iter().try_for_each(|record| record.write(transaction, now))?;
        let mut take = transaction
            .prepare_cached("UPDATE build_cache SET used = ?2, uses = uses + 1 WHERE key = ?1")?;
        for key in &self.taken {
            take.execute(params![key.as_str(), now])?;
        }
        Ok(())
    }
}

impl Record {
    fn write(&self, transaction: &Transaction<'_>, now: i64) -> Result<()> {
        if let Some(layer) = &self.layer {
            transaction.execute(
                "INSERT OR IGNORE INTO layers (chain_id, diff_id, parent, size, opaque, created)
                 VALUES (?1, ?2, ?3, ?4, 0, ?5)",
                params![
                    layer.chain.as_str(),
                    layer.diff_id.as_str(),
                    self.parent.as_ref().map(Digest::as_str),
                    layer.bytes as i64,
                    now
                ],
            )?;
        }
        self.put_aside(transaction)?;
        transaction.execute(
            "INSERT OR REPLACE INTO build_cache (key, parent, chain_id, blob, description, created, used)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.key.as_str(),
                self.parent.as_ref().map(Digest::as_str),
                self.layer.as_ref().map(|layer| layer.chain.as_str()),
                self.layer.as_ref().map(|layer| layer.blob_digest().as_str()),
                self.description,
                self.created,
                now
            ],
        )?;
        Ok(())
    }

    /// Let what the cache has for the key, if that is another layer, have a key that nobody looks for: a build that goes on may have taken
    /// it, and whatever keeps its files must be there for a clean-up to find.
    fn put_aside(&self, transaction: &Transaction<'_>) -> Result<()> {
        let key = self.key.as_str();
        let chain = self.layer.as_ref().map(|layer| layer.chain.as_str());
        let old: Option<String> = transaction
            .prepare_cached(
                "SELECT chain_id FROM build_cache
                 WHERE key = ?1 AND chain_id IS NOT NULL AND chain_id IS NOT ?2",
            )?
            .query_row(params![key, chain], |row| row.get(0))
            .optional()?;
        let Some(old) = old else { return Ok(()) };
        let aside = Digest::of(format!("{key}\0{old}").as_bytes());
        // Where it is there already it keeps the same files.
        transaction.execute(
            "UPDATE OR IGNORE build_cache SET key = ?2 WHERE key = ?1",
            [key, aside.as_str()],
        )?;
        transaction.execute(
            "UPDATE intents SET object = ?2 WHERE operation = ?3 AND object = ?1",
            [key, aside.as_str(), build::INTENT],
        )?;
        Ok(())
    }
}
