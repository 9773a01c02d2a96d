//! Descriptors that a caller names by number.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use crate::error::{Error, Result};

/// A copy of a descriptor that stays the caller's.
pub(crate) fn duplicate(number: RawFd) -> Result<OwnedFd> {
    if number < 0 {
        return Err(Error::invalid(format!("{number} is not a descriptor")));
    }
    // SAFETY: it is only duplicated, at once; a number that is not open gives EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3)
        .map_err(|errno| Error::system(format!("descriptor {number}"), errno.into()))
}

/// Which file a descriptor is: device and inode; `None` for a number that is not open.
pub(crate) fn file(number: RawFd) -> Option<(u64, u64)> {
    if number < 0 {
        return None;
    }
    // SAFETY: it is only asked about, at once; a number that is not open gives EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let found = rustix::fs::fstat(borrowed).ok()?;
    Some((found.st_dev, found.st_ino))
}
