//! The library's side of a connection to a monitor.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use barque_monitor::protocol::{self, Channel, Event, HEADER, Request};
use barque_monitor::state::RunState;
use serde::Serialize;

/// A connection to a monitor.
pub(crate) struct Wire(pub(crate) UnixStream);

/// What comes over it.
#[derive(Debug)]
pub(crate) enum Frame {
    Event(Event),
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    End,
}

impl Wire {
    pub(crate) fn new(stream: UnixStream) -> Wire {
        // No test waits for ever.
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Wire(stream)
    }

    pub(crate) fn send(&mut self, document: &impl Serialize) {
        self.send_frame(Channel::Message, &serde_json::to_vec(document).unwrap());
    }

    pub(crate) fn send_frame(&mut self, channel: Channel, bytes: &[u8]) {
        self.try_send_frame(channel, bytes).unwrap();
    }

    fn try_send_frame(&mut self, channel: Channel, bytes: &[u8]) -> std::io::Result<()> {
        let header = protocol::header(channel, bytes.len() as u32);
        self.0.write_all(&[&header[..], bytes].concat())
    }

    pub(crate) fn receive(&mut self) -> Frame {
        let mut header = [0; HEADER];
        match self.0.read_exact(&mut header) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Frame::End,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return Frame::End,
            Err(e) => panic!("{e}"),
        }
        let (channel, length) = protocol::parse_header(header).expect("a frame");
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        match channel {
            Channel::Message => Frame::Event(serde_json::from_slice(&body).unwrap()),
            Channel::Stdout => Frame::Stdout(body),
            Channel::Stderr => Frame::Stderr(body),
            Channel::Stdin => panic!("standard input from a monitor"),
        }
    }

    /// The next event; output is not expected.
    pub(crate) fn event(&mut self) -> Event {
        match self.receive() {
            Frame::Event(event) => event,
            other => panic!("expected an event, not {other:?}"),
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Event {
        self.send(&request);
        self.event()
    }

    /// The same of whoever may be one too many: it is told so, and left, perhaps before it has asked.
    pub(crate) fn ask_for_a_place(&mut self) -> Event {
        let request = serde_json::to_vec(&Request::Follow).unwrap();
        let sent = self.try_send_frame(Channel::Message, &request);
        let event = self.event();
        match sent {
            Err(error) if matches!(event, Event::Refused { .. }) => {
                assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            }
            sent => sent.unwrap(),
        }
        event
    }

    /// All output until the container's end, and the end.
    pub(crate) fn collect(&mut self) -> (Vec<u8>, Vec<u8>, RunState) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match self.receive() {
                Frame::Stdout(bytes) => stdout.extend(bytes),
                Frame::Stderr(bytes) => stderr.extend(bytes),
                Frame::Event(Event::Exited { state, .. }) => return (stdout, stderr, state),
                Frame::Event(_) => {}
                Frame::End => panic!("closed without an end"),
            }
        }
    }

    /// Wait for the container's end.
    pub(crate) fn exited(&mut self) -> RunState {
        self.collect().2
    }

    /// Wait until the monitor closes the connection; within a frame too.
    pub(crate) fn closed(&mut self) {
        match std::io::copy(&mut self.0, &mut std::io::sink()) {
            Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => panic!("{e}"),
            _ => {}
        }
    }
}
