//! Loading images: from what `docker save`, `podman save` and skopeo write, and from OCI layouts.
//!
//! Two shapes. An *OCI layout* (image-spec, image-layout.md) has `index.json`, whose descriptors lead to manifests; a *docker archive* has
//! `manifest.json`, whose rows name files. Docker writes both into one archive since version 25: then the index is followed, since it
//! keeps manifests as they are, and `manifest.json` only adds names.

use std::collections::{BTreeMap, BTreeSet};

use super::Images;
use super::content::{self, Content, Contents};
use super::digest::Digest;
use super::index::{NAME, REF_NAME};
use super::json;
use super::manifest::{Descriptor, Document, Manifest, Platform, SavedImage};
use super::publish::Publication;
use super::reference::Reference;
use super::staging::{Found, Staging};
use crate::Engine;
use crate::api::{ImageLoad, ImageLoaded, Input, LoadedImage};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::store::lease::Lease;

/// How deep indexes may lie in indexes.
const MAX_DEPTH: usize = 2;

impl Images<'_> {
    /// Load images from an archive or a layout.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for a missing path, [`ErrorKind::Corrupt`] for an archive that is damaged or not one,
    /// [`ErrorKind::ResourceExhausted`] when there is no room. The store is then as it was.
    pub fn load(&self, request: &ImageLoad) -> Result<ImageLoaded> {
        self.load_from(request).map_err(content::blame(&request.input))
    }

    fn load_from(&self, request: &ImageLoad) -> Result<ImageLoaded> {
        let lease = Lease::take(self.engine.layout())?;
        let contents = Contents::open(&request.input, &lease, self.engine.canceller())?;
        let mut warnings = Vec::new();
        let found = find(&contents, &mut warnings)?;
        if found.is_empty() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "the archive has no image for this machine",
            )
            .with_reason("no_image"));
        }
        let mut staging = Staging::new(self.engine, &lease);
        let images = staging.publish(&found)?;
        warnings.extend(staging.warnings());
        for image in &images {
            let id = image.id.as_str();
            events::image(self.engine, "load", id, id);
        }
        Ok(ImageLoaded { images: images.iter().map(loaded).collect(), warnings })
    }
}

/// An image among those of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Digest(Digest),
    Tag(String),
    /// The only one, or that which is called `latest`.
    Only,
}

impl Which {
    /// The descriptor of it.
    fn among(&self, entries: Vec<Descriptor>) -> Result<Descriptor> {
        let is_called = |entry: &Descriptor, tag: &str| {
            let annotations = entry.annotations.as_ref();
            let name = annotations.and_then(|all| all.get(REF_NAME)).map_or("", String::as_str);
            // A tag alone, or a whole name (`docker save`, skopeo).
            name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag)
        };
        let only = entries.len() == 1 && *self == Which::Only;
        let found = entries.into_iter().find(|entry| match self {
            Which::Digest(digest) => entry.digest == *digest,
            Which::Tag(tag) => is_called(entry, tag),
            Which::Only => only || is_called(entry, "latest"),
        });
        found.ok_or_else(|| {
            let which = match self {
                Which::Digest(digest) => format!("image {digest}"),
                Which::Tag(tag) => format!("image with the tag {tag}"),
                Which::Only => "image with the tag latest, and not one alone".to_owned(),
            };
            Error::new(ErrorKind::NotFound, format!("the layout has no {which}"))
        })
    }
}

