//! Caches of builds outside of the engine (`--cache-from`, `--cache-to`): an OCI layout in a directory, or a repository at a registry.
//!
//! It is an OCI manifest whose layers are what steps have written, and whose configuration says which step that was. What comes from there is
//! believed as far as whoever names it believes it: layers are what their digests say, that they are what the steps would have
//! written is the author's word (GHSA-xw73-rw38-6vjc is about caches that nobody named).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::built::Layer;
use super::compression::Compression;
use super::content::{Content, Contents};
use super::digest::{Digest, chain_id};
use super::download::Download;
use super::index::{Index, LAYOUT, REF_NAME};
use super::manifest::{Descriptor, Document, LAYER, MANIFEST, Manifest};
use super::push::{Part, Push};
use super::reference::Reference;
use super::{Images, blob, ingest, json, layer};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::registry::{Access, Login, Repository, Settings};
use crate::store::lease::Lease;
use crate::sys::{clock, directory, file};

/// What the configuration is.
const CONFIG: &str = "application/vnd.barque.buildcache.config.v1+json";

/// The tag of a cache in a directory.
const TAG: &str = "latest";

/// Most layers of a manifest, as readers have it.
const MOST_LAYERS: usize = 1024;

/// Where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Registry(Reference),
    Directory(PathBuf),
}

/// Which steps are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those that the image has layers of.
    Min,
    /// All.
    Max,
}

/// The configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Config {
    steps: Vec<Step>,
}

/// What a step came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    key: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Digest>,
    /// What it has written; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer: Option<Written>,
    description: String,
    /// Nanoseconds since 1970.
    created: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    diff_id: Digest,
    blob: Digest,
}

/// One that was read.
pub(crate) struct Cache {
    steps: BTreeMap<Digest, Step>,
    blobs: BTreeMap<Digest, Descriptor>,
    source: Source,
}

enum Source {
    Layout(Contents),
    Registry(Box<Repository>),
}

/// A step that a cache has.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) layer: Option<Layer>,
    pub(crate) created: i64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Registry(reference) => f.write_str(&reference.familiar()),
            Place::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Cache {
    /// Read what one has; the layers stay there.
    pub(crate) fn open(engine: &Engine, place: &Place) -> Result<Cache> {
        let (source, manifest) = match place {
            Place::Directory(path) => {
                let contents = Contents::Layout(directory::open(path)?);
                let manifest = in_layout(&contents)?.ok_or_else(|| no_cache(place))?;
                (Source::Layout(contents), manifest)
            }
            Place::Registry(reference) => {
                let repository = repository(engine, reference, Access::Pull)?;
                let what =
                    reference.digest().map_or(reference.tag().unwrap_or(TAG), Digest::as_str);
                let bytes = repository.manifest(what, reference.digest())?.bytes;
                (Source::Registry(Box::new(repository)), bytes)
            }
        };
        let Document::Manifest(manifest) = Document::parse(&manifest)? else {
            return Err(no_cache(place));
        };
        if manifest.config.media_type != CONFIG {
            return Err(no_cache(place));
        }
        let config = match &source {
            Source::Layout(contents) => small(contents, &manifest.config.digest)?,
            Source::Registry(repository) => {
                repository.small_blob(&manifest.config.digest, manifest.config.size)?
            }
        };
        let config: Config = json::parse(&config, "build cache")?;
        let steps = config.steps.into_iter().map(|step| (step.key.clone(), step)).collect();
        let blobs = manifest.layers.into_iter().map(|blob| (blob.digest.clone(), blob)).collect();
        Ok(Cache { steps, blobs, source })
    }

    /// What it has for a key, its layer unpacked below the lease under this label; `None`: nothing.
    pub(crate) fn take(
        &self,
        engine: &Engine,
        lease: &Lease,
        label: &str,
        key: &Digest,
        below: Option<&Digest>,
    ) -> Result<Option<Found>> {
        let Some(step) = self.steps.get(key) else { return Ok(None) };
        // Whatever clock its author had.
        let created = step.created.clamp(1, clock::now());
        let Some(written) = &step.layer else { return Ok(Some(Found { layer: None, created })) };
        let Some(blob) = self.blobs.get(&written.blob) else {
            let why = format!("the build cache lacks blob {}", written.blob);
            return Err(Error::new(ErrorKind::Corrupt, why).with_reason("missing_blob"));
        };
        let content = self.content(engine, lease, label, blob)?;
        let staged = layer::stage(engine, lease, label, &content, Some(&blob.digest), false)?;
        written.diff_id.check(&staged.diff_id, "a layer of a build cache")?;
        let size = staged.blob.size;
        let blob = Content::Spooled { path: staged.blob.path, digest: staged.blob.digest, size };
        let layer = Layer {
            chain: chain_id(below, &staged.diff_id),
            diff_id: staged.diff_id,
            blob,
            directory: Some(staged.path),
            bytes: staged.unpacked.bytes,
        };
        Ok(Some(Found { layer: Some(layer), created }))
    }

    /// A blob, here.
    fn content(
        &self,
        engine: &Engine,
        lease: &Lease,
        label: &str,
        blob: &Descriptor,
    ) -> Result<Content> {
        let repository = match &self.source {
            Source::Layout(contents) => return contents.blob(&blob.digest),
            Source::Registry(repository) => repository,
        };
        let rights = ingest::take_all(engine, std::slice::from_ref(&blob.digest), |_| {})?;
        let Some(right) = rights.into_iter().next() else {
            return Err(Error::internal("no right to fetch a blob"));
        };
        let download = Download::new(blob, right, &Progress::none())?;
        download.fetch(repository, engine.canceller());
        if let Some(failure) = download.take_failure() {
            return Err(failure);
        }
        // Whoever else wants it need not wait for the end of the build.
        let path = lease.path().join(format!("fetched-{label}"));
        std::fs::rename(download.path(), &path)
            .map_err(|error| Error::system(format!("rename {}", path.display()), error))?;
        Ok(Content::Spooled { path, digest: blob.digest.clone(), size: blob.size })
    }
}

