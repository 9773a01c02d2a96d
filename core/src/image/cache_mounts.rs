//! Directories of `RUN --mount=type=cache`, as those see them who look after the disk.
//!
//! A directory is named by a digest, and its row tells whose it is and when a step last had it. The directory counts: one without a row
//! can go like any other, and a row without a directory is nothing. A byte of one file is locked while a step has it.

use std::collections::BTreeMap;
use std::io::ErrorKind::NotFound;
use std::os::unix::fs::MetadataExt;

use rusqlite::params;

use super::digest::Digest;
use crate::Engine;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::store::Durability;
use crate::store::lease::Lease;
use crate::sys::lock::LockFile;
use crate::sys::{clock, directory};

/// A directory, and what is known of it.
pub(super) struct CacheMount {
    pub(super) name: Digest,
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) used: i64,
    pub(super) uses: i64,
    pub(super) size: i64,
    pub(super) in_use: bool,
}

/// Its row.
struct Known {
    id: String,
    created: i64,
    used: i64,
    uses: i64,
    size: i64,
    measured: i64,
}

/// The byte that is locked for a directory: as much of its name as fits. Two of one number would only wait for each other.
pub(crate) fn byte(name: &Digest) -> Result<i64> {
    i64::from_str_radix(&name.hex()[..15], 16)
        .map_err(|error| Error::internal("a digest that is no number").because(error))
}

/// A step has it now, whose byte is locked.
pub(crate) fn taken(engine: &Engine, name: &Digest, id: &str) -> Result<()> {
    engine.store().write(Durability::Crash, |transaction| {
        transaction
            .prepare_cached(
                "INSERT INTO cache_mounts (name, id, created, used) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT (name) DO UPDATE SET used = ?3, uses = uses + 1",
            )?
            .execute(params![name.as_str(), id, clock::now()])?;
        Ok(())
    })
}

/// All there are.
pub(super) fn all(engine: &Engine) -> Result<Vec<CacheMount>> {
    let path = engine.layout().cache_mounts();
    let failed = |error| Error::system(format!("read {}", path.display()), error);
    let entries = match path.read_dir() {
        Err(error) if error.kind() == NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let locks = LockFile::open(&engine.layout().cache_locks())?;
    let mut known = known(engine)?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(name) = Digest::parse(&format!("sha256:{name}")) else { continue };
        let in_use = match &locks {
            Some(locks) => locks.is_locked(byte(&name)?)?,
            None => false,
        };
        let known = known.remove(name.as_str()).unwrap_or_else(|| {
            let changed = entry.metadata().map_or(0, |metadata| metadata.mtime());
            let time = changed.saturating_mul(1_000_000_000);
            let (id, created, used) = (String::new(), time, time);
            Known { id, created, used, uses: 0, size: 0, measured: 0 }
        });
        let size = match known.measured > known.used {
            true => known.size,
            false => measure(engine, &name, in_use)?,
        };
        let Known { id, created, used, uses, .. } = known;
        found.push(CacheMount { name, id, created, used, uses, size, in_use });
    }
    Ok(found)
}

fn known(engine: &Engine) -> Result<BTreeMap<String, Known>> {
    engine.store().read(|connection| {
        connection
            .prepare_cached(
                "SELECT name, id, created, used, uses, size, measured FROM cache_mounts",
            )?
            .query_map([], |row| {
                Ok((
                    row.get(0)?,
                    Known {
                        id: row.get(1)?,
                        created: row.get(2)?,
                        used: row.get(3)?,
                        uses: row.get(4)?,
                        size: row.get(5)?,
                        measured: row.get(6)?,
                    },
                ))
            })?
            .collect()
    })
}

/// Bytes of its files. What no step has stays as it is until the next one does: it is measured once.
fn measure(engine: &Engine, name: &Digest, in_use: bool) -> Result<i64> {
    let now = clock::now();
    let size = directory::content_size(&engine.layout().cache_mounts().join(name.hex()))?;
    if !in_use {
        engine.store().write(Durability::Crash, |transaction| {
            transaction
                .prepare_cached("UPDATE cache_mounts SET size = ?2, measured = ?3 WHERE name = ?1")?
                .execute(params![name.as_str(), size, now])?;
            Ok(())
        })?;
    }
    Ok(size)
}

/// Remove it; `false`: a step has it, or it is gone.
pub(super) fn remove(engine: &Engine, lease: &Lease, name: &Digest) -> Result<bool> {
    let locks = LockFile::make(&engine.layout().cache_locks())?;
    let byte = byte(name)?;
    if !locks.try_lock(byte)? {
        return Ok(false);
    }
    let path = engine.layout().cache_mounts().join(name.hex());
    // What is in the lease's directory goes with that, also when this process is killed.
    let is_gone = match std::fs::rename(&path, lease.path().join(name.hex())) {
        Err(error) if error.kind() == NotFound => false,
        renamed => {
            renamed.map_err(|error| Error::system(format!("rename {}", path.display()), error))?;
            true
        }
    };
    failpoint("builder-prune-mount")?;
    engine.store().write(Durability::Crash, |transaction| {
        transaction.execute("DELETE FROM cache_mounts WHERE name = ?1", [name.as_str()])?;
        Ok(())
    })?;
    locks.unlock(byte);
    Ok(is_gone)
}
