//! A stream, pulled from Python.
//!
//! Waiting happens on the stream's descriptor and outside its lock, so that a thread that waits for output holds up neither
//! one that writes input nor one that closes.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barque::{Chunk, Deadline, Item, Next, Output, Stream};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::OrRaise;
use crate::fork::OfThisProcess;
use crate::signals;

struct Shared {
    stream: Mutex<Stream>,
    canceller: barque::Canceller,
    fd: i32,
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the stream's, which lives as long as `self` does and never changes it.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

impl Shared {
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
    /// stream was closed), `False` when nothing came within `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
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
            if !signals::wait_readable(py, &*shared, deadline)? {
                return false.into_py_any(py);
            }
        }
    }

    /// Give the other side bytes; how many it took. None closes its input.
    fn write(&self, py: Python<'_>, data: &[u8]) -> PyResult<usize> {
        let Some(shared) = self.shared(py)? else { return Err(closed()) };
        py.detach(|| shared.stream().write(data)).or_raise(py)
    }

    /// A descriptor that is readable when `next` may have something to say. Only to be polled.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.shared(py)?.map(|shared| shared.fd).ok_or_else(closed)
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
