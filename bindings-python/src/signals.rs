//! Waiting so that Ctrl-C works.
//!
//! CPython's own handler only sets a flag; the exception comes from the main thread's next `PyErr_CheckSignals`. A signal that
//! arrives there ends `poll(2)` with EINTR at once. One that the kernel delivers to another thread doesn't, and is seen at the
//! end of the slice.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

const SLICE: Duration = Duration::from_millis(200);

/// Wait until one of `fds` is ready, with the interpreter detached. `false` when `deadline` passed.
///
/// Fails with what a signal handler raises.
pub(crate) fn wait(
    py: Python<'_>,
    fds: &[(BorrowedFd<'_>, PollFlags)],
    deadline: Option<Instant>,
) -> PyResult<bool> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        let ready = py.detach(|| ready_within(fds, slice));
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

fn ready_within(fds: &[(BorrowedFd<'_>, PollFlags)], slice: Duration) -> Result<bool, Errno> {
    let timeout = slice.try_into().map_err(|_| Errno::INVAL)?;
    let mut fds: Vec<PollFd<'_>> =
        fds.iter().map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events)).collect();
    Ok(poll(&mut fds, Some(&timeout))? > 0)
}

/// Whether signals are handled here: in the process's first thread.
pub(crate) fn handled_here() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
