//! Bytes into a jail: waiting for it where it is busy, for as long as nobody cancels.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::error::{Error, Result};
use crate::stream::{Canceller, Deadline};
use crate::sys::socket;

/// Our end of a jail's input. Dropping it is the input's end.
pub(super) struct Feed<'a> {
    socket: OwnedFd,
    canceller: &'a Canceller,
    /// Bytes so far.
    pub(super) sent: u64,
}

impl<'a> Feed<'a> {
    /// A pair: ours, and the one for the jail.
    pub(super) fn pair(canceller: &'a Canceller) -> Result<(Feed<'a>, OwnedFd)> {
        let (socket, theirs) = socket::pair()?;
        rustix::io::ioctl_fionbio(&socket, true)
            .map_err(|errno| Error::system("set up a socket", errno.into()))?;
        Ok((Feed { socket, canceller, sent: 0 }, theirs))
    }
}

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            // Not through a pipe: writing to a broken one raises SIGPIPE in the host program.
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    return Ok(sent);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let socket = self.socket.as_fd();
                    self.canceller
                        .wait_for(socket, PollFlags::OUT, Deadline::never())
                        .map_err(io::Error::other)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a write failed because the jail wants no more: it says why.
pub(super) fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET))
}

/// What went wrong while feeding, as an error of the engine.
pub(super) fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::system("write to the jail", error),
    }
}
