//! The error object, and the codes.

use std::ffi::{CString, c_char, c_int};

use barque::Error;

use crate::boundary;
use crate::handle::{self, Object};
use crate::text;

/// Why a call failed: a code, a line for a person, and everything else that is known about it.
///
/// A call that fails stores a new one in its last parameter, `err`, if that is not NULL. The caller frees it with
/// barque_error_free. It belongs to nothing else: it stays valid whatever is freed, and any thread may read it.
pub struct barque_error {
    _private: [u8; 0],
}

/// The call did what it should.
pub const BARQUE_OK: c_int = 0;
/// A stream has no more items.
pub const BARQUE_DONE: c_int = 1;
/// Nothing happened before the timeout. What was waited for goes on.
pub const BARQUE_TIMEOUT: c_int = 2;

/// A bug in barque.
pub const BARQUE_ERR_INTERNAL: c_int = -1;
/// The request cannot be: NULL, a wrong value, an unknown field, a malformed name, a handle that is none.
pub const BARQUE_ERR_INVALID_ARGUMENT: c_int = -2;
/// Credentials are missing or wrong.
pub const BARQUE_ERR_UNAUTHORIZED: c_int = -3;
/// The kernel, or a registry, does not let this caller do it.
pub const BARQUE_ERR_PERMISSION_DENIED: c_int = -4;
/// There is no such thing.
pub const BARQUE_ERR_NOT_FOUND: c_int = -5;
/// A thing of that name is there already.
pub const BARQUE_ERR_ALREADY_EXISTS: c_int = -6;
/// The thing is in a state that does not allow it. In a forked child: the parent has an engine open.
pub const BARQUE_ERR_CONFLICT: c_int = -7;
/// Nothing to do: it is so already (a start of a running container).
pub const BARQUE_ERR_NOT_MODIFIED: c_int = -8;
/// Known, and not to be had in this version or on this kernel.
pub const BARQUE_ERR_UNSUPPORTED: c_int = -9;
/// Not to be had now: a registry that does not answer.
pub const BARQUE_ERR_UNAVAILABLE: c_int = -10;
/// Space, memory, descriptors or a limit of the engine's own ran out.
pub const BARQUE_ERR_RESOURCE_EXHAUSTED: c_int = -11;
/// A time limit ran out.
pub const BARQUE_ERR_TIMEOUT: c_int = -12;
/// It was cancelled.
pub const BARQUE_ERR_CANCELLED: c_int = -13;
/// What is stored or was received is not what its digest or format says.
pub const BARQUE_ERR_CORRUPT: c_int = -14;
/// Another process holds it, longer than was worth waiting.
pub const BARQUE_ERR_BUSY: c_int = -15;
/// A system call failed; see barque_error_errno.
pub const BARQUE_ERR_SYSTEM: c_int = -16;
/// A panic in barque was caught at the boundary: a bug. The message says where.
pub const BARQUE_ERR_PANIC: c_int = -99;

/// What the handle names: all texts, ready for C.
pub(crate) struct Report {
    code: c_int,
    errno: c_int,
    kind: CString,
    reason: CString,
    message: CString,
    json: CString,
}

impl Object for Report {
    type Opaque = barque_error;
    const KIND: (u64, &'static str) = (1, "barque_error");
}

/// Hand an error to the caller, where there is a place for it; the code to return.
pub(crate) fn give(place: *mut *mut barque_error, error: &Error, code: c_int) -> c_int {
    if !place.is_null() {
        let mut document = error.to_document();
        document["code"] = code.into();
        let report = Report {
            code,
            errno: error.errno().unwrap_or(0),
            kind: text::terminated(error.kind().name()),
            reason: text::terminated(error.reason()),
            message: text::terminated(&error.to_string()),
            json: text::terminated(&document.to_string()),
        };
        let handle = handle::give(report).unwrap_or(std::ptr::null_mut());
        crate::out::Out::optional(place).set(handle);
    }
    code
}

/// Read a text of a report; the empty string where there is none.
fn borrowed(error: *const barque_error, field: impl FnOnce(&Report) -> &CString) -> *const c_char {
    // The pointer stays valid as long as the handle: its row owns the report.
    boundary::value(c"".as_ptr(), || Ok(field(&*handle::get::<Report>(error, "error")?).as_ptr()))
}

/// The code: what the failed call returned. 0 when `error` is NULL or not an error.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_code(error: *const barque_error) -> c_int {
    boundary::value(0, || Ok(handle::get::<Report>(error, "error")?.code))
}

/// The system's error number (errno.h) where one was the cause, otherwise 0.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_errno(error: *const barque_error) -> c_int {
    boundary::value(0, || Ok(handle::get::<Report>(error, "error")?.errno))
}

/// One line for a person, causes included: "No such container: web".
///
/// Never NULL; "" when `error` is NULL or not an error. Valid until the error is freed, as all strings of an error are.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_message(error: *const barque_error) -> *const c_char {
    borrowed(error, |report| &report.message)
}

/// The name of the code: "not_found".
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_kind(error: *const barque_error) -> *const c_char {
    borrowed(error, |report| &report.kind)
}

/// Which case of the kind it is, as a short stable word: "unknown_field". The kind's name where nothing more is known.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_reason(error: *const barque_error) -> *const c_char {
    borrowed(error, |report| &report.reason)
}

/// The error as a JSON document: kind, code, status, reason, subject, message, causes, errno.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_json(error: *const barque_error) -> *const c_char {
    borrowed(error, |report| &report.json)
}

/// Free an error. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_error_free(error: *mut barque_error) {
    boundary::value((), || {
        handle::free::<Report>(error);
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use barque::ErrorKind;

    #[test]
    fn every_kind_has_its_constant_in_the_header() {
        let source = include_str!("error.rs");
        for kind in ErrorKind::ALL {
            let name = kind.name().to_uppercase();
            let line = format!("pub const BARQUE_ERR_{name}: c_int = {};", kind.code());
            assert!(source.contains(&line), "missing: {line}");
        }
    }
}
