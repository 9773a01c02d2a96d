//! The one error type of the engine.
//!
//! An [`Error`] says what class of thing went wrong ([`ErrorKind`]), with what ([`Subject`]), in one line for a person, and
//! why ([`std::error::Error::source`]). Every face derives what it shows from here: the C code, the HTTP status, the
//! Python class, the JavaScript `code` and the command's exit status are columns of one table (`error/kind.rs`), so that a
//! new kind without a code does not compile.

mod kind;
mod lacking;

use std::fmt;

use serde_json::json;

pub use kind::ErrorKind;

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, with what, and why.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    reason: &'static str,
    subject: Option<Subject>,
    message: String,
    errno: Option<i32>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The thing an error is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Docker's word for it: `container`, `image`, `volume`, `network`, `exec`, `operation`, `field`, `path`.
    pub kind: &'static str,
    /// Its name or id, as the caller gave it.
    pub id: String,
}

impl Error {
    /// An error of `kind` with a message: one line, lower case, no full stop, naming the thing.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            reason: kind.name(),
            subject: None,
            message: message.into(),
            errno: None,
            source: None,
        }))
    }

    /// Say more exactly which case of the kind this is: a short stable word such as `unknown_field` or `digest_mismatch`.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Error {
        self.0.reason = reason;
        self
    }

    /// Say which thing it is about.
    #[must_use]
    pub fn about(mut self, kind: &'static str, id: impl Into<String>) -> Error {
        self.0.subject = Some(Subject { kind, id: id.into() });
        self
    }

    /// Name the file, or whatever else it was read from, before the message.
    #[must_use]
    pub(crate) fn of_input(mut self, name: &str) -> Error {
        if !self.0.message.contains(name) {
            self.0.message = format!("{name}: {}", self.0.message);
        }
        self
    }

    /// Say where it was: `Dockerfile:3: …`.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Error {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// Say more: what can be done now.
    #[must_use]
    pub(crate) fn adding(mut self, more: impl fmt::Display) -> Error {
        self.0.message = format!("{}; {more}", self.0.message);
        self
    }

    /// Keep the error underneath. Its text is not repeated in the message: [`Error::causes`] tells it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// Keep the system's error number.
    #[must_use]
    pub fn with_errno(mut self, errno: i32) -> Error {
        self.0.errno = Some(errno);
        self
    }

    /// A failed system call: `what` names the action and its object, as in `open /var/lib/barque/barque.db`.
    ///
    /// The kind follows the number: no permission, no space and the like have kinds of their own, since they have
    /// remedies of their own.
    pub fn system(what: impl fmt::Display, errno: std::io::Error) -> Error {
        let number = errno.raw_os_error();
        let kind = number.map_or(ErrorKind::System, ErrorKind::of_errno);
        let error = Error::new(kind, format!("{what}: {}", describe(&errno)));
        match number {
            Some(number) => error.with_number(number),
            None => error,
        }
    }

    /// Keep the system's error number, and tell which rights this process lacks where that is why.
    #[must_use]
    pub(crate) fn with_number(mut self, errno: i32) -> Error {
        if let Some(lacking) = lacking::rights(errno) {
            self.0.message = format!("{} ({lacking})", self.0.message);
        }
        self.with_errno(errno)
    }

    /// A path that a request names could not be opened or read: it is not found where there is nothing.
    pub(crate) fn of_path(doing: &str, path: &str, error: std::io::Error) -> Error {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let failed = Error::system(format!("{doing} {path}"), error);
        match missing {
            true => Error::new(ErrorKind::NotFound, failed.message().to_owned()),
            false => failed,
        }
        .about("path", path)
    }

    /// No such thing: docker's wording, `No such container: web`.
    pub fn not_found(kind: &'static str, id: impl Into<String>) -> Error {
        let id = id.into();
        Error::new(ErrorKind::NotFound, format!("No such {kind}: {id}")).about(kind, id)
    }

    /// The caller asked for something that cannot be.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    /// Asked for, known, and not there (yet, or on this kernel).
    pub fn unsupported(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unsupported, message)
    }

    /// What docker has, and barque will have.
    pub(crate) fn not_yet(what: impl fmt::Display) -> Error {
        Error::unsupported(format!("not implemented yet: {what}")).with_reason("not_implemented")
    }

    /// The engine or stream belongs to the process that this one was forked from.
    pub(crate) fn forked() -> Error {
        Error::new(
            ErrorKind::Conflict,
            "this engine was opened before a fork; open it again in the child",
        )
        .with_reason("forked")
    }

    /// A bug in barque.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Internal, message)
    }

    /// The class of error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which case of the class, as a short stable word.
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// What it is about.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// The line for a person, without the causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The system's error number, where one was the cause.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// The messages of the errors underneath, nearest first.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }

    /// The error as the one document that every face reads (`docs/errors.md`).
    pub fn to_document(&self) -> serde_json::Value {
        let kind = self.kind();
        json!({
            "kind": kind.name(),
            "code": kind.code(),
            "status": kind.http_status(),
            "reason": self.reason(),
            "subject": self.subject().map(|s| json!({"type": s.kind, "id": s.id})),
            "message": self.message(),
            "causes": self.causes(),
            "errno": self.errno(),
        })
    }
}

/// The system's words for an error number, without Rust's `(os error 2)`.
fn describe(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for cause in self.causes() {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_document())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}
