//! Saving images: one archive that docker, podman, skopeo and this engine load.
//!
//! It has both shapes, as docker writes them since version 25: an OCI layout (`oci-layout`, `index.json`, `blobs/`) and
//! `manifest.json`, whose rows name the same blobs. The blobs are the stored ones, byte for byte, so an image that was pulled or loaded
//! keeps its digests; entries come sorted and without times, so the same images make the same archive. What is sent was compared
//! with its digest on the way: an archive that ends without an error is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use barque_monitor::tar::{Entry, Kind, Writer};
use rustix::event::{EventfdFlags, eventfd};
use serde::Serialize;

use super::Images;
use super::blob;
use super::config::ImageConfig;
use super::digest::{Digest, Hasher};
use super::index::{self, Index, NAME, REF_NAME};
use super::manifest::{Descriptor, Document, Platform};
use super::names;
use super::reference::Reference;
use super::resolve::no_such_image;
use crate::Engine;
use crate::api::ImageSave;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::store::lease::Lease;
use crate::stream::{Chunk, Item, Next, Output, Source, Stream};

/// Bytes that are handed on at once.
const CHUNK: usize = 256 << 10;

/// A row of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An image to be saved, and the names it is saved with.
struct Chosen {
    id: Digest,
    manifest: Digest,
    names: Vec<Reference>,
}

impl Images<'_> {
    /// Save images: a stream of the bytes of one archive.
    ///
    /// An image that is named by id is saved without names, one that is named by repository alone with all its tags there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such image; the stream fails with
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) where what is stored is damaged.
    pub fn save(&self, request: &ImageSave) -> Result<Stream> {
        if request.names.is_empty() {
            return Err(
                Error::invalid("\"save\" requires at least 1 argument").about("field", "Names")
            );
        }
        let platform = match request.platform.as_str() {
            "" => None,
            text => Some(Platform::parse(text)?),
        };
        let mut chosen: Vec<Chosen> = Vec::new();
        for name in &request.names {
            for (id, names) in self.named(name)? {
                match chosen.iter_mut().find(|image| image.id == id) {
                    Some(image) => {
                        image.names.extend(names);
                    }
                    None => {
                        let manifest = self.manifest_of(&id)?;
                        chosen.push(Chosen { id, manifest, names });
                    }
                }
            }
        }
        self.archive_of(chosen, platform.as_ref())
    }

    /// One image with these names, which need not be its own.
    pub(crate) fn archive(&self, id: &Digest, names: Vec<Reference>) -> Result<Stream> {
        let image = Chosen { id: id.clone(), manifest: self.manifest_of(id)?, names };
        self.archive_of(vec![image], None)
    }

    fn archive_of(&self, mut chosen: Vec<Chosen>, platform: Option<&Platform>) -> Result<Stream> {
        let lease = Lease::take(self.engine.layout())?;
        let mut archive = Archive::new(self.engine, &lease);
        for image in &mut chosen {
            image.names.sort();
            image.names.dedup();
            archive.image(image, platform)?;
        }
        let parts = archive.finish()?;
        failpoint("image-save-begun")?;
        let source = Saving {
            engine: self.engine.clone(),
            parts: parts.into_iter(),
            open: None,
            always: eventfd(1, EventfdFlags::CLOEXEC)
                .map_err(|errno| Error::system("create an eventfd", errno.into()))?,
            _lease: lease,
        };
        Stream::new(Box::new(source), self.engine.canceller().clone())
    }

    /// The images that a name stands for here, each with the names it is saved with.
    fn named(&self, name: &str) -> Result<Vec<(Digest, Vec<Reference>)>> {
        if let Ok(reference) = Reference::parse(name)
            && reference.is_name_only()
        {
            let tagged = self.tags_of(&reference)?;
            if !tagged.is_empty() {
                return Ok(tagged);
            }
        }
        let (id, found) = self.resolve_id(name)?;
        let names = match Reference::parse(&found) {
            // A digest is no name that can be given to an image.
            Ok(reference) if reference.digest().is_none() => vec![reference],
            _ => Vec::new(),
        };
        Ok(vec![(id, names)])
    }

    /// All tags of a repository, by image.
    fn tags_of(&self, repository: &Reference) -> Result<Vec<(Digest, Vec<Reference>)>> {
        let all = self.engine.store().read(names::all)?;
        let mut found = Vec::new();
        for (id, names) in all {
            let mut here: Vec<Reference> = Vec::new();
            for stored in &names.stored {
                let reference = Reference::parse(stored)?;
                if reference.digest().is_none() && reference.repository() == repository.repository()
                {
                    here.push(reference);
                }
            }
            if !here.is_empty() {
                found.push((Digest::parse(&id)?, here));
            }
        }
        Ok(found)
    }

    /// The manifest of an image.
    pub(crate) fn manifest_of(&self, id: &Digest) -> Result<Digest> {
        let manifest: Option<String> = self.engine.store().read(|connection| {
            use rusqlite::OptionalExtension;
            connection
                .prepare_cached("SELECT manifest FROM images WHERE id = ?1")?
                .query_row([id.as_str()], |row| row.get(0))
                .optional()
        })?;
        Digest::parse(&manifest.ok_or_else(|| no_such_image(id.as_str()))?)
    }
}

