//! Blobs on their way in: `ingest/<digits>`, and the locks that part them among those who want the same.
//!
//! A blob is fetched by one at a time, whoever else wants it waits and then finds it published, or takes over where a dead one stopped:
//! what was fetched before a cut, a cancellation or a kill stays and is gone on with. It is believed no more than a registry is: its digest
//! counts from its first byte.
//!
//! The lock is on a file of its own, since the blob's own file gets another name when it is published. Who wants several takes
//! them in the order of their digests ([`take_all`]): two pulls that share layers in different order would wait for each other for ever.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::Mode;

use super::digest::Digest;
use crate::Engine;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::stream::Backoff;
use crate::sys::directory;
use crate::sys::lock::LockFile;

const SUFFIX: &str = ".lock";

/// How long a blob is kept that nobody goes on with.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The right to fetch a blob, and the place for it.
#[derive(Debug)]
pub(super) struct Ingest {
    #[expect(dead_code, reason = "closing it is what frees the lock")]
    lock: LockFile,
    path: PathBuf,
}

impl Ingest {
    /// Take it if nobody has it.
    fn try_take(layout: &Layout, digest: &Digest) -> Result<Option<Ingest>> {
        let path = layout.ingest().join(digest.hex());
        let lock = LockFile::make(&lock_of(&path))?;
        // Whoever had it may have removed the file between our opening and locking it.
        if lock.try_lock(0)? && lock.is_linked()? {
            return Ok(Some(Ingest { lock, path }));
        }
        Ok(None)
    }

    /// The blob's file, with what is there of it already.
    pub(super) fn open(&self) -> Result<File> {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)
            .map_err(|error| Error::system(format!("write {}", self.path.display()), error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is for the blob of this digest.
    pub(super) fn is_for(&self, digest: &Digest) -> bool {
        self.path.file_name().is_some_and(|name| name == digest.hex())
    }

    /// Keep nothing of it.
    pub(super) fn discard(&self) {
        // What cannot be removed is swept later.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // Still locked: whoever waits finds that the file has no name any more, and makes another.
        let _ = std::fs::remove_file(lock_of(&self.path));
    }
}

fn lock_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Take the right to all of these, waiting for those who have it; `waiting` hears for which.
pub(super) fn take_all(
    engine: &Engine,
    digests: &[Digest],
    waiting: impl Fn(&Digest),
) -> Result<Vec<Ingest>> {
    let layout = engine.layout();
    directory::make(&layout.ingest(), Mode::RWXU)?;
    let mut sorted: Vec<&Digest> = digests.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut taken = Vec::new();
    for digest in sorted {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(100));
        loop {
            if let Some(ingest) = Ingest::try_take(layout, digest)? {
                taken.push(ingest);
                break;
            }
            waiting(digest);
            engine.canceller().sleep(backoff.pause())?;
        }
    }
    Ok(taken)
}

/// Remove what nobody has gone on with for a day.
pub(crate) fn sweep(layout: &Layout) -> Result<()> {
    let path = layout.ingest();
    let failed = |error| Error::system(format!("read {}", path.display()), error);
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = name.strip_suffix(SUFFIX).unwrap_or(&name);
        let Ok(digest) = Digest::parse(&format!("sha256:{name}")) else { continue };
        let changed = entry.metadata().and_then(|metadata| metadata.modified());
        // A time to come (the clock was set back) is no reason to keep it for ever.
        let age = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if age.is_some_and(|age| age < KEPT) {
            continue;
        }
        if let Some(ingest) = Ingest::try_take(layout, &digest)? {
            ingest.discard();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineOptions;

    #[test]
    fn a_blob_has_one_owner_and_stays_when_that_one_goes() {
        let root = std::env::temp_dir().join(format!("barque-ingest-{}", std::process::id()));
        let options = EngineOptions::at(root.join("root")).run_directory(root.join("run"));
        let engine = Engine::open(options).unwrap();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let taken = take_all(&engine, &[b.clone(), a.clone(), b.clone()], |_| {}).unwrap();
        assert_eq!(taken.len(), 2, "in order and once each");
        assert!(Ingest::try_take(engine.layout(), &a).unwrap().is_none());
        // Nor does one who asked in vain take it away from its owner.
        assert!(Ingest::try_take(engine.layout(), &a).unwrap().is_none());
        std::io::Write::write_all(&mut taken[0].open().unwrap(), b"part").unwrap();
        let path = taken[0].path().to_owned();
        drop(taken);
        let again = take_all(&engine, &[a, b], |_| panic!("nobody has it")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"part");
        drop(again);
        sweep(engine.layout()).unwrap();
        assert!(path.exists(), "it is young");
        let old = SystemTime::now() - KEPT * 2;
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        sweep(engine.layout()).unwrap();
        assert_eq!(std::fs::read_dir(engine.layout().ingest()).unwrap().count(), 0);
        std::fs::remove_dir_all(root).unwrap();
    }
}
