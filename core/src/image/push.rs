//! Pushing: from an image to its registry.
//!
//! A blob goes as it is stored, so that what was pulled has the same digests wherever it is pushed. What never was a blob of a registry
//! (a layer of an archive of `docker save`, of an import or a commit) is compressed on the way, the same each time ([`super::gzip`]). The
//! manifest goes last: until then the registry has blobs that nothing names, and the tag stands for what it did.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::blob;
use super::compression::Compression;
use super::digest::Digest;
use super::gzip;
use super::hashing::Hashing;
use super::index;
use super::manifest::{Descriptor, Document, LAYER, MANIFEST, Manifest};
use super::reference::Reference;
use super::{Images, tag};
use crate::Engine;
use crate::api::{ImagePush, ImagePushed, PushedTag};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::progress::{self, Progress};
use crate::registry::{self, Access, Begun, Login, Repository, Settings, Upload};
use crate::store::Durability;
use crate::store::lease::Lease;
use crate::stream::{Canceller, Stream};
use crate::sys::clock;

/// How many blobs are sent at a time: Docker's number.
const SENDERS: usize = 5;

/// How many repositories are tried to mount a blob from.
const MOUNTS: usize = 3;

/// A gzipped layer in Docker's own kind of manifest.
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// How often is told how far it is.
const TICK: Duration = Duration::from_millis(100);

/// What is to be pushed.
struct Wanted {
    /// Without a tag: all.
    reference: Reference,
    login: Option<Login>,
}