/// Have an image of a layout in the store, without a name; `before` is told its id. The id.
pub(super) fn from_layout(
    engine: &Engine,
    path: &str,
    which: &Which,
    before: impl FnOnce(&Digest) -> Result<()>,
) -> Result<Digest> {
    let input = &Input { path: path.to_owned(), fd: None };
    let load = move || {
        let lease = Lease::take(engine.layout())?;
        let contents = Contents::open(input, &lease, engine.canceller())?;
        let index = contents.get("index.json")?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "this is not an OCI layout: it has no index.json")
                .with_reason("not_an_image_archive")
        })?;
        let Document::Index(entries) = Document::parse(&index.document("index.json")?)? else {
            return Err(Error::new(ErrorKind::Corrupt, "index.json is not an index"));
        };
        let entry = which.among(entries)?;
        let mut layout =
            Layout { contents: &contents, machine: Platform::this(), seen: BTreeSet::new() };
        let manifest = layout.choose(&entry, 0)?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, "the layout has no image for this machine")
                .with_reason("no_image")
        })?;
        let found = layout.image(&manifest, Vec::new())?;
        before(&Digest::of(&found.config))?;
        let published = Staging::new(engine, &lease).publish(&[found])?;
        let image = published.into_iter().next();
        image.map(|image| image.id).ok_or_else(|| Error::internal("a layout without an image"))
    };
    load().map_err(content::blame(input))
}

fn loaded(image: &Publication) -> LoadedImage {
    LoadedImage {
        id: image.id.as_str().to_owned(),
        names: image.names.iter().map(Reference::familiar).collect(),
    }
}

/// The images of an archive or layout.
fn find(contents: &Contents, warnings: &mut Vec<String>) -> Result<Vec<Found>> {
    let saved = match contents.get("manifest.json")? {
        Some(content) => {
            json::parse::<Vec<SavedImage>>(&content.document("manifest.json")?, "manifest.json")?
        }
        None => Vec::new(),
    };
    if let Some(content) = contents.get("index.json")? {
        let index = content.document("index.json")?;
        return Layout { contents, machine: Platform::this(), seen: BTreeSet::new() }
            .images(&index, &saved, warnings);
    }
    if saved.is_empty() {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "this is not an image archive: it has neither manifest.json nor index.json",
        )
        .with_reason("not_an_image_archive"));
    }
    saved.iter().map(|image| docker(contents, image)).collect()
}

/// An image of a docker archive.
fn docker(contents: &Contents, image: &SavedImage) -> Result<Found> {
    let get = |name: &str| -> Result<Content> {
        contents.get(name)?.ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("manifest.json names {name:?}, which the archive does not have"),
            )
        })
    };
    let config = get(&image.config)?.document("an image configuration")?;
    // The file's name is the digest, as `HEX.json` or `blobs/sha256/HEX`: content that is another is not what was saved.
    let stem = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if let Ok(named) = Digest::parse(&format!("sha256:{stem}")) {
        named.check(&Digest::of(&config), "an image configuration")?;
    }
    let layers = image.layers.as_deref().unwrap_or_default();
    Ok(Found {
        names: names(image.repo_tags.as_deref().unwrap_or_default())?,
        config,
        manifest: None,
        layers: layers.iter().map(|name| Ok((get(name)?, None))).collect::<Result<_>>()?,
    })
}

fn names(tags: &[String]) -> Result<Vec<Reference>> {
    tags.iter().map(|tag| Ok(Reference::parse_tag(tag)?.or_latest())).collect()
}

/// An OCI layout.
struct Layout<'a> {
    contents: &'a Contents,
    machine: Platform,
    /// Indexes that were followed: one that stands in many places is followed once (CVE-2026-53493).
    seen: BTreeSet<Digest>,
}

