use std::{fmt, io};

/// Why an archive could not be read.
#[derive(Debug)]
pub enum Error {
    /// Reading it failed.
    Io(io::Error),
    /// It is not a tar archive, or one that could be read in two ways.
    Malformed {
        /// Where the entry begins, bytes from the archive's beginning.
        position: u64,
        /// What is wrong.
        why: String,
    },
}

/// A result whose error is [`Error`].
pub(super) type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Malformed { position, why } => write!(f, "tar entry at byte {position}: {why}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}
