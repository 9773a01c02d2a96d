//! Searching a registry, as docker has done since its first one: `GET /v1/search`. The distribution specification has no search, so
//! few registries answer but Docker Hub, Quay, Nexus and Artifactory.

use serde::Deserialize;
use ureq::http::StatusCode;

use super::http::{Answer, Client};
use super::repository::{self, HUB};
use super::session::Session;
use super::url::Origin;
use super::{Login, Settings, failure};
use crate::api::{AuthConfig, SearchResult};
use crate::error::{Error, ErrorKind, Result};
use crate::image::{MAX_DOCUMENT, json};
use crate::stream::Canceller;

/// Where Docker Hub is searched: another host than the one that its images come from.
const HUB_INDEX: &str = "index.docker.io";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Found {
    results: Vec<SearchResult>,
}

/// Ask a registry for at most `limit` repositories that have to do with `term`.
pub(crate) fn search(
    canceller: &Canceller,
    settings: Settings,
    registry: &str,
    auth: Option<&AuthConfig>,
    term: &str,
    limit: u32,
) -> Result<Vec<SearchResult>> {
    let login = Login::given_or_stored(auth, registry, canceller)?;
    let origin = match registry {
        HUB => Origin { https: true, host: HUB_INDEX.to_owned(), port: 443 },
        _ => repository::origin_of(registry, canceller, &settings)?,
    };
    let session = Session::new(Client::new(canceller, settings), origin, login);
    let url = session.url("/v1/search").with("q", term).with("n", &limit.to_string());
    let read = |answer: Answer| match answer.status {
        StatusCode::OK => answer.document(MAX_DOCUMENT),
        StatusCode::NOT_FOUND => Err(Error::unsupported(format!("{registry} cannot be searched"))
            .with_reason("no_search")
            .about("registry", registry)),
        _ => Err(failure::of(answer).about("registry", registry)),
    };
    let found = session.read(&url, &[("accept", "application/json")], "", read)?;
    let found: Found = json::parse(&found, "search result")
        .map_err(|error| Error::new(ErrorKind::Unavailable, format!("{url}: {error}")))?;
    Ok(found.results)
}
