//! A call that another thread carries out: what the main thread waits for with an eye on signals, and what asyncio waits for
//! without a thread of Python's own.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rustix::event::{EventfdFlags, PollFlags, eventfd};

use crate::error::{OrRaise, raise};
use crate::fork::OfThisProcess;
use crate::signals;
use crate::stream::NativeStream;

/// What an operation answered.
pub(crate) enum Answer {
    /// A document.
    Document(String),
    /// A stream.
    Stream(barque::Stream),
}

impl Answer {
    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Answer::Document(text) => text.into_py_any(py),
            Answer::Stream(stream) => NativeStream::new(stream).into_py_any(py),
        }
    }
}

struct Shared {
    answer: Mutex<Option<barque::Result<Answer>>>,
    done: OwnedFd,
}

/// A call under way.
#[pyclass(frozen, module = "barque._barque")]
pub(crate) struct NativePending {
    shared: OfThisProcess<Arc<Shared>>,
    /// Until its answer is taken.
    thread: Mutex<Option<JoinHandle<()>>>,
    canceller: barque::Canceller,
}

impl NativePending {
    /// Begin `work` on a thread of its own. The thread ends with the work and never touches the interpreter, so it may
    /// outlive it.
    pub(crate) fn begin(
        canceller: barque::Canceller,
        work: impl FnOnce() -> barque::Result<Answer> + Send + 'static,
    ) -> barque::Result<NativePending> {
        let done = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| barque::Error::system("create an eventfd", errno.into()))?;
        let shared = Arc::new(Shared { answer: Mutex::new(None), done });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("barque".to_owned())
            .spawn(move || {
                let panicked = || Err(barque::Error::internal("the engine panicked"));
                let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                let answer = answer.unwrap_or_else(|_| panicked());
                *theirs.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                // A counter that is full is readable, which is all that is wanted.
                let _ = rustix::io::write(&theirs.done, &1u64.to_ne_bytes());
            })
            .map_err(|error| barque::Error::system("start a thread", error))?;
        let thread = Mutex::new(Some(thread));
        Ok(NativePending { shared: OfThisProcess::new(shared), thread, canceller })
    }

    /// Wait for the answer. A signal handler that raises cancels the call, and its end is waited for; a second one leaves it.
    pub(crate) fn finish(&self, py: Python<'_>) -> PyResult<Answer> {
        let shared = self.shared.get(py)?;
        let done = [(shared.done.as_fd(), PollFlags::IN)];
        if let Err(interrupted) = signals::wait(py, &done, None) {
            self.canceller.cancel();
            signals::wait(py, &done, None)?;
            return Err(interrupted);
        }
        self.take(py)
    }

    fn take(&self, py: Python<'_>) -> PyResult<Answer> {
        let shared = self.shared.get(py)?;
        let answer = shared.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has nothing left to do but to end. Who limits how many calls there are at once counts on that.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take_if(|_| answer.is_some()) {
            // A panic of it was its answer.
            let _ = py.detach(|| thread.join());
        }
        match answer {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(raise(py, &error)),
            None => Err(PyValueError::new_err("the call is still under way, or was asked before")),
        }
    }
}

#[pymethods]
impl NativePending {
    /// A descriptor that is readable when the call is done.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        Ok(self.shared.get(py)?.done.as_fd().as_raw_fd())
    }

    /// Whether the call is done.
    fn done(&self, py: Python<'_>) -> PyResult<bool> {
        let shared = self.shared.get(py)?;
        Ok(shared.answer.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }

    /// The answer, once: a document or a stream.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.take(py)?.into_python(py)
    }

    /// Cancel it. It is still to be waited for.
    fn cancel(&self) {
        self.canceller.cancel();
    }
}

/// Carry out `work`: here, or on another thread when signals are to be looked for meanwhile.
pub(crate) fn carry_out(
    py: Python<'_>,
    canceller: barque::Canceller,
    work: impl FnOnce() -> barque::Result<Answer> + Send + 'static,
) -> PyResult<Answer> {
    if signals::handled_here() {
        NativePending::begin(canceller, work).or_raise(py)?.finish(py)
    } else {
        py.detach(work).or_raise(py)
    }
}

/// What cannot be: an operation answered with the other kind.
pub(crate) fn wrong_kind() -> PyErr {
    PyRuntimeError::new_err("the engine answered with the wrong kind")
}
