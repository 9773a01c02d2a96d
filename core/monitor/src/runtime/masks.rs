//! Paths that a container must not read, or not write (`maskedPaths`, `readonlyPaths`).
//!
//! A path that is not there needs no mask. Everything else that goes wrong ends the set-up: a mask that was left out
//! silently would show the host's kernel to the container (CVE-2025-31133, CVE-2025-62161).

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::oci::Linux;
use crate::protocol::Failure;
use crate::sys::mount::{Attributes, Filesystem, attach, clone_tree_at, set_attributes};

use super::devices::locate_null;
use super::failure::{Doing, invalid};
use super::paths::{Links, Root, clean};

const INERT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY
    .union(MountAttrFlags::MOUNT_ATTR_NOSUID)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Mask and protect what the specification lists. After all mounts.
pub(crate) fn apply(linux: &Linux, root: &Root) -> Result<(), Failure> {
    for path in &linux.readonly_paths {
        if let Some(place) = locate(root, path)? {
            protect(&place).doing(|| format!("make {path} read-only"))?;
        }
    }
    let mut covers = Covers::default();
    for path in &linux.masked_paths {
        if let Some(place) = locate(root, path)? {
            covers.mask(root, path, &place)?;
        }
    }
    Ok(())
}

fn locate(root: &Root, path: &str) -> Result<Option<OwnedFd>, Failure> {
    let path = clean(path)
        .ok_or_else(|| invalid(format!("the path {path:?} to protect is not absolute")))?;
    match root.locate(&path, Links::Follow) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT) => Ok(None),
        result => result.map(Some).doing(|| format!("protect {path}")),
    }
}

/// Put a read-only mount of the place, and of all that is mounted below it, over itself.
fn protect(place: &OwnedFd) -> rustix::io::Result<()> {
    let tree = clone_tree_at(place, true)?;
    let read_only = Attributes::setting(MountAttrFlags::MOUNT_ATTR_RDONLY);
    set_attributes(&tree, read_only, true)?;
    attach(tree, place)
}

/// What masks are made of: for files the null device, for directories an empty one. The first mount of each serves as the
/// original of all others, so that one file system does for all.
#[derive(Default)]
struct Covers {
    file: Option<OwnedFd>,
    directory: Option<OwnedFd>,
}

impl Covers {
    fn mask(&mut self, root: &Root, path: &str, place: &OwnedFd) -> Result<(), Failure> {
        let doing = || format!("mask {path}");
        let is_directory =
            FileType::from_raw_mode(fstat(place).doing(doing)?.st_mode) == FileType::Directory;
        let first = if is_directory { &mut self.directory } else { &mut self.file };
        if let Some(first) = first {
            return clone_tree_at(&*first, false)
                .and_then(|cover| attach(cover, place))
                .doing(doing);
        }
        let cover = if is_directory { empty_directory()? } else { null(root)? };
        attach(&cover, place).doing(doing)?;
        *first = Some(cover);
        Ok(())
    }
}

fn empty_directory() -> Result<OwnedFd, Failure> {
    let doing = || "make the empty directory for masks";
    let tmpfs = Filesystem::open("tmpfs").doing(doing)?;
    for (key, value) in [("source", "tmpfs"), ("mode", "755"), ("nr_inodes", "1")] {
        tmpfs.set(key, value).doing(doing)?;
    }
    tmpfs.mount(INERT | MountAttrFlags::MOUNT_ATTR_NODEV).doing(doing)
}

fn null(root: &Root) -> Result<OwnedFd, Failure> {
    let tree = clone_tree_at(locate_null(root)?, false).doing(|| "mount /dev/null for masks")?;
    set_attributes(&tree, Attributes::setting(INERT), false)
        .doing(|| "mount /dev/null for masks")?;
    Ok(tree)
}