/// An archive in the making.
struct Archive<'a> {
    engine: &'a Engine,
    lease: &'a Lease,
    /// Blobs to be sent, with their size.
    blobs: BTreeMap<Digest, u64>,
    manifests: Vec<Descriptor>,
    rows: Vec<Row>,
}

impl<'a> Archive<'a> {
    fn new(engine: &'a Engine, lease: &'a Lease) -> Archive<'a> {
        Archive { engine, lease, blobs: BTreeMap::new(), manifests: Vec::new(), rows: Vec::new() }
    }

    fn image(&mut self, image: &Chosen, platform: Option<&Platform>) -> Result<()> {
        let layout = self.engine.layout();
        let bytes = blob::read(layout, &image.manifest)?;
        let Document::Manifest(manifest) = Document::parse(&bytes)? else {
            return Err(blob::damaged(&image.manifest, "is no manifest"));
        };
        let config = blob::read(layout, &image.id)?;
        if let Some(wanted) = platform {
            let config = ImageConfig::parse(&config)?;
            let has = Platform {
                os: config.os,
                architecture: config.architecture,
                variant: config.variant,
            };
            let other = [&has.variant, &wanted.variant].iter().all(|v| !v.is_empty())
                && has.variant != wanted.variant;
            if other || has.fitness(wanted).is_none() {
                let name = image
                    .names
                    .first()
                    .map_or_else(|| image.id.short().to_owned(), Reference::familiar);
                return Err(Error::new(
                    crate::ErrorKind::NotFound,
                    format!(
                        "image with reference {name} was found but does not provide the specified platform ({wanted})"
                    ),
                )
                .about("image", name));
            }
        }
        self.keep(&image.manifest)?;
        self.keep(&image.id)?;
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            self.keep(&layer.digest)?;
            layers.push(entry_name(&layer.digest));
        }
        let plain = index::descriptor(self.engine, &image.manifest)?;
        if image.names.is_empty() {
            self.manifests.push(plain.clone());
        }
        for name in &image.names {
            let annotations = BTreeMap::from([
                (NAME.to_owned(), name.to_string()),
                (REF_NAME.to_owned(), name.tag().unwrap_or("latest").to_owned()),
            ]);
            self.manifests.push(Descriptor { annotations: Some(annotations), ..plain.clone() });
        }
        let tags: Vec<String> = image.names.iter().map(Reference::familiar).collect();
        self.rows.push(Row {
            config: entry_name(&image.id),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers,
        });
        Ok(())
    }

    /// Keep a blob for the time it takes: another name of it, in the lease, goes with the lease and not with the image.
    fn keep(&mut self, digest: &Digest) -> Result<()> {
        if self.blobs.contains_key(digest) {
            return Ok(());
        }
        let from = blob::path(self.engine.layout(), digest);
        let to = self.lease.path().join(digest.hex());
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => blob::damaged(digest, "is missing"),
            _ => Error::system(format!("link {}", from.display()), error),
        };
        std::fs::hard_link(&from, &to).map_err(failed)?;
        let size = to.metadata().map_err(failed)?.len();
        self.blobs.insert(digest.clone(), size);
        Ok(())
    }

    /// The parts in the order in which they are sent.
    fn finish(mut self) -> Result<Vec<Part>> {
        // The same whatever the order of the names was.
        self.manifests
            .sort_by_cached_key(|entry| (entry.annotations.clone(), entry.digest.clone()));
        self.rows.sort_by_cached_key(|row| (row.repo_tags.clone(), row.config.clone()));
        let rows = serde_json::to_vec(&self.rows)
            .map_err(|error| Error::internal("write manifest.json").because(error))?;
        let mut parts =
            vec![Part::Bytes(header("blobs/", None)?), Part::Bytes(header("blobs/sha256/", None)?)];
        for (digest, size) in self.blobs {
            parts.push(Part::Bytes(header(&entry_name(&digest), Some(size))?));
            parts.push(Part::Blob { path: self.lease.path().join(digest.hex()), digest, size });
        }
        for (name, bytes) in [
            ("index.json", Index::of(self.manifests).to_bytes()?),
            ("manifest.json", rows),
            ("oci-layout", index::LAYOUT.as_bytes().to_vec()),
        ] {
            let mut entry = header(name, Some(bytes.len() as u64))?;
            entry.extend_from_slice(&bytes);
            entry.resize(entry.len().next_multiple_of(512), 0);
            parts.push(Part::Bytes(entry));
        }
        parts.push(Part::Bytes(vec![0; 1024]));
        Ok(parts)
    }
}

