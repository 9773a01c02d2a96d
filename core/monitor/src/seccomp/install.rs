//! Giving a filter to the kernel: seccomp(2), for the calling thread and all that it starts.

use std::io;

use super::{Error, Filter};

/// Flags of SECCOMP_SET_MODE_FILTER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    bits: libc::c_ulong,
    /// The document names none, so the one taken may be left out on a kernel that doesn't have it.
    chosen: bool,
}

impl Flags {
    pub(super) fn parse(names: Option<&[String]>) -> Result<Flags, Error> {
        // Without SPEC_ALLOW a kernel before 5.16 turns the mitigation of speculative store bypass on for whatever
        // has a filter, which is slow; runc asks for it where a document leaves the choice.
        let Some(names) = names else {
            return Ok(Flags { bits: libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW, chosen: true });
        };
        let mut bits = 0;
        for name in names {
            bits |= match name.as_str() {
                "SECCOMP_FILTER_FLAG_TSYNC" => libc::SECCOMP_FILTER_FLAG_TSYNC,
                "SECCOMP_FILTER_FLAG_LOG" => libc::SECCOMP_FILTER_FLAG_LOG,
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                // Says something about how long a notified call waits, and no call is notified.
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => return Err(Error::Notify),
                _ => return Err(Error::UnknownFlag(name.clone())),
            };
        }
        Ok(Flags { bits, chosen: false })
    }
}

impl Filter {
    /// Install it for the calling thread: from now on it holds for this thread and every process it starts, and can't be
    /// taken back. Needs `PR_SET_NO_NEW_PRIVS` or CAP_SYS_ADMIN in the user namespace (EACCES otherwise).
    pub fn install(&self) -> io::Result<()> {
        match self.set_mode(self.flags.bits) {
            Err(error) if self.flags.chosen && error.raw_os_error() == Some(libc::EINVAL) => {
                self.set_mode(0)
            }
            result => result,
        }
    }

    fn set_mode(&self, flags: libc::c_ulong) -> io::Result<()> {
        let program = libc::sock_fprog {
            // At most MAX_INSTRUCTIONS.
            len: self.program.len() as u16,
            filter: self.program.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel copies `len` instructions from `filter`, which outlive the call, and changes nothing.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        match result {
            0 => Ok(()),
            -1 => Err(io::Error::last_os_error()),
            thread => Err(io::Error::other(format!(
                "thread {thread} has another seccomp filter, so SECCOMP_FILTER_FLAG_TSYNC can't be done"
            ))),
        }
    }
}
