//! A connection to a monitor: frames in both directions ([`barque_monitor::protocol`]).
//!
//! The socket is never made non-blocking: its open file description may be shared with a child that the host forked, and
//! the flag would be too. Every call says MSG_DONTWAIT instead, and MSG_NOSIGNAL, since a host that dies of SIGPIPE
//! because a container ended would be our doing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use barque_monitor::protocol::{self, Channel, Event, HEADER};
use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::error::{Error, Result};
use crate::stream::{Canceller, Deadline};
use crate::sys;

/// How much is read at once.
const READ: usize = 64 << 10;

/// A connection to a monitor.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    input: Vec<u8>,
    /// Where in `input` the next frame begins.
    next: usize,
    output: Vec<u8>,
    closed: bool,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Received {
    /// Bytes of the container's standard output or error.
    Output(Channel, Vec<u8>),
    /// A message.
    Event(Event),
    /// Nothing, so far.
    Nothing,
    /// The monitor closed the connection or died.
    Closed,
}

impl Connection {
    /// A launch connection, and the end of it that is the monitor's.
    pub(crate) fn launch() -> Result<(Connection, OwnedFd)> {
        let (ours, theirs) = sys::socket::pair()?;
        Ok((Connection::new(ours), theirs))
    }

    /// Connect to the monitor whose run directory this is; `None` when there is none that listens.
    pub(crate) fn connect(run_directory: &Path) -> Result<Option<Connection>> {
        let Some(directory) = sys::directory::base(run_directory)? else { return Ok(None) };
        let socket = sys::socket::connect_in(directory.as_fd(), protocol::CONTROL_SOCKET)?;
        Ok(socket.map(Connection::new))
    }

    fn new(socket: OwnedFd) -> Connection {
        Connection { socket, input: Vec::new(), next: 0, output: Vec::new(), closed: false }
    }

    /// What is there now, without waiting.
    pub(crate) fn try_receive(&mut self) -> Result<Received> {
        loop {
            if let Some(received) = self.parse()? {
                return Ok(received);
            }
            if self.closed {
                return Ok(Received::Closed);
            }
            self.input.drain(..self.next);
            self.next = 0;
            match self.fill() {
                Ok(0) | Err(Errno::CONNRESET) => self.closed = true,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(errno) => return Err(Error::system("read from the monitor", errno.into())),
            }
        }
    }

    /// The next thing that comes; [`Received::Nothing`] when the deadline passes first.
    pub(crate) fn receive(
        &mut self,
        canceller: &Canceller,
        deadline: Deadline,
    ) -> Result<Received> {
        loop {
            let wanted = if self.output.is_empty() {
                PollFlags::IN
            } else {
                self.flush()?;
                PollFlags::IN | PollFlags::OUT
            };
            match self.try_receive()? {
                Received::Nothing => {}
                received => return Ok(received),
            }
            if canceller.wait_for(self.socket.as_fd(), wanted, deadline)?.is_empty() {
                return Ok(Received::Nothing);
            }
        }
    }

    /// Append the next bytes to `input`.
    fn fill(&mut self) -> std::result::Result<usize, Errno> {
        let length = self.input.len();
        // A large frame is read into place at once: its length is known from its header.
        let wanted = match self.frame() {
            Some((_, size)) => (HEADER + size).saturating_sub(length).max(READ),
            None => READ,
        };
        self.input.reserve(wanted);
        let room = spare_capacity(&mut self.input);
        recv(&self.socket, room, RecvFlags::DONTWAIT).map(|(read, _)| read)
    }

    /// Header of the frame that begins at `next`, if it is there.
    fn frame(&self) -> Option<(Channel, usize)> {
        let bytes = self.input.get(self.next..self.next + HEADER)?;
        protocol::parse_header(bytes.try_into().ok()?)
    }

    fn parse(&mut self) -> Result<Option<Received>> {
        if self.input.len() - self.next < HEADER {
            return Ok(None);
        }
        let Some((channel, size)) = self.frame() else {
            return Err(Error::internal("the monitor sent something that is not a frame"));
        };
        let start = self.next + HEADER;
        let Some(payload) = self.input.get(start..start + size) else { return Ok(None) };
        let received = match channel {
            Channel::Message => {
                Received::Event(serde_json::from_slice(payload).map_err(|error| {
                    Error::internal("the monitor sent a message that is not one").because(error)
                })?)
            }
            channel => Received::Output(channel, payload.to_vec()),
        };
        self.next = start + size;
        Ok(Some(received))
    }

