//! A connection to a monitor behind a descriptor that a reader can poll: the socket, for writing too while something is queued.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use barque_monitor::protocol::Channel;
use rustix::event::epoll;

use super::connection::{Connection, Received};
use crate::error::{Error, ErrorKind, Result};

/// How much input is sent in one piece.
const PIECE: usize = 64 << 10;

/// A connection that is polled.
pub(super) struct Polled {
    connection: Connection,
    poller: OwnedFd,
    polls_for_writing: bool,
    input_closed: bool,
}

impl Polled {
    pub(super) fn new(connection: Connection) -> Result<Polled> {
        let failed = |errno: rustix::io::Errno| Error::system("set up an epoll", errno.into());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let (data, readable) = (epoll::EventData::new_u64(0), epoll::EventFlags::IN);
        epoll::add(&poller, &connection, data, readable).map_err(failed)?;
        Ok(Polled { connection, poller, polls_for_writing: false, input_closed: false })
    }

    /// What is there now, without waiting.
    pub(super) fn try_receive(&mut self) -> Result<Received> {
        self.connection.try_receive()
    }

    /// Queue a document, and send what the socket takes of it.
    pub(super) fn document<T: serde::Serialize>(&mut self, document: &T) -> Result<()> {
        self.connection.document(document)
    }

    /// Send what is queued, and have the reader woken when more of it can be sent.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.connection.flush()?;
        let waits = self.connection.queued() > 0;
        if waits != self.polls_for_writing {
            let flags = match waits {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            epoll::modify(&self.poller, &self.connection, epoll::EventData::new_u64(0), flags)
                .map_err(|errno| Error::system("change an epoll", errno.into()))?;
            self.polls_for_writing = waits;
        }
        Ok(())
    }

    /// Send input to `what` (`the container`), as much as is taken now; nothing closes it. `ended`: nobody takes any more.
    pub(super) fn input(&mut self, data: &[u8], what: &str, ended: bool) -> Result<usize> {
        if data.is_empty() && (self.input_closed || ended) {
            return Ok(0);
        }
        if self.input_closed {
            let message = format!("{what}'s standard input was closed by this stream");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if ended {
            return Err(Error::new(ErrorKind::Conflict, format!("{what} has ended")));
        }
        self.flush()?;
        // Closing is always taken: its answer could not say that it was not.
        if self.connection.queued() > 0 && !data.is_empty() {
            return Ok(0);
        }
        let piece = &data[..data.len().min(PIECE)];
        self.input_closed = data.is_empty();
        self.connection.queue(Channel::Stdin, piece);
        self.flush()?;
        Ok(piece.len())
    }

    /// What a reader polls.
    pub(super) fn readable(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    /// What a writer polls.
    pub(super) fn writable(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}
