//! keyctl(2).

use rustix::io::{Errno, Result};

use super::clone::last_errno;

/// Give this process an empty session keyring of its own. Without it, it would hold the keys of whoever started the
/// monitor.
pub(crate) fn join_new_session_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_int = 1;
    const NAMELESS: *const libc::c_char = std::ptr::null();
    // SAFETY: a null pointer stands for a keyring without a name.
    match unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NAMELESS) } {
        -1 => match last_errno() {
            // A kernel without keys has none to hide.
            Errno::NOSYS => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}
