//! Strings and byte buffers, in and out.
//!
//! Strings in are UTF-8, end with NUL, are at most [`MAX`] bytes and are read only up to their NUL. Strings out are made with
//! malloc(3), so that a caller who uses free(3) in place of `barque_string_free` does no harm.

use std::ffi::{CString, c_char};

use barque::{Error, ErrorKind, Result};

use crate::handle;

/// Most bytes of a string that is passed in: 16 MiB.
pub(crate) const MAX: usize = 16 << 20;

/// A string that must be there. `parameter` is what the header calls it.
pub(crate) fn required<'a>(text: *const c_char, parameter: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(handle::null(parameter));
    }
    // SAFETY: the header requires a NUL-terminated string; strnlen(3) reads no byte beyond its NUL.
    let length = unsafe { libc::strnlen(text, MAX + 1) };
    if length > MAX {
        let message = format!("{parameter} is longer than {MAX} bytes or does not end with NUL");
        return Err(Error::invalid(message).with_reason("too_long").about("parameter", parameter));
    }
    // SAFETY: `length` bytes were just read.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid(format!("{parameter} is not UTF-8 from byte {at} on"))
            .with_reason("not_utf8")
            .about("parameter", parameter)
    })
}

/// A string that may be NULL, which is then the empty one.
pub(crate) fn optional<'a>(text: *const c_char, parameter: &str) -> Result<&'a str> {
    if text.is_null() { Ok("") } else { required(text, parameter) }
}

/// Bytes. NULL is allowed when there are none.
pub(crate) fn bytes<'a>(data: *const u8, length: usize, parameter: &str) -> Result<&'a [u8]> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(handle::null(parameter));
    }
    if length > isize::MAX as usize {
        return Err(Error::invalid(format!("{parameter} cannot have {length} bytes"))
            .about("parameter", parameter));
    }
    // SAFETY: the header requires `length` readable bytes, and they are not kept beyond the call.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// A copy of `text` that the caller frees.
pub(crate) fn give(text: &str) -> Result<*mut c_char> {
    let text = terminated(text);
    let bytes = text.as_bytes_with_nul();
    // SAFETY: malloc(3) has no precondition.
    let copy = unsafe { libc::malloc(bytes.len()) }.cast::<u8>();
    if copy.is_null() {
        return Err(Error::new(ErrorKind::ResourceExhausted, "out of memory"));
    }
    // SAFETY: `copy` has room for the bytes and overlaps with nothing.
    unsafe { copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(copy.cast())
}

/// A string for C. A NUL inside, which C could not see behind, becomes U+2400, the symbol for it.
pub(crate) fn terminated(text: &str) -> CString {
    CString::new(text)
        .unwrap_or_else(|_| CString::new(text.replace('\0', "\u{2400}")).unwrap_or_default())
}

/// Free a string that barque returned in a `char **`. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn barque_string_free(string: *mut c_char) {
    if !handle::is_handle(string) {
        // SAFETY: the header requires NULL or a string of barque's, which malloc(3) made.
        unsafe { libc::free(string.cast()) };
    }
}
