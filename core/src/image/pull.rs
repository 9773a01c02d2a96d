//! Pulling: from a name to an image, by way of its registry.
//!
//! Nothing that comes is believed: a manifest by its digest (the asked one, or the one its tag is told to have), the configuration by the
//! manifest, each layer by both. What is here already is not fetched, and what another process is fetching is waited for
//! ([`super::ingest`]). Layers come several at a time and are unpacked while they come ([`super::download`]); the image appears all at
//! once, when everything is there ([`super::publish`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::OptionalExtension;

use super::content::Content;
use super::digest::{Digest, chain_id};
use super::download::Download;
use super::ingest;
use super::manifest::{CONFIG, DOCKER_CONFIG, Descriptor, Document, Manifest, Platform};
use super::publish::Published;
use super::reference::Reference;
use super::staging::{Found, Staging};
use super::{ImageConfig, Images, blob, index, sound, tag};
use crate::Engine;
use crate::api::{ImagePull, ImagePulled};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::progress::{self, Progress};
use crate::registry::{Access, Fetched, Login, Place, Repository, Settings};
use crate::store::Durability;
use crate::store::lease::Lease;
use crate::stream::{Canceller, Stream};
use crate::sys::clock;

/// How many blobs are fetched at a time: Docker's number.
const FETCHERS: usize = 3;

/// How deep indexes may lie in indexes.
const MAX_DEPTH: usize = 2;

/// When a registry is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Always,
    Missing,
    Never,
}

impl Policy {
    /// Read one; empty: `otherwise`.
    pub(crate) fn parse(text: &str, otherwise: Policy) -> Result<Policy> {
        match text {
            "" => Ok(otherwise),
            "always" => Ok(Policy::Always),
            "missing" => Ok(Policy::Missing),
            "never" => Ok(Policy::Never),
            _ => Err(Error::invalid(format!(
                "invalid pull option: '{text}': must be one of \"always\", \"missing\" or \"never\""
            ))
            .about("field", "Pull")),
        }
    }
}

/// What is to be pulled.
#[derive(Clone)]
struct Wanted {
    reference: Reference,
    /// The platform that was asked for, or none.
    platform: Option<Platform>,
    login: Option<Login>,
    policy: Policy,
}

impl Images<'_> {
    /// Fetch an image from its registry. The stream tells how it goes ([`Progress`](crate::api::Progress)), and at last what was
    /// pulled ([`ImagePulled`]). The pull goes on whether the stream is read or not, until it is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a malformed name. What the registry refuses comes by the stream: see `docs/errors.md`.
    pub fn pull(&self, request: &ImagePull) -> Result<Stream> {
        let wanted = Wanted::of(request)?;
        progress::stream(self.engine, move |engine, progress| {
            engine.images().pulled(&wanted, progress)
        })
    }

    /// Have the image `name`, as `policy` says.
    pub(crate) fn ensure(&self, name: &str, platform: &str, policy: Policy) -> Result<()> {
        if policy == Policy::Never || (policy == Policy::Missing && self.find_id(name).is_ok()) {
            return Ok(());
        }
        let request = ImagePull {
            name: name.to_owned(),
            platform: platform.to_owned(),
            ..ImagePull::default()
        };
        let wanted = Wanted { policy, ..Wanted::of(&request)? };
        self.pulled(&wanted, &Progress::none()).map(drop)
    }

    fn pulled(&self, wanted: &Wanted, progress: &Progress) -> Result<ImagePulled> {
        let name = wanted.reference.familiar();
        if wanted.policy != Policy::Always {
            match self.resolve_id(&name) {
                Ok((id, _)) => {
                    progress.say(format!("Status: Image is up to date for {name}"));
                    return Ok(ImagePulled {
                        id: id.as_str().to_owned(),
                        name: wanted.reference.to_string(),
                        ..ImagePulled::default()
                    });
                }
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Err(error) if wanted.policy == Policy::Never => return Err(error),
                Err(_) => {}
            }
        }
        let settings = Settings::read(self.engine)?;
        let login = |registry: &str| match &wanted.login {
            // Credentials that were given are for the registry of the name, and not for a mirror of it.
            Some(login) if registry == wanted.reference.domain() => Ok(Some(login.clone())),
            Some(_) => Ok(None),
            None => Login::stored(registry, self.engine.canceller()),
        };
        let canceller = self.engine.canceller();
        let reference = &wanted.reference;
        let places = Repository::places(canceller, &settings, reference, Access::Pull, &login)?;
        let mut last = Error::internal("no place to pull from");
        for (number, place) in places.iter().enumerate() {
            match self.from(place, &settings, wanted, progress) {
                Ok(pulled) => return Ok(pulled),
                Err(error) => {
                    canceller.check()?;
                    if number + 1 < places.len() {
                        progress.say(format!("{}: {error}", place.registry()));
                    }
                    last = error;
                }
            }
        }
        Err(refused(wanted, last))
    }

    /// Pull from one place, once more when what an earlier pull had left turned out to be damaged: it is gone then.
    fn from(
        &self,
        place: &Place,
        settings: &Settings,
        wanted: &Wanted,
        progress: &Progress,
    ) -> Result<ImagePulled> {
        let pull = || {
            // Of its own: what is asked for one attempt ends when that has failed.
            let canceller = self.engine.canceller().child()?;
            let repository = Repository::at(place, &canceller, settings, &wanted.reference);
            Pull { images: *self, wanted, repository, canceller, progress }.image()
        };
        match pull() {
            Err(error) if error.reason() == "damaged_part" => {
                self.engine.canceller().check()?;
                pull()
            }
            pulled => pulled,
        }
    }
}