impl Images<'_> {
    /// Bring an image to its registry. The stream tells how it goes ([`Progress`](crate::api::Progress)), and at last what was
    /// pushed ([`ImagePushed`]). The push goes on whether the stream is read or not, until it is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a malformed name. What is not here and what the registry refuses comes by the stream.
    pub fn push(&self, request: &ImagePush) -> Result<Stream> {
        let reference = Reference::parse(&request.name)?;
        let about = |error: Error| error.about("image", &request.name);
        if reference.digest().is_some() {
            return Err(about(Error::invalid("cannot push a digest reference")));
        }
        let reference = match (request.all_tags, reference.tag()) {
            (true, Some(_)) => {
                return Err(about(Error::invalid("tag can't be used with --all-tags/-a")));
            }
            (true, None) => reference,
            (false, _) => reference.or_latest(),
        };
        let login = request.auth.as_ref().map(Login::given).transpose()?;
        let wanted = Wanted { reference, login };
        progress::stream(self.engine, move |engine, progress| {
            engine.images().pushed(&wanted, progress)
        })
    }

    fn pushed(&self, wanted: &Wanted, progress: &Progress) -> Result<ImagePushed> {
        let repository = wanted.reference.repository();
        let tagged = self.tagged(&wanted.reference)?;
        let canceller = self.engine.canceller();
        let settings = Settings::read(self.engine)?;
        let login = |registry: &str| match &wanted.login {
            Some(login) => Ok(Some(login.clone())),
            None => Login::stored(registry, canceller),
        };
        progress.say(format!("The push refers to repository [{repository}]"));
        let places =
            Repository::places(canceller, &settings, &wanted.reference, Access::Push, &login)?;
        let place = places.first().ok_or_else(|| Error::internal("no place to push to"))?;
        let mut pushed = ImagePushed { repository, tags: Vec::new() };
        for (reference, id) in &tagged {
            // Of its own: what is asked for this tag ends when it has failed.
            let canceller = canceller.child()?;
            let repository = Repository::at(place, &canceller, &settings, reference);
            let push = Push { images: *self, reference, repository, canceller, progress };
            pushed.tags.push(push.image(id).map_err(|error| refused(reference, error))?);
        }
        Ok(pushed)
    }

    /// The images that a name stands for: one, or one for each tag.
    fn tagged(&self, reference: &Reference) -> Result<Vec<(Reference, Digest)>> {
        let rows: Vec<(String, String)> = self.engine.store().read(|connection| {
            let repository = format!("{}:", reference.repository());
            connection
                .prepare_cached(
                    "SELECT reference, image_id FROM tags
                     WHERE substr(reference, 1, length(?1)) = ?1 ORDER BY reference",
                )?
                .query_map([repository], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let mut found = Vec::new();
        for (name, id) in rows {
            let name = Reference::parse(&name)?;
            // The colon could be the port of another repository's registry.
            let is_of = name.repository() == reference.repository() && name.digest().is_none();
            if is_of && reference.tag().is_none_or(|tag| name.tag() == Some(tag)) {
                found.push((name, Digest::parse(&id)?));
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let repository = reference.familiar_repository();
        let name = reference.familiar();
        let missing = match reference.tag() {
            Some(tag) => {
                format!("An image does not exist locally with the tag: {repository}:{tag}")
            }
            None => format!("An image does not exist locally with the tag: {repository}"),
        };
        let is_id = reference.domain() == "docker.io" && self.find_id(&repository).is_ok();
        let hint = "; an id does not say where to: give the image a name with barque tag";
        let message = format!("{missing}{}", if is_id { hint } else { "" });
        Err(Error::new(ErrorKind::NotFound, message).about("image", name))
    }
}

/// The error of a push, with the repository's name where the registry only knows addresses.
fn refused(reference: &Reference, error: Error) -> Error {
    let (kind, reason) = (error.kind(), error.reason());
    if !matches!(reason, "denied" | "no_credentials") {
        return error;
    }
    let repository = reference.familiar_repository();
    Error::new(
        kind,
        format!(
            "push access denied for {repository}, repository does not exist or may require 'barque login': {error}"
        ),
    )
    .with_reason(reason)
    .about("image", reference.familiar())
}

/// One push of one tag.
pub(super) struct Push<'a> {
    pub(super) images: Images<'a>,
    pub(super) reference: &'a Reference,
    pub(super) repository: Repository,
    pub(super) canceller: Canceller,
    pub(super) progress: &'a Progress,
}

/// A blob that the registry is to have, held open: it may be removed meanwhile.
pub(super) struct Part {
    pub(super) file: File,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Push<'_> {
    fn engine(&self) -> &Engine {
        self.images.engine
    }

    fn image(&self, id: &Digest) -> Result<PushedTag> {
        let tag = self.reference.tag().unwrap_or("latest");
        let lease = Lease::take(self.engine().layout())?;
        let (bytes, manifest, known) = self.manifest(id)?;
        let (bytes, parts) = self.parts(bytes, manifest, known, &lease)?;
        self.send_all(&parts)?;
        failpoint("image-push-blobs")?;
        let digest = Digest::of(&bytes);
        let media_type = media_type(&bytes)?;
        self.repository.put_manifest(tag, &media_type, &bytes, &digest)?;
        failpoint("image-push-manifest")?;
        // Now a registry knows the image by this digest.
        self.engine().store().write(Durability::Full, |transaction| {
            // It may have been removed meanwhile.
            let sql = "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1)";
            match transaction.query_row(sql, [id.as_str()], |row| row.get(0))? {
                true => tag::set(transaction, &self.reference.at(&digest), id, clock::now()),
                false => Ok(()),
            }
        })?;
        // What cannot be written now (a full disk) the next command writes.
        let _ = index::bring_up_to_date(self.engine());
        let size = bytes.len();
        self.progress.say(format!("{tag}: digest: {digest} size: {size}"));
        let name = self.reference.familiar();
        events::image(self.engine(), "push", &name, &self.reference.familiar_repository());
        Ok(PushedTag {
            tag: tag.to_owned(),
            digest: digest.as_str().to_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
        })
    }

    /// The stored manifest, and whether some registry knows the image by it.
    fn manifest(&self, id: &Digest) -> Result<(Vec<u8>, Manifest, bool)> {
        let (digest, known): (String, bool) = self.engine().store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT manifest, EXISTS (SELECT 1 FROM tags WHERE image_id = images.id
                                              AND reference LIKE '%@' || images.manifest)
                     FROM images WHERE id = ?1",
                )?
                .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        let bytes = blob::read(self.engine().layout(), &Digest::parse(&digest)?)?;
        match Document::parse(&bytes)? {
            Document::Manifest(manifest) => Ok((bytes, manifest, known)),
            Document::Index(_) => Err(Error::internal("an image's manifest is an index")),
        }
    }

    /// What is to be sent, and the manifest that names it.
    fn parts(
        &self,
        bytes: Vec<u8>,
        manifest: Manifest,
        known: bool,
        lease: &Lease,
    ) -> Result<(Vec<u8>, Vec<Part>)> {
        let mut parts = Vec::new();
        // As a document, so that what else stands there (annotations) stays.
        let mut document: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::internal("read a manifest").because(error))?;
        let media_type = match manifest.media_type.contains("docker") {
            true => DOCKER_LAYER.to_owned(),
            false => format!("{LAYER}+gzip"),
        };
        let mut changed = false;
        for (number, layer) in manifest.layers.iter().enumerate() {
            let part = self.stored(layer)?;
            let head = blob::head(self.engine().layout(), &layer.digest)?;
            if known || Compression::of(&head) != Compression::Plain {
                self.progress.layer(layer.digest.short(), "Preparing");
                parts.push(part);
                continue;
            }
            self.progress.layer(layer.digest.short(), "Compressing");
            let part = self.compressed(part, lease)?;
            self.progress.layer(part.digest.short(), "Preparing");
            let row = &mut document["layers"][number];
            row["mediaType"] = media_type.as_str().into();
            row["digest"] = part.digest.as_str().into();
            row["size"] = part.size.into();
            changed = true;
            parts.push(part);
        }
        parts.push(self.stored(&manifest.config)?);
        if !changed {
            return Ok((bytes, parts));
        }
        let bytes = serde_json::to_vec(&document)
            .map_err(|error| Error::internal("write a manifest").because(error))?;
        Ok((bytes, parts))
    }

    fn stored(&self, blob: &Descriptor) -> Result<Part> {
        let path = blob::path(self.engine().layout(), &blob.digest);
        let failed = |error| Error::system(format!("open {}", path.display()), error);
        let file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Part { file, digest: blob.digest.clone(), size })
    }

    /// A plain layer, compressed into the lease and checked on the way.
    pub(super) fn compressed(&self, part: Part, lease: &Lease) -> Result<Part> {
        let path = lease.path().join(format!("gzip-{}", part.digest.hex()));
        let failed = |error| Error::system(format!("write {}", path.display()), error);
        // The same layer twice in an image.
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let mut out = Hashing::new(file.map_err(failed)?);
        let mut source = Hashing::new(part.file);
        gzip::compress(&mut source, &mut out, &|| self.canceller.check())?;
        part.digest.check(&source.hasher.finish(), "a stored layer").map_err(damaged)?;
        failpoint("image-push-compressed")?;
        Ok(Part { file: out.inner, digest: out.hasher.finish(), size: out.count })
    }

    /// Send what the registry lacks, several at a time. The first error is the one that counts.
    pub(super) fn send_all(&self, parts: &[Part]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let is_first =
                    !parts.iter().take_while(|other| !std::ptr::eq(*other, part)).any(|other| {
                        // A layer may be there twice.
                        other.digest == part.digest
                    });
                if !is_first {
                    continue;
                }
                if let Err(error) = self.send(part) {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    next.store(parts.len(), Ordering::Relaxed);
                    self.canceller.cancel();
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..SENDERS.min(parts.len()) {
                // Without another thread this one does it all (`scope.spawn` would panic).
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        self.engine().canceller().check()?;
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn send(&self, part: &Part) -> Result<()> {
        let id = part.digest.short();
        if self.repository.has_blob(&part.digest)? {
            self.progress.layer(id, "Layer already exists");
            return Ok(());
        }
        let mut begun = None;
        for from in self.mountable(&part.digest)? {
            match self.repository.mount(&part.digest, &from) {
                Ok(Begun::Mounted) => {
                    self.progress.layer(id, &format!("Mounted from {from}"));
                    return Ok(());
                }
                // It does not want to, and wants it the long way.
                Ok(Begun::At(upload)) => {
                    begun = Some(upload);
                    break;
                }
                // We may not read there.
                Err(_) => self.canceller.check()?,
            }
        }
        self.upload(part, begun)?;
        failpoint("image-push-blob")?;
        self.progress.layer(id, "Pushed");
        Ok(())
    }

    /// Repositories of the same registry that were pulled from, or pushed to, with this blob.
    fn mountable(&self, digest: &Digest) -> Result<Vec<String>> {
        let names: Vec<String> = self.engine().store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT DISTINCT reference FROM tags JOIN image_layers USING (image_id)
                     WHERE blob = ?1 AND reference LIKE '%@sha256:%' ORDER BY tagged DESC",
                )?
                .query_map([digest.as_str()], |row| row.get(0))?
                .collect()
        })?;
        let mut found = Vec::new();
        for name in names {
            let name = Reference::parse(&name)?;
            let here = name.domain() == self.reference.domain();
            let path = name.path().to_owned();
            if here && path != self.reference.path() && !found.contains(&path) {
                found.push(path);
            }
        }
        found.truncate(MOUNTS);
        Ok(found)
    }

    /// Upload a blob; a connection that was cut is gone on with from where the registry stands.
    fn upload(&self, part: &Part, mut begun: Option<Upload>) -> Result<()> {
        let mut failures = 0;
        'anew: loop {
            let mut upload = match begun.take() {
                Some(upload) => upload,
                None => self.repository.new_upload()?,
            };
            loop {
                let before = upload.offset;
                let sent = self
                    .rest(part, upload.offset)
                    .and_then(|mut rest| {
                        self.repository.send_rest(&mut upload, part.size, &mut rest)?;
                        rest.check(part)
                    })
                    .and_then(|()| self.repository.finish_upload(&upload, &part.digest));
                let Err(error) = sent else { return Ok(()) };
                if !registry::is_transient(&error) {
                    return Err(error);
                }
                failures += 1;
                if failures >= registry::ATTEMPTS {
                    return Err(error);
                }
                self.canceller.sleep(registry::back_off(failures))?;
                match self.repository.acknowledged(&mut upload) {
                    Ok(()) if upload.offset <= part.size => {
                        if upload.offset > before {
                            failures = 0;
                        }
                    }
                    // It forgot the session, or knows more than there is.
                    Ok(()) => continue 'anew,
                    Err(error) if error.reason() == "upload_lost" => continue 'anew,
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// A blob from `offset` on, the digest of what lies before computed again.
    fn rest<'b>(&'b self, part: &'b Part, offset: u64) -> Result<Rest<'b>> {
        let section = Section { file: &part.file, position: 0 };
        let mut source = Hashing::new(section);
        io::copy(&mut (&mut source).take(offset), &mut io::sink())
            .map_err(|error| Error::system("read a blob", error))?;
        let (progress, told) = (self.progress, Instant::now());
        Ok(Rest { source, progress, id: part.digest.short().to_owned(), size: part.size, told })
    }
}

/// A file from some byte on, whatever its descriptor's own position.
struct Section<'a> {
    file: &'a File,
    position: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// What is left to be sent of a blob.
struct Rest<'a> {
    source: Hashing<Section<'a>>,
    progress: &'a Progress,
    id: String,
    size: u64,
    told: Instant,
}

impl Rest<'_> {
    /// What was sent must be what the blob is called: the disk is outside, too.
    fn check(self, part: &Part) -> Result<()> {
        part.digest.check(&self.source.hasher.finish(), "a stored blob").map_err(damaged)
    }
}

impl Read for Rest<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if self.told.elapsed() >= TICK {
            self.told = Instant::now();
            self.progress.counted(&self.id, "Pushing", self.source.count, self.size);
        }
        Ok(read)
    }
}

fn damaged(error: Error) -> Error {
    Error::new(error.kind(), format!("{error}; load or pull the image again"))
        .with_reason("damaged_blob")
}

/// What a manifest is, as it says itself.
fn media_type(bytes: &[u8]) -> Result<String> {
    match Document::parse(bytes)? {
        Document::Manifest(manifest) if !manifest.media_type.is_empty() => Ok(manifest.media_type),
        _ => Ok(MANIFEST.to_owned()),
    }
}
