//! Waiting so that Ctrl-C works.
//!
//! CPython's own handler only sets a flag; the exception comes from the main thread's next `PyErr_CheckSignals`. A signal that
//! arrives there ends `poll(2)` with EINTR at once. One that the kernel delivers to another thread doesn't, and is seen at the
//! end of the slice.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

const SLICE: Duration = Duration::from_millis(200);

/// Wait until `fd` can be read, with the interpreter detached. `false` when `deadline` passed.
///
/// Fails with what a signal handler raises.
pub(crate) fn wait_readable(
    py: Python<'_>,
    fd: &(impl AsFd + Sync),
    deadline: Option<Instant>,
) -> PyResult<bool> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        let ready = py.detach(|| readable_within(fd.as_fd(), slice));
        match ready {
            Ok(true) => return Ok(true),
            Ok(false) | Err(Errno::INTR) => {}
            Err(errno) => return Err(PyOSError::new_err((errno.raw_os_error(), "poll"))),
        }
        py.check_signals()?;
        if left.is_some_and(|left| left <= slice) && ready == Ok(false) {
            return Ok(false);
        }
    }
}

fn readable_within(fd: BorrowedFd<'_>, slice: Duration) -> Result<bool, Errno> {
    let timeout = slice.try_into().map_err(|_| Errno::INVAL)?;
    Ok(poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout))? > 0)
}

/// Whether signals are handled here: in the process's first thread.
pub(crate) fn handled_here() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
