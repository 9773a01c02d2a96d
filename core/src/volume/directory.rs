//! A volume's directory, and the lock on it.
//!
//! The lock is flock(2) on the directory itself, so it belongs to the open file description: a copy of the descriptor that a
//! helper process holds keeps it, and the kernel lets go of it whatever happens to them. Row and directory are only
//! changed together under it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use barque_monitor::protocol::volume::DATA;
use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;

use crate::Engine;
use crate::error::{Error, Result};
use crate::stream::Backoff;
use crate::sys;

/// The sticky bit of a volume's directory says that it goes with its container's run: if its record is lost (it is not made
/// durable), it may be removed, where any other is somebody's.
const GOES_WITH_ITS_RUN: Mode = Mode::SVTX;

/// A volume's directory, locked.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
}

impl Directory {
    /// Lock the directory of a volume; `None` when there is none.
    pub(super) fn lock(engine: &Engine, name: &str) -> Result<Option<Directory>> {
        let path = engine.layout().volume(name);
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(50));
        loop {
            let fd = match sys::directory::open(&path) {
                Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(None),
                opened => opened?,
            };
            let failed =
                |errno: Errno| Error::system(format!("lock {}", path.display()), errno.into());
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                // One that was removed in between locks nobody out.
                Ok(()) if rustix::fs::fstat(&fd).map_err(failed)?.st_nlink > 0 => {
                    return Ok(Some(Directory { fd }));
                }
                Ok(()) => continue,
                Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(failed(errno)),
            }
            engine.canceller().sleep(backoff.pause())?;
        }
    }

    /// Make what is missing of a volume's directory.
    pub(super) fn ensure(engine: &Engine, name: &str, goes_with_its_run: bool) -> Result<()> {
        let path = engine.layout().volume(name);
        let mode = match goes_with_its_run {
            true => Mode::RWXU | GOES_WITH_ITS_RUN,
            false => Mode::RWXU,
        };
        match sys::directory::make(&path, mode) {
            Err(error) if error.errno() == Some(libc::ENOENT) => {
                sys::directory::make(&engine.layout().volumes(), Mode::RWXU)?;
                sys::directory::make(&path, mode)?;
            }
            made => made?,
        }
        sys::directory::make(&path.join(DATA), Mode::from(0o755))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing lets go only when no copy is left, and a child that the host forked in the meantime has one.
        let _ = flock(&self.fd, FlockOperation::Unlock);
    }
}

/// Whether this is the directory of a volume that goes with its container's run.
pub(super) fn goes_with_its_run(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.is_dir() && metadata.mode() & GOES_WITH_ITS_RUN.bits() != 0
}