fn no_cache(place: &Place) -> Error {
    Error::new(ErrorKind::NotFound, format!("{place} has no build cache of this engine's"))
        .with_reason("no_cache")
}

fn repository(engine: &Engine, reference: &Reference, access: Access) -> Result<Repository> {
    let settings = Settings::read(engine)?;
    let canceller = engine.canceller();
    let login = |registry: &str| Login::stored(registry, canceller);
    let places = Repository::places(canceller, &settings, reference, access, &login)?;
    // The registry itself, which is the last: mirrors are for images.
    let place = places.last().ok_or_else(|| Error::internal("no place for a cache"))?;
    Ok(Repository::at(place, canceller, &settings, reference))
}

/// The manifest that a layout's index leads to.
fn in_layout(contents: &Contents) -> Result<Option<Vec<u8>>> {
    let Some(entries) = entries(contents)? else { return Ok(None) };
    match entries.iter().find(|entry| is_cache(entry)) {
        Some(entry) => small(contents, &entry.digest).map(Some),
        None => Ok(None),
    }
}

fn entries(contents: &Contents) -> Result<Option<Vec<Descriptor>>> {
    let Some(index) = contents.get("index.json")? else { return Ok(None) };
    match Document::parse(&index.document("index.json")?)? {
        Document::Index(entries) => Ok(Some(entries)),
        Document::Manifest(_) => Ok(None),
    }
}

fn is_cache(entry: &Descriptor) -> bool {
    let name = entry.annotations.as_ref().and_then(|annotations| annotations.get(REF_NAME));
    name.is_some_and(|name| name == TAG)
}

/// A small document of a layout, checked.
fn small(contents: &Contents, digest: &Digest) -> Result<Vec<u8>> {
    let bytes = contents.blob(digest)?.document("a document of a build cache")?;
    digest.check(&Digest::of(&bytes), "a document of a build cache")?;
    Ok(bytes)
}

