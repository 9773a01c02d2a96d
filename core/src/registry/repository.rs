//! A repository at a registry: manifests and blobs, by the distribution specification's addresses.

use ureq::http::{Method, StatusCode};

use super::credentials::Login;
use super::http::{Answer, Client, Payload};
use super::session::Session;
use super::settings::Settings;
use super::url::{Origin, Url};
use super::{failure, patience};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{Digest, MAX_DOCUMENT, Reference};
use crate::stream::Canceller;

/// Docker Hub's name in references, and where its registry is.
pub(super) const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// What a manifest may be, as `Accept` says it.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// A repository of one registry, or of a mirror of it.
pub(crate) struct Repository {
    session: Session,
    /// Its path there: `library/node`.
    path: String,
}

/// A manifest or index as it came, its digest computed from the bytes.
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// What may be done with a repository, as its scope says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
}

impl Repository {
    /// The places to ask for what `reference` names, in order: mirrors, then the registry itself. `login` gives the credentials for a
    /// registry's name. Nothing is asked yet but, of a registry that may be spoken to in the clear, whether it must be.
    pub(crate) fn places(
        canceller: &Canceller,
        settings: &Settings,
        reference: &Reference,
        access: Access,
        login: &dyn Fn(&str) -> Result<Option<Login>>,
    ) -> Result<Vec<Place>> {
        let mut places = Vec::new();
        if access == Access::Pull {
            for mirror in settings.mirrors(reference.domain())? {
                let login = login(&mirror.origin.authority())?;
                places.push(Place { origin: mirror.origin, login });
            }
        }
        let origin = origin_of(reference.domain(), canceller, settings)?;
        places.push(Place { origin, login: login(reference.domain())? });
        Ok(places)
    }

    /// The repository at one of these places.
    pub(crate) fn at(
        place: &Place,
        canceller: &Canceller,
        settings: &Settings,
        reference: &Reference,
    ) -> Repository {
        let client = Client::new(canceller, settings.clone());
        let session = Session::new(client, place.origin.clone(), place.login.clone());
        Repository { session, path: reference.path().to_owned() }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// For people: `host:port`.
    pub(crate) fn registry(&self) -> String {
        self.session.origin().authority()
    }

    pub(super) fn scope(&self, access: Access) -> String {
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
            Access::Delete => "pull,delete",
        };
        format!("repository:{}:{actions}", self.path)
    }

    /// The digest of what a tag names now, without fetching it; nothing when the registry does not say.
    pub(crate) fn resolve(&self, tag: &str) -> Result<Option<Digest>> {
        let url = self.session.url(format!("/v2/{}/manifests/{tag}", self.path));
        let scope = self.scope(Access::Pull);
        let answer =
            self.session.ask(&Method::HEAD, &url, &[("accept", MANIFESTS)], None, &scope)?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        Ok(answer.header(DIGEST).and_then(|text| Digest::parse(text).ok()))
    }

    /// Fetch a manifest or index by tag or digest. What came is what its digest says, whoever said it: the caller or the registry.
    pub(crate) fn manifest(&self, what: &str, expected: Option<&Digest>) -> Result<Fetched> {
        let url = self.session.url(format!("/v2/{}/manifests/{what}", self.path));
        let scope = self.scope(Access::Pull);
        let (told, content_type, bytes) =
            self.session.read(&url, &[("accept", MANIFESTS)], &scope, |answer| {
                if !answer.status.is_success() {
                    return Err(failure::of(answer));
                }
                let told = answer.header(DIGEST).map(str::to_owned);
                let content_type = answer.header("content-type").map(essence).unwrap_or_default();
                Ok((told, content_type, answer.document(MAX_DOCUMENT)?))
            })?;
        let digest = Digest::of(&bytes);
        if let Some(expected) = expected {
            expected.check(&digest, format!("{what} of {}", self.registry()))?;
        }
        if let Some(told) = told {
            let told = Digest::parse(&told).map_err(|_| {
                Error::new(ErrorKind::Corrupt, format!("{url}: its digest is none: {told:?}"))
                    .with_reason("bad_digest")
            })?;
            told.check(&digest, format!("{what} of {}", self.registry()))?;
        }
        check_type(&url, &content_type, &bytes)?;
        Ok(Fetched { bytes, digest })
    }

    fn blob_url(&self, digest: &Digest) -> Url {
        self.session.url(format!("/v2/{}/blobs/{digest}", self.path))
    }

    /// A blob, from `offset` on. The answer's status says whether the registry heeded that.
    pub(crate) fn blob(&self, digest: &Digest, offset: u64) -> Result<Blob> {
        let url = self.blob_url(digest);
        let range = format!("bytes={offset}-");
        let range = [("range", range.as_str())];
        let headers = if offset > 0 { &range[..] } else { &[] };
        let scope = self.scope(Access::Pull);
        let answer = self.session.ask(&Method::GET, &url, headers, None, &scope)?;
        let begins = match answer.status {
            StatusCode::PARTIAL_CONTENT => range_start(answer.header("content-range")),
            status if status.is_success() => Some(0),
            _ => return Err(failure::of(answer)),
        };
        let Some(begins) = begins.filter(|begins| *begins <= offset) else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{url}: the registry sends another part than was asked for"),
            )
            .with_reason("bad_range"));
        };
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        Ok(Blob { begins, length, url, answer })
    }

    /// A small blob, whole and checked: an image's configuration.
    pub(crate) fn small_blob(&self, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        let scope = self.scope(Access::Pull);
        let bytes = self.session.read(&self.blob_url(digest), &[], &scope, |answer| {
            if !answer.status.is_success() {
                return Err(failure::of(answer));
            }
            answer.document(MAX_DOCUMENT)
        })?;
        if bytes.len() as u64 != size {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("blob {digest} has {} bytes, its descriptor says {size}", bytes.len()),
            )
            .with_reason("size_mismatch"));
        }
        digest.check(&Digest::of(&bytes), format!("a blob of {}", self.registry()))?;
        Ok(bytes)
    }
}

