//! The right to put content under its name, or to take it away.
//!
//! The record and the directories change one after the other, and cannot change in one step. Whoever publishes (renames blobs and
//! layers to their names, then commits their rows) and whoever removes (commits that rows are gone, then removes their files)
//! holds this lock meanwhile, so that a removal never takes the file that a load has just named again. Both are short: what
//! takes long (reading, unpacking, syncing) happens under temporary names before.

use std::time::{Duration, Instant};

use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Backoff;
use crate::sys::lock::LockFile;

/// How long to wait for another process.
const PATIENCE: Duration = Duration::from_secs(60);

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(super) struct ContentLock(
    #[expect(dead_code, reason = "closing it is what frees the lock")] LockFile,
);

impl ContentLock {
    /// Take it, waiting for whoever has it.
    pub(super) fn take(engine: &Engine) -> Result<ContentLock> {
        let file = LockFile::make(&engine.layout().content_lock())?;
        let begin = Instant::now();
        let mut backoff = Backoff::new(Duration::from_micros(200), Duration::from_millis(20));
        while !file.try_lock(0)? {
            if begin.elapsed() >= PATIENCE {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "another process has been changing the image store for a minute",
                ));
            }
            engine.canceller().sleep(backoff.pause())?;
        }
        Ok(ContentLock(file))
    }
}
