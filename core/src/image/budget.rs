//! How much of the disk the cache of builds may take: what a clean-up was told, and what builds keep to by themselves.
//!
//! The numbers are those of Docker's garbage collection (moby's `builder/builder-next/worker/gc.go` and `gc_unix.go`): what was used last
//! stays, up to a tenth of the disk or 10 GB; more is kept up to 100 GB, while the disk has a fifth free.

use crate::Engine;
use crate::api::BuilderPrune;
use crate::error::{Error, Result};
use crate::shorthand;
use crate::sys::environment;

/// How much builds may keep, for whoever does not want Docker's numbers.
const VARIABLE: &str = "BARQUE_BUILD_CACHE";

const GB: i64 = 1_000_000_000;

/// Bytes of the file system that the engine root is on.
pub(super) struct Disk {
    pub(super) total: i64,
    /// What may still be written.
    pub(super) free: i64,
}

impl Disk {
    pub(super) fn of(engine: &Engine) -> Result<Disk> {
        let path = engine.layout().layers();
        let found = rustix::fs::statvfs(&path)
            .map_err(|errno| Error::system(format!("statvfs {}", path.display()), errno.into()))?;
        if found.f_blocks == 0 {
            // One that does not count, like ramfs.
            return Ok(Disk { total: i64::MAX, free: i64::MAX });
        }
        let bytes =
            |blocks: u64| i64::try_from(blocks.saturating_mul(found.f_frsize)).unwrap_or(i64::MAX);
        Ok(Disk { total: bytes(found.f_blocks), free: bytes(found.f_bavail) })
    }
}

/// How many bytes of `used` may stay, with `free` on the disk; `None`: nothing was said of that.
pub(super) fn limit(request: &BuilderPrune, used: i64, free: i64) -> Option<i64> {
    let &BuilderPrune { reserved_space, max_used_space, min_free_space, .. } = request;
    let most = match (max_used_space, min_free_space, reserved_space) {
        (0, 0, 0) => return None,
        (0, 0, reserved) => reserved,
        (0, _, _) => used,
        (most, _, _) => most,
    };
    let lacking = min_free_space.saturating_sub(free).max(0);
    let most = if lacking > 0 { most.min(used.saturating_sub(lacking)) } else { most };
    Some(most.max(reserved_space))
}

/// Let the cache not grow beyond what it may take, after a build has added to it.
pub(crate) fn keep(engine: &Engine) -> Result<()> {
    let disk = Disk::of(engine)?;
    let request = allowed(&disk)?;
    // Where so little is used in all the cache needs no look.
    let taken = disk.total.saturating_sub(disk.free);
    if taken <= request.max_used_space && disk.free >= request.min_free_space {
        return Ok(());
    }
    engine.images().prune_builds(&request).map(drop)
}

/// What the cache may take of a disk.
fn allowed(disk: &Disk) -> Result<BuilderPrune> {
    let reserved_space = (disk.total / 10).min(10 * GB);
    let Some(given) = environment::trusted(VARIABLE) else {
        return Ok(BuilderPrune {
            reserved_space,
            max_used_space: (disk.total / 5 * 4).min(100 * GB),
            min_free_space: disk.total / 5,
            ..BuilderPrune::default()
        });
    };
    let given = given.to_string_lossy();
    let max_used_space = shorthand::size(&given)
        .map_err(|error| Error::invalid(format!("{VARIABLE}: {}", error.message())))?;
    Ok(BuilderPrune { max_used_space: max_used_space.max(1), ..BuilderPrune::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stay_is_between_what_is_reserved_and_what_is_allowed() {
        let limit = |reserved_space, max_used_space, min_free_space, used, free| {
            let request = BuilderPrune {
                reserved_space,
                max_used_space,
                min_free_space,
                ..BuilderPrune::default()
            };
            limit(&request, used, free)
        };
        assert_eq!(limit(0, 0, 0, 50, 50), None);
        assert_eq!(limit(10, 0, 0, 50, 50), Some(10));
        assert_eq!(limit(0, 30, 0, 50, 50), Some(30));
        assert_eq!(limit(10, 30, 0, 50, 50), Some(30));
        assert_eq!(limit(40, 30, 0, 50, 50), Some(40));
        // Enough is free, or not.
        assert_eq!(limit(0, 0, 40, 50, 50), Some(50));
        assert_eq!(limit(0, 0, 60, 50, 50), Some(40));
        assert_eq!(limit(10, 30, 60, 50, 50), Some(30));
        assert_eq!(limit(10, 30, 95, 50, 50), Some(10));
        assert_eq!(limit(0, 0, 200, 50, 50), Some(0));
        let large = allowed(&Disk { total: 2000 * GB, free: 0 }).unwrap();
        assert_eq!((large.reserved_space, large.max_used_space), (10 * GB, 100 * GB));
        let small = allowed(&Disk { total: 50 * GB, free: 0 }).unwrap();
        assert_eq!((small.reserved_space, small.max_used_space), (5 * GB, 40 * GB));
    }
}
