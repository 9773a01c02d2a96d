//! What a forked child must not touch. After `fork(2)` without an exec (multiprocessing's default on Linux before 3.14) the
//! child has copies of SQLite connections, whose locks are the parent's (sqlite.org/howtocorrupt.html, 2.6), and of sockets that
//! a container listens to. Using them is refused, and they are forgotten instead of closed.

use std::mem::ManuallyDrop;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A value that only the process that made it may use.
pub(crate) struct OfThisProcess<T> {
    value: ManuallyDrop<T>,
    pid: u32,
}

impl<T> OfThisProcess<T> {
    pub(crate) fn new(value: T) -> OfThisProcess<T> {
        OfThisProcess { value: ManuallyDrop::new(value), pid: std::process::id() }
    }

    /// The value, unless this is a forked child.
    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<&T> {
        if self.pid == std::process::id() { Ok(&self.value) } else { Err(forked(py)) }
    }
}

impl<T> Drop for OfThisProcess<T> {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: `drop` is called once and nothing uses the value afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

fn forked(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    const WHY: &str =
        "this process was forked after the engine was opened; open one of its own in the child";
    match CLASS.import(py, "barque.errors", "ForkedError").and_then(|class| class.call1((WHY,))) {
        Ok(error) => PyErr::from_value(error),
        Err(_) => PyRuntimeError::new_err(WHY),
    }
}
