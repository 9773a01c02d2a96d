//! Locks on single bytes of a file, by open file description (`man 2 F_OFD_SETLK`).
//!
//! POSIX record locks belong to the process: two threads of one host program would share them, and closing any descriptor
//! of the file would drop them. OFD locks belong to the open file description, so they part threads as well as processes,
//! and one can be handed to another process with its descriptor, without a moment in which nobody holds it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// A file whose bytes can be locked, through an open file description of its own.
#[derive(Debug)]
pub(crate) struct LockFile {
    file: File,
}

impl LockFile {
    /// Open the file; `None` when there is none.
    pub(crate) fn open(path: &Path) -> Result<Option<LockFile>> {
        match File::options().read(true).write(true).open(path) {
            Ok(file) => Ok(Some(LockFile { file })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::system(format!("open {}", path.display()), error)),
        }
    }

    /// Open the file below a directory, only to look; `None` when there is none.
    pub(crate) fn open_below(base: BorrowedFd<'_>, name: &str) -> Result<Option<LockFile>> {
        Ok(super::directory::file_below(base, name)?.map(|file| LockFile { file }))
    }

    /// Open the file, making it where there is none.
    pub(crate) fn make(path: &Path) -> Result<LockFile> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| Error::system(format!("open {}", path.display()), error))?;
        Ok(LockFile { file })
    }

    /// Take the write lock of a byte if nobody else has it.
    pub(crate) fn try_lock(&self, byte: i64) -> Result<bool> {
        self.attempt(libc::F_WRLCK, byte)
    }

    /// Take a read lock of a byte if nobody else has the write lock.
    pub(crate) fn try_share(&self, byte: i64) -> Result<bool> {
        self.attempt(libc::F_RDLCK, byte)
    }

    fn attempt(&self, kind: libc::c_int, byte: i64) -> Result<bool> {
        match self.control(libc::F_OFD_SETLK, kind, byte) {
            Ok(_) => Ok(true),
            // `man 2 fcntl`: either of the two, depending on the system.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) => {
                Ok(false)
            }
            Err(error) => Err(Error::system("lock a file", error)),
        }
    }

    /// Whether another open file description has the byte locked.
    pub(crate) fn is_locked(&self, byte: i64) -> Result<bool> {
        let found = self
            .control(libc::F_OFD_GETLK, libc::F_WRLCK, byte)
            .map_err(|error| Error::system("look at a lock", error))?;
        Ok(found.l_type != libc::F_UNLCK as libc::c_short)
    }

    /// Give a byte back. Closing does so too, but only when no copy of the descriptor is left, and a child that the host
    /// program forked in the meantime has one.
    pub(crate) fn unlock(&self, byte: i64) {
        // Unlocking what is locked here cannot fail.
        let _ = self.control(libc::F_OFD_SETLK, libc::F_UNLCK, byte);
    }

    /// Whether the file still has a name: a lock on one that was removed locks nobody out.
    pub(crate) fn is_linked(&self) -> Result<bool> {
        let metadata =
            self.file.metadata().map_err(|error| Error::system("stat a lock file", error))?;
        Ok(metadata.nlink() > 0)
    }

    /// Leave a note for whoever waits.
    pub(crate) fn write_note(&self, note: &str) {
        // A note that cannot be written (no space) is only missed in another's error message.
        let _ = self.file.write_all_at(note.as_bytes(), 0);
        let _ = self.file.set_len(note.len() as u64);
    }

    /// The note of whoever has the lock.
    pub(crate) fn read_note(&self) -> Option<String> {
        let mut note = [0; 256];
        let length = self.file.read_at(&mut note, 0).ok()?;
        Some(String::from_utf8_lossy(&note[..length]).trim().to_owned()).filter(|n| !n.is_empty())
    }

    fn control(
        &self,
        command: libc::c_int,
        kind: libc::c_int,
        byte: i64,
    ) -> std::io::Result<libc::flock> {
        // SAFETY: all-zero is a valid flock; l_pid must be zero for OFD locks.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind as libc::c_short;
        lock.l_whence = libc::SEEK_SET as libc::c_short;
        lock.l_start = byte;
        lock.l_len = 1;
        // SAFETY: the descriptor is open and the pointer is to a flock that outlives the call.
        let result = unsafe { libc::fcntl(self.file.as_raw_fd(), command, &mut lock) };
        if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(lock) }
    }
}

impl AsFd for LockFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<LockFile> for OwnedFd {
    fn from(lock: LockFile) -> OwnedFd {
        lock.file.into()
    }
}

#[cfg(test)]
mod tests {
    use super::LockFile;

    #[test]
    fn a_byte_is_locked_against_another_description_of_the_same_process() {
        let path = std::env::temp_dir().join(format!("barque-lock-{}", std::process::id()));
        let first = LockFile::make(&path).unwrap();
        let second = LockFile::open(&path).unwrap().unwrap();
        assert!(first.try_lock(1).unwrap());
        assert!(!second.try_lock(1).unwrap());
        assert!(second.is_locked(1).unwrap());
        assert!(second.try_lock(0).unwrap(), "another byte is another lock");
        first.unlock(1);
        assert!(!second.is_locked(1).unwrap());
        assert!(first.is_linked().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!first.is_linked().unwrap());
        assert!(LockFile::open(&path).unwrap().is_none());
    }

    #[test]
    fn a_lock_lives_as_long_as_any_copy_of_its_descriptor() {
        let path = std::env::temp_dir().join(format!("barque-lock-copy-{}", std::process::id()));
        let first = LockFile::make(&path).unwrap();
        assert!(first.try_lock(1).unwrap());
        let copy = first.file.try_clone().unwrap();
        drop(first);
        let other = LockFile::make(&path).unwrap();
        assert!(other.is_locked(1).unwrap());
        drop(copy);
        assert!(!other.is_locked(1).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
