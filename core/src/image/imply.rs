//! Directories that a layer has files in and says nothing about.
//!
//! A layer may hold `usr/bin/x` without `usr` and `usr/bin`. Docker applies layers one upon the other, so such a directory is the one
//! below. Ours are unpacked apart; overlayfs shows a merged directory with the attributes of the topmost one, so those of the layer
//! below are copied up here, once all are there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fgetxattr, flistxattr, fsetxattr, fstat, futimens, openat2,
};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::sys::directory;

/// What marks a directory that hides those below it.
const OPAQUE: &str = "trusted.overlay.opaque";

/// Give the directories `implied` (paths in hexadecimal digits, parents first) of the layer at `layer` the attributes they have in the
/// layers below it, nearest first.
pub(super) fn copy_up(layer: &Path, implied: &[String], below: &[&Path]) -> Result<()> {
    if implied.is_empty() || below.is_empty() {
        return Ok(());
    }
    let layer = directory::open(layer)?;
    let below: Vec<OwnedFd> =
        below.iter().map(|path| directory::open(path)).collect::<Result<_>>()?;
    // The deepest first: a directory's time of change is that of its last entry.
    for path in implied.iter().rev() {
        let path = decode(path)
            .ok_or_else(|| Error::internal("the unpacker named a directory that is not one"))?;
        if let Some(directory) = find(&below, &path)? {
            apply(layer.as_fd(), &path, &directory)?;
        }
    }
    Ok(())
}

/// The directory of that path in the nearest layer that has it.
fn find(below: &[OwnedFd], path: &[u8]) -> Result<Option<OwnedFd>> {
    for layer in below {
        match open(layer.as_fd(), path) {
            Ok(directory) => return Ok(Some(directory)),
            // Not there: look further down, unless a directory above it hides what is below.
            Err(Errno::NOENT) if !is_hidden_from(layer.as_fd(), path)? => {}
            // Something else is there (a whiteout, a link): the layer hides it.
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// Whether the layer has a directory on the way to `path` that hides those of the layers below.
fn is_hidden_from(layer: BorrowedFd<'_>, path: &[u8]) -> Result<bool> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
    for end in ends {
        match open(layer, &path[..end]) {
            Ok(directory) => match fgetxattr(&directory, OPAQUE, &mut [0u8; 1]) {
                Ok(_) => return Ok(true),
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(errno) => return Err(failed(errno)),
            },
            Err(Errno::NOENT) => return Ok(false),
            Err(_) => return Ok(true),
        }
    }
    Ok(false)
}

fn failed(errno: Errno) -> Error {
    Error::system("copy the attributes of a layer's directory", errno.into())
}

fn apply(layer: BorrowedFd<'_>, path: &[u8], below: &OwnedFd) -> Result<()> {
    let stat = fstat(below).map_err(failed)?;
    let directory = open(layer, path).map_err(failed)?;
    let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(&directory, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH).map_err(failed)?;
    fchmod(&directory, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)?;
    attributes(&directory, below).map_err(failed)?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ };
    futimens(&directory, &Timestamps { last_access: time, last_modification: time }).map_err(failed)
}

/// Copy the extended attributes, but those by which overlayfs steers itself: they say something of their own layer only.
fn attributes(to: &OwnedFd, from: &OwnedFd) -> rustix::io::Result<()> {
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    let mut value = vec![0; 64 << 10];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_own = [&b"trusted.overlay."[..], b"user.overlay.", b"security.selinux"];
        if is_own.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        let length = fgetxattr(from, name, &mut value[..])?;
        fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

fn open(layer: BorrowedFd<'_>, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    openat2(
        layer,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )
}

fn decode(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}
