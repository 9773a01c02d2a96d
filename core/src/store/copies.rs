//! Two copies of this library in one process (a Python wheel and a C library, an addon and a static link) must not have one
//! database open.
//!
//! SQLite locks with POSIX record locks, which belong to the process: when one copy of SQLite closes any descriptor of the
//! file, the locks of the other are gone, and two processes write at once (fcntl(2);
//! https://sqlite.org/howtocorrupt.html, 2.2.1). Within one copy SQLite keeps count; it cannot know of another. So a copy that
//! finds the database open in its process, and not by itself, must not even open it.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::sys::descriptor;

/// How often this copy has each database open, by device and inode.
static OPEN: Mutex<BTreeMap<File, usize>> = Mutex::new(BTreeMap::new());

type File = (u64, u64);

/// That this copy of the library has a database open, or is about to. Counted down when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    file: Option<File>,
}

impl Claim {
    /// Claim the database at `path`, open it with `open`, and keep the claim.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when another copy of the library has it open.
    pub(super) fn and_open<T>(path: &Path, open: impl FnOnce() -> Result<T>) -> Result<(Claim, T)> {
        let mut ours = ours();
        let known = identity(path);
        let is_ours = known.is_some_and(|file| ours.contains_key(&file));
        if let (Some(file), false) = (known, is_ours)
            && let Some(descriptor) = descriptor_of(file)
        {
            return Err(Error::new(ErrorKind::Conflict, format!(
                "{} is open in this process by another copy of barque (descriptor {descriptor}); \
                 use one engine root through one of them",
                path.display()
            ))
            .with_reason("second_copy"));
        }
        let opened = open()?;
        let file = identity(path);
        if let Some(file) = file {
            *ours.entry(file).or_default() += 1;
        }
        Ok((Claim { file }, opened))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(file) = self.file else { return };
        let mut ours = ours();
        if let Some(count) = ours.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                ours.remove(&file);
            }
        }
    }
}

fn ours() -> MutexGuard<'static, BTreeMap<File, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(path: &Path) -> Option<File> {
    let metadata = path.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A descriptor of this process that is the file. Where `/proc` cannot be read there is no way to know.
fn descriptor_of(file: File) -> Option<RawFd> {
    std::fs::read_dir("/proc/self/fd").ok()?.flatten().find_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        (descriptor::file(number) == Some(file)).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::Claim;
    use crate::error::ErrorKind;

    #[test]
    fn a_database_that_somebody_else_in_the_process_has_open_is_refused_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("barque-copies-{}", std::process::id()));
        let other = std::fs::File::create(&path).unwrap();
        let refused = Claim::and_open(&path, || Ok(())).unwrap_err();
        assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Conflict, "second_copy"));
        drop(other);
        let open = || Ok(std::fs::File::open(&path).unwrap());
        let first = Claim::and_open(&path, open).unwrap();
        let second = Claim::and_open(&path, open).unwrap();
        drop(first);
        drop(second);
        let other = std::fs::File::open(&path).unwrap();
        Claim::and_open(&path, || Ok(())).unwrap_err();
        drop(other);
        std::fs::remove_file(&path).unwrap();
    }
}
