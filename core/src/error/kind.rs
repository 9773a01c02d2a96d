//! The table of error kinds: the only place where a kind gets its name, numbers and exit code.

/// Classes of errors, those of containerd's `errdefs` and of the Docker Engine API, with a few that a library needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be: a wrong value, an unknown field, a malformed name.
    InvalidArgument,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// The kernel, or a registry, does not let this caller do it.
    PermissionDenied,
    /// There is no such thing.
    NotFound,
    /// A thing of that name is there already.
    AlreadyExists,
    /// The thing is in a state that does not allow it.
    Conflict,
    /// Nothing to do: it is so already (a start of a running container).
    NotModified,
    /// Known, and not to be had: not in this version, kernel or configuration.
    Unsupported,
    /// Not to be had now: a registry that does not answer, a service that is down.
    Unavailable,
    /// Space, memory, descriptors or a limit of the engine's own ran out.
    ResourceExhausted,
    /// A time limit ran out.
    Timeout,
    /// The caller cancelled it.
    Cancelled,
    /// What is stored or was received is not what its digest or format says.
    Corrupt,
    /// Another process holds it, longer than was worth waiting.
    Busy,
    /// A system call failed for a reason that has no kind of its own; see the error number.
    System,
    /// A bug in barque.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of its code.
    pub const ALL: [ErrorKind; 16] = [
        ErrorKind::Internal,
        ErrorKind::InvalidArgument,
        ErrorKind::Unauthorized,
        ErrorKind::PermissionDenied,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::Conflict,
        ErrorKind::NotModified,
        ErrorKind::Unsupported,
        ErrorKind::Unavailable,
        ErrorKind::ResourceExhausted,
        ErrorKind::Timeout,
        ErrorKind::Cancelled,
        ErrorKind::Corrupt,
        ErrorKind::Busy,
        ErrorKind::System,
    ];

    /// Name, C code and HTTP status. The numbers are part of the ABI: never changed, never used again.
    const fn row(self) -> (&'static str, i32, u16) {
        match self {
            ErrorKind::Internal => ("internal", -1, 500),
            ErrorKind::InvalidArgument => ("invalid_argument", -2, 400),
            ErrorKind::Unauthorized => ("unauthorized", -3, 401),
            ErrorKind::PermissionDenied => ("permission_denied", -4, 403),
            ErrorKind::NotFound => ("not_found", -5, 404),
            ErrorKind::AlreadyExists => ("already_exists", -6, 409),
            ErrorKind::Conflict => ("conflict", -7, 409),
            ErrorKind::NotModified => ("not_modified", -8, 304),
            ErrorKind::Unsupported => ("unsupported", -9, 501),
            ErrorKind::Unavailable => ("unavailable", -10, 503),
            ErrorKind::ResourceExhausted => ("resource_exhausted", -11, 500),
            ErrorKind::Timeout => ("timeout", -12, 500),
            ErrorKind::Cancelled => ("cancelled", -13, 500),
            ErrorKind::Corrupt => ("corrupt", -14, 500),
            ErrorKind::Busy => ("busy", -15, 409),
            ErrorKind::System => ("system", -16, 500),
        }
    }

    /// The kind of a system call's error number: those that have a remedy of their own have a kind of their own.
    pub(crate) const fn of_errno(errno: i32) -> ErrorKind {
        match errno {
            libc::EACCES | libc::EPERM => ErrorKind::PermissionDenied,
            libc::ENOSPC | libc::EDQUOT | libc::EMFILE | libc::ENFILE | libc::ENOMEM => {
                ErrorKind::ResourceExhausted
            }
            _ => ErrorKind::System,
        }
    }

    /// Its stable name: `not_found`. JavaScript's `code` is the same in capitals.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Its code in the C ABI: negative.
    pub const fn code(self) -> i32 {
        self.row().1
    }

    /// The status the Docker Engine API answers with.
    pub const fn http_status(self) -> u16 {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorKind;

    #[test]
    fn codes_and_names_are_unique_and_codes_count_down_from_minus_one() {
        let codes: Vec<i32> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes, (1..=16).map(|n| -n).collect::<Vec<i32>>());
        let mut names: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }
}
