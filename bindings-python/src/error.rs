//! core's errors become the exceptions of `barque.errors`, which are written in Python: one function there makes them from
//! the error's document, and this calls it.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The exception for an error of core.
pub(crate) fn raise(py: Python<'_>, error: &barque::Error) -> PyErr {
    from_document(py, &error.to_document().to_string()).unwrap_or_else(|failed| failed)
}

fn from_document(py: Python<'_>, document: &str) -> PyResult<PyErr> {
    static CONSTRUCTOR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let constructor = CONSTRUCTOR.import(py, "barque.errors", "from_json")?;
    Ok(PyErr::from_value(constructor.call1((document,))?))
}

/// Results of core as results of Python.
pub(crate) trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for barque::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, &error))
    }
}
