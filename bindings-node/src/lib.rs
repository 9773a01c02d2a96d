//! The native part of the npm package `barque`: what JavaScript cannot do itself. Documents cross as JSON text, and everything
//! a user sees is TypeScript (`lib/`).
//!
//! Nothing here blocks the event loop. What takes time runs on a tokio runtime of this addon's own, and a promise says when
//! it is done ([`promise`]).

// Public for the code that napi generates.
pub mod engine;
mod promise;
pub mod stream;

use barque::api::operations::{Kind, OPERATIONS};
use napi_derive::napi;

/// barque's version.
#[napi(catch_unwind)]
pub fn version() -> String {
    barque::VERSION.to_owned()
}

/// An operation: its name, request type, answer type and kind.
#[napi(object)]
pub struct NativeOperation {
    /// `noun.verb`.
    pub name: String,
    /// Type of the request.
    pub request: String,
    /// Type of the answer.
    pub answer: String,
    /// `unary` or `stream`.
    pub kind: String,
}

/// Every operation.
#[napi(catch_unwind)]
pub fn operations() -> Vec<NativeOperation> {
    let row = |operation: &barque::api::operations::Operation| NativeOperation {
        name: operation.name.to_owned(),
        request: operation.request.to_owned(),
        answer: operation.response.to_owned(),
        kind: match operation.kind {
            Kind::Unary(_) => "unary",
            Kind::Stream(_) => "stream",
        }
        .to_owned(),
    };
    OPERATIONS.iter().map(row).collect()
}
