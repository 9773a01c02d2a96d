//! A blob that is fetched and read at the same time.
//!
//! One thread writes what comes to the blob's file and hashes it; another unpacks the layer from the same file, waiting where there is no
//! more yet. So the network and the processors work side by side, a cut connection is gone on with behind the reader's back, and the reader's
//! end comes only after the whole was found to be what its digest says.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::digest::{Digest, Hasher};
use super::ingest::Ingest;
use super::manifest::Descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::progress::Progress;
use crate::registry::{self, Repository};
use crate::stream::Canceller;

/// Bytes that are taken at once.
const CHUNK: usize = 256 << 10;

/// How often is told how far it is.
const TICK: Duration = Duration::from_millis(100);

/// A blob on its way.
pub(crate) struct Download {
    digest: Digest,
    size: u64,
    ingest: Ingest,
    file: File,
    state: Mutex<State>,
    changed: Condvar,
    progress: Progress,
}

#[derive(Default)]
struct State {
    /// Bytes that are in the file, none of them checked.
    available: u64,
    /// There is no more to come: all is there and is what it should be, or it failed.
    ended: bool,
    failure: Option<Error>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Download").field(&self.digest).finish()
    }
}

impl Download {
    pub(super) fn new(blob: &Descriptor, ingest: Ingest, progress: &Progress) -> Result<Download> {
        Ok(Download {
            digest: blob.digest.clone(),
            size: blob.size,
            file: ingest.open()?,
            ingest,
            state: Mutex::default(),
            changed: Condvar::new(),
            progress: progress.clone(),
        })
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn path(&self) -> &Path {
        self.ingest.path()
    }

    /// What went wrong, told once.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.state().failure.take()
    }

    /// The layer that it holds is unpacked.
    pub(super) fn unpacked(&self) {
        self.progress.layer(self.digest.short(), "Pull complete");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetch it. Readers are told how it ended in any case.
    pub(super) fn fetch(&self, repository: &Repository, canceller: &Canceller) {
        let fetched = self.whole(repository, canceller);
        let mut state = self.state();
        state.failure = fetched.err();
        state.ended = true;
        self.changed.notify_all();
    }

    /// Do not fetch it: something else has failed.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        state.failure.get_or_insert_with(|| Error::new(ErrorKind::Cancelled, "not fetched"));
        state.ended = true;
        self.changed.notify_all();
    }

    fn whole(&self, repository: &Repository, canceller: &Canceller) -> Result<()> {
        let mut hasher = Hasher::new();
        let kept = self.kept(&mut hasher, canceller)?;
        let mut position = kept;
        let mut failures = 0;
        while position < self.size {
            let before = position;
            match self.part(repository, &mut position, &mut hasher) {
                Ok(()) => {}
                Err(error) if is_full(&error) => {
                    // Others need the room more than the next attempt needs these bytes.
                    self.ingest.discard();
                    return Err(error);
                }
                Err(error) if error.reason() == "size_mismatch" => {
                    self.ingest.discard();
                    return Err(error);
                }
                Err(error) if !registry::is_transient(&error) => return Err(error),
                Err(error) => {
                    // A byte now and then does not count: it would go on for ever.
                    let has_gone_on = position >= before.saturating_add(registry::SLOWEST);
                    failures = if has_gone_on { 0 } else { failures + 1 };
                    if failures >= registry::ATTEMPTS {
                        return Err(error);
                    }
                    canceller.sleep(registry::back_off(failures))?;
                }
            }
        }
        self.progress.layer(self.digest.short(), "Verifying Checksum");
        failpoint("image-pull-fetched")?;
        if let Err(error) =
            self.digest.check(&hasher.finish(), format!("a blob of {}", repository.registry()))
        {
            self.ingest.discard();
            // What a dead one left may have been damaged: without it the next attempt may do better.
            return Err(if kept > 0 { error.with_reason("damaged_part") } else { error });
        }
        self.progress.layer(self.digest.short(), "Download complete");
        Ok(())
    }