/// Where a registry, or a mirror, is, and who we are there.
#[derive(Clone)]
pub(crate) struct Place {
    pub(super) origin: Origin,
    pub(super) login: Option<Login>,
}

impl Place {
    /// For people: `host:port`.
    pub(crate) fn registry(&self) -> String {
        self.origin.authority()
    }
}

/// The body of a blob, from some byte on.
pub(crate) struct Blob {
    /// Its first byte's place in the blob.
    pub(crate) begins: u64,
    /// How many bytes the registry says there are from there.
    pub(crate) length: Option<u64>,
    url: Url,
    answer: Answer,
}

impl Blob {
    /// The bytes, and what an error of reading them means.
    pub(crate) fn open(self) -> (impl std::io::Read, impl Fn(std::io::Error) -> Error) {
        let Blob { url, answer, .. } = self;
        (answer.reader(), move |error| super::http::broken(&url, error))
    }
}

/// The header that tells the digest of what it comes with.
pub(super) const DIGEST: &str = "docker-content-digest";

/// A media type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What the header and the document say it is must be one thing: two readers could believe two (CVE-2021-41190).
fn check_type(url: &Url, content_type: &str, bytes: &[u8]) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(default, rename = "mediaType")]
        media_type: String,
    }
    if content_type.contains("manifest.v1+") && content_type.contains("docker") {
        return Err(Error::unsupported(format!(
            "{url}: the registry has this image only in Docker's first schema, which nobody should use any more"
        )));
    }
    let is_known = MANIFESTS.split(", ").any(|known| known.trim() == content_type);
    let document = serde_json::from_slice::<Typed>(bytes).ok();
    let said = document.map(|document| document.media_type).unwrap_or_default();
    if is_known && !said.is_empty() && said != content_type {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("{url}: it is sent as {content_type} and says it is {said}"),
        )
        .with_reason("type_mismatch"));
    }
    Ok(())
}

/// The first byte of `Content-Range: bytes FIRST-LAST/SIZE`.
fn range_start(header: Option<&str>) -> Option<u64> {
    let range = header?.trim().strip_prefix("bytes")?.trim_start();
    range.split_once('-')?.0.parse().ok()
}

/// Where a registry is, and how it wants to be spoken to.
pub(super) fn origin_of(
    domain: &str,
    canceller: &Canceller,
    settings: &Settings,
) -> Result<Origin> {
    let host = if domain == HUB { HUB_HOST } else { domain };
    let origin = Url::parse(&format!("https://{host}"))?.origin;
    match settings.may_be_plain(&origin) {
        true => spoken(&Client::new(canceller, settings.clone()), &origin),
        false => Ok(origin),
    }
}

/// How a registry that may be spoken to in the clear wants it: https if it does that, else http. A certificate that is wrong is no
/// reason for less.
fn spoken(client: &Client, origin: &Origin) -> Result<Origin> {
    let ping = |origin: &Origin| {
        client.send(&Method::GET, &origin.url("/v2/"), &[], Payload::Nothing).map(drop)
    };
    match ping(origin) {
        Ok(()) => return Ok(origin.clone()),
        // Nobody speaks TLS there. Whatever else went wrong was said over TLS, or kept us from trying.
        Err(error) if matches!(error.reason(), "not_tls" | "connection" | "slow") => {}
        Err(error) => return Err(error),
    }
    // A port that was not given is http's own now.
    let port = if origin.port == 443 { 80 } else { origin.port };
    let plain = Origin { https: false, port, ..origin.clone() };
    let mut failures = 0;
    loop {
        match ping(&plain) {
            Ok(()) => return Ok(plain),
            Err(error) if super::http::is_transient(&error) && failures < 1 => {
                client.canceller().sleep(patience::back_off(failures))?;
                failures += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_begins() {
        assert_eq!(range_start(Some("bytes 5-9/10")), Some(5));
        assert_eq!(range_start(Some("bytes 0-9/*")), Some(0));
        for wrong in ["", "bytes", "bytes */10", "lines 5-9", "bytes x-9", "bytes -5-9"] {
            assert_eq!(range_start(Some(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn header_and_document_must_say_the_same() {
        let url = Url::parse("https://r.example/v2/a/manifests/1").unwrap();
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let index = "application/vnd.oci.image.index.v1+json";
        let body = |said: &str| format!("{{\"mediaType\":\"{said}\"}}").into_bytes();
        assert!(check_type(&url, manifest, &body(manifest)).is_ok());
        assert!(check_type(&url, manifest, b"{}").is_ok());
        assert!(check_type(&url, "application/json", &body(index)).is_ok());
        assert_eq!(check_type(&url, manifest, &body(index)).unwrap_err().reason(), "type_mismatch");
        let first = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        assert_eq!(check_type(&url, first, b"{}").unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
