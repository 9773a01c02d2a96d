//! Publishing what was staged: from temporary names to the names that the record knows.
//!
//! The order is what makes a power cut harmless (D6): everything is on disk, then it is renamed, then the directories are on disk, then
//! the record says so. An intent is written before the first rename, so that files which were named and never recorded are found
//! and removed ([`clear`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction, params};
use rustix::fs::{CWD, Mode, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::content_lock::ContentLock;
use super::digest::Digest;
use super::layer::{StagedBlob, StagedLayer};
use super::reference::Reference;
use super::{index, sharing, sound, tag};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::store::lease::{self, Lease};
use crate::store::{Durability, Intent};
use crate::sys::{clock, directory};

/// The operation of the intent.
pub(crate) const INTENT: &str = "image.publish";

/// What an image is published with.
pub(super) struct Publication {
    /// Its id.
    pub(super) id: Digest,
    pub(super) manifest: Digest,
    pub(super) created: i64,
    /// Its layers, lowest first: chain id, diff id, blob.
    pub(super) layers: Vec<(Digest, Digest, Digest)>,
    /// Names to give it.
    pub(super) names: Vec<Reference>,
}

/// What was staged, by the names it will have.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) blobs: BTreeMap<Digest, StagedBlob>,
    pub(super) layers: BTreeMap<Digest, StagedLayer>,
}

impl Staged {
    /// What was left out while layers were unpacked.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.layers.values().flat_map(|layer| layer.unpacked.warnings.iter().cloned())
    }
}

/// What came of publishing.
#[must_use]
pub(super) enum Published {
    /// The images are in the store.
    Done,
    /// Nothing was done: something that was in the store when the images were staged was removed since.
    Lacking,
}

/// Publish images with everything they need that the store does not have, or that is damaged there.
pub(super) fn publish(
    engine: &Engine,
    lease: &Lease,
    staged: &Staged,
    images: &[Publication],
) -> Result<Published> {
    publish_with(engine, lease, staged, images, |_, _| Ok(()))
}

/// The same, and what refers to it: `more` writes rows before the images are written.
pub(super) fn publish_with(
    engine: &Engine,
    lease: &Lease,
    staged: &Staged,
    images: &[Publication],
    more: impl FnOnce(&Transaction<'_>, i64) -> Result<()>,
) -> Result<Published> {
    for (chain, layer) in &staged.layers {
        if sound::is_known(engine, chain)? && !sound::layer(engine, chain)? {
            sound::acquit(engine, chain, &layer.path)?;
        }
    }
    lease::sync(lease)?;
    failpoint("image-publish-synced")?;
    let layout = engine.layout();
    directory::make(&layout.root().join("blobs"), Mode::RWXU)?;
    directory::make(&layout.blobs(), Mode::RWXU)?;
    directory::make(&layout.layers(), Mode::RWXU)?;

    let lock = ContentLock::take(engine)?;
    let (known_blobs, known_layers) = engine.store().read(|connection| {
        let known = |sql: &str| -> rusqlite::Result<BTreeSet<String>> {
            connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        Ok((known("SELECT digest FROM blobs")?, known("SELECT chain_id FROM layers")?))
    })?;
    // Whoever held the lock before may have removed what staging counted on.
    let is_there = |(chain, _, blob): &(Digest, Digest, Digest)| {
        (staged.layers.contains_key(chain) || known_layers.contains(chain.as_str()))
            && (staged.blobs.contains_key(blob) || known_blobs.contains(blob.as_str()))
    };
    if !images.iter().flat_map(|image| &image.layers).all(is_there) {
        return Ok(Published::Lacking);
    }
    let intent = engine.store().write(Durability::Full, |transaction| {
        Intent::begin(transaction, INTENT, "", engine.this_process(), clock::now())
    })?;
    failpoint("image-publish-intended")?;
    for (digest, blob) in &staged.blobs {
        // One that is there is replaced by the same content, whole: so loading an image again repairs it.
        rename(&blob.path, &layout.blobs().join(digest.hex()))?;
    }
    failpoint("image-publish-blobs")?;
    for (chain, layer) in &staged.layers {
        if known_layers.contains(chain.as_str()) {
            if !sound::layer(engine, chain)? {
                replace(engine, chain, &layer.path, &lock)?;
            }
            continue;
        }
        // A directory of that name that no row knows is what a crash left; a directory cannot be renamed over it.
        let parent = directory::open(&layout.layers())?;
        directory::remove_tree(parent.as_fd(), chain.hex())?;
        rename(&layer.path, &layout.layer(chain.hex()))?;
    }
    failpoint("image-publish-layers")?;
    for changed in [layout.blobs(), layout.layers()] {
        File::open(&changed)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| Error::system(format!("sync {}", changed.display()), error))?;
    }
    failpoint("image-publish-renamed")?;
    let unused = engine.store().write(Durability::Full, |transaction| {
        let now = clock::now();
        for blob in staged.blobs.values() {
            transaction.execute(
                "INSERT INTO blobs (digest, size) VALUES (?1, ?2)
                 ON CONFLICT (digest) DO UPDATE SET damaged = 0",
                params![blob.digest.as_str(), blob.size as i64],
            )?;
        }
        more(transaction, now)?;
        for image in images {
            record(transaction, staged, image, now)?;
        }
        Intent::finish(transaction, intent)?;
        unused(transaction, staged)
    })?;
    // An image that was there keeps the manifest and the blobs that it has.
    for digest in unused {
        let path = layout.blobs().join(digest.hex());
        std::fs::remove_file(&path)
            .map_err(|error| Error::system(format!("remove {}", path.display()), error))?;
    }
    failpoint("image-publish-recorded")?;
    index::keep_up(engine, &lock);
    Ok(Published::Done)
}

/// Put a whole layer in the place of a damaged one, in one step; the damaged one goes with the lease. A running container has the
/// damaged one mounted, and would lose the files under its feet.
pub(super) fn replace(
    engine: &Engine,
    chain: &Digest,
    whole: &Path,
    _held: &ContentLock,
) -> Result<()> {
    if let Some(user) = sharing::running_on_layer(engine, chain)? {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("layer {chain} is damaged and {user} runs on it; stop it and try again"),
        )
        .with_reason("damaged_layer"));
    }
    let place = engine.layout().layer(chain.hex());
    match renameat_with(CWD, whole, CWD, &place, RenameFlags::EXCHANGE) {
        Err(Errno::NOENT) => rename(whole, &place)?,
        exchanged => exchanged.map_err(|errno| {
            Error::system(format!("exchange {}", place.display()), errno.into())
        })?,
    }
    // The directory that is there now is younger than its row.
    sound::renew(engine, chain)
}

