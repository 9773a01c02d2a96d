//! One connection: frames in, frames out, both without ever waiting.
//!
//! Incoming bytes are read just as far as the current frame's header or body goes, so nothing has to be kept that we are
//! not ready to act on. Outgoing there is the [`Chunk`] of output that all attached clients share, of which a client
//! remembers only how much it has taken, and its own few messages. While one of those is unsent, no further request of
//! that client is read: that bounds what a client can make us keep.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use super::log::Stream;
use crate::protocol::{self, Channel, Event, HEADER, Request};

/// The longest request that is taken: a further process with as much environment and arguments as the kernel takes. Others
/// have less than 200 bytes.
const REQUEST_MAX: usize = 8 << 20;

/// A piece of output on its way to the clients, as a frame.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    header: [u8; HEADER],
    bytes: &'a [u8],
}

impl<'a> Chunk<'a> {
    pub(super) fn new(stream: Stream, bytes: &'a [u8]) -> Chunk<'a> {
        let channel = match stream {
            Stream::Stdout => Channel::Stdout,
            Stream::Stderr => Channel::Stderr,
        };
        // A chunk has at most 64 KiB.
        Chunk { header: protocol::header(channel, bytes.len() as u32), bytes }
    }

    /// What is left after the first `taken` bytes of the frame.
    fn rest(&self, taken: usize) -> [IoSlice<'_>; 2] {
        let header = &self.header[taken.min(HEADER)..];
        let bytes = &self.bytes[taken.saturating_sub(HEADER)..];
        [IoSlice::new(header), IoSlice::new(bytes)]
    }

    fn frame_length(&self) -> usize {
        HEADER + self.bytes.len()
    }
}

/// What a client has asked to be told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interests {
    /// Its standard input frames go to the container.
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    /// Growth of the log.
    pub(super) log: bool,
    /// The container's end.
    pub(super) exit: bool,
}

/// What has been read from a client.
pub(super) enum Received {
    /// Nothing more for now.
    Nothing,
    /// It will send nothing more.
    End,
    /// Something that is not of the protocol.
    Nonsense,
    /// A request, if it is one that we know.
    Request(Result<Request, serde_json::Error>),
    /// So many bytes of standard input, in the buffer.
    Stdin(usize),
    /// Standard input ends here.
    StdinEnd,
}

/// How far the current frame has been read.
enum Frame {
    Header { bytes: [u8; HEADER], have: usize },
    Message { bytes: Vec<u8>, length: usize },
    Stdin { left: usize },
}

const NEXT_FRAME: Frame = Frame::Header { bytes: [0; HEADER], have: 0 };

/// A connection.
pub(super) struct Client {
    socket: OwnedFd,
    frame: Frame,
    outbox: Vec<u8>,
    sent: usize,
    /// How much of the current chunk's frame it has taken, while it has not taken all.
    chunk_taken: Option<usize>,
    /// It is owed a notice of the log's growth.
    log_grown: bool,
    /// Since when it has taken nothing of what it is owed.
    stalled_since: Option<Instant>,
    pub(super) interests: Interests,
    /// The number of the further process that it has started and is attached to.
    pub(super) exec: Option<u32>,
    /// It is sent away when it has read what it is owed.
    pub(super) last_words: bool,
    /// It sends nothing more.
    pub(super) silent: bool,
    /// Nobody is at its other side; what was sent before is still to be read. The poller has it while `watched` is not empty.
    pub(super) hung_up: bool,
    /// What the poller watches it for.
    pub(super) watched: EventFlags,
}

impl Client {
    pub(super) fn new(socket: OwnedFd) -> Client {
        Client {
            socket,
            frame: NEXT_FRAME,
            outbox: Vec::new(),
            sent: 0,
            chunk_taken: None,
            log_grown: false,
            stalled_since: None,
            interests: Interests::default(),
            exec: None,
            last_words: false,
            silent: false,
            hung_up: false,
            watched: EventFlags::empty(),
        }
    }

    /// Read the next thing. `stdin_open`: bytes of standard input can be taken now.
    pub(super) fn receive(&mut self, buffer: &mut [u8], stdin_open: bool) -> Received {
        loop {
            let target = match &mut self.frame {
                Frame::Header { bytes, have } => &mut bytes[*have..],
                Frame::Message { bytes, length } => {
                    let have = bytes.len();
                    let want = (*length - have).min(buffer.len());
                    match recv_now(&self.socket, &mut buffer[..want]) {
                        Ok(0) => return Received::End,
                        Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                        Err(Errno::AGAIN) => return Received::Nothing,
                        Err(_) => return Received::End,
                    }
                    if bytes.len() < *length {
                        continue;
                    }
                    let request = serde_json::from_slice(bytes);
                    self.frame = NEXT_FRAME;
                    return Received::Request(request);
                }
                Frame::Stdin { .. } if !stdin_open => return Received::Nothing,
                Frame::Stdin { left } => {
                    let want = (*left).min(buffer.len());
                    &mut buffer[..want]
                }
            };
            let count = match recv_now(&self.socket, target) {
                Ok(0) => return Received::End,
                Ok(count) => count,
                Err(Errno::AGAIN) => return Received::Nothing,
                Err(_) => return Received::End,
            };
            match &mut self.frame {
                Frame::Stdin { left } => {
                    *left -= count;
                    if *left == 0 {
                        self.frame = NEXT_FRAME;
                    }
                    return Received::Stdin(count);
                }
                Frame::Header { bytes, have } => {
                    *have += count;
                    if *have < HEADER {
                        continue;
                    }
                    self.frame = match protocol::parse_header(*bytes) {
                        Some((Channel::Stdin, 0)) => {
                            self.frame = NEXT_FRAME;
                            return Received::StdinEnd;
                        }
                        Some((Channel::Stdin, left)) => Frame::Stdin { left },
                        Some((Channel::Message, length)) if (1..=REQUEST_MAX).contains(&length) => {
                            Frame::Message { bytes: Vec::with_capacity(length.min(4096)), length }
                        }
                        _ => return Received::Nonsense,
                    };
                }
                Frame::Message { .. } => {}
            }
        }
    }

