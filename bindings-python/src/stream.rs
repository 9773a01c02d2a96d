//! A stream, pulled from Python.
//!
//! Waiting happens on the stream's descriptor and outside its lock, so that a thread that waits for output holds up neither
//! one that writes input nor one that closes.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barque::{Chunk, Deadline, Item, Next, Output, Stream};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::event::PollFlags;

use crate::error::OrRaise;
use crate::fork::OfThisProcess;
use crate::signals;

struct Shared {
    stream: Mutex<Stream>,
    canceller: barque::Canceller,
    fd: RawFd,
    input: Option<RawFd>,
}

impl Shared {
    /// The descriptor that is readable when there may be output.
    fn output(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the stream's, which lives as long as `self` does and never changes it.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }

    /// The descriptor that is writable when input may be taken.
    fn input(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: as above.
        self.input.map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sequence of items that its reader pulls.
#[pyclass(frozen, module = "barque._barque")]
pub(crate) struct NativeStream(OfThisProcess<Mutex<Option<Arc<Shared>>>>);

impl NativeStream {
    pub(crate) fn new(stream: Stream) -> NativeStream {
        let shared = Shared {
            canceller: stream.canceller(),
            fd: stream.as_fd().as_raw_fd(),
            input: stream.input_fd().map(|fd| fd.as_raw_fd()),
            stream: Mutex::new(stream),
        };
        NativeStream(OfThisProcess::new(Mutex::new(Some(Arc::new(shared)))))
    }

    fn shared(&self, py: Python<'_>) -> PyResult<Option<Arc<Shared>>> {
        Ok(self.0.get(py)?.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

#[pymethods]
impl NativeStream {
    /// The next item: `(output, bytes, nanoseconds or None)`, a document's text, `None` when there will be no more (or the
    /// stream was closed), `False` when nothing came within `timeout` seconds, or before input could be taken when `feeding`.
    #[pyo3(signature = (timeout=None, feeding=false))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>, feeding: bool) -> PyResult<Py<PyAny>> {
        let Some(shared) = self.shared(py)? else { return Ok(py.None()) };
        let deadline = match timeout {
            // A time too far away to count is for ever.
            Some(seconds) => Duration::try_from_secs_f64(seconds.max(0.0))
                .ok()
                .and_then(|duration| Instant::now().checked_add(duration)),
            None => None,
        };
        loop {
            let next = py.detach(|| shared.stream().next(Deadline::after(Duration::ZERO)));
            match next.or_raise(py)? {
                Next::Item(Item::Chunk(Chunk { channel, timestamp, data })) => {
                    let output = match channel {
                        Output::Stdout => 1,
                        Output::Stderr => 2,
                    };
                    return (output, PyBytes::new(py, &data), timestamp).into_py_any(py);
                }
                Next::Item(Item::Document(text)) => return text.into_py_any(py),
                Next::Done => return Ok(py.None()),
                Next::TimedOut => {}
            }
            let output = (shared.output(), PollFlags::IN);
            let input = shared.input().filter(|_| feeding).map(|fd| (fd, PollFlags::OUT));
            let ready = match input {
                Some(input) => signals::wait(py, &[output, input], deadline)?,
                None => signals::wait(py, &[output], deadline)?,
            };
            if !ready || feeding {
                return false.into_py_any(py);
            }
        }
    }

    /// Give the other side bytes; how many it took now. An empty `data` closes its input. Never waits.
    fn write(&self, py: Python<'_>, data: &[u8]) -> PyResult<usize> {
        let Some(shared) = self.shared(py)? else { return Err(closed()) };
        py.detach(|| shared.stream().write(data)).or_raise(py)
    }

    /// Wait until input may be taken, or the stream is closed.
    fn wait_writable(&self, py: Python<'_>) -> PyResult<()> {
        let Some(shared) = self.shared(py)? else { return Err(closed()) };
        if let Some(input) = shared.input() {
            let fds = [(input, PollFlags::OUT), (shared.canceller.as_fd(), PollFlags::IN)];
            signals::wait(py, &fds, None)?;
        }
        Ok(())
    }

    /// A descriptor that is readable when `next` may have something to say. Only to be polled.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.shared(py)?.map(|shared| shared.fd).ok_or_else(closed)
    }

    /// A descriptor that is writable when `write` may take more; `None` when the stream takes no input.
    fn input_fileno(&self, py: Python<'_>) -> PyResult<Option<i32>> {
        Ok(self.shared(py)?.ok_or_else(closed)?.input)
    }

    /// Cancel it and let go of it. A thread that waits in `next` gets the cancellation.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let shared = self.0.get(py)?.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(shared) = shared {
            shared.canceller.cancel();
            py.detach(|| drop(shared));
        }
        Ok(())
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.shared(py)?.is_none())
    }
}

fn closed() -> PyErr {
    PyValueError::new_err("the stream is closed")
}
