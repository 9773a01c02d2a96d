//! Directories that a layer has files in and says nothing about.
//!
//! A layer may hold `usr/bin/x` without `usr` and `usr/bin`. Docker applies layers one upon the other, so such a directory is the one
//! below. Ours are unpacked apart; overlayfs shows a merged directory with the attributes of the topmost one, so those of the layer
//! below are copied up here, once all are there.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, chownat, fchmod,
    fstat, futimens, openat2,
};

use crate::error::{Error, Result};
use crate::sys::directory;

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
        if let Some(stat) = find(&below, &path)? {
            apply(layer.as_fd(), &path, &stat)?;
        }
    }
    Ok(())
}

/// The directory of that path in the nearest layer that has it.
fn find(below: &[OwnedFd], path: &[u8]) -> Result<Option<Stat>> {
    for layer in below {
        match open(layer.as_fd(), path) {
            Ok(directory) => {
                let stat = fstat(&directory)
                    .map_err(|errno| Error::system("stat a directory of a layer", errno.into()))?;
                return Ok(Some(stat));
            }
            // Not there: look further down. Something else there (a whiteout, a link): the layer above hides it.
            Err(rustix::io::Errno::NOENT) => {}
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

fn apply(layer: BorrowedFd<'_>, path: &[u8], stat: &Stat) -> Result<()> {
    let failed = |errno: rustix::io::Errno| {
        Error::system("set the attributes of a layer's directory", errno.into())
    };
    let directory = open(layer, path).map_err(failed)?;
    let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(&directory, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH).map_err(failed)?;
    fchmod(&directory, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)?;
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ };
    futimens(&directory, &Timestamps { last_access: time, last_modification: time }).map_err(failed)
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
