//! Pipes.

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::error::{Error, Result};

/// What one holds that much goes through: the most that anybody may have without being root, `/proc/sys/fs/pipe-max-size`.
const LARGE: usize = 1 << 20;

/// A pipe for much: the end that is read, and the one that is written.
pub(crate) fn large() -> Result<(OwnedFd, OwnedFd)> {
    let ends = pipe_with(PipeFlags::CLOEXEC)
        .map_err(|errno| Error::system("make a pipe", errno.into()))?;
    // Refused to who has many already; a small one does the same, more slowly.
    let _ = fcntl_setpipe_size(&ends.1, LARGE);
    Ok(ends)
}