    /// What an earlier attempt left: hashed again, since the disk is outside too.
    fn kept(&self, hasher: &mut Hasher, canceller: &Canceller) -> Result<u64> {
        let failed = |error| Error::system(format!("read {}", self.ingest.path().display()), error);
        let length = self.file.metadata().map_err(failed)?.len();
        if length > self.size {
            self.file.set_len(0).map_err(failed)?;
            return Ok(0);
        }
        let mut position = 0;
        let mut chunk = vec![0; CHUNK];
        while position < length {
            canceller.check()?;
            let read = self.file.read_at(&mut chunk, position).map_err(failed)?;
            if read == 0 {
                break;
            }
            hasher.update(&chunk[..read]);
            position += read as u64;
            self.arrived(position);
        }
        Ok(position)
    }

    /// Fetch from `position` on, as far as it goes.
    fn part(&self, repository: &Repository, position: &mut u64, hasher: &mut Hasher) -> Result<()> {
        let blob = repository.blob(&self.digest, *position)?;
        let begins = blob.begins;
        if blob.length.is_some_and(|length| begins.saturating_add(length) != self.size) {
            return Err(self.wrong_size(repository));
        }
        // A registry that knows no ranges sends the beginning again.
        let mut skip = *position - begins;
        let (mut reader, broken) = blob.open();
        let mut chunk = vec![0; CHUNK];
        let mut told = Instant::now();
        let (mut window, mut in_window) = (Instant::now(), 0);
        loop {
            let read = match reader.read(&mut chunk) {
                Ok(0) if *position == self.size => return Ok(()),
                // It ended well and is too short: the registry itself was cut off, or lies.
                Ok(0) => return Err(self.too_short(repository)),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error)),
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(read);
            skip -= skipped as u64;
            let fresh = &chunk[skipped..read];
            if *position + fresh.len() as u64 > self.size {
                return Err(self.wrong_size(repository));
            }
            self.file.write_all_at(fresh, *position).map_err(|error| {
                Error::system(format!("write {}", self.ingest.path().display()), error)
            })?;
            failpoint("image-pull-part")?;
            hasher.update(fresh);
            *position += fresh.len() as u64;
            self.arrived(*position);
            in_window += read as u64;
            if window.elapsed() > registry::silence() {
                if in_window < registry::SLOWEST {
                    return Err(registry::slow_blob(&repository.registry()));
                }
                (window, in_window) = (Instant::now(), 0);
            }
            if told.elapsed() >= TICK {
                told = Instant::now();
                self.progress.counted(self.digest.short(), "Downloading", *position, self.size);
            }
        }
    }

    fn arrived(&self, position: u64) {
        self.state().available = position;
        self.changed.notify_all();
    }

    fn wrong_size(&self, repository: &Repository) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} sends more or fewer bytes for blob {} than the {} that its descriptor says",
                repository.registry(),
                self.digest,
                self.size
            ),
        )
        .with_reason("size_mismatch")
    }

    fn too_short(&self, repository: &Repository) -> Error {
        let whole = self.wrong_size(repository);
        Error::new(ErrorKind::Unavailable, whole.message().to_owned()).with_reason("connection")
    }

    /// Read it as it comes.
    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader { download: Arc::clone(self), position: 0, told: Instant::now() }
    }
}

fn is_full(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// The reading side.
pub(super) struct Reader {
    download: Arc<Download>,
    position: u64,
    told: Instant,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let download = &self.download;
        let mut state = download.state();
        loop {
            if state.ended && state.failure.is_some() {
                return Err(io::Error::other("the blob was not fetched whole"));
            }
            // The last bytes are given out when all were checked, so that the end of what is read is one of what is right.
            if state.available > self.position || state.ended {
                break;
            }
            // Whoever fetches sees a cancellation and ends.
            state = download.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (available, ended) = (state.available, state.ended);
        drop(state);
        let left = usize::try_from(available - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = download.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += read as u64;
        if ended && (self.told.elapsed() >= TICK || self.position == download.size) && read > 0 {
            self.told = Instant::now();
            let id = download.digest.short();
            download.progress.counted(id, "Extracting", self.position, download.size);
        }
        Ok(read)
    }
}
