//! `RUN --mount=type=cache`: directories that survive builds.
//!
//! A cache's directory is named by a digest of its id, so an id is a name and never a path (CVE-2024-9675). Who has one locked is known to
//! all processes on the engine root: `shared` ones share a lock, `locked` ones wait for each other, and a `private` one takes the first
//! of its directories that nobody has.

use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Uid, chownat};

use super::bind;
use super::mounts::{Access, Lock, Options};
use super::origin::Origin;
use super::solver::Site;
use crate::error::{Error, Result};
use crate::image::cache_mounts;
use crate::image::digest::Digest;
use crate::stream::Backoff;
use crate::sys::directory;
use crate::sys::lock::LockFile;

/// Longest pause between two looks at a lock.
const PAUSE: Duration = Duration::from_millis(50);

/// One that a step wants.
pub(super) struct Cache<'a> {
    id: String,
    sharing: Sharing,
    access: Access,
    /// What a new one begins with.
    source: Option<(String, Origin<'a>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sharing {
    Shared,
    Private,
    Locked,
}

impl<'a> Cache<'a> {
    pub(super) fn of(
        target: &str,
        options: &Options,
        origin: Option<Origin<'a>>,
    ) -> Result<Cache<'a>> {
        let sharing = match options.text("sharing") {
            "" | "shared" => Sharing::Shared,
            "private" => Sharing::Private,
            "locked" => Sharing::Locked,
            other => return Err(Error::invalid(format!("invalid value for sharing: {other}"))),
        };
        let source = match (origin, options.text("source")) {
            (None, "") => None,
            (None, _) => {
                return Err(Error::invalid("source of a cache mount is a path in what from names"));
            }
            (Some(origin), source) => Some((source.to_owned(), origin)),
        };
        let id = match options.text("id") {
            "" => target,
            id => id,
        };
        Ok(Cache { id: id.to_owned(), sharing, access: options.access(0o755)?, source })
    }

    /// Have the directories of these.
    pub(super) fn take<'b>(
        site: &Site<'_>,
        caches: impl Iterator<Item = &'b Cache<'a>>,
        locks: &mut Vec<Lock>,
    ) -> Result<Vec<PathBuf>>
    where
        'a: 'b,
    {
        let caches: Vec<&Cache<'_>> = caches.collect();
        // Everybody takes them in the same order, so nobody waits in a circle. One that a step has twice it takes once.
        let mut order: Vec<usize> = (0..caches.len()).collect();
        order.sort_by_key(|at| (&caches[*at].id, std::cmp::Reverse(caches[*at].sharing)));
        let mut paths = vec![PathBuf::new(); caches.len()];
        let mut before: Option<usize> = None;
        for at in order {
            paths[at] = match before.filter(|before| caches[*before].id == caches[at].id) {
                Some(before) => paths[before].clone(),
                None => caches[at].lock(site, locks)?,
            };
            before = Some(at);
        }
        Ok(paths)
    }

    fn lock(&self, site: &Site<'_>, locks: &mut Vec<Lock>) -> Result<PathBuf> {
        let file = LockFile::make(&site.engine.layout().cache_locks())?;
        let mut backoff = Backoff::new(Duration::from_millis(1), PAUSE);
        let mut number = 0;
        loop {
            let name = match number {
                0 => Digest::of(self.id.as_bytes()),
                more => Digest::of(format!("{}\0{more}", self.id).as_bytes()),
            };
            let byte = cache_mounts::byte(&name)?;
            let taken = match self.sharing {
                Sharing::Shared => file.try_share(byte)?,
                Sharing::Private | Sharing::Locked => file.try_lock(byte)?,
            };
            if taken {
                locks.push(Lock { file, byte });
                cache_mounts::taken(site.engine, &name, &self.id)?;
                return self.directory(site, &name);
            }
            match self.sharing {
                Sharing::Private => number += 1,
                Sharing::Shared | Sharing::Locked => {
                    site.engine.canceller().sleep(backoff.pause())?
                }
            }
        }
    }

    /// The directory, made where there is none.
    fn directory(&self, site: &Site<'_>, name: &Digest) -> Result<PathBuf> {
        let all = site.engine.layout().cache_mounts();
        directory::make(&all, Mode::RWXU)?;
        let path = all.join(name.hex());
        if path.exists() {
            return Ok(path);
        }
        let lease = match &self.source {
            None => {
                let lease = site.lease.path().join(format!("cache-{}", site.number()));
                // What a mode takes away the mask of this process must not.
                directory::make(&lease, Mode::from_raw_mode(self.access.mode))?;
                let (uid, gid) = (Uid::from_raw(self.access.uid), Gid::from_raw(self.access.gid));
                chownat(CWD, &lease, Some(uid), Some(gid), AtFlags::empty()).map_err(|errno| {
                    Error::system(format!("chown {}", lease.display()), errno.into())
                })?;
                lease
            }
            Some((source, origin)) => {
                let (seen, lease) = bind::copy(site, source, origin)?;
                if !seen.directory {
                    return Err(Error::invalid("a cache begins with a directory, not with a file"));
                }
                lease
            }
        };
        match std::fs::rename(&lease, &path) {
            // Another step was faster.
            Err(_) if path.is_dir() => {}
            renamed => renamed
                .map_err(|error| Error::system(format!("rename {}", lease.display()), error))?,
        }
        Ok(path)
    }
}
