//! `barque._barque`: what Python cannot do itself. Documents cross as JSON text, and everything a user sees is Python
//! (`python/barque`).
//!
//! The interpreter is detached around whatever may wait, so other Python threads run on; and whatever may wait looks for
//! signals, so Ctrl-C works ([`signals`]).

mod engine;
mod error;
mod fork;
mod pending;
mod signals;
mod stream;

use pyo3::prelude::*;

use barque::api::operations::{Kind, OPERATIONS, Operation};

/// The native module.
#[pymodule(gil_used = false)]
mod _barque {
    use super::*;

    #[pymodule_export]
    use super::engine::{Canceller, NativeEngine};
    #[pymodule_export]
    use super::pending::NativePending;
    #[pymodule_export]
    use super::stream::NativeStream;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name it has in Python")]
    const __version__: &str = barque::VERSION;

    /// Name, request type, answer type and kind of every operation.
    #[pyfunction]
    fn operations() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
        let row = |operation: &Operation| {
            let kind = match operation.kind {
                Kind::Unary(_) => "unary",
                Kind::Stream(_) => "stream",
            };
            (operation.name, operation.request, operation.response, kind)
        };
        OPERATIONS.iter().map(row).collect()
    }

    /// Whether an operation may take seconds.
    #[pyfunction]
    fn may_take_long(operation: &str) -> bool {
        Operation::find(operation).is_ok_and(Operation::may_take_long)
    }
}
