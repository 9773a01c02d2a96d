//! What ends an unpacking: the archive's fault, or the system's.

use std::io;

use rustix::io::Errno;

use crate::protocol::{Failure, FailureClass};
use crate::tar;

/// A result whose error goes to the library.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// The archive asks for something that cannot be.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure { class: FailureClass::Invalid, message: message.into(), errno: None }
}

/// A system call failed; `what` names it and its object.
pub(crate) fn system(what: &str, errno: Errno) -> Failure {
    let words = io::Error::from(errno).to_string();
    let words = words.split(" (os error").next().unwrap_or_default().to_lowercase();
    Failure {
        class: FailureClass::System,
        message: format!("{what}: {words}"),
        errno: Some(errno.raw_os_error()),
    }
}

/// The same for an entry, which is named as people can read it.
pub(crate) fn entry<'a>(verb: &'a str, path: &'a [u8]) -> impl Fn(Errno) -> Failure + 'a {
    move |errno| system(&format!("{verb} {}", tar::quoted(path)), errno)
}

impl From<tar::Error> for Failure {
    fn from(error: tar::Error) -> Failure {
        match error {
            tar::Error::Io(error) => reading(&error),
            tar::Error::Malformed { .. } => invalid(error.to_string()),
        }
    }
}

/// The stream could not be read.
pub(crate) fn reading(error: &io::Error) -> Failure {
    match error.raw_os_error() {
        Some(number) => system("read the archive", Errno::from_raw_os_error(number)),
        None => invalid(error.to_string()),
    }
}
