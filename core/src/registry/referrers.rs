//! What refers to an image at its registry: signatures, lists of parts, attestations (distribution-spec, "Listing Referrers").

use std::collections::BTreeMap;

use serde::Deserialize;
use ureq::http::StatusCode;

use super::http::Answer;
use super::repository::{Access, Repository};
use super::url::Url;
use super::{Registries, failure};
use crate::api::{Referrer, RegistryReferrers};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Digest, MAX_DOCUMENT, Reference, json};

const INDEX: (&str, &str) = ("accept", "application/vnd.oci.image.index.v1+json");

/// Most referrers that are read; a registry that goes on for ever is none.
const MOST: usize = 10_000;

/// A page of them, which is an index, and where the next one is.
struct Page {
    manifests: Vec<Row>,
    next: Option<Url>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    digest: Digest,
    size: u64,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Registries<'_> {
    /// What refers to an image at its registry, in the registry's order.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the registry has no such image, and whatever keeps it from answering.
    pub fn referrers(&self, request: &RegistryReferrers) -> Result<Vec<Referrer>> {
        let about = |error: Error| error.about("image", &request.name);
        let reference = Reference::parse(&request.name)?.or_latest();
        let found = || {
            let repository = self.repository(&reference, Access::Pull, request.auth.as_ref())?;
            let digest = match (reference.digest(), reference.tag()) {
                (Some(digest), _) => digest.clone(),
                (None, tag) => repository.manifest(tag.unwrap_or_default(), None)?.digest,
            };
            repository.referrers(&digest, &request.artifact_type)
        };
        found().map_err(about)
    }
}

impl Repository {
    fn referrers(&self, digest: &Digest, artifact_type: &str) -> Result<Vec<Referrer>> {
        let session = self.session();
        let mut url = session.url(format!("/v2/{}/referrers/{digest}", self.path()));
        if !artifact_type.is_empty() {
            url = url.with("artifactType", artifact_type);
        }
        let scope = self.scope(Access::Pull);
        let mut found = Vec::new();
        loop {
            let is_first = found.is_empty();
            let read = |answer: Answer| match answer.status {
                StatusCode::NOT_FOUND if is_first => Ok(None),
                status if status.is_success() => Page::read(answer).map(Some),
                _ => Err(failure::of(answer)),
            };
            let mut page = session.read(&url, &[INDEX], &scope, read)?;
            if page.is_none() {
                // A registry of before version 1.1 keeps them, if anybody does, below a tag that is made of the digest.
                let tag = digest.as_str().replace(':', "-");
                let url = session.url(format!("/v2/{}/manifests/{tag}", self.path()));
                page = session.read(&url, &[INDEX], &scope, read)?;
            }
            let Some(Page { manifests, next }) = page else { return Ok(found) };
            // The filter is a wish that a registry need not heed.
            let wanted = |row: &Row| artifact_type.is_empty() || row.artifact_type == artifact_type;
            found.extend(manifests.into_iter().filter(wanted).map(Referrer::from));
            match next {
                Some(next) if found.len() < MOST => url = next,
                _ => return Ok(found),
            }
        }
    }
}

impl Page {
    fn read(answer: Answer) -> Result<Page> {
        let next = next(&answer)?;
        let index: Index = json::parse(&answer.document(MAX_DOCUMENT)?, "index of referrers")?;
        Ok(Page { manifests: index.manifests, next })
    }
}

impl From<Row> for Referrer {
    fn from(row: Row) -> Referrer {
        Referrer {
            digest: row.digest.to_string(),
            media_type: row.media_type,
            artifact_type: row.artifact_type,
            size: i64::try_from(row.size).unwrap_or(i64::MAX),
            annotations: row.annotations.unwrap_or_default(),
        }
    }
}

/// The next page: `Link: <…>; rel="next"` (RFC 8288), at the same registry and nowhere else.
fn next(answer: &Answer) -> Result<Option<Url>> {
    let Some(link) = answer.header("link").filter(|link| link.contains("rel=\"next\"")) else {
        return Ok(None);
    };
    let target = link.trim().strip_prefix('<').and_then(|rest| rest.split_once('>'));
    let next = target.and_then(|(target, _)| answer.url.join(target).ok());
    match next.filter(|next| next.origin == answer.url.origin && *next != answer.url) {
        Some(next) => Ok(Some(next)),
        None => Err(Error::new(
            ErrorKind::Unavailable,
            format!("{}: its next page is none of this registry's", answer.url),
        )
        .with_reason("bad_redirect")),
    }
}
