//! Writing to a repository: blobs by upload sessions, then the manifest that names them (distribution-spec, "Push").
//!
//! A blob goes in one `PATCH` from wherever the registry says it stands, and the session is closed with the digest. So a cut connection costs what
//! was not acknowledged, and a registry that expects all in one piece gets just that. Where a session is, the registry says anew with each
//! answer; credentials go there only if it is the registry's own place ([`super::session`]).

use std::io::Read;

use ureq::http::{Method, StatusCode};

use super::failure;
use super::http::{Answer, Payload};
use super::repository::{Access, DIGEST, Repository};
use super::session::{postponed, redirected};
use super::url::Url;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Digest;
use crate::percent::encoded;

/// Where a blob's upload stands.
#[derive(Debug)]
pub(crate) struct Upload {
    url: Url,
    /// Bytes that the registry has of it.
    pub(crate) offset: u64,
}

/// What came of the wish to upload a blob.
pub(crate) enum Begun {
    /// The registry took it from another of its repositories.
    Mounted,
    At(Upload),
}

impl Repository {
    /// Whether the repository has the blob.
    pub(crate) fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let url = self.session().url(format!("/v2/{}/blobs/{digest}", self.path()));
        let scope = self.scope(Access::Push);
        let answer = self.session().ask(&Method::HEAD, &url, &[], None, &scope)?;
        match answer.status {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(failure::of(answer)),
        }
    }

    /// Have a blob mounted from the repository `from` of the same registry, or begin to upload it where that is not to be.
    pub(crate) fn mount(&self, digest: &Digest, from: &str) -> Result<Begun> {
        let (mount, source) = (encoded(digest.as_str()), encoded(from));
        let path = format!("/v2/{}/blobs/uploads/?mount={mount}&from={source}", self.path());
        let url = self.session().url(path);
        let scope = format!("repository:{from}:pull {}", self.scope(Access::Push));
        let answer = self.session().ask(&Method::POST, &url, &[], Some(b""), &scope)?;
        match answer.status {
            StatusCode::CREATED => Ok(Begun::Mounted),
            StatusCode::ACCEPTED => {
                Ok(Begun::At(Upload { url: self.place(&url, &answer)?, offset: 0 }))
            }
            _ => Err(failure::of(answer)),
        }
    }

    /// Begin to upload a blob.
    pub(crate) fn new_upload(&self) -> Result<Upload> {
        let url = self.session().url(format!("/v2/{}/blobs/uploads/", self.path()));
        let scope = self.scope(Access::Push);
        let answer = self.session().ask(&Method::POST, &url, &[], Some(b""), &scope)?;
        match answer.status {
            StatusCode::ACCEPTED => Ok(Upload { url: self.place(&url, &answer)?, offset: 0 }),
            _ => Err(failure::of(answer)),
        }
    }

    /// Send the rest of a blob of `size` bytes, of which `reader` has what comes after the upload's offset.
    pub(crate) fn send_rest(
        &self,
        upload: &mut Upload,
        size: u64,
        reader: &mut dyn Read,
    ) -> Result<()> {
        let left = size - upload.offset;
        if left == 0 {
            return Ok(());
        }
        let range = format!("{}-{}", upload.offset, size - 1);
        let headers =
            [("content-type", "application/octet-stream"), ("content-range", range.as_str())];
        let payload = Payload::Reader(reader, left);
        let scope = self.scope(Access::Push);
        let answer =
            self.session().ask_once(&Method::PATCH, &upload.url, &headers, payload, &scope)?;
        let again =
            matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::RANGE_NOT_SATISFIABLE)
                || postponed(&answer, 0)?.is_some();
        match answer.status {
            status if status.is_success() => {
                upload.url = self.place(&upload.url, &answer)?;
                upload.offset = size;
                Ok(())
            }
            // The session is asked where it stands, which also answers "who are you?".
            _ if again => Err(failure::of(answer).with_reason("connection")),
            _ => Err(failure::of(answer)),
        }
    }

    /// Ask how far an upload is.
    pub(crate) fn acknowledged(&self, upload: &mut Upload) -> Result<()> {
        let scope = self.scope(Access::Push);
        let answer = self.session().ask(&Method::GET, &upload.url, &[], None, &scope)?;
        if !answer.status.is_success() {
            return Err(failure::of(answer).with_reason("upload_lost"));
        }
        // `0-N`, its last byte; `0-0` is also what nothing at all is told as, and one byte more does no harm to be sent again.
        let last = answer.header("range").and_then(|range| range.trim().strip_prefix("0-"));
        let last: u64 = last.and_then(|last| last.parse().ok()).unwrap_or_default();
        let offset = if last == 0 { 0 } else { last.saturating_add(1) };
        if answer.header("location").is_some() {
            upload.url = self.place(&upload.url, &answer)?;
        }
        upload.offset = offset;
        Ok(())
    }

    /// Close an upload: the registry checks the digest.
    pub(crate) fn finish_upload(&self, upload: &Upload, digest: &Digest) -> Result<()> {
        let url = upload.url.with("digest", digest.as_str());
        let headers = [("content-type", "application/octet-stream")];
        let scope = self.scope(Access::Push);
        let answer = self.session().ask(&Method::PUT, &url, &headers, Some(b""), &scope)?;
        match answer.status {
            status if status.is_success() => Ok(()),
            // It was closed, and the answer to that got lost.
            StatusCode::NOT_FOUND if self.has_blob(digest)? => Ok(()),
            _ => Err(failure::of(answer)),
        }
    }

    /// Upload a manifest under a tag. The registry must have understood it as the bytes that it is.
    pub(crate) fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<()> {
        let url = self.session().url(format!("/v2/{}/manifests/{tag}", self.path()));
        let headers = [("content-type", media_type)];
        let scope = self.scope(Access::Push);
        let answer = self.session().ask(&Method::PUT, &url, &headers, Some(bytes), &scope)?;
        if !answer.status.is_success() {
            return Err(failure::of(answer));
        }
        match answer.header(DIGEST) {
            None => Ok(()),
            Some(told) => {
                let what = format!("the manifest that {} took", self.registry());
                let told = Digest::parse(told).map_err(|_| {
                    Error::new(ErrorKind::Corrupt, format!("{what}: its digest is none: {told:?}"))
                        .with_reason("bad_digest")
                })?;
                digest.check(&told, what)
            }
        }
    }

    /// Where an answer says that its upload goes on.
    fn place(&self, url: &Url, answer: &Answer) -> Result<Url> {
        let Some(location) = answer.header("location") else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{url}: the registry does not say where the upload goes on"),
            )
            .with_reason("not_http"));
        };
        redirected(url, location)
    }
}
