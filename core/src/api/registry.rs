//! Documents about registries: what passes between them and the engine, and how it goes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::build::BuildStep;

/// Fetch an image from its registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImagePull {
    /// Name with tag or digest; without either: `latest`.
    pub name: String,
    /// `os/architecture[/variant]`; empty: this machine's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Credentials; without them those that `docker login` left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
    /// `always` (and empty): ask the registry; `missing`: only when there is no such image here; `never`: do not, and fail when there
    /// is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
}

/// An image that was pulled: the last document of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagePulled {
    /// Its id.
    pub id: String,
    /// The name it was pulled by, in full: `docker.io/library/node:latest`.
    pub name: String,
    /// Digest of the manifest (or index) that the name stands for at the registry.
    pub digest: String,
    /// Whether anything was new here.
    pub downloaded: bool,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Bring an image to its registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImagePush {
    /// Name with a tag, without one: `latest`. An id is no name: it does not say where to.
    pub name: String,
    /// All tags that the repository has here; the name has none then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_tags: bool,
    /// Credentials; without them those that `docker login` left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

/// What was pushed: the last document of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagePushed {
    /// The repository in full: `docker.io/me/app`.
    pub repository: String,
    /// Each tag, in the order of their names.
    pub tags: Vec<PushedTag>,
}

/// A tag that was pushed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PushedTag {
    /// The tag.
    pub tag: String,
    /// Digest of the manifest that it stands for at the registry now.
    pub digest: String,
    /// Size of that manifest in bytes.
    pub size: i64,
}

/// Search a registry for repositories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageSearch {
    /// What they have to do with; `registry.example/term` searches another registry than Docker Hub.
    pub term: String,
    /// At most so many, 1 to 100; 0: 25.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: i64,
    /// `is-official` and `is-automated` (`true` or `false`), `stars` (at least).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, Vec<String>>,
    /// Credentials; without them those that `docker login` left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

/// A repository that was found, as `GET /images/search` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchResult {
    /// Its name.
    #[serde(rename = "name")]
    pub name: String,
    /// What its owner says of it.
    #[serde(rename = "description")]
    pub description: String,
    /// How many like it.
    #[serde(rename = "star_count")]
    pub star_count: i64,
    /// Whether it is one of Docker's own.
    #[serde(rename = "is_official")]
    pub is_official: bool,
    /// Always false nowadays.
    #[serde(rename = "is_automated")]
    pub is_automated: bool,
}

/// Delete from a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryDelete {
    /// `NAME:TAG`: the tag alone, if the registry can do that. `NAME@DIGEST`: the manifest, with all its tags.
    pub name: String,
    /// Credentials; without them those that `docker login` left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

/// Ask a registry what refers to an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryReferrers {
    /// Name with tag or digest; without either: `latest`.
    pub name: String,
    /// Only those of this kind; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// Credentials; without them those that `docker login` left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthConfig>,
}

/// What refers to an image: a signature, an attestation, a list of parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Referrer {
    /// Digest of its manifest.
    pub digest: String,
    /// What kind of document that is.
    pub media_type: String,
    /// What it is: `application/vnd.dev.cosign.artifact.sig.v1+json`.
    pub artifact_type: String,
    /// Size of the manifest in bytes.
    pub size: i64,
    /// What its maker says of it.
    pub annotations: BTreeMap<String, String>,
}

/// Log in to a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryLogin {
    /// User name and password (or a token), and the registry's name in `serveraddress`; without one it is Docker Hub.
    pub auth: AuthConfig,
    /// Only ask whether the registry takes them; keep nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub check_only: bool,
}

/// A login that succeeded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RegistryLoggedIn {
    /// Docker's words: `Login Succeeded`.
    pub status: String,
    /// The registry's name.
    pub server_address: String,
    /// Where the credentials are kept: a file, in which they can be read, or a program `docker-credential-…`. Empty: nowhere.
    pub kept: String,
}

/// Forget the credentials of a registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegistryLogout {
    /// Its name; empty: Docker Hub.
    pub server_address: String,
}

/// Credentials for a registry, with docker's names for them.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// User name.
    #[serde(rename = "username", skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Password.
    #[serde(rename = "password", skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// Both, as `config.json` has them: base64 of `username:password`.
    #[serde(rename = "auth", skip_serializing_if = "String::is_empty")]
    pub auth: String,
    /// Not used by any registry any more.
    #[serde(rename = "email", skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The registry's name.
    #[serde(rename = "serveraddress", skip_serializing_if = "String::is_empty")]
    pub server_address: String,
    /// A refresh token (OAuth2) in the place of a password.
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    pub identity_token: String,
    /// A token that is sent as it is.
    #[serde(rename = "registrytoken", skip_serializing_if = "String::is_empty")]
    pub registry_token: String,
}

/// Secrets do not get into logs by way of a request's `Debug`.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}

/// How something goes that takes its time, as `POST /images/create` tells it: one line of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// What is done: `Downloading`, `Pull complete`.
    #[serde(rename = "status", skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// How far it is.
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The same as a bar, for those who only print it.
    #[serde(rename = "progress", skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// With what: a layer's first 12 digits, a tag, or the number of a build's step.
    #[serde(rename = "id", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Of a build: the step.
    #[serde(rename = "step", skip_serializing_if = "Option::is_none")]
    pub step: Option<BuildStep>,
}

/// Numbers of a progress line, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    /// Done.
    #[serde(rename = "current", skip_serializing_if = "is_zero")]
    pub current: i64,
    /// Of how much.
    #[serde(rename = "total", skip_serializing_if = "is_zero")]
    pub total: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}
