//! Dirty pages: having them written before somebody waits for it.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Have the kernel begin to write what of a file is not on disk yet, and do not wait for it (sync_file_range(2)). That promises nothing:
/// whoever needs the file on disk syncs it, and has less to wait for. So it matters to nobody whether it works.
pub(crate) fn begin(file: BorrowedFd<'_>) {
    // SAFETY: no memory is passed, and the descriptor is open.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}
