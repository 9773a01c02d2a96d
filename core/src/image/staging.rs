//! Staging images: their layers, side by side, and the documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rusqlite::{OptionalExtension, Transaction};

use super::compression::Compression;
use super::content::Content;
use super::digest::{Digest, chain_id};
use super::imply;
use super::layer::{self, StagedBlob, StagedLayer};
use super::manifest::{CONFIG, Descriptor, LAYER, MANIFEST, Manifest};
use super::publish::{self, Publication, Published, Staged};
use super::reference::Reference;
use super::{ImageConfig, blob, sound};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::Lease;

/// An image as it was found, not checked against its digests yet.
#[derive(Clone)]
pub(super) struct Found {
    /// Names it is to have.
    pub(super) names: Vec<Reference>,
    /// Bytes of its configuration.
    pub(super) config: Vec<u8>,
    /// Bytes of its manifest; `None`: it has none, and gets one.
    pub(super) manifest: Option<Vec<u8>>,
    /// Its layers, lowest first, with the digest of the blob where a manifest says it.
    pub(super) layers: Vec<(Content, Option<Digest>)>,
}

/// A layer that is to be staged.
struct Job {
    chain: Digest,
    diff_id: Digest,
    content: Content,
    expected: Option<Digest>,
}

/// Stages images below one lease.
pub(super) struct Staging<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    staged: Staged,
    /// Layers of the store that nothing is staged for, and when they came to be there.
    counted_on: BTreeMap<Digest, i64>,
}

