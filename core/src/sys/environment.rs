//! Variables of the environment that say where the engine is.

use std::ffi::OsString;

/// The value of a variable, unless this process has more rights than whoever started it: then the environment is theirs and
/// its word does not count (`man 3 secure_getenv`, `man 3 getauxval`).
pub(crate) fn trusted(name: &str) -> Option<OsString> {
    // SAFETY: takes and returns numbers.
    let more_rights = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    if more_rights {
        return None;
    }
    std::env::var_os(name).filter(|value| !value.is_empty())
}
