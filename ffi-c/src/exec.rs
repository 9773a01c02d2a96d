//! The operations on further processes in containers, one function each.

use std::ffi::{c_char, c_int};

use barque::api::*;

use crate::boundary;
use crate::call::{self, Call};
use crate::cancel::barque_cancel;
use crate::engine::barque_engine;
use crate::error::{BARQUE_OK, barque_error};
use crate::out::Out;
use crate::stream::barque_stream;
use crate::text;

/// Make ready a further process in a container that runs. `request` is an ExecCreate document: "Container", "Cmd",
/// "AttachStdout" …; `*out` becomes an ExecCreated: Id.
#[unsafe(no_mangle)]
pub extern "C" fn barque_exec_create(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::document(engine, "exec.create", request, cancel, out)
    })
}

/// Start it. `request` is an ExecStart document: "Id", "Detach", "TimeoutMs".
///
/// The stream gives its output, takes input where it was created with "AttachStdin", and ends with an ExecExit document.
/// Closing it before that kills the process and all that it has started, unless it is detached.
#[unsafe(no_mangle)]
pub extern "C" fn barque_exec_start(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        text::required(request, "request")?;
        call::stream(engine, "exec.start", request, cancel, out)
    })
}

/// Everything about it: `*out` becomes an ExecInspect document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_exec_inspect(
    engine: *const barque_engine,
    id: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let id = text::required(id, "id")?;
        let out = Out::required(out, "out")?;
        call::answer(out, &call.engine.execs().inspect(id)?)
    })
}

/// Send it a signal: "TERM", "SIGTERM", "15"; NULL is SIGKILL, which all that it has started gets too.
#[unsafe(no_mangle)]
pub extern "C" fn barque_exec_kill(
    engine: *const barque_engine,
    id: *const c_char,
    signal: *const c_char,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ExecKill {
            id: text::required(id, "id")?.to_owned(),
            signal: text::optional(signal, "signal")?.to_owned(),
        };
        call.engine.execs().kill(&request)?;
        Ok(BARQUE_OK)
    })
}

/// Set the size of its terminal.
#[unsafe(no_mangle)]
pub extern "C" fn barque_exec_resize(
    engine: *const barque_engine,
    id: *const c_char,
    rows: u16,
    columns: u16,
    cancel: *const barque_cancel,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || {
        let call = Call::on(engine, cancel)?;
        let request = ExecResize { id: text::required(id, "id")?.to_owned(), h: rows, w: columns };
        call.engine.execs().resize(&request)?;
        Ok(BARQUE_OK)
    })
}
