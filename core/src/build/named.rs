//! Contexts with names (`--build-context NAME=…`): they stand for stages and images of that name, in `FROM` and in `from`.
//!
//! An image stands for its name in all of its spellings, as with BuildKit: `alpine` is `docker.io/library/alpine:latest`. A directory's own
//! `.dockerignore` holds for it.

use std::collections::BTreeMap;

use super::context::Context;
use crate::Engine;
use crate::api::Input;
use crate::error::{Error, Result};
use crate::image::content::{self, Opened};
use crate::image::{Build, Digest, ImageHandle, Reference, Which};
use crate::store::lease::Lease;

/// What was asked for, by the name that it stands for.
pub(super) type Wanted = BTreeMap<String, Source>;

/// What a context is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A directory or an archive.
    Files(String),
    Image(String),
    /// An image in an OCI layout.
    Layout {
        path: String,
        image: Which,
    },
}

/// The contexts of a build.
#[derive(Default)]
pub(super) struct Contexts {
    images: Wanted,
    files: BTreeMap<String, Context>,
}

/// A context, as it is used.
pub(super) enum Named<'a> {
    Files(&'a Context),
    Image(Box<ImageHandle>),
}

/// Read what was asked for.
pub(super) fn check(contexts: &BTreeMap<String, String>) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    for (name, value) in contexts {
        let key = key(name)
            .ok_or_else(|| Error::invalid(format!("invalid name of a build context: {name:?}")))?;
        wanted.insert(key, source(name, value)?);
    }
    Ok(wanted)
}

/// What a name is known by; `None`: it can be nobody's.
pub(super) fn key(name: &str) -> Option<String> {
    let familiar = Reference::parse(name).ok()?.or_latest().familiar();
    Some(familiar.strip_suffix(":latest").map_or(familiar.clone(), str::to_owned))
}

fn source(name: &str, value: &str) -> Result<Source> {
    if let Some(image) = value.strip_prefix("docker-image://") {
        Reference::parse(image)?;
        return Ok(Source::Image(image.to_owned()));
    }
    if let Some(layout) = value.strip_prefix("oci-layout://") {
        return self::layout(layout);
    }
    let wrong = |what: &str| Error::invalid(format!("the build context {name:?} {what}"));
    match value.split_once("://") {
        _ if value.is_empty() => Err(wrong("is of nothing")),
        Some((scheme, _)) => Err(Error::unsupported(format!(
            "the build context {name:?} is at a URL of {scheme}, which is not supported; \
             use a directory, an archive, docker-image:// or oci-layout://"
        ))),
        None => Ok(Source::Files(value.to_owned())),
    }
}

/// `PATH[:TAG][@DIGEST]`.
fn layout(text: &str) -> Result<Source> {
    if let Some((path, digest)) = text.rsplit_once('@').filter(|(_, at)| at.contains(':')) {
        let path = tagged(path).map_or(path, |(path, _)| path).to_owned();
        return Ok(Source::Layout { path, image: Which::Digest(Digest::parse(digest)?) });
    }
    Ok(match tagged(text) {
        Some((path, tag)) => {
            Source::Layout { path: path.to_owned(), image: Which::Tag(tag.to_owned()) }
        }
        None => Source::Layout { path: text.to_owned(), image: Which::Only },
    })
}

fn tagged(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))
}

/// Open those that are files, while paths still mean what the caller means.
pub(super) fn open(wanted: &Wanted) -> Result<BTreeMap<String, Opened>> {
    let mut opened = BTreeMap::new();
    for (name, source) in wanted {
        if let Source::Files(path) = source {
            let input = Input { path: path.clone(), fd: None };
            opened.insert(name.clone(), content::open_input(&input)?);
        }
    }
    Ok(opened)
}

impl Contexts {
    /// Make directories of what was opened.
    pub(super) fn new(
        engine: &Engine,
        lease: &Lease,
        wanted: &Wanted,
        opened: BTreeMap<String, Opened>,
    ) -> Result<Contexts> {
        let mut files = BTreeMap::new();
        for (number, (name, opened)) in opened.into_iter().enumerate() {
            let mut context =
                Context::open(engine, lease, &format!("context-{number}"), Some(opened))
                    .and_then(Context::without_text)
                    .map_err(|error| error.within(format!("build context {name:?}")))?;
            context.ignore = context.ignored()?;
            files.insert(name, context);
        }
        Ok(Contexts { images: wanted.clone(), files })
    }

    /// The context that stands for a name, if there is one. An image is fetched if it is not here.
    pub(super) fn find(
        &self,
        engine: &Engine,
        build: &Build,
        name: &str,
        (platform, fresh): (&str, bool),
    ) -> Result<Option<Named<'_>>> {
        let Some(key) = key(name) else { return Ok(None) };
        if let Some(context) = self.files.get(&key) {
            return Ok(Some(Named::Files(context)));
        }
        Ok(match self.images.get(&key) {
            Some(Source::Image(image)) => {
                Some(Named::Image(Box::new(build.base(engine, image, platform, fresh)?)))
            }
            Some(Source::Layout { path, image }) => {
                Some(Named::Image(Box::new(build.of_layout(engine, path, image)?)))
            }
            Some(Source::Files(_)) | None => None,
        })
    }
}