/// The error of a pull, with the image's name where the registry only knows addresses.
fn refused(wanted: &Wanted, error: Error) -> Error {
    let name = wanted.reference.familiar();
    let repository = wanted.reference.familiar_repository();
    let (kind, reason) = (error.kind(), error.reason());
    match (kind, reason) {
        (ErrorKind::NotFound, "not_found") => {
            Error::new(kind, format!("manifest for {name} not found: {error}"))
        }
        (ErrorKind::Unauthorized | ErrorKind::PermissionDenied, "denied" | "no_credentials") => {
            Error::new(
                kind,
                format!(
                    "pull access denied for {repository}, repository does not exist or may require 'barque login': {error}"
                ),
            )
        }
        _ => return error,
    }
    .with_reason(reason)
    .about("image", name)
}

impl Wanted {
    fn of(request: &ImagePull) -> Result<Wanted> {
        let login = request.auth.as_ref().map(Login::given).transpose()?;
        let platform = match request.platform.as_str() {
            "" => None,
            text => Some(Platform::parse(text)?),
        };
        Ok(Wanted {
            reference: Reference::parse(&request.name)?.or_latest(),
            platform,
            login,
            policy: Policy::parse(&request.policy, Policy::Always)?,
        })
    }
}

/// One pull from one place.
struct Pull<'a> {
    images: Images<'a>,
    wanted: &'a Wanted,
    repository: Repository,
    canceller: Canceller,
    progress: &'a Progress,
}

