//! Whether what the store has is still what was put there.
//!
//! A blob says it itself: its name is its digest. An unpacked layer is told by what no file needs to be read for: once it is
//! published nothing in it changes, and whatever a program does to a file or directory leaves its time there (inode(7), ctime), which
//! cannot be set back. That finds whatever a program did; what a disk did by itself is found by `check.rs`, which unpacks the layer
//! again. A layer that is wrongly suspected (it was restored from a copy, or the clock went back) is unpacked once more, compared, and
//! trusted again.

use std::path::Path;

use rusqlite::OptionalExtension;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;

use super::blob;
use super::digest::Digest;
use super::pack;
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Durability;
use crate::sys::{clock, directory};

/// Deepest tree that is looked at: each level holds a descriptor. A deeper one counts as changed.
const MAX_DEPTH: usize = 256;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether an image is there with all that belongs to it, as far as that is seen without reading its layers: documents with their
/// digests, blobs with their sizes, unpacked layers that nobody has changed.
pub(super) fn image(engine: &Engine, id: &Digest) -> Result<bool> {
    type Part = (String, i64, bool, Option<String>);
    let parts: Vec<Part> = engine.store().read(|connection| {
        connection
            .prepare_cached(
                "SELECT digest, size, damaged, chain_id FROM image_layers JOIN blobs ON digest = blob
                 WHERE image_id = ?1
                 UNION ALL
                 SELECT digest, blobs.size, damaged, NULL FROM images JOIN blobs ON digest IN (id, manifest)
                 WHERE id = ?1",
            )?
            .query_map([id.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect()
    })?;
    if parts.is_empty() {
        return Ok(false);
    }
    for (digest, size, damaged, chain) in parts {
        let digest = Digest::parse(&digest)?;
        let whole = !damaged
            && match chain {
                None => blob(engine, &digest, size)?,
                Some(chain) => {
                    let found = blob::path(engine.layout(), &digest).symlink_metadata();
                    let sized = found.is_ok_and(|found| {
                        found.is_file() && i64::try_from(found.len()) == Ok(size)
                    });
                    sized && layer(engine, &Digest::parse(&chain)?)?
                }
            };
        if !whole {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Believe a blob, or do not, whatever it looks like: a check has read it. One that is not believed is stored again by the next pull.
pub(super) fn judge_blob(engine: &Engine, digest: &Digest, damaged: bool) -> Result<()> {
    engine.store().write(Durability::Full, |transaction| {
        transaction.execute(
            "UPDATE blobs SET damaged = ?2 WHERE digest = ?1",
            rusqlite::params![digest.as_str(), damaged],
        )?;
        Ok(())
    })
}

/// Believe an unpacked layer no longer, though nothing in it is younger than it should be.
pub(super) fn condemn_layer(engine: &Engine, chain: &Digest) -> Result<()> {
    engine.store().write(Durability::Full, |transaction| {
        transaction
            .execute("UPDATE layers SET created = 0 WHERE chain_id = ?1", [chain.as_str()])?;
        Ok(())
    })
}

/// Whether the stored blob is whole.
pub(super) fn blob(engine: &Engine, digest: &Digest, size: i64) -> Result<bool> {
    match blob::verify(engine, digest, size) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a layer hides all those below it.
pub(super) fn is_opaque(engine: &Engine, chain: &Digest) -> Result<bool> {
    engine.store().read(|connection| {
        connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM layers WHERE chain_id = ?1 AND opaque)")?
            .query_row([chain.as_str()], |row| row.get(0))
    })
}

/// Whether the record has the layer.
pub(super) fn is_known(engine: &Engine, chain: &Digest) -> Result<bool> {
    engine.store().read(|connection| {
        connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM layers WHERE chain_id = ?1)")?
            .query_row([chain.as_str()], |row| row.get(0))
    })
}

/// When the unpacked layer was put in its place, nanoseconds since 1970.
pub(super) fn created(engine: &Engine, chain: &Digest) -> Result<Option<i64>> {
    engine.store().read(|connection| {
        connection
            .prepare_cached("SELECT created FROM layers WHERE chain_id = ?1")?
            .query_row([chain.as_str()], |row| row.get(0))
            .optional()
    })
}

/// Whether the unpacked layer is there and nobody has changed it.
pub(super) fn layer(engine: &Engine, chain: &Digest) -> Result<bool> {
    let Some(created) = created(engine, chain)? else { return Ok(false) };
    let path = engine.layout().layer(chain.hex());
    match is_untouched(&path, created) {
        Ok(untouched) => Ok(untouched),
        // It is not there or no directory, or somebody removes it just now.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
        Err(errno) => Err(Error::system(format!("look at {}", path.display()), errno.into())),
    }
}

/// Trust a suspected layer again when it is what was just unpacked: a root that was restored from a copy has younger files, and
/// they are right.
pub(super) fn acquit(engine: &Engine, chain: &Digest, whole: &Path) -> Result<()> {
    let stored = match directory::open(&engine.layout().layer(chain.hex())) {
        Ok(stored) => stored,
        // It is not there: nothing to acquit.
        Err(_) => return Ok(()),
    };
    let wanted = pack::fingerprint(engine, &directory::open(whole)?)?;
    // One that cannot be read to its end is not what was unpacked.
    if !pack::fingerprint(engine, &stored).is_ok_and(|has| has == wanted) {
        return engine.canceller().check();
    }
    renew(engine, chain)
}

/// From now on only what is younger than this moment counts as changed.
pub(super) fn renew(engine: &Engine, chain: &Digest) -> Result<()> {
    engine.store().write(Durability::Full, |transaction| {
        transaction.execute(
            "UPDATE layers SET created = ?2 WHERE chain_id = ?1",
            rusqlite::params![chain.as_str(), clock::now()],
        )?;
        Ok(())
    })
}

/// Whether nothing in the tree was changed after `created`, nanoseconds since 1970. A file's time is that of the kernel's last tick
/// (`CLOCK_REALTIME_COARSE`): what is changed within milliseconds of the record is taken for part of it.
fn is_untouched(path: &Path, created: i64) -> rustix::io::Result<bool> {
    let is_younger = |stat: &Stat| {
        let seconds = stat.st_ctime.saturating_mul(1_000_000_000);
        seconds.saturating_add(i64::try_from(stat.st_ctime_nsec).unwrap_or_default()) > created
    };
    let root = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
    if is_younger(&fstat(&root)?) {
        return Ok(false);
    }
    let mut open = vec![Dir::new(root)?];
    loop {
        let depth = open.len();
        let Some(here) = open.last_mut() else { return Ok(true) };
        let Some(entry) = here.read() else {
            open.pop();
            continue;
        };
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = statat(here.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if is_younger(&stat) {
            return Ok(false);
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            if depth >= MAX_DEPTH {
                return Ok(false);
            }
            let next = Dir::new(openat(here.fd()?, name, DIRECTORY, Mode::empty())?)?;
            open.push(next);
        }
    }
}
