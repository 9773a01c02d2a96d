//! Documents about images.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::ContainerConfig;

/// Where bytes come from: a path, or a descriptor of this process that stays the caller's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct Input {
    /// A file or directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// An open descriptor, read from where it stands to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd: Option<i32>,
}

/// Load images from a `docker save` or OCI archive, or an OCI layout directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageLoad {
    /// The archive (plain, gzip or zstd) or directory.
    pub input: Input,
}

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageLoaded {
    /// One row an image.
    pub images: Vec<LoadedImage>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// An image that was loaded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LoadedImage {
    /// Its id.
    pub id: String,
    /// Names it has now.
    pub names: Vec<String>,
}

/// Save images to one archive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageSave {
    /// Names, tags, digests, ids or prefixes of ids. A repository alone stands for all its tags; by an id an image is saved without
    /// a name.
    pub names: Vec<String>,
    /// `os/architecture[/variant]` that the images must be for; empty: any.
    pub platform: String,
}

/// Make an image of one layer from a root file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageImport {
    /// A tar archive (plain, gzip or zstd) or a directory.
    pub input: Input,
    /// Name and tag to give it; empty: none.
    pub reference: String,
    /// Dockerfile instructions to apply: `CMD ["sh"]`, `ENV A=1`.
    pub changes: Vec<String>,
    /// Commit message.
    pub message: String,
    /// `os/architecture[/variant]`; empty: this machine's.
    pub platform: String,
}

/// An image that was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageCreated {
    /// Its id: `sha256:` and 64 hexadecimal digits.
    pub id: String,
}

/// An image: name, tag, digest, id or a prefix of the id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageRef {
    /// Name, tag, digest, id or prefix.
    pub name: String,
}

/// List images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageList {
    /// Those without a name that others are built on too.
    pub all: bool,
    /// `{"reference": ["busybox*"], "dangling": ["true"], "label": ["a=b"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
}

/// A row of a list, as `GET /images/json` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    /// Id.
    pub id: String,
    /// Id of the image it was built on, where that is known.
    pub parent_id: String,
    /// `name:tag` each.
    pub repo_tags: Vec<String>,
    /// `name@digest` each.
    pub repo_digests: Vec<String>,
    /// When it was made, seconds since 1970.
    pub created: i64,
    /// Bytes of its layers, unpacked.
    pub size: i64,
    /// Bytes it shares with others; -1: not counted.
    pub shared_size: i64,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Containers that use it; -1: not counted.
    pub containers: i64,
}

/// Everything about an image, as `GET /images/{name}/json` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageInspect {
    /// Id: the digest of its configuration.
    pub id: String,
    /// `name:tag` each.
    pub repo_tags: Vec<String>,
    /// `name@digest` each.
    pub repo_digests: Vec<String>,
    /// Id of the image it was built on, where that is known.
    pub parent: String,
    /// Commit message.
    pub comment: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Version of the program that made it.
    pub docker_version: String,
    /// Who made it.
    pub author: String,
    /// The configuration containers of it begin with.
    pub config: ContainerConfig,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v8`, …
    pub variant: String,
    /// `linux`.
    pub os: String,
    /// Bytes of its layers, unpacked.
    pub size: i64,
    /// Where its layers are.
    pub graph_driver: super::container::GraphDriver,
    /// Its layers.
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    /// When it was last tagged.
    pub metadata: ImageMetadata,
}

/// An image's layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootFs {
    /// `layers`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Digests of the layers' plain tars (diff ids), lowest first.
    pub layers: Vec<String>,
}

/// What the store knows about an image beside its content.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageMetadata {
    /// RFC 3339; `0001-01-01T00:00:00Z` when never.
    pub last_tag_time: String,
}

/// Give an image another name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageTag {
    /// Name, tag, digest, id or prefix.
    pub name: String,
    /// The new name, with or without a tag.
    pub reference: String,
}

/// Remove a name from an image, and the image when that was its last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImageRemove {
    /// Name, tag, digest, id or prefix.
    pub name: String,
    /// Even when it has other names, or stopped containers use it.
    pub force: bool,
    /// Keep images without a name that it was built on.
    pub no_prune: bool,
}

/// One thing that a removal did: exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageRemoved {
    /// A name that is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub untagged: String,
    /// An image or layer that is gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deleted: String,
}

/// Remove the images that nothing needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImagePrune {
    /// `{"dangling": ["false"], "until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`; without `dangling` only those that
    /// have no tag.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagesPruned {
    /// Names, images and layers.
    pub images_deleted: Vec<ImageRemoved>,
    /// Bytes of their layers and blobs that no other image has.
    pub space_reclaimed: i64,
}

/// A row of an image's history, newest first, as `GET /images/{name}/history` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HistoryRow {
    /// Id of the image after this step, or `<missing>`.
    pub id: String,
    /// When, seconds since 1970.
    pub created: i64,
    /// By which instruction.
    pub created_by: String,
    /// Names of that image.
    pub tags: Vec<String>,
    /// Bytes the step added.
    pub size: i64,
    /// Comment.
    pub comment: String,
}
