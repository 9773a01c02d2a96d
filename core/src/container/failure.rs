//! What a monitor could not do, as an error of the engine.

use barque_monitor::protocol::{Failure, FailureClass};

use crate::error::{Error, ErrorKind};

/// The failure as an error about the container `id`.
pub(super) fn error(failure: &Failure, id: &str) -> Error {
    plain(failure).about("container", id)
}

/// The failure as an error.
pub(crate) fn plain(failure: &Failure) -> Error {
    let error = match failure.class {
        FailureClass::Invalid => Error::invalid(&failure.message),
        FailureClass::CommandNotFound => {
            Error::invalid(&failure.message).with_reason("command_not_found")
        }
        FailureClass::CommandNotExecutable => {
            Error::invalid(&failure.message).with_reason("command_not_executable")
        }
        FailureClass::Unsupported => Error::unsupported(&failure.message),
        FailureClass::System => {
            let kind = failure.errno.map_or(ErrorKind::System, ErrorKind::of_errno);
            Error::new(kind, &failure.message)
        }
        FailureClass::NotFound => Error::new(ErrorKind::NotFound, &failure.message),
        FailureClass::Conflict => Error::new(ErrorKind::Conflict, &failure.message),
        FailureClass::Abandoned => Error::new(ErrorKind::Cancelled, &failure.message),
    };
    match failure.errno {
        Some(errno) => error.with_number(errno),
        None => error,
    }
}
