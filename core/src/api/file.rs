//! Files of containers: archives, copies, single files, changes, commits.

use serde::{Deserialize, Serialize};

use super::image::Input;

/// Pack what is at a path of a container (`GET /containers/{id}/archive`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ArchiveGet {
    /// Name, id or prefix.
    pub id: String,
    /// The path. A last symbolic link is packed as one, unless `/` or `/.` follows.
    pub path: String,
}

/// Unpack an archive into a directory of a container (`PUT /containers/{id}/archive`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ArchivePut {
    /// Name, id or prefix.
    pub id: String,
    /// The directory, which must be there.
    pub path: String,
    /// The tar archive: plain, gzip or zstd.
    pub input: Input,
    /// A directory does not replace anything else, nor anything else a directory: that is an error.
    pub no_overwrite_dir_non_dir: bool,
    /// Everything belongs to the container's user, instead of to whom the archive says.
    #[serde(rename = "CopyUIDGID")]
    pub copy_uid_gid: bool,
}

/// A path of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FileRef {
    /// Name, id or prefix.
    pub id: String,
    /// The path. A last symbolic link stands for itself, unless `/` or `/.` follows.
    pub path: String,
}

/// Read a file of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FileRead {
    /// Name, id or prefix.
    pub id: String,
    /// The file. Links are followed, inside the container.
    pub path: String,
    /// Where to begin, bytes.
    pub offset: u64,
    /// Most bytes to read; 0: all.
    pub limit: u64,
}

/// Make a file in a container, or replace one: others see the old one or the new one, whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FileWrite {
    /// Name, id or prefix.
    pub id: String,
    /// The file. Links are followed, inside the container.
    pub path: String,
    /// Its content.
    pub input: Input,
    /// Its permissions; without it those of the file that was there, or 0644.
    pub mode: Option<u32>,
    /// Its owner: `user`, `uid`, `user:group` and so on, looked up in the container; empty: that of the file that was there, or root.
    pub user: String,
    /// Make directories that are missing.
    pub parents: bool,
}

/// Remove what is at a path of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FileRemove {
    /// Name, id or prefix.
    pub id: String,
    /// The path. A last symbolic link is removed itself.
    pub path: String,
    /// A directory with everything in it.
    pub recursive: bool,
}

/// Copy between this host and a container, as `docker cp` does: exactly one of the two places is in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct FileCopy {
    /// What is copied. `/.` at the end of a directory: its content, and not the directory itself.
    pub source: CopyPlace,
    /// Where to. What is there decides, as in the table of `docker container cp`.
    pub destination: CopyPlace,
    /// Keep owners. Without it everything belongs to root in a container, and to the caller on the host.
    pub archive: bool,
    /// Follow a symbolic link that is the source.
    pub follow_link: bool,
}

/// One end of a copy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct CopyPlace {
    /// Name, id or prefix of a container; empty: this host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The path. On the host a relative one begins at the caller's working directory, in a container at `/`.
    pub path: String,
}

/// What was copied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FileCopied {
    /// Bytes that went from one side to the other, as an archive.
    pub size: i64,
    /// The path that was copied to, links followed.
    pub path: String,
}

/// What is at a path, as `X-Docker-Container-Path-Stat` tells it, with the owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathStat {
    /// Last component of the path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Permissions and kind as Go's `os.FileMode` has them: `0x80000000` is a directory, `0x8000000` a symbolic link.
    pub mode: u32,
    /// Time of last change, RFC 3339.
    pub mtime: String,
    /// Of a symbolic link: the path it leads to in the end; in a list its text.
    #[serde(rename = "linkTarget")]
    pub link_target: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A path that is not as in the image (`GET /containers/{id}/changes`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FilesystemChange {
    /// The path.
    pub path: String,
    /// 0: changed, 1: added, 2: deleted.
    pub kind: u8,
}

/// Make an image of a container (`POST /commit`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerCommit {
    /// Name, id or prefix.
    pub id: String,
    /// Name of the image, with or without a tag; empty: none.
    pub reference: String,
    /// Dockerfile instructions that change its configuration: `CMD`, `ENV` and so on.
    pub changes: Vec<String>,
    /// Who made it.
    pub author: String,
    /// Commit message.
    pub message: String,
    /// Freeze a running container while its files are read; `true` unless said otherwise.
    pub pause: bool,
}

impl Default for ContainerCommit {
    fn default() -> ContainerCommit {
        ContainerCommit {
            id: String::new(),
            reference: String::new(),
            changes: Vec::new(),
            author: String::new(),
            message: String::new(),
            pause: true,
        }
    }
}