    /// Queue a frame.
    pub(crate) fn queue(&mut self, channel: Channel, payload: &[u8]) {
        self.output.extend_from_slice(&protocol::header(channel, payload.len() as u32));
        self.output.extend_from_slice(payload);
    }

    /// Bytes that are queued and not sent yet.
    pub(crate) fn queued(&self) -> usize {
        self.output.len()
    }

    /// Send what the socket takes of what is queued. A monitor that is gone takes nothing: reading will tell.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        let result = loop {
            if sent == self.output.len() {
                break Ok(());
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match send(&self.socket, &self.output[sent..], flags) {
                Ok(more) => sent += more,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {
                    sent = self.output.len();
                }
                Err(errno) => break Err(Error::system("write to the monitor", errno.into())),
            }
        };
        self.output.drain(..sent);
        result
    }

    /// Queue a document, and send what the socket takes of it. The rest goes out with [`Connection::receive`].
    pub(crate) fn document<T: serde::Serialize>(&mut self, document: &T) -> Result<()> {
        let text = serde_json::to_vec(document)
            .map_err(|error| Error::internal("write a message").because(error))?;
        if text.len() > protocol::MAX_FRAME {
            return Err(Error::invalid(format!(
                "the request makes a message of {} bytes; the most is {}",
                text.len(),
                protocol::MAX_FRAME
            )));
        }
        self.queue(Channel::Message, &text);
        self.flush()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    fn pair() -> (Connection, UnixStream, Canceller) {
        let (connection, theirs) = Connection::launch().unwrap();
        (connection, theirs.into(), Canceller::new().unwrap())
    }

    #[test]
    fn frames_are_put_together_from_any_pieces() {
        let (mut connection, mut monitor, canceller) = pair();
        let mut bytes = protocol::header(Channel::Stdout, 5).to_vec();
        bytes.extend_from_slice(b"hello");
        bytes.extend_from_slice(&protocol::header(Channel::Stderr, 0));
        let done = br#"{"event":"done"}"#;
        bytes.extend_from_slice(&protocol::header(Channel::Message, done.len() as u32));
        bytes.extend_from_slice(done);
        for byte in &bytes[..20] {
            monitor.write_all(&[*byte]).unwrap();
            let _ = connection.receive(&canceller, Deadline::after(Duration::ZERO));
        }
        // The first frame has been taken above; its bytes do not come again.
        monitor.write_all(&bytes[20..]).unwrap();
        drop(monitor);
        let mut seen = Vec::new();
        loop {
            match connection.receive(&canceller, Deadline::never()).unwrap() {
                Received::Output(channel, data) => seen.push(format!("{channel:?} {data:?}")),
                Received::Event(event) => seen.push(format!("{event:?}")),
                Received::Closed => break,
                Received::Nothing => unreachable!(),
            }
        }
        assert_eq!(seen, ["Stderr []", "Done"]);
    }

    #[test]
    fn what_is_not_a_frame_is_an_error_and_not_a_large_allocation() {
        for bytes in [[9, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]] {
            let (mut connection, mut monitor, canceller) = pair();
            monitor.write_all(&bytes).unwrap();
            let error = connection.receive(&canceller, Deadline::never()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Internal);
        }
    }

    #[test]
    fn a_monitor_that_does_not_read_holds_nobody_up() {
        let (mut connection, monitor, canceller) = pair();
        connection.queue(Channel::Stdin, &vec![0; 8 << 20]);
        connection.flush().unwrap();
        assert!(connection.queued() > 0);
        let received =
            connection.receive(&canceller, Deadline::after(Duration::from_millis(10))).unwrap();
        assert!(matches!(received, Received::Nothing));
        // And one that has gone is no SIGPIPE, which would end this test.
        drop(monitor);
        let received = connection.receive(&canceller, Deadline::never()).unwrap();
        assert!(matches!(received, Received::Closed));
        assert_eq!(connection.queued(), 0);
    }
}