impl Images<'_> {
    /// Write steps into a cache. In the mode `Min` only those of these layers are kept.
    pub(crate) fn export_cache(
        &self,
        place: &Place,
        mode: Mode,
        keys: &[Digest],
        chains: &[Digest],
        progress: &Progress,
    ) -> Result<Digest> {
        let engine = self.engine;
        let lease = Lease::take(engine.layout())?;
        let keys: BTreeSet<&Digest> = keys.iter().collect();
        let (mut steps, mut blobs) = (Vec::new(), BTreeMap::new());
        for key in keys {
            let Some((step, chain)) = self.step(key)? else { continue };
            let top = chain.or_else(|| step.parent.clone());
            let is_of_image = top.is_none_or(|top| chains.contains(&top));
            if mode == Mode::Min && !is_of_image {
                continue;
            }
            if let Some(written) = &step.layer
                && !blobs.contains_key(&written.blob)
            {
                match part(engine, &written.blob) {
                    Ok(part) => drop(blobs.insert(written.blob.clone(), part)),
                    // Somebody has removed it in between.
                    Err(error) if error.errno() == Some(libc::ENOENT) => continue,
                    Err(error) => return Err(error),
                }
            }
            steps.push(step);
        }
        if blobs.len() > MOST_LAYERS {
            let why = format!("a build cache has at most {MOST_LAYERS} layers; use mode=min");
            return Err(Error::unsupported(why));
        }
        match place {
            Place::Directory(path) => {
                let (manifest, config) = documents(steps, &blobs)?;
                to_layout(engine, path, blobs.into_values().collect(), &config, &manifest)
            }
            Place::Registry(reference) => {
                let repository = repository(engine, reference, Access::Push)?;
                let canceller = engine.canceller().child()?;
                let push = Push { images: *self, reference, repository, canceller, progress };
                // What goes over a network goes compressed.
                let mut sent: BTreeMap<Digest, Part> = BTreeMap::new();
                for (digest, part) in blobs {
                    let head = blob::head(engine.layout(), &digest)?;
                    let part = match Compression::of(&head) {
                        Compression::Plain => push.compressed(part, &lease)?,
                        _ => part,
                    };
                    let written = steps.iter_mut().filter_map(|step| step.layer.as_mut());
                    for written in written.filter(|written| written.blob == digest) {
                        written.blob = part.digest.clone();
                    }
                    sent.insert(part.digest.clone(), part);
                }
                let (manifest, config) = documents(steps, &sent)?;
                let path = lease.path().join("config");
                let failed = |error| Error::system(format!("write {}", path.display()), error);
                std::fs::write(&path, &config).map_err(failed)?;
                let mut parts: Vec<Part> = sent.into_values().collect();
                let file = File::open(&path).map_err(failed)?;
                parts.push(Part { file, digest: Digest::of(&config), size: config.len() as u64 });
                push.send_all(&parts)?;
                let digest = Digest::of(&manifest);
                let tag = reference.tag().unwrap_or(TAG);
                push.repository.put_manifest(tag, MANIFEST, &manifest, &digest)?;
                Ok(digest)
            }
        }
    }

    /// What the engine's own cache has for a key, and its layer's chain id.
    fn step(&self, key: &Digest) -> Result<Option<(Step, Option<Digest>)>> {
        type Row = (Option<String>, Option<String>, Option<String>, Option<String>, String, i64);
        let row: Option<Row> = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT build_cache.parent, build_cache.chain_id, diff_id, blob, description, build_cache.created
                     FROM build_cache LEFT JOIN layers USING (chain_id) WHERE key = ?1",
                )?
                .query_row([key.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
                })
                .optional()
        })?;
        let Some((parent, chain, diff_id, blob, description, created)) = row else {
            return Ok(None);
        };
        let digest = |text: Option<String>| text.as_deref().map(Digest::parse).transpose();
        let layer = match (digest(diff_id)?, digest(blob)?) {
            (Some(diff_id), Some(blob)) => Some(Written { diff_id, blob }),
            _ => None,
        };
        let (key, parent) = (key.clone(), digest(parent)?);
        Ok(Some((Step { key, parent, layer, description, created }, digest(chain)?)))
    }
}

