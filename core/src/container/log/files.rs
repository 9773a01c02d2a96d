//! The files of a log: the current one and those that were rotated away, while they are rotated further.
//!
//! A file keeps its inode and changes its name: `container.log` becomes `.1`, that one `.2`, until the oldest is deleted. So a
//! file is known by its inode (one that we hold open keeps its number), and what comes after it is looked for by that.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use barque_monitor::protocol::LOG_FILE;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The directory that has them.
pub(super) struct Files {
    directory: OwnedFd,
}

impl Files {
    pub(super) fn new(directory: OwnedFd) -> Files {
        Files { directory }
    }

    /// The numbers of all files that there are, the newest first, each once.
    pub(super) fn inodes(&self) -> Result<Vec<u64>> {
        let mut inodes = Vec::new();
        // From the newest to the oldest, against the direction in which they move: one that is renamed meanwhile is met
        // twice, and none is missed.
        for n in 0..=self.highest()? {
            if let Some(inode) = self.inode(n)?
                && !inodes.contains(&inode)
            {
                inodes.push(inode);
            }
        }
        Ok(inodes)
    }

    /// Open the file with this number; `None` when it was deleted.
    pub(super) fn open(&self, inode: u64) -> Result<Option<File>> {
        loop {
            let Some(n) = self.find(inode)? else { return Ok(None) };
            match self.open_name(n)? {
                Some(file) if self.number(&file)? == inode => return Ok(Some(file)),
                // Rotated in between.
                _ => {}
            }
        }
    }

    /// Open the file that was begun after the one with this number; `None` when that is the current one. One that was deleted
    /// is followed by the oldest that there is.
    pub(super) fn open_after(&self, inode: u64) -> Result<Option<File>> {
        loop {
            let found = self.find(inode)?;
            let Some(newer) = (match found {
                Some(n) => n.checked_sub(1),
                None => Some(self.highest()?),
            }) else {
                return Ok(None);
            };
            let Some(file) = self.open_name(newer)? else {
                if newer == 0 {
                    // Rotated away, and nothing said since.
                    return Ok(None);
                }
                continue;
            };
            // Only if nothing moved in between is it the one after, and not the one after that.
            if self.find(inode)? == found && self.number(&file)? != inode {
                return Ok(Some(file));
            }
        }
    }

    fn number(&self, file: &File) -> Result<u64> {
        let metadata = file.metadata().map_err(|error| Error::system("stat the log", error))?;
        Ok(metadata.ino())
    }

    fn find(&self, inode: u64) -> Result<Option<u32>> {
        if self.inode(0)? == Some(inode) {
            return Ok(Some(0));
        }
        for n in 1..=self.highest()? {
            if self.inode(n)? == Some(inode) {
                return Ok(Some(n));
            }
        }
        Ok(None)
    }

    fn inode(&self, n: u32) -> Result<Option<u64>> {
        match statat(&self.directory, name(n), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.st_ino)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::system("stat the log", errno.into())),
        }
    }

    fn open_name(&self, n: u32) -> Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match openat(&self.directory, name(n), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::system("open the log", errno.into())),
        }
    }

    /// The highest number behind a name.
    fn highest(&self) -> Result<u32> {
        let failed = |errno: Errno| Error::system("read the log's directory", errno.into());
        let mut highest = 0;
        for entry in Dir::read_from(self.directory.as_fd()).map_err(failed)? {
            let entry = match entry {
                Ok(entry) => entry,
                // The directory was removed.
                Err(errno) if std::io::Error::from(errno).kind() == ErrorKind::NotFound => break,
                Err(errno) => return Err(failed(errno)),
            };
            let number = entry
                .file_name()
                .to_str()
                .ok()
                .and_then(|name| name.strip_prefix(LOG_FILE)?.strip_prefix('.')?.parse().ok());
            highest = highest.max(number.unwrap_or(0));
        }
        Ok(highest)
    }
}

fn name(n: u32) -> String {
    if n == 0 { LOG_FILE.to_owned() } else { format!("{LOG_FILE}.{n}") }
}
