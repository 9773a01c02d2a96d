//! Locks on bytes of files (fcntl(2), "Open file description locks").

use std::os::fd::{AsFd, AsRawFd};

/// Whether somebody holds a byte of a file locked.
pub(crate) fn is_locked(file: impl AsFd, byte: i64) -> bool {
    // SAFETY: a flock is numbers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    (lock.l_start, lock.l_len) = (byte, 1);
    // SAFETY: the kernel reads and writes one flock, which outlives the call.
    let done = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    done == 0 && lock.l_type != libc::F_UNLCK as libc::c_short
}
