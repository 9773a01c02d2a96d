//! Makes the [`Failure`]s of the runtime: one line that names the step and the thing, and the error number.

use std::ffi::{CString, NulError};
use std::fmt::Display;

use rustix::io::Errno;

use crate::protocol::{Failure, FailureClass};
use crate::sys::mount::Refusal;

/// The specification asks for something impossible.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::invalid(message)
}

/// The kernel, this machine or barque cannot do it.
pub(crate) fn unsupported(message: impl Into<String>) -> Failure {
    Failure::unsupported(message)
}

/// A system call failed while doing `step`.
pub(crate) fn system(step: impl Display, errno: Errno) -> Failure {
    Failure::system(step, errno.raw_os_error())
}

/// The same, of another class.
pub(crate) fn classed(class: FailureClass, step: impl Display, errno: Errno) -> Failure {
    Failure { class, ..system(step, errno) }
}

/// A file system could not be made while doing `step`.
pub(crate) fn refused(step: impl Display, refusal: &Refusal) -> Failure {
    let mut failure = system(&step, refusal.errno);
    if !refusal.reason.is_empty() {
        failure.message = format!("{} ({})", failure.message, refusal.reason);
    } else if refusal.errno == Errno::NODEV {
        // How fsopen(2) says that it does not know the type.
        failure.class = FailureClass::Unsupported;
        failure.message = format!("{step}: this kernel does not have such a file system");
    }
    failure
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// Make the error a [`Failure`] of this step.
    fn doing<S: Display>(self, step: impl FnOnce() -> S) -> Result<T, Failure>;
}

impl<T> Doing<T> for rustix::io::Result<T> {
    fn doing<S: Display>(self, step: impl FnOnce() -> S) -> Result<T, Failure> {
        self.map_err(|errno| system(step(), errno))
    }
}

impl<T> Doing<T> for Result<T, Refusal> {
    fn doing<S: Display>(self, step: impl FnOnce() -> S) -> Result<T, Failure> {
        self.map_err(|refusal| refused(step(), &refusal))
    }
}

/// A string for the kernel.
pub(crate) fn c_string(what: &str, string: &str) -> Result<CString, Failure> {
    CString::new(string).map_err(|_: NulError| invalid(format!("{what} has a zero byte in it")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_names_the_step_and_keeps_the_number() {
        let failure = system("mount /proc", Errno::PERM);
        assert_eq!(failure.message, "mount /proc: operation not permitted");
        assert_eq!(failure.errno, Some(libc::EPERM));
    }

    #[test]
    fn a_refused_file_system_passes_on_what_the_kernel_says() {
        let refusal =
            Refusal { errno: Errno::INVAL, reason: "tmpfs: Unknown parameter 'x'".into() };
        assert_eq!(
            refused("mount /tmp", &refusal).message,
            "mount /tmp: invalid argument (tmpfs: Unknown parameter 'x')"
        );
    }

    #[test]
    fn an_unknown_file_system_is_unsupported() {
        let refusal = Refusal { errno: Errno::NODEV, reason: String::new() };
        let failure = refused("mount /x", &refusal);
        assert_eq!(failure.class, FailureClass::Unsupported);
    }
}
