//! Opening an engine, and calling its operations by name.

use std::ffi::{c_char, c_int};

use barque::{Engine, EngineOptions};

use crate::boundary;
use crate::call;
use crate::cancel::barque_cancel;
use crate::error::{BARQUE_OK, barque_error};
use crate::handle::{self, ForkGuard, Object};
use crate::out::Out;
use crate::stream::barque_stream;
use crate::text;

/// An engine root, opened by this process.
///
/// All threads may use one at the same time. Any number of processes may have the same root open. It is not to be carried
/// across fork(2): in the child every call on it fails with BARQUE_ERR_CONFLICT, and does no harm to the parent.
pub struct barque_engine {
    _private: [u8; 0],
}

pub(crate) struct Opened {
    pub(crate) engine: Engine,
    _guard: ForkGuard,
}

impl Object for Opened {
    type Opaque = barque_engine;
    const KIND: (u64, &'static str) = (4, "barque_engine");
}

/// Open an engine.
///
/// `root` is its directory, made when it is not there; NULL: the environment's BARQUE_ROOT, else /var/lib/barque.
/// `run_directory` is where what must not outlive a reboot is kept; NULL: the environment's BARQUE_RUN, else /run/barque.
/// Opening puts right what a crash or a reboot left behind.
#[unsafe(no_mangle)]
pub extern "C" fn barque_engine_open(
    root: *const c_char,
    run_directory: *const c_char,
    out: *mut *mut barque_engine,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let out = Out::required(out, "out")?;
        let guard = ForkGuard::new()?;
        let mut options = match text::optional(root, "root")? {
            "" => EngineOptions::default(),
            root => EngineOptions::at(root),
        };
        match text::optional(run_directory, "run_directory")? {
            "" => {}
            run => options = options.run_directory(run),
        }
        out.set(handle::give(Opened { engine: Engine::open(options)?, _guard: guard })?);
        Ok(BARQUE_OK)
    })
}

/// Close an engine. NULL is allowed. Containers go on; streams stay open until they are freed themselves.
#[unsafe(no_mangle)]
pub extern "C" fn barque_engine_free(engine: *mut barque_engine) {
    boundary::value((), || {
        handle::free::<Opened>(engine);
        Ok(())
    });
}

/// Carry out an operation by its name: "container.start".
///
/// `request` is its request document, NULL an empty one; `*out` becomes the answer, a JSON document that is freed with
/// barque_string_free. docs/operations.md lists the operations. Each has a function of its own too; this one also reaches
/// fields that came after that function.
#[unsafe(no_mangle)]
pub extern "C" fn barque_call(
    engine: *const barque_engine,
    operation: *const c_char,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let operation = text::required(operation, "operation")?;
        call::document(engine, operation, request, cancel, out)
    })
}

/// Open the stream of an operation by its name: "container.logs".
///
/// As barque_call, for operations that answer with a stream. Free it with barque_stream_free.
#[unsafe(no_mangle)]
pub extern "C" fn barque_open_stream(
    engine: *const barque_engine,
    operation: *const c_char,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let operation = text::required(operation, "operation")?;
        call::stream(engine, operation, request, cancel, out)
    })
}
