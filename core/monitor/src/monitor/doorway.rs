//! The launch socket before the container runs: one caller, who waits for us as we wait for them.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::protocol::{self, Channel, Event, HEADER, Launch, Request};

/// The launch socket.
pub(super) struct Doorway(pub(super) OwnedFd);

/// What the caller has said.
pub(super) enum Heard<T> {
    /// What was expected.
    Word(T),
    /// Something else.
    Nonsense(String),
    /// It is gone.
    Gone,
}

impl Doorway {
    /// The launch document, first of all.
    pub(super) fn launch(&self) -> Heard<Launch> {
        self.message()
    }

    /// Permission to start.
    pub(super) fn start(&self) -> Heard<()> {
        match self.message() {
            Heard::Word(Request::Start) => Heard::Word(()),
            Heard::Word(_) => Heard::Nonsense("a container must be started first".to_owned()),
            Heard::Nonsense(why) => Heard::Nonsense(why),
            Heard::Gone => Heard::Gone,
        }
    }

    fn message<T: serde::de::DeserializeOwned>(&self) -> Heard<T> {
        let mut header = [0; HEADER];
        if !self.fill(&mut header) {
            return Heard::Gone;
        }
        let Some((Channel::Message, length)) = protocol::parse_header(header) else {
            return Heard::Nonsense("not a message".to_owned());
        };
        let mut body = vec![0; length];
        if !self.fill(&mut body) {
            return Heard::Gone;
        }
        match serde_json::from_slice(&body) {
            Ok(word) => Heard::Word(word),
            Err(error) => Heard::Nonsense(error.to_string()),
        }
    }

    /// `false` when the caller is gone first.
    fn fill(&self, buffer: &mut [u8]) -> bool {
        let mut have = 0;
        while have < buffer.len() {
            match recv(&self.0, &mut buffer[have..], RecvFlags::empty()) {
                Ok((0, _)) => return false,
                Ok((count, _)) => have += count,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The caller, whose pid this is, as a descriptor; nothing when it is gone. It waits for us, so that its pid is its own as
    /// long as its end of the socket is open.
    pub(super) fn owner(&self, pid: i32) -> Option<OwnedFd> {
        let owner = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let mut socket = [PollFd::new(&self.0, PollFlags::RDHUP)];
        let gone = poll(&mut socket, Some(&Timespec::default())).ok()? > 0;
        (!gone).then_some(owner)
    }

    /// Tell the caller. `false` when it is gone.
    pub(super) fn tell(&self, event: &Event) -> bool {
        // Plain data always has a form.
        let document = serde_json::to_vec(event).unwrap_or_default();
        let mut frame = protocol::header(Channel::Message, document.len() as u32).to_vec();
        frame.extend_from_slice(&document);
        let mut rest = &frame[..];
        while !rest.is_empty() {
            match send(&self.0, rest, SendFlags::NOSIGNAL) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}