/// Take out what was staged and nothing refers to.
fn unused(transaction: &Transaction<'_>, staged: &Staged) -> Result<Vec<Digest>> {
    let mut unused = Vec::new();
    for digest in staged.blobs.keys() {
        let gone = transaction.execute(
            "DELETE FROM blobs WHERE digest = ?1
             AND NOT EXISTS (SELECT 1 FROM image_layers WHERE blob = ?1)
             AND NOT EXISTS (SELECT 1 FROM images WHERE id = ?1 OR manifest = ?1)
             AND NOT EXISTS (SELECT 1 FROM build_cache WHERE blob = ?1)",
            [digest.as_str()],
        )?;
        if gone != 0 {
            unused.push(digest.clone());
        }
    }
    Ok(unused)
}

/// Write an image's rows.
fn record(
    transaction: &Transaction<'_>,
    staged: &Staged,
    image: &Publication,
    now: i64,
) -> Result<()> {
    let mut parent: Option<&Digest> = None;
    let mut size = 0;
    for (chain, diff_id, _) in &image.layers {
        if let Some(layer) = staged.layers.get(chain) {
            transaction.execute(
                "INSERT OR IGNORE INTO layers (chain_id, diff_id, parent, size, opaque, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    chain.as_str(),
                    diff_id.as_str(),
                    parent.map(Digest::as_str),
                    layer.unpacked.bytes as i64,
                    layer.unpacked.opaque,
                    now
                ],
            )?;
        }
        let layer_size: Option<i64> = transaction
            .query_row("SELECT size FROM layers WHERE chain_id = ?1", [chain.as_str()], |row| {
                row.get(0)
            })
            .optional()?;
        // The content lock is held since it was looked for.
        size += layer_size.ok_or_else(|| Error::internal("a layer has no row"))?;
        parent = Some(chain);
    }
    transaction.execute(
        "INSERT INTO images (id, manifest, created, size, loaded) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET hidden = 0",
        params![image.id.as_str(), image.manifest.as_str(), image.created, size, now],
    )?;
    for (position, (chain, _, blob)) in image.layers.iter().enumerate() {
        transaction.execute(
            "INSERT OR IGNORE INTO image_layers (image_id, position, chain_id, blob)
             VALUES (?1, ?2, ?3, ?4)",
            params![image.id.as_str(), position as i64, chain.as_str(), blob.as_str()],
        )?;
    }
    for name in &image.names {
        tag::set(transaction, name, &image.id, now)?;
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| {
        Error::system(format!("rename {} to {}", from.display(), to.display()), error)
    })
}

/// Remove blobs and layers that have a name and no row: what a process left that died while it published or removed.
pub(crate) fn clear(engine: &Engine) -> Result<()> {
    let lock = ContentLock::take(engine)?;
    remove_strays(engine, &strays(engine, &lock)?, &lock)
}

/// Blobs and layers that have a name and no row.
pub(super) fn strays(engine: &Engine, _held: &ContentLock) -> Result<Vec<PathBuf>> {
    let layout = engine.layout();
    let mut strays = Vec::new();
    for (path, sql) in [
        (layout.blobs(), "SELECT EXISTS (SELECT 1 FROM blobs WHERE digest = ?1)"),
        (layout.layers(), "SELECT EXISTS (SELECT 1 FROM layers WHERE chain_id = ?1)"),
    ] {
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::system(format!("read {}", path.display()), error)),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Other names than digests are not ours to judge (the shared init layer).
            let Ok(digest) = Digest::parse(&format!("sha256:{name}")) else { continue };
            let known: bool = engine.store().read(|connection| {
                connection.prepare_cached(sql)?.query_row([digest.as_str()], |row| row.get(0))
            })?;
            if !known {
                strays.push(path.join(name));
            }
        }
    }
    Ok(strays)
}

pub(super) fn remove_strays(
    engine: &Engine,
    strays: &[PathBuf],
    _held: &ContentLock,
) -> Result<()> {
    for stray in strays {
        let (Some(parent), Some(name)) = (stray.parent(), stray.file_name()) else { continue };
        let parent = directory::open(parent)?;
        directory::remove_tree(parent.as_fd(), &name.to_string_lossy())?;
        engine.canceller().check()?;
    }
    Ok(())
}
