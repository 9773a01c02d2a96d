//! Bytes into a jail: waiting for it where it is busy, for as long as nobody cancels.
//!
//! Through a pipe, since the pages of a file can be put into one and taken out into another file without being copied in between.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};

use crate::error::{Error, Result};
use crate::stream::{Canceller, Deadline};
use crate::sys::pipe;
use crate::sys::thread::without_sigpipe;

/// Our end of a jail's input. Dropping it is the input's end.
pub(super) struct Feed<'a> {
    pipe: OwnedFd,
    canceller: &'a Canceller,
    /// Bytes so far.
    pub(super) sent: u64,
}

impl<'a> Feed<'a> {
    /// A pair: ours, and the one for the jail.
    pub(super) fn pair(canceller: &'a Canceller) -> Result<(Feed<'a>, OwnedFd)> {
        let (theirs, pipe) = pipe::large()?;
        rustix::io::ioctl_fionbio(&pipe, true)
            .map_err(|errno| Error::system("set up a pipe", errno.into()))?;
        Ok((Feed { pipe, canceller, sent: 0 }, theirs))
    }

    /// Send part of a file without reading it: at most so many bytes; how many were. None: it has to be read.
    pub(super) fn splice(
        &mut self,
        file: BorrowedFd<'_>,
        mut at: u64,
        most: usize,
    ) -> io::Result<usize> {
        let sent =
            self.give(|pipe| splice(file, Some(&mut at), pipe, None, most, SpliceFlags::NONBLOCK));
        match sent {
            // It cannot do this, or it cannot be read, which reading it will tell.
            Err(error) if error.raw_os_error().is_some() && !is_hang_up(&error) => Ok(0),
            sent => sent,
        }
    }

    /// Do what writes, until it has.
    fn give(
        &mut self,
        mut write: impl FnMut(&OwnedFd) -> rustix::io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match without_sigpipe(|| write(&self.pipe)) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    return Ok(sent);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.canceller
                        .wait_for(self.pipe.as_fd(), PollFlags::OUT, Deadline::never())
                        .map_err(io::Error::other)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.give(|pipe| rustix::io::write(pipe, bytes))
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
