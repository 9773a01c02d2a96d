//! The operations on the engine as a whole.

use std::ffi::{c_char, c_int};

use crate::boundary;
use crate::call;
use crate::cancel::barque_cancel;
use crate::engine::barque_engine;
use crate::error::barque_error;
use crate::stream::barque_stream;

/// The engine and this host: `*out` becomes a SystemInfo document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_info(
    engine: *const barque_engine,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "system.info", std::ptr::null(), cancel, out))
}

/// Versions: `*out` becomes a SystemVersion document. Without an engine: barque_version.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_version(
    engine: *const barque_engine,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "system.version", std::ptr::null(), cancel, out))
}

/// Events: `request` is a SystemEvents document ("Since", "Until", "Filters", "Cursor"), NULL for those from now on.
///
/// Each item of the stream is an EventMessage document. With the "cursor" of one as "Cursor" another stream goes on behind it and
/// has left nothing out.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_events(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut barque_stream,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::stream(engine, "system.events", request, cancel, out))
}

/// What the engine keeps on disk: `*out` becomes a DiskUsage document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_df(
    engine: *const barque_engine,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "system.df", std::ptr::null(), cancel, out))
}

/// Remove what nothing needs: `request` is a SystemPrune document, NULL for the containers that do not run, the images without a
/// tag and what builds have left of no image; `*out` becomes a SystemPruned.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_prune(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "system.prune", request, cancel, out))
}

/// Compare everything that is stored with its digest. `request` is a SystemCheck document ("Repair"), NULL to look only; `*out` becomes
/// a SystemChecked. That something is wrong is no error: it is in the document.
#[unsafe(no_mangle)]
pub extern "C" fn barque_system_check(
    engine: *const barque_engine,
    request: *const c_char,
    cancel: *const barque_cancel,
    out: *mut *mut c_char,
    err: *mut *mut barque_error,
) -> c_int {
    boundary::run(err, || call::document(engine, "system.check", request, cancel, out))
}