fn entry_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// What precedes a file of that size, or says that there is a directory. Owner, time and mode are the same for all.
fn header(name: &str, size: Option<u64>) -> Result<Vec<u8>> {
    let entry = Entry {
        path: name.as_bytes().to_vec(),
        kind: if size.is_some() { Kind::File } else { Kind::Directory },
        mode: if size.is_some() { 0o644 } else { 0o755 },
        size: size.unwrap_or_default(),
        ..Entry::default()
    };
    let mut bytes = Vec::new();
    Writer::new(&mut bytes)
        .begin(&entry)
        .map_err(|error| Error::internal("a header of an archive").because(error))?;
    Ok(bytes)
}

/// A part of the archive.
enum Part {
    Bytes(Vec<u8>),
    Blob { path: PathBuf, digest: Digest, size: u64 },
}

/// A blob that is being sent.
struct Open {
    file: File,
    digest: Digest,
    hasher: Hasher,
    size: u64,
    sent: u64,
}

/// The archive as it is read.
struct Saving {
    engine: Engine,
    parts: std::vec::IntoIter<Part>,
    open: Option<Open>,
    /// Readable at any time: a file is always ready.
    always: OwnedFd,
    /// What the blobs are kept in.
    _lease: Lease,
}

impl Saving {
    /// The next piece of the blob that is open; with its last bytes it is closed.
    fn piece(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let left = usize::try_from(open.size - open.sent).unwrap_or(usize::MAX);
        let mut data = vec![0; left.min(CHUNK)];
        open.file.read_exact(&mut data).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => blob::damaged(&open.digest, "was cut short"),
            _ => Error::system(format!("read blob {}", open.digest), error),
        })?;
        open.hasher.update(&data);
        open.sent += data.len() as u64;
        if open.sent == open.size {
            if open.hasher.clone().finish() != open.digest {
                return Err(blob::damaged(&open.digest, "is damaged"));
            }
            let padding = usize::try_from(open.size.next_multiple_of(512) - open.size);
            data.resize(data.len() + padding.unwrap_or_default(), 0);
            self.open = None;
        }
        Ok(Some(data))
    }
}

impl Source for Saving {
    fn try_next(&mut self) -> Result<Next> {
        loop {
            self.engine.canceller().check()?;
            let data = match self.piece()? {
                Some(data) => data,
                None => match self.parts.next() {
                    None => return Ok(Next::Done),
                    Some(Part::Bytes(data)) => data,
                    Some(Part::Blob { path, digest, size }) => {
                        let file = File::open(&path).map_err(|error| {
                            Error::system(format!("open {}", path.display()), error)
                        })?;
                        self.open =
                            Some(Open { file, digest, hasher: Hasher::new(), size, sent: 0 });
                        continue;
                    }
                },
            };
            if data.is_empty() {
                continue;
            }
            let chunk = Chunk { channel: Output::Stdout, timestamp: None, data };
            return Ok(Next::Item(Item::Chunk(chunk)));
        }
    }

    fn readable(&self) -> BorrowedFd<'_> {
        self.always.as_fd()
    }
}
