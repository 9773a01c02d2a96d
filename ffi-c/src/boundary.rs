//! The line that neither a panic nor an unchecked result crosses.
//!
//! Unwinding out of an `extern "C"` function aborts the process since Rust 1.81, so every body runs below [`run`] or
//! [`value`]. The default panic hook writes to standard error, which belongs to the host program: the hook is
//! replaced by one that keeps the text for the error object.

use std::cell::RefCell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use barque::{Error, Result};

use crate::error::{self, BARQUE_ERR_PANIC, barque_error};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Run the body of a fallible function; its return value, with `*err` set on failure.
pub(crate) fn run(err: *mut *mut barque_error, body: impl FnOnce() -> Result<c_int>) -> c_int {
    match guarded(body) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => error::give(err, &error, error.kind().code()),
        Err(report) => error::give(err, &Error::internal(report), BARQUE_ERR_PANIC),
    }
}

/// Run the body of a function that cannot report an error; its value, or the fallback.
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> Result<T>) -> T {
    match guarded(body) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) | Err(_) => fallback,
    }
}

fn guarded<T>(body: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let report = format!("a bug in barque: {info}").replace('\n', " ");
            LAST_PANIC.with(|last| *last.borrow_mut() = Some(report));
        }));
    });
    // What a panicking body may have left half done is behind locks of core's that survive it, or is dropped with the call.
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| {
        LAST_PANIC
            .with(|last| last.borrow_mut().take())
            .unwrap_or_else(|| "a bug in barque: a panic without a report".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{barque_error_code, barque_error_free, barque_error_message};
    use std::ffi::CStr;
    use std::ptr::null_mut;

    #[test]
    fn a_panic_becomes_an_error_that_says_where() {
        let mut err = null_mut();
        assert_eq!(run(&raw mut err, || panic!("the {} broke", "mast")), BARQUE_ERR_PANIC);
        assert_eq!(barque_error_code(err), BARQUE_ERR_PANIC);
        // SAFETY: the pointer is NUL-terminated and lives until the error is freed.
        let message = unsafe { CStr::from_ptr(barque_error_message(err)) }.to_str().unwrap();
        assert!(message.contains("the mast broke") && message.contains("boundary.rs"), "{message}");
        barque_error_free(err);
    }

    #[test]
    fn success_leaves_the_error_alone() {
        let mut err = null_mut();
        assert_eq!(run(&raw mut err, || Ok(7)), 7);
        assert!(err.is_null());
    }

    #[test]
    fn nobody_has_to_take_the_error() {
        assert_eq!(run(null_mut(), || Err(Error::invalid("no"))), -2);
        assert_eq!(value(9, || -> Result<i32> { panic!("no") }), 9);
    }
}