    /// It is in the middle of a frame of standard input, which cannot be taken now.
    fn waits_for_stdin(&self, stdin_open: bool) -> bool {
        !stdin_open && matches!(self.frame, Frame::Stdin { .. })
    }

    /// Queue a message. [`Client::flush`] sends it.
    pub(super) fn tell(&mut self, event: &Event) {
        // Plain data always has a form.
        let document = serde_json::to_vec(event).unwrap_or_default();
        self.outbox.extend_from_slice(&protocol::header(Channel::Message, document.len() as u32));
        self.outbox.extend_from_slice(&document);
    }

    /// It wants this stream's output.
    pub(super) fn wants(&self, stream: Stream) -> bool {
        match stream {
            Stream::Stdout => self.interests.stdout,
            Stream::Stderr => self.interests.stderr,
        }
    }

    /// Queue output of the process that it has started. There is nobody to share it with.
    pub(super) fn queue_output(&mut self, stream: Stream, bytes: &[u8]) {
        self.outbox.extend_from_slice(&Chunk::new(stream, bytes).header);
        self.outbox.extend_from_slice(bytes);
    }

    /// It is to take the chunk that comes next.
    pub(super) fn owe_chunk(&mut self) {
        self.chunk_taken = Some(0);
    }

    /// It still has to take the current chunk.
    pub(super) fn owes(&self) -> bool {
        self.chunk_taken.is_some()
    }

    /// Something is waiting to be sent to it.
    pub(super) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty() || self.owes()
    }

    /// Tell it that the log has grown, unless it has not even read the last such notice.
    pub(super) fn notice_log(&mut self, chunk: Chunk<'_>) -> Result<(), Errno> {
        self.log_grown = true;
        if self.has_unsent() { Ok(()) } else { self.flush(chunk) }
    }

    /// Send as much as it takes.
    pub(super) fn flush(&mut self, chunk: Chunk<'_>) -> Result<(), Errno> {
        loop {
            // A frame that was begun is finished first.
            let in_chunk = self.chunk_taken.is_some_and(|taken| taken > 0);
            let result = if !self.outbox.is_empty() && !in_chunk {
                self.send_outbox()
            } else if let Some(taken) = self.chunk_taken {
                self.send_chunk(chunk, taken)
            } else if self.log_grown {
                self.send_notice()
            } else {
                self.stalled_since = None;
                return Ok(());
            };
            match result {
                Ok(()) => self.stalled_since = None,
                Err(Errno::AGAIN) => {
                    if self.has_unsent() && self.stalled_since.is_none() {
                        self.stalled_since = Some(Instant::now());
                    }
                    return Ok(());
                }
                Err(errno) => return Err(errno),
            }
        }
    }

    fn send_outbox(&mut self) -> Result<(), Errno> {
        self.sent += send_now(&self.socket, &[IoSlice::new(&self.outbox[self.sent..])])?;
        if self.sent == self.outbox.len() {
            (self.outbox, self.sent) = (Vec::new(), 0);
        }
        Ok(())
    }

    fn send_chunk(&mut self, chunk: Chunk<'_>, taken: usize) -> Result<(), Errno> {
        let taken = taken + send_now(&self.socket, &chunk.rest(taken))?;
        self.chunk_taken = (taken < chunk.frame_length()).then_some(taken);
        Ok(())
    }

    fn send_notice(&mut self) -> Result<(), Errno> {
        const NOTICE: &[u8] = b"\x04\0\0\0\0\0\0\x12{\"event\":\"logged\"}";
        // Where there is no room for a notice, there are unread ones, and these do as well.
        self.log_grown = false;
        let sent = send_now(&self.socket, &[IoSlice::new(NOTICE)])?;
        if sent < NOTICE.len() {
            self.outbox.extend_from_slice(&NOTICE[sent..]);
        }
        Ok(())
    }

    /// What the poller should watch it for.
    pub(super) fn flags(&self, stdin_open: bool) -> EventFlags {
        let mut flags = EventFlags::empty();
        if !self.silent && self.outbox.is_empty() && !self.waits_for_stdin(stdin_open) {
            flags |= EventFlags::IN | EventFlags::RDHUP;
        }
        if self.has_unsent() {
            flags |= EventFlags::OUT;
        }
        flags
    }

    /// Since when it has taken nothing of what it is owed. One that is attached to a further process holds up only that.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since.filter(|_| self.exec.is_none())
    }

    /// Forget what it does not read any more, so that what it has still sent can be read.
    pub(super) fn stop_sending(&mut self) {
        (self.outbox, self.sent, self.chunk_taken) = (Vec::new(), 0, None);
        self.interests = Interests { stdin: self.interests.stdin, ..Interests::default() };
        self.stalled_since = None;
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn recv_now(socket: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => {}
            result => return result.map(|(count, _)| count),
        }
    }
}

fn send_now(socket: &OwnedFd, pieces: &[IoSlice<'_>]) -> Result<usize, Errno> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    loop {
        match sendmsg(socket, pieces, &mut SendAncillaryBuffer::default(), flags) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
