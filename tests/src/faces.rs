//! The faces, each behind the same five verbs, so that one scenario runs through all of them.
//!
//! Rust is called in this process. C, Python and Node are drivers (`tests/drivers/`): small programs written against the
//! public API of each face that speak a line protocol ([`driver`]). The command line is started anew for each step ([`cli`]),
//! which is how it is used.

mod cli;
mod driver;
mod rust;

pub use driver::compile_c;

use serde_json::Value;

use crate::Sandbox;

/// What an operation's stream gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streamed {
    /// Bytes of standard output.
    pub stdout: Vec<u8>,
    /// Bytes of standard error.
    pub stderr: Vec<u8>,
    /// Documents.
    pub documents: Vec<Value>,
}

/// How an operation failed: the error document (`docs/errors.md`). The command line tells less, so its document has only
/// `message` and `exit_code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(pub Value);

/// What every face can do.
pub trait Face {
    /// Its name in results: `c`.
    fn name(&self) -> &'static str;

    /// Whether it shows the documents themselves, as all but the command line do.
    fn shows_documents(&self) -> bool {
        true
    }

    /// Carry out a unary operation.
    ///
    /// # Errors
    /// As the operation fails.
    fn call(&mut self, operation: &str, request: &str) -> Result<Value, Failure>;

    /// Begin a stream, and call it `id`.
    ///
    /// # Errors
    /// As the operation fails.
    fn begin(&mut self, id: &str, operation: &str, request: &str) -> Result<(), Failure>;

    /// Send input to a stream; nothing closes its input.
    ///
    /// # Errors
    /// As the stream fails.
    fn input(&mut self, id: &str, data: &[u8]) -> Result<(), Failure>;

    /// Cancel a stream.
    ///
    /// # Errors
    /// When there is none.
    fn cancel(&mut self, id: &str) -> Result<(), Failure>;

    /// Read a stream to its end.
    ///
    /// # Errors
    /// As the stream fails.
    fn end(&mut self, id: &str) -> Result<Streamed, Failure>;
}

/// The names of all faces.
pub const ALL: [&str; 5] = ["rust", "c", "python", "node", "cli"];

/// The face of that name, on this sandbox's engine.
///
/// # Panics
/// When it can't be started; a face that is not built skips the test.
pub fn open(name: &str, sandbox: &Sandbox) -> Box<dyn Face> {
    match name {
        "rust" => Box::new(rust::Rust::open(sandbox)),
        "cli" => Box::new(cli::CommandLine::open(sandbox)),
        "c" => Box::new(driver::Driver::c(sandbox)),
        "python" => Box::new(driver::Driver::python(sandbox)),
        "node" => Box::new(driver::Driver::node(sandbox)),
        other => panic!("no face {other}"),
    }
}

/// A failure of the face itself.
fn broken(message: impl std::fmt::Display) -> Failure {
    Failure(serde_json::json!({"kind": "driver", "message": message.to_string()}))
}
