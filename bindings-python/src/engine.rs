//! The engine: operations by name, documents as text.

use std::path::PathBuf;

use barque::{Engine, EngineOptions};
use pyo3::prelude::*;

use crate::error::OrRaise;
use crate::fork::OfThisProcess;
use crate::pending::{Answer, NativePending, carry_out, wrong_kind};
use crate::stream::NativeStream;

/// Cancels calls and streams that were given it, from any thread.
#[pyclass(frozen, module = "barque._barque")]
pub(crate) struct Canceller(barque::Canceller);

#[pymethods]
impl Canceller {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Canceller> {
        barque::Canceller::new().map(Canceller).or_raise(py)
    }

    /// Cancel.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was cancelled.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// An engine root, opened by this process.
#[pyclass(frozen, module = "barque._barque")]
pub(crate) struct NativeEngine(OfThisProcess<Engine>);

impl NativeEngine {
    /// The engine for one call, with what cancels that call.
    fn with(
        &self,
        py: Python<'_>,
        canceller: Option<&Canceller>,
    ) -> PyResult<(Engine, barque::Canceller)> {
        let canceller = match canceller {
            Some(canceller) => canceller.0.clone(),
            None => barque::Canceller::new().or_raise(py)?,
        };
        Ok((self.0.get(py)?.with_canceller(&canceller), canceller))
    }
}

#[pymethods]
impl NativeEngine {
    /// Open an engine.
    #[new]
    #[pyo3(signature = (root=None, run=None))]
    fn new(py: Python<'_>, root: Option<PathBuf>, run: Option<PathBuf>) -> PyResult<NativeEngine> {
        let mut options = root.map(EngineOptions::at).unwrap_or_default();
        if let Some(run) = run {
            options = options.run_directory(run);
        }
        let engine = py.detach(|| Engine::open(options)).or_raise(py)?;
        Ok(NativeEngine(OfThisProcess::new(engine)))
    }

    /// Carry out an operation that answers with a document.
    #[pyo3(signature = (operation, request, canceller=None))]
    fn call(
        &self,
        py: Python<'_>,
        operation: String,
        request: String,
        canceller: Option<&Canceller>,
    ) -> PyResult<String> {
        let (engine, canceller) = self.with(py, canceller)?;
        let work = move || engine.call(&operation, &request).map(Answer::Document);
        match carry_out(py, canceller, work)? {
            Answer::Document(text) => Ok(text),
            Answer::Stream(_) => Err(wrong_kind()),
        }
    }

    /// Carry out an operation that answers with a stream.
    #[pyo3(signature = (operation, request, canceller=None))]
    fn stream(
        &self,
        py: Python<'_>,
        operation: String,
        request: String,
        canceller: Option<&Canceller>,
    ) -> PyResult<NativeStream> {
        let (engine, canceller) = self.with(py, canceller)?;
        let work = move || engine.stream(&operation, &request).map(Answer::Stream);
        match carry_out(py, canceller, work)? {
            Answer::Stream(stream) => Ok(NativeStream::new(stream)),
            Answer::Document(_) => Err(wrong_kind()),
        }
    }

    /// Begin a call of either kind and return at once.
    #[pyo3(signature = (operation, request, streams, canceller=None))]
    fn begin(
        &self,
        py: Python<'_>,
        operation: String,
        request: String,
        streams: bool,
        canceller: Option<&Canceller>,
    ) -> PyResult<NativePending> {
        let (engine, canceller) = self.with(py, canceller)?;
        NativePending::begin(canceller, move || {
            if streams {
                engine.stream(&operation, &request).map(Answer::Stream)
            } else {
                engine.call(&operation, &request).map(Answer::Document)
            }
        })
        .or_raise(py)
    }
}