/// A stored blob, held open.
fn part(engine: &Engine, digest: &Digest) -> Result<Part> {
    let path = blob::path(engine.layout(), digest);
    let failed = |error| Error::system(format!("open {}", path.display()), error);
    let file = File::open(&path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    Ok(Part { file, digest: digest.clone(), size })
}

/// The manifest and the configuration.
fn documents(steps: Vec<Step>, blobs: &BTreeMap<Digest, Part>) -> Result<(Vec<u8>, Vec<u8>)> {
    let failed = |error| Error::internal("write a build cache").because(error);
    let config = serde_json::to_vec(&Config { steps }).map_err(failed)?;
    let layer = |part: &Part| -> Result<Descriptor> {
        let mut head = [0; 6];
        // One that is shorter is not compressed.
        let _ = std::os::unix::fs::FileExt::read_at(&part.file, &mut head, 0)
            .map_err(|error| Error::system("read a blob", error))?;
        let media_type = format!("{LAYER}{}", Compression::of(&head).suffix());
        Ok(Descriptor::of(media_type, &part.digest, part.size))
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST.to_owned(),
        config: Descriptor::of(CONFIG, &Digest::of(&config), config.len() as u64),
        layers: blobs.values().map(layer).collect::<Result<_>>()?,
    };
    Ok((serde_json::to_vec(&manifest).map_err(failed)?, config))
}

/// Write a layout: blobs first, the index last. What an earlier cache in the directory had and this one has not is removed.
fn to_layout(
    engine: &Engine,
    path: &Path,
    parts: Vec<Part>,
    config: &[u8],
    manifest: &[u8],
) -> Result<Digest> {
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    let blobs = path.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).map_err(failed)?;
    let contents = Contents::Layout(directory::open(path)?);
    let before = old(&contents);
    let mut kept = BTreeSet::new();
    for mut part in parts {
        engine.canceller().check()?;
        let to = blobs.join(part.digest.hex());
        if to.metadata().is_ok_and(|found| found.len() == part.size) {
            kept.insert(part.digest);
            continue;
        }
        replace(&to, &mut part.file)?;
        kept.insert(part.digest);
    }
    for mut bytes in [config, manifest] {
        let digest = Digest::of(bytes);
        replace(&blobs.join(digest.hex()), &mut bytes)?;
        kept.insert(digest);
    }
    let digest = Digest::of(manifest);
    let annotations = Some(BTreeMap::from([(REF_NAME.to_owned(), TAG.to_owned())]));
    let plain = Descriptor::of(MANIFEST, &digest, manifest.len() as u64);
    let entry = Descriptor { annotations, ..plain };
    let mut others = entries(&contents).ok().flatten().unwrap_or_default();
    others.retain(|entry| !is_cache(entry));
    let is_alone = others.is_empty();
    let index = Index::of(others.into_iter().chain([entry]).collect()).to_bytes()?;
    replace(&path.join("oci-layout"), &mut LAYOUT.as_bytes())?;
    replace(&path.join("index.json"), &mut index.as_slice())?;
    if is_alone {
        for digest in before.difference(&kept) {
            let _ = std::fs::remove_file(blobs.join(digest.hex()));
        }
    }
    Ok(digest)
}

/// What the cache that a layout has names, itself among them.
fn old(contents: &Contents) -> BTreeSet<Digest> {
    let Ok(Some(bytes)) = in_layout(contents) else { return BTreeSet::new() };
    let Ok(Document::Manifest(manifest)) = Document::parse(&bytes) else { return BTreeSet::new() };
    if manifest.config.media_type != CONFIG {
        return BTreeSet::new();
    }
    let layers = manifest.layers.into_iter().map(|layer| layer.digest);
    layers.chain([manifest.config.digest, Digest::of(&bytes)]).collect()
}

/// Write a file that is there when it is whole.
fn replace(path: &Path, content: &mut impl Read) -> Result<()> {
    file::replace_with(path, |file| match std::io::copy(content, file) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::system(format!("write {}", path.display()), error)),
    })
}
