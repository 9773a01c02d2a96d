//! Documents about building images.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::host_config::Ulimit;
use super::image::Input;
use super::{de, is_default};

/// Build an image from a Dockerfile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageBuild {
    /// The build context: a directory, a tar archive (plain, gzip, zstd, bzip2 or xz), or a lone Dockerfile. Neither path nor descriptor: there is
    /// none, and `DockerfileText` says it all.
    pub context: Input,
    /// Path of the Dockerfile in the context; empty: `Dockerfile`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dockerfile: String,
    /// The Dockerfile itself, where it is not in the context.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dockerfile_text: String,
    /// What stands for stages and images of these names in the Dockerfile: a directory's or tar archive's path, `docker-image://NAME`,
    /// or `oci-layout://PATH[:TAG][@DIGEST]`.
    #[serde(skip_serializing_if = "is_default")]
    pub build_contexts: BTreeMap<String, String>,
    /// Names to give the image.
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<String>,
    /// Values of `ARG`s. With `SOURCE_DATE_EPOCH` the same files make the same image, bit by bit.
    #[serde(skip_serializing_if = "is_default")]
    pub build_args: BTreeMap<String, String>,
    /// The stage to build, by name or number; empty: the last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// Labels to give the image beside those of its Dockerfile.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    /// Only say what the Dockerfile could do better: nothing is built.
    #[serde(skip_serializing_if = "is_default")]
    pub check: bool,
    /// Take nothing from the cache.
    #[serde(skip_serializing_if = "is_default")]
    pub no_cache: bool,
    /// Keep what a `RUN` that fails has left, on all that came before it, as an image without a name. The error's subject is its id.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_failed: bool,
    /// Caches outside of this engine, from which steps are taken that its own has not.
    #[serde(skip_serializing_if = "is_default")]
    pub cache_from: Vec<BuildCacheStore>,
    /// Where the build's steps go for others to take.
    #[serde(skip_serializing_if = "is_default")]
    pub cache_to: Vec<BuildCacheStore>,
    /// Ask the registries for newer base images.
    #[serde(skip_serializing_if = "is_default")]
    pub pull: bool,
    /// Where what was built goes; none: it is an image of this engine.
    #[serde(skip_serializing_if = "is_default")]
    pub outputs: Vec<BuildOutput>,
    /// `os/architecture[/variant]`, which must be this machine's; empty: it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// The network of `RUN` instructions that name none: `default`, `none` or `host`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network_mode: String,
    /// Names for the hosts files of `RUN` instructions: `name:address`.
    #[serde(skip_serializing_if = "is_default")]
    pub extra_hosts: Vec<String>,
    /// Most memory of each `RUN` instruction, bytes; 0: no limit.
    #[serde(deserialize_with = "de::size", skip_serializing_if = "is_default")]
    pub memory: i64,
    /// Its CPU limit in billionths of a CPU.
    #[serde(skip_serializing_if = "is_default")]
    pub nano_cpus: i64,
    /// Most processes of it; -1: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// Size of its /dev/shm, bytes; 0: 64 MiB.
    #[serde(deserialize_with = "de::size", skip_serializing_if = "is_default")]
    pub shm_size: i64,
    /// Its limits of resources (setrlimit(2)).
    #[serde(skip_serializing_if = "is_default")]
    pub ulimits: Vec<Ulimit>,
    /// What `RUN --mount=type=secret` may have, by id.
    #[serde(skip_serializing_if = "is_default")]
    pub secrets: BTreeMap<String, BuildSecret>,
    /// Sockets of the ssh agents that `RUN --mount=type=ssh` may ask, by id; `default` is that of a mount without one.
    #[serde(rename = "SSH", skip_serializing_if = "is_default")]
    pub ssh: BTreeMap<String, String>,
}

/// Where what was built goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct BuildOutput {
    /// `image`, an image of this engine; `docker` or `oci`, an archive of the image, which docker, podman and skopeo load; `tar`, an
    /// archive of its files; `local`, its files in a directory; `cacheonly`, nothing but what the cache keeps.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Path of the archive or directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// An open descriptor that the archive is written to, in place of a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd: Option<i32>,
}

/// A cache of builds outside of an engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct BuildCacheStore {
    /// `registry` or `local`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Of one at a registry, its name: `registry.example/app:cache`.
    #[serde(rename = "Ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Of a local one, its directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Of one that is written: `min`, the steps whose files the image has; `max`, all. Empty: `min`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
}

/// A secret: what is in a file, or a text. It is written down nowhere.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct BuildSecret {
    /// The file that it is in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The secret itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Secrets do not get into logs by way of a request's `Debug`.
impl fmt::Debug for BuildSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildSecret").field("path", &self.path).finish_non_exhaustive()
    }
}

/// An image that was built: the last document of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageBuilt {
    /// Its id; empty when neither an image nor an archive of one was asked for. What only an archive has is no image of this engine.
    pub id: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Names it has now.
    pub names: Vec<String>,
    /// The same in full: `docker.io/library/app:latest`.
    pub full_names: Vec<String>,
    /// What the Dockerfile could do better, and build arguments that nothing uses.
    pub warnings: Vec<String>,
    /// What the build checks found of it, in parts.
    pub checks: Vec<BuildCheck>,
}

/// Something that is probably not meant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildCheck {
    /// The rule, by Docker's name for it.
    pub rule: String,
    /// What it says.
    pub message: String,
    /// The line that it is about.
    pub line: i64,
    /// That line and those around it.
    pub excerpt: String,
}

/// Remove what builds have left in their cache and none uses just now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct BuilderPrune {
    /// Also what images have: their next build begins anew.
    pub all: bool,
    /// `{"until": ["24h"]}`: what no build has used since; `id`, `type` (`regular`, `exec.cachemount`), `description` (a part of it),
    /// `shared`, `private`, `inuse`.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Bytes to keep, of what was used last; 0: none.
    #[serde(skip_serializing_if = "is_default")]
    pub reserved_space: i64,
    /// Most bytes that may stay, of what was used last; 0: as `ReservedSpace` says.
    #[serde(skip_serializing_if = "is_default")]
    pub max_used_space: i64,
    /// Bytes of the disk to have free afterwards, as far as that leaves `ReservedSpace`; 0: none.
    #[serde(skip_serializing_if = "is_default")]
    pub min_free_space: i64,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuilderPruned {
    /// Ids of records.
    pub caches_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: i64,
}

/// What the build cache has of one step, or a directory of a cache mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BuildCache {
    /// A digest of what was done, and on which files; of a cache mount, of its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// The layer below, if there is one.
    pub parents: Vec<String>,
    /// `regular`, or `exec.cachemount`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The instruction.
    pub description: String,
    /// A build that goes on has taken it.
    pub in_use: bool,
    /// An image has its files, too.
    pub shared: bool,
    /// Bytes of its layer and of the blob that goes with it.
    pub size: i64,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When a build last made or took it, RFC 3339.
    pub last_used_at: String,
    /// How often builds have taken it.
    pub usage_count: i64,
}

/// What a build tells of one of its steps, in a progress line whose `id` is the step's number. The line's `status` says what:
/// `Step` it begins, `Log` it has written something, then `Cached`, `Done`, `Failed` or `Cancelled`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildStep {
    /// Stage, place and instruction: `[build 2/3] RUN make`.
    #[serde(rename = "name")]
    pub name: String,
    /// Lines that it wrote; of one that failed the place in the Dockerfile.
    #[serde(rename = "output", skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// Nanoseconds since it began.
    #[serde(rename = "time", skip_serializing_if = "is_default")]
    pub time: i64,
}
