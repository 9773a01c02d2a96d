//! Directories that entries go into.
//!
//! The kernel finds them: `openat2` with RESOLVE_IN_ROOT, so that a symbolic link in the layer, absolute or not, leads
//! where it would lead in a container, and never out (CVE-2026-17106 and its forerunners checked the path first and opened
//! it afterwards). One descriptor is kept, since archives list a directory's files together; it is forgotten as soon as
//! anything that a path could lead through is replaced (CVE-2025-47290 remembered too long).
//!
//! What is put into a directory changes its time of change. It is set back when the directory is left, so that no list
//! of all directories has to be kept until the end.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, fchmod, fchown, fstat,
    futimens, mkdirat, openat2,
};
use rustix::io::Errno;

use super::failure::{self, Result, invalid};
use crate::tar::quoted;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// In a directory of a container, whose root is this process's: a link there leads where it leads for the container.
const LIVE: ResolveFlags = ResolveFlags::NO_MAGICLINKS;

/// Most bytes of paths of directories without an entry that are remembered.
const MOST_IMPLIED: usize = 1 << 20;

/// The layer's directories.
pub(super) struct Directories {
    root: OwnedFd,
    /// The root is in use (`protocol::Live`).
    live: bool,
    kept: Option<Kept>,
    /// Paths of directories that were needed and have had no entry; parents come first.
    implied: BTreeSet<Vec<u8>>,
    implied_bytes: usize,
}

struct Kept {
    path: Vec<u8>,
    directory: Parent,
    times: Timestamps,
}

/// An open directory that something is to be put into.
pub(super) struct Parent {
    fd: OwnedFd,
    /// Its group goes to what is made in it, whoever makes it (inode(7), set-group-ID).
    pub(super) set_group_id: bool,
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Directories {
    pub(super) fn new(root: OwnedFd, live: bool) -> Directories {
        Directories { root, live, kept: None, implied: BTreeSet::new(), implied_bytes: 0 }
    }

    /// The directory at `path`, made with all above it if it is not there.
    pub(super) fn enter(&mut self, path: &[u8]) -> Result<&Parent> {
        if self.kept.as_ref().is_none_or(|kept| kept.path != path) {
            self.leave()?;
            let fd = match self.find(path) {
                Err(Errno::NOENT) => self.make(path)?,
                found => found.map_err(|errno| no_directory(path, errno))?,
            };
            let stat = fstat(&fd).map_err(failure::entry("stat", path))?;
            let set_group_id = stat.st_mode & libc::S_ISGID != 0;
            let times = times_of(&stat);
            let directory = Parent { fd, set_group_id };
            self.kept = Some(Kept { path: path.to_vec(), directory, times });
        }
        match &self.kept {
            Some(kept) => Ok(&kept.directory),
            None => Err(invalid("no directory is open")),
        }
    }

    /// The directory at `path`, which must be there.
    pub(super) fn look(&self, path: &[u8]) -> Result<OwnedFd> {
        self.find(path).map_err(|errno| no_directory(path, errno))
    }

    /// Set the times of the directory that was used last back, and forget it.
    pub(super) fn leave(&mut self) -> Result<()> {
        let Some(kept) = self.kept.take() else { return Ok(()) };
        if self.live && kept.path.is_empty() {
            // The archive says nothing of it: that it has changed is true.
            return Ok(());
        }
        futimens(&kept.directory.fd, &kept.times)
            .map_err(failure::entry("set the times of", &kept.path))
    }

    /// This directory has an entry of its own.
    pub(super) fn has_entry(&mut self, path: &[u8]) {
        if self.implied.remove(path) {
            self.implied_bytes -= path.len();
        }
    }

    /// Directories that had to be made and have no entry.
    pub(super) fn implied(&self) -> impl Iterator<Item = &[u8]> {
        self.implied.iter().map(Vec::as_slice)
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn find(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        let resolve = if self.live { LIVE } else { IN_ROOT };
        let mut tries = 1000;
        loop {
            match openat2(&self.root, path, DIRECTORY, Mode::empty(), resolve) {
                // Something was renamed while `..` was resolved.
                Err(Errno::AGAIN) if tries > 0 => tries -= 1,
                found => return found,
            }
        }
    }

    /// Make the directories of a path that are missing. Each is looked up from the root: where a part of the path is a
    /// symbolic link, the next part is below what that leads to.
    fn make(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let ends = (0..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'));
        let mut above = self.find(b"").map_err(failure::entry("open", b"/"))?;
        let mut begin = 0;
        for end in ends {
            let (here, component) = (&path[..end], &path[begin..end]);
            begin = end + 1;
            above = match self.find(here) {
                Err(Errno::NOENT) => {
                    let before = fstat(&above).map_err(failure::entry("stat", here))?;
                    // An existing name is a link to nowhere.
                    mkdirat(&above, component, Mode::from_raw_mode(0o755))
                        .map_err(|errno| no_directory(here, errno))?;
                    futimens(&above, &times_of(&before))
                        .map_err(failure::entry("set the times of", here))?;
                    self.remember(here)?;
                    let made = self.find(here).map_err(|errno| no_directory(here, errno))?;
                    if before.st_mode & libc::S_ISGID != 0 {
                        plain(&made).map_err(failure::entry("make", here))?;
                    }
                    made
                }
                found => found.map_err(|errno| no_directory(here, errno))?,
            };
        }
        Ok(above)
    }

    fn remember(&mut self, path: &[u8]) -> Result<()> {
        if self.implied.insert(path.to_vec()) {
            self.implied_bytes += path.len();
        }
        if self.implied_bytes > MOST_IMPLIED {
            return Err(invalid("too many directories without an entry of their own"));
        }
        Ok(())
    }
}

/// Take back what a directory inherited from one with the set-group-ID bit.
fn plain(directory: &OwnedFd) -> rustix::io::Result<()> {
    fchown(directory, Some(Uid::ROOT), Some(Gid::ROOT))?;
    fchmod(directory, Mode::from_raw_mode(0o755))
}

fn no_directory(path: &[u8], errno: Errno) -> crate::protocol::Failure {
    match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::EXIST | Errno::NOENT => {
            invalid(format!("{} is not a directory of this layer", quoted(path)))
        }
        errno => failure::entry("open", path)(errno),
    }
}

fn times_of(stat: &Stat) -> Timestamps {
    let time =
        |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as i64 };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}