impl Layout<'_> {
    fn images(
        mut self,
        index: &[u8],
        saved: &[SavedImage],
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Found>> {
        let Document::Index(entries) = Document::parse(index)? else {
            return Err(Error::new(ErrorKind::Corrupt, "index.json is not an index"));
        };
        let mut images: Vec<(Digest, Found)> = Vec::new();
        for entry in entries {
            let Some(manifest) = self.choose(&entry, 0)? else { continue };
            let mut names = annotated(&entry, warnings);
            if let Some((_, image)) =
                images.iter_mut().find(|(digest, _)| *digest == manifest.digest)
            {
                image.names.append(&mut names);
                continue;
            }
            images.push((manifest.digest.clone(), self.image(&manifest, names)?));
        }
        // Names that only manifest.json tells.
        let told: BTreeMap<String, &SavedImage> = saved
            .iter()
            .filter_map(|image| {
                Some((image.config.rsplit('/').next()?.trim_end_matches(".json").to_owned(), image))
            })
            .collect();
        for (_, image) in &mut images {
            if let Some(saved) = told.get(Digest::of(&image.config).hex()) {
                for name in self::names(saved.repo_tags.as_deref().unwrap_or_default())? {
                    if !image.names.iter().any(|known| known.to_string() == name.to_string()) {
                        image.names.push(name);
                    }
                }
            }
        }
        Ok(images.into_iter().map(|(_, image)| image).collect())
    }

    /// The manifest for this machine that a descriptor leads to.
    fn choose(&mut self, entry: &Descriptor, depth: usize) -> Result<Option<Descriptor>> {
        // Attestations and the like stand beside images, for a platform that is none.
        let is_image = entry.platform.as_ref().is_none_or(|platform| platform.os != "unknown");
        if !is_image || depth > MAX_DEPTH {
            return Ok(None);
        }
        let entries = match Document::parse(&self.document(entry)?)? {
            Document::Manifest(_) => return Ok(Some(entry.clone())),
            Document::Index(entries) => entries,
        };
        if !self.seen.insert(entry.digest.clone()) {
            return Ok(None);
        }
        let fitness = |entry: &Descriptor| match &entry.platform {
            Some(platform) => platform.fitness(&self.machine),
            None => Some(0),
        };
        let mut candidates: Vec<(u8, Descriptor)> =
            entries.into_iter().filter_map(|entry| Some((fitness(&entry)?, entry))).collect();
        candidates.sort_by_key(|(fitness, _)| std::cmp::Reverse(*fitness));
        for (_, candidate) in candidates {
            // An archive of a multi-platform image often holds one platform only.
            if self.contents.get(&format!("blobs/sha256/{}", candidate.digest.hex()))?.is_none() {
                continue;
            }
            if let Some(manifest) = self.choose(&candidate, depth + 1)? {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    fn image(&self, entry: &Descriptor, names: Vec<Reference>) -> Result<Found> {
        let bytes = self.document(entry)?;
        let Document::Manifest(Manifest { config, layers, .. }) = Document::parse(&bytes)? else {
            return Err(Error::internal("a manifest turned into an index"));
        };
        let config = self.document(&config)?;
        let layers = layers
            .iter()
            .map(|layer| {
                let content = self.contents.blob(&layer.digest)?;
                check_size(layer, &content)?;
                Ok((content, Some(layer.digest.clone())))
            })
            .collect::<Result<_>>()?;
        Ok(Found { names, config, manifest: Some(bytes), layers })
    }

    /// The small document that a descriptor leads to, checked.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let content = self.contents.blob(&descriptor.digest)?;
        check_size(descriptor, &content)?;
        let bytes = content.document("a document of the image")?;
        descriptor.digest.check(&Digest::of(&bytes), "a document of the image")?;
        Ok(bytes)
    }
}

fn check_size(descriptor: &Descriptor, content: &Content) -> Result<()> {
    if descriptor.size == content.size() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!(
            "blob {} has {} bytes, its descriptor says {}",
            descriptor.digest,
            content.size(),
            descriptor.size
        ),
    )
    .with_reason("size_mismatch"))
}

/// The names in a descriptor's annotations. Docker's and containerd's is a whole one, OCI's `ref.name` is whatever its writer took
/// for one, and often a tag alone, which names nothing.
fn annotated(entry: &Descriptor, warnings: &mut Vec<String>) -> Vec<Reference> {
    let Some(annotations) = &entry.annotations else { return Vec::new() };
    let name = match (annotations.get(NAME), annotations.get(REF_NAME)) {
        (Some(name), _) => name,
        (None, Some(name)) if name.contains([':', '/']) => name,
        _ => return Vec::new(),
    };
    match Reference::parse_tag(name) {
        Ok(reference) => vec![reference.or_latest()],
        Err(error) => {
            warnings.push(format!("an image's name was left out: {error}"));
            Vec::new()
        }
    }
}
