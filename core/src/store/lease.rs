//! The one temporary directory, and the leases that part it among processes.
//!
//! A lease is a directory `tmp/<name>/` and a lock on `tmp/<name>.lock`, held for as long as the operation goes on. The lock file
//! is there before the directory and goes after it, so whatever lies in `tmp` without a held lock belongs to nobody any more and
//! is removed by whoever comes by. Nothing unfinished is ever anywhere else (D7: podman leaks what a killed `load` left in
//! `/var/tmp` for good).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::sys::directory;
use crate::sys::lock::LockFile;

const SUFFIX: &str = ".lock";

/// A directory of one's own, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    lock: LockFile,
    temporary: PathBuf,
    name: String,
}

impl Lease {
    /// Take one.
    pub(crate) fn take(layout: &Layout) -> Result<Lease> {
        let temporary = layout.temporary();
        directory::make(&temporary, Mode::RWXU)?;
        loop {
            let name = name()?;
            let lock = LockFile::make(&temporary.join(format!("{name}{SUFFIX}")))?;
            // A sweep may have come between making and locking it: then it is somebody else's to remove.
            if lock.try_lock(0)? && lock.is_linked()? {
                directory::make(&temporary.join(&name), Mode::RWXU)?;
                return Ok(Lease { lock, temporary, name });
            }
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.temporary.join(&self.name)
    }

    /// A descriptor that holds the lock: a process that has a copy of it holds the lease.
    pub(crate) fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What cannot be removed now is swept later: the lock goes with this in any case.
        let _ = remove(&self.temporary, &self.name);
    }
}

/// Remove what belongs to nobody any more. Cheap when there is nothing: one `readdir`.
pub(crate) fn sweep(layout: &Layout) -> Result<()> {
    let temporary = layout.temporary();
    let failed = |error| Error::system(format!("read {}", temporary.display()), error);
    let entries = match std::fs::read_dir(&temporary) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let name = file.strip_suffix(SUFFIX).unwrap_or(&file);
        // A directory without its lock file is one whose removal was cut short on a file system that lost the order of things.
        let Some(lock) = LockFile::open(&temporary.join(format!("{name}{SUFFIX}")))? else {
            if file == name && temporary.join(format!("{name}{SUFFIX}")).symlink_metadata().is_err()
            {
                remove(&temporary, name)?;
            }
            continue;
        };
        if lock.try_lock(0)? && lock.is_linked()? {
            remove(&temporary, name)?;
        }
    }
    Ok(())
}

/// A name that nobody else takes.
fn name() -> Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| Error::internal("no random numbers").because(error))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(random)))
}

/// The directory first, its lock file last.
fn remove(temporary: &Path, name: &str) -> Result<()> {
    let parent: OwnedFd = directory::open(temporary)?;
    directory::remove_tree(parent.as_fd(), name)?;
    match rustix::fs::unlinkat(&parent, format!("{name}{SUFFIX}"), rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => {
            Err(Error::system(format!("remove {}", temporary.join(name).display()), errno.into()))
        }
    }
}

/// Make everything durable that was written to the file system a lease is on.
///
/// Through the descriptor of its lock, which is older than all that was written below it: a write that the kernel has begun by itself and
/// that failed is told once to each description that was open then (Linux, lib/errseq.c), and to none that was opened after somebody was told.
pub(crate) fn sync(lease: &Lease) -> Result<()> {
    rustix::fs::syncfs(lease.lock())
        .map_err(|errno| Error::system(format!("sync {}", lease.path().display()), errno.into()))
}

#[cfg(test)]
mod tests {
    use super::{Lease, sweep};
    use crate::layout::Layout;

    fn layout(name: &str) -> (std::path::PathBuf, Layout) {
        let root = std::env::temp_dir().join(format!("barque-lease-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        let layout = Layout::of(&root, &root.join("run")).unwrap();
        (root, layout)
    }

    #[test]
    fn a_lease_that_is_held_is_not_swept_and_one_whose_owner_is_gone_is() {
        let (root, layout) = layout("held");
        let held = Lease::take(&layout).unwrap();
        std::fs::write(held.path().join("file"), "x").unwrap();
        // What a killed process leaves: everything but the lock.
        let path = layout.temporary().join("0123456789abcdef");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), "x").unwrap();
        std::fs::write(path.with_extension("lock"), "").unwrap();
        sweep(&layout).unwrap();
        assert!(held.path().join("file").exists());
        assert!(!path.exists());
        drop(held);
        assert_eq!(std::fs::read_dir(layout.temporary()).unwrap().count(), 0);
        std::fs::remove_dir_all(root).unwrap();
    }
}