impl Pull<'_> {
    fn engine(&self) -> &Engine {
        self.images.engine
    }

    fn image(&self) -> Result<ImagePulled> {
        let reference = &self.wanted.reference;
        let what = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.as_str().to_owned(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        self.progress.about(&what, format!("Pulling from {}", reference.path()));
        if let Some(id) = self.is_current(&what)? {
            return Ok(id);
        }
        let top = self.repository.manifest(&what, reference.digest())?;
        failpoint("image-pull-manifest")?;
        let (manifest, bytes) = self.choose(&top)?;
        let config_type = manifest.config.media_type.as_str();
        if !matches!(config_type, "" | CONFIG | DOCKER_CONFIG) {
            return Err(Error::unsupported(format!(
                "{} is no image to run: its configuration is {config_type}",
                reference.familiar()
            ))
            .with_reason("not_an_image"));
        }
        let id = &manifest.config.digest;
        let mut names = vec![reference.at(&top.digest)];
        if reference.digest().is_none() {
            names.push(reference.clone());
        }
        let is_here = sound::image(self.engine(), id)? && self.name_known(id, &names)?;
        let (downloaded, warnings) = match is_here {
            true => (false, Vec::new()),
            false => {
                let config = self.repository.small_blob(id, manifest.config.size)?;
                // What it counted on may have been removed while the rest came.
                let warnings = loop {
                    if let Some(warnings) = self.layers(&config, &bytes, &manifest, &names)? {
                        break warnings;
                    }
                };
                (true, warnings)
            }
        };
        Ok(self.answer(id, &top.digest, downloaded, warnings))
    }

    fn answer(
        &self,
        id: &Digest,
        digest: &Digest,
        downloaded: bool,
        warnings: Vec<String>,
    ) -> ImagePulled {
        let name = self.wanted.reference.familiar();
        let full = self.wanted.reference.to_string();
        self.progress.say(format!("Digest: {digest}"));
        let how = if downloaded { "Downloaded newer image for" } else { "Image is up to date for" };
        self.progress.say(format!("Status: {how} {name}"));
        let repository = self.wanted.reference.familiar_repository();
        events::image(self.engine(), "pull", &name, &repository);
        let (id, digest) = (id.as_str().to_owned(), digest.as_str().to_owned());
        ImagePulled { id, name: full, digest, downloaded, warnings }
    }

    /// The answer, when the tag here stands for what it does there and the image is whole: asked without fetching (which registries count and limit).
    fn is_current(&self, tag: &str) -> Result<Option<ImagePulled>> {
        let reference = &self.wanted.reference;
        if reference.digest().is_some() || self.wanted.platform.is_some() {
            return Ok(None);
        }
        let Ok((id, _)) = self.images.find_id(&reference.to_string()) else { return Ok(None) };
        let Some(digest) = self.repository.resolve(tag)? else { return Ok(None) };
        let known: Option<String> = self.engine().store().read(|connection| {
            connection
                .prepare_cached("SELECT image_id FROM tags WHERE reference = ?1")?
                .query_row([reference.at(&digest).to_string()], |row| row.get(0))
                .optional()
        })?;
        let same = known.as_deref() == Some(id.as_str()) && sound::image(self.engine(), &id)?;
        Ok(same.then(|| self.answer(&id, &digest, false, Vec::new())))
    }

    /// The manifest for the wanted platform that a document is, or leads to.
    fn choose(&self, top: &Fetched) -> Result<(Manifest, Vec<u8>)> {
        let machine = self.wanted.platform.clone().unwrap_or_else(Platform::this);
        let mut bytes = top.bytes.clone();
        for _ in 0..=MAX_DEPTH {
            let entries = match Document::parse(&bytes)? {
                Document::Manifest(manifest) => return Ok((manifest, bytes)),
                Document::Index(entries) => entries,
            };
            // Attestations and the like have a platform that is none.
            let fitness = |entry: &Descriptor| match &entry.platform {
                Some(platform) => platform.fitness(&machine),
                None => Some(0),
            };
            let best = entries
                .into_iter()
                .filter_map(|entry| Some((fitness(&entry)?, entry)))
                // The first of equals.
                .rev()
                .max_by_key(|(fitness, _)| *fitness);
            let Some((_, entry)) = best else {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    format!("no matching manifest for {machine} in the manifest list entries"),
                )
                .with_reason("no_platform")
                .about("image", self.wanted.reference.familiar()));
            };
            bytes = self.repository.manifest(entry.digest.as_str(), Some(&entry.digest))?.bytes;
            if bytes.len() as u64 != entry.size {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("manifest {} is not as long as its index says", entry.digest),
                )
                .with_reason("size_mismatch"));
            }
        }
        Err(Error::new(ErrorKind::Corrupt, "an index of indexes of indexes is no image")
            .with_reason("too_deep"))
    }

    /// Give an image that is here its names; whether it is.
    fn name_known(&self, id: &Digest, names: &[Reference]) -> Result<bool> {
        let known = self.engine().store().write(Durability::Full, |transaction| {
            let known =
                transaction.execute("UPDATE images SET hidden = 0 WHERE id = ?1", [id.as_str()])?;
            if known != 0 {
                let now = clock::now();
                for name in names {
                    tag::set(transaction, name, id, now)?;
                }
            }
            Ok(known != 0)
        })?;
        // The names are given, whatever becomes of the copy that others read; the next reconciliation tries again.
        let _ = index::bring_up_to_date(self.engine());
        Ok(known)
    }

    /// Fetch and unpack what is missing, and publish the image. `None`: something that was here when it began is not any more.
    fn layers(
        &self,
        config: &[u8],
        bytes: &[u8],
        manifest: &Manifest,
        names: &[Reference],
    ) -> Result<Option<Vec<String>>> {
        let engine = self.engine();
        let document = ImageConfig::parse(config)?;
        self.check_platform(&document)?;
        let mut chains: Vec<Digest> = Vec::new();
        for diff_id in &document.rootfs.diff_ids {
            chains.push(chain_id(chains.last(), diff_id));
        }
        let lease = Lease::take(engine.layout())?;
        let mut staging = Staging::new(engine, &lease);
        let missing = self.missing(&mut staging, &chains, &manifest.layers)?;
        let mut downloads = BTreeMap::new();
        let rights = ingest::take_all(engine, &missing, |digest| {
            self.progress.layer(digest.short(), "Waiting");
        })?;
        // Meanwhile somebody else may have published them.
        let missing = self.missing(&mut staging, &chains, &manifest.layers)?;
        for right in rights {
            let layer = manifest.layers.iter().find(|layer| right.is_for(&layer.digest));
            if let Some(layer) = layer.filter(|layer| missing.contains(&layer.digest)) {
                let download = Download::new(layer, right, self.progress)?;
                downloads.insert(layer.digest.clone(), Arc::new(download));
            }
        }
        let mut contents = Vec::new();
        let mut order = Vec::new();
        for layer in &manifest.layers {
            let content = match downloads.get(&layer.digest) {
                Some(download) => {
                    if !order.iter().any(|known| Arc::ptr_eq(known, download)) {
                        order.push(Arc::clone(download));
                        self.progress.layer(layer.digest.short(), "Pulling fs layer");
                    }
                    Content::Coming(Arc::clone(download))
                }
                None => {
                    self.progress.layer(layer.digest.short(), "Already exists");
                    stored(engine, layer)?
                }
            };
            contents.push((content, Some(layer.digest.clone())));
        }
        failpoint("image-pull-taken")?;
        let found = Found {
            names: names.to_vec(),
            config: config.to_vec(),
            manifest: Some(bytes.to_vec()),
            layers: contents,
        };
        let publication = self.fetch_and_stage(&order, || staging.image(found))?;
        failpoint("image-pull-staged")?;
        Ok(match staging.publish_staged(&[publication])? {
            Published::Done => Some(staging.warnings().collect()),
            Published::Lacking => None,
        })
    }

    /// The blobs that have to be fetched.
    fn missing(
        &self,
        staging: &mut Staging<'_>,
        chains: &[Digest],
        layers: &[Descriptor],
    ) -> Result<Vec<Digest>> {
        let mut missing = Vec::new();
        for (number, layer) in layers.iter().enumerate() {
            let unpacked = match chains.get(number) {
                Some(chain) => staging.has(chain, &layer.digest)?,
                None => false,
            };
            if !unpacked && !is_stored(self.engine(), &layer.digest)? {
                missing.push(layer.digest.clone());
            }
        }
        Ok(missing)
    }

    /// An image for another platform than was asked for is refused: its programs would not run.
    fn check_platform(&self, config: &ImageConfig) -> Result<()> {
        let Some(wanted) = &self.wanted.platform else { return Ok(()) };
        let has = Platform {
            os: config.os.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
        };
        if has.fitness(wanted).is_some() {
            return Ok(());
        }
        let name = self.wanted.reference.familiar();
        Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "image with reference {name} was found but its platform ({}/{}) does not match the specified platform ({}/{})",
                has.os, has.architecture, wanted.os, wanted.architecture
            ),
        )
        .with_reason("platform_mismatch")
        .about("image", name))
    }

    /// Fetch in threads of their own and stage in this one. When one fails the other ends, and the first error is the one that counts.
    fn fetch_and_stage<T>(
        &self,
        downloads: &[Arc<Download>],
        stage: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(download) = downloads.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.canceller.is_cancelled() {
                    download.give_up();
                } else {
                    download.fetch(&self.repository, &self.canceller);
                }
            }
        };
        let staged = std::thread::scope(|scope| {
            let mut fetching = false;
            for _ in 0..FETCHERS.min(downloads.len()) {
                fetching |= std::thread::Builder::new().spawn_scoped(scope, work).is_ok();
            }
            if !fetching {
                work();
            }
            let staged = stage();
            if staged.is_err() {
                self.canceller.cancel();
            }
            staged
        });
        self.engine().canceller().check()?;
        staged.map_err(|error| {
            let first = downloads.iter().filter_map(|download| download.take_failure());
            first.into_iter().find(|first| first.kind() != ErrorKind::Cancelled).unwrap_or(error)
        })
    }
}

/// Whether the store has the blob, whole.
fn is_stored(engine: &Engine, digest: &Digest) -> Result<bool> {
    let size: Option<i64> = engine.store().read(|connection| {
        connection
            .prepare_cached("SELECT size FROM blobs WHERE digest = ?1")?
            .query_row([digest.as_str()], |row| row.get(0))
            .optional()
    })?;
    size.map_or(Ok(false), |size| sound::blob(engine, digest, size))
}

/// A stored blob, held open: it may be removed meanwhile.
fn stored(engine: &Engine, layer: &Descriptor) -> Result<Content> {
    let path = blob::path(engine.layout(), &layer.digest);
    let failed = |error| Error::system(format!("open {}", path.display()), error);
    let file = File::open(&path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    Ok(Content::Range { file: Arc::new(file), offset: 0, size })
}