impl<'a> Staging<'a> {
    pub(super) fn new(engine: &'a Engine, lease: &'a Lease) -> Staging<'a> {
        Staging { engine, lease, staged: Staged::default(), counted_on: BTreeMap::new() }
    }

    /// Stage images and publish them. What of them another process removes meanwhile is staged as well: each round stages what
    /// the last one lacked, and what is staged nobody removes.
    pub(super) fn publish(&mut self, found: &[Found]) -> Result<Vec<Publication>> {
        self.publish_with(found, |_, _| Ok(()))
    }

    /// The same, and what refers to them: `more` writes rows before the images are written.
    pub(super) fn publish_with(
        &mut self,
        found: &[Found],
        more: impl Fn(&Transaction<'_>, i64) -> Result<()>,
    ) -> Result<Vec<Publication>> {
        loop {
            self.counted_on.clear();
            let images: Result<Vec<Publication>> =
                found.iter().map(|found| self.image(found.clone())).collect();
            let images = match images {
                Err(_) if self.is_lacking()? => continue,
                images => images?,
            };
            match publish::publish_with(self.engine, self.lease, &self.staged, &images, &more)? {
                Published::Done => return Ok(images),
                Published::Lacking => {}
            }
        }
    }

    /// Publish images that were staged one by one.
    pub(super) fn publish_staged(&self, images: &[Publication]) -> Result<Published> {
        publish::publish(self.engine, self.lease, &self.staged, images)
    }

    /// Whether a stored layer that was counted on is no longer there, or is another one.
    fn is_lacking(&self) -> Result<bool> {
        for (chain, created) in &self.counted_on {
            if sound::created(self.engine, chain)? != Some(*created) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was left out or could not be done, for the caller to know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.staged.warnings()
    }

    /// Stage an image: everything of it that the store does not have.
    pub(super) fn image(&mut self, found: Found) -> Result<Publication> {
        let config = ImageConfig::parse(&found.config)?;
        let diff_ids = &config.rootfs.diff_ids;
        if diff_ids.len() != found.layers.len() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the image's configuration tells of {} layers, its manifest of {}",
                    diff_ids.len(),
                    found.layers.len()
                ),
            ));
        }
        let id = self.document(&found.config)?;
        let mut chains = Vec::new();
        for diff_id in diff_ids {
            chains.push(chain_id(chains.last(), diff_id));
        }
        let jobs = self.missing(&chains, diff_ids, found.layers)?;
        let blobs = self.run(jobs)?;
        self.copy_up(&chains)?;

        let layers: Vec<(Digest, Digest, Digest)> = chains
            .iter()
            .zip(diff_ids)
            .zip(&blobs)
            .map(|((chain, diff_id), blob)| (chain.clone(), diff_id.clone(), blob.digest.clone()))
            .collect();
        let manifest = match found.manifest {
            Some(bytes) => bytes,
            None => manifest_of(&id, found.config.len(), &blobs)?,
        };
        Ok(Publication {
            manifest: self.document(&manifest)?,
            created: config.created_ns(),
            names: found.names,
            layers,
            id,
        })
    }

    /// Whether the store has this layer unpacked, from this very blob.
    pub(super) fn has(&mut self, chain: &Digest, blob: &Digest) -> Result<bool> {
        Ok(self.stored(chain, Some(blob))?.is_some())
    }

    /// Take over a layer that is a directory already.
    pub(super) fn adopt(&mut self, chain: Digest, layer: StagedLayer) {
        self.staged.blobs.insert(layer.blob.digest.clone(), layer.blob.clone());
        self.staged.layers.insert(chain, layer);
    }

    /// Stage the one layer of an image whose configuration is still to be written. Returns its diff id.
    pub(super) fn lone_layer(&mut self, content: &Content) -> Result<Digest> {
        let layer = layer::stage(self.engine, self.lease, "lone", content, None, true)?;
        let chain = layer.diff_id.clone();
        self.staged.blobs.insert(layer.blob.digest.clone(), layer.blob.clone());
        self.staged.layers.insert(chain.clone(), layer);
        Ok(chain)
    }

    /// Stage a small document.
    fn document(&mut self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if !self.staged.blobs.contains_key(&digest) {
            let path = self.lease.path().join(format!("document-{}", digest.hex()));
            std::fs::write(&path, bytes)
                .map_err(|error| Error::system(format!("write {}", path.display()), error))?;
            let blob = StagedBlob { path, digest: digest.clone(), size: bytes.len() as u64 };
            self.staged.blobs.insert(digest.clone(), blob);
        }
        Ok(digest)
    }

    /// What is known of each layer: its blob, or the job of staging it.
    fn missing(
        &mut self,
        chains: &[Digest],
        diff_ids: &[Digest],
        layers: Vec<(Content, Option<Digest>)>,
    ) -> Result<Vec<std::result::Result<LayerBlob, Job>>> {
        let mut jobs = Vec::new();
        for ((chain, diff_id), (content, expected)) in chains.iter().zip(diff_ids).zip(layers) {
            let known = match self.staged.layers.get(chain) {
                Some(layer) => Some(LayerBlob::of(layer)),
                None => self.stored(chain, expected.as_ref())?,
            };
            jobs.push(match known {
                Some(blob) if expected.as_ref().is_none_or(|expected| *expected == blob.digest) => {
                    Ok(blob)
                }
                _ => Err(Job { chain: chain.clone(), diff_id: diff_id.clone(), content, expected }),
            });
        }
        Ok(jobs)
    }

    /// The blob of a layer that the store has unpacked: the expected one, or any. A layer or blob that is not what it was when it
    /// was stored counts as none: it is staged, and takes the place of the damaged one.
    fn stored(&mut self, chain: &Digest, expected: Option<&Digest>) -> Result<Option<LayerBlob>> {
        let Some(created) = sound::created(self.engine, chain)? else { return Ok(None) };
        self.counted_on.insert(chain.clone(), created);
        let row: Option<(String, i64)> = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT digest, size FROM blobs JOIN
                         (SELECT chain_id, blob FROM image_layers UNION ALL SELECT chain_id, blob FROM build_cache)
                         ON blob = digest
                     WHERE chain_id = ?1 AND (?2 IS NULL OR digest = ?2) LIMIT 1",
                )?
                .query_row([Some(chain.as_str()), expected.map(Digest::as_str)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })?;
        let Some((digest, size)) = row else { return Ok(None) };
        let digest = Digest::parse(&digest)?;
        if !sound::blob(self.engine, &digest, size)? || !sound::layer(self.engine, chain)? {
            return Ok(None);
        }
        let head = blob::head(self.engine.layout(), &digest)?;
        Ok(Some(LayerBlob { digest, size: size as u64, compression: Compression::of(&head) }))
    }

    /// Stage what is missing, on as many threads as there are processors.
    fn run(&mut self, layers: Vec<std::result::Result<LayerBlob, Job>>) -> Result<Vec<LayerBlob>> {
        let jobs: Vec<&Job> = layers.iter().filter_map(|layer| layer.as_ref().err()).collect();
        let next = AtomicUsize::new(0);
        let done: Mutex<BTreeMap<Digest, Result<StagedLayer>>> = Mutex::new(BTreeMap::new());
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let staged = self.layer(job);
                let failed = staged.is_err();
                done.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(job.chain.clone(), staged);
                if failed {
                    next.store(jobs.len(), Ordering::Relaxed);
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        if threads <= 1 {
            work();
        } else {
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    // Without another thread this one does it all (`scope.spawn` would panic).
                    if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                        break;
                    }
                }
                work();
            });
        }
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (chain, layer) in done {
            self.staged.layers.insert(chain, layer?);
        }
        let mut blobs = Vec::new();
        for layer in layers {
            blobs.push(match layer {
                Ok(blob) => blob,
                Err(job) => {
                    let layer = self
                        .staged
                        .layers
                        .get(&job.chain)
                        .ok_or_else(|| Error::internal("a layer was not staged"))?;
                    self.staged.blobs.insert(layer.blob.digest.clone(), layer.blob.clone());
                    LayerBlob::of(layer)
                }
            });
        }
        Ok(blobs)
    }

    fn layer(&self, job: &Job) -> Result<StagedLayer> {
        let layer = layer::stage(
            self.engine,
            self.lease,
            job.chain.hex(),
            &job.content,
            job.expected.as_ref(),
            false,
        )?;
        job.diff_id.check(&layer.diff_id, "a layer's content")?;
        if let Content::Coming(download) = &job.content {
            download.unpacked();
        }
        Ok(layer)
    }

    /// Give directories that a layer only implies the attributes of those below.
    fn copy_up(&self, chains: &[Digest]) -> Result<()> {
        // Nothing below an opaque layer is to be seen, so nothing is taken from there.
        let (mut paths, mut floor): (Vec<PathBuf>, usize) = (Vec::new(), 0);
        for (position, chain) in chains.iter().enumerate() {
            let Some(layer) = self.staged.layers.get(chain) else {
                paths.push(self.engine.layout().layer(chain.hex()));
                if sound::is_opaque(self.engine, chain)? {
                    floor = position;
                }
                continue;
            };
            paths.push(layer.path.clone());
            if layer.unpacked.opaque {
                floor = position;
            }
            let below: Vec<&Path> =
                paths[floor..position].iter().rev().map(PathBuf::as_path).collect();
            imply::copy_up(&layer.path, &layer.unpacked.implied, &below)?;
        }
        Ok(())
    }
}

/// What a manifest says of a layer's blob.
#[derive(Clone, Debug)]
struct LayerBlob {
    digest: Digest,
    size: u64,
    compression: Compression,
}

impl LayerBlob {
    fn of(layer: &StagedLayer) -> LayerBlob {
        LayerBlob {
            digest: layer.blob.digest.clone(),
            size: layer.blob.size,
            compression: layer.compression,
        }
    }
}

/// The manifest of an image that came without one.
fn manifest_of(config: &Digest, config_size: usize, layers: &[LayerBlob]) -> Result<Vec<u8>> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor::of(CONFIG, config, config_size as u64),
        layers: layers
            .iter()
            .map(|layer| {
                let media_type = format!("{LAYER}{}", layer.compression.suffix());
                Descriptor::of(media_type, &layer.digest, layer.size)
            })
            .collect(),
    };
    serde_json::to_vec(&manifest)
        .map_err(|error| Error::internal("write a manifest").because(error))
}
