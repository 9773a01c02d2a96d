//! Removing what a later entry of the same name replaces.
//!
//! A tree may be as deep as a path is long, so it is walked with one descriptor and `..`, not with the stack. `..` is what
//! it says, since nobody else works in this directory.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, unlinkat};
use rustix::io::{Errno, Result};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Remove a directory and everything in it.
pub(crate) fn tree(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    if is_gone(unlinkat(parent, name, AtFlags::REMOVEDIR))? {
        return Ok(());
    }
    let mut names = vec![CString::new(name).map_err(|_| Errno::INVAL)?];
    let mut here = openat(parent, name, DIRECTORY, Mode::empty())?;
    loop {
        if let Some(inner) = empty(&here)? {
            here = openat(&here, &inner, DIRECTORY, Mode::empty())?;
            names.push(inner);
            continue;
        }
        let Some(done) = names.pop() else { return Ok(()) };
        if names.is_empty() {
            return unlinkat(parent, &done, AtFlags::REMOVEDIR);
        }
        here = openat(&here, c"..", DIRECTORY, Mode::empty())?;
        unlinkat(&here, &done, AtFlags::REMOVEDIR)?;
    }
}

/// Remove from a directory what can be removed at once; the first directory in it that is not empty.
fn empty(directory: &OwnedFd) -> Result<Option<CString>> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(directory, name, AtFlags::empty()) {
            // unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX.
            Err(Errno::ISDIR | Errno::PERM) => {}
            result => {
                result?;
                continue;
            }
        }
        if !is_gone(unlinkat(directory, name, AtFlags::REMOVEDIR))? {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

fn is_gone(result: Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}
