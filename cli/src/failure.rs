//! Why a command did not do what it was asked, and with which status it then exits.
//!
//! The statuses are docker's: 125 for what the command itself could not do, 126 and 127 for a container's program that cannot
//! be executed or is not there, anything else is the container's own. Verbs other than `run` and `create` fail with 1.

use std::io;

/// The result of a command: its exit status, or why there is none of its own.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A message, if there is something to say, and an exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The whole text, without a newline at its end. Empty: the status says it all, or somebody said it already.
    pub(crate) message: String,
    /// The exit status.
    pub(crate) code: u8,
}

impl Failure {
    /// A mistake in the arguments: docker gives flags 125 and numbers of operands 1.
    pub(crate) fn usage(message: impl Into<String>, code: u8) -> Failure {
        Failure { message: message.into(), code }
    }

    /// Something went wrong in this program.
    pub(crate) fn new(message: impl std::fmt::Display) -> Failure {
        Failure { message: format!("barque: {message}"), code: 1 }
    }

    /// Only a status.
    pub(crate) fn quiet(code: u8) -> Failure {
        Failure { message: String::new(), code }
    }

    /// The same failure of `run` or `create`, whose statuses 1 to 124 are the container's.
    pub(crate) fn of_run(error: &barque::Error) -> Failure {
        let code = match error.reason() {
            "command_not_found" => 127,
            "command_not_executable" => 126,
            _ => 125,
        };
        Failure { code, ..Failure::from(error) }
    }

    /// The same failure of `exec`. Other mistakes than in the command have status 1 there.
    pub(crate) fn of_exec(error: &barque::Error) -> Failure {
        let failure = Failure::of_run(error);
        Failure { code: if failure.code == 125 { 1 } else { failure.code }, ..failure }
    }

    /// Writing to standard output failed. A reader that left (EPIPE) knows what it did: the status is the one that a shell
    /// shows for a program that SIGPIPE killed, and nothing is said.
    pub(crate) fn of_output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::quiet(141),
            _ => Failure::new(format!("write to standard output: {}", describe(error))),
        }
    }
}

impl From<&barque::Error> for Failure {
    fn from(error: &barque::Error) -> Failure {
        Failure::new(format!("Error: {error}"))
    }
}

impl From<barque::Error> for Failure {
    fn from(error: barque::Error) -> Failure {
        Failure::from(&error)
    }
}

/// The system's words for an error, without Rust's `(os error 28)`.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
