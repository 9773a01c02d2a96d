//! The socket between the monitor and the container's process while that is set up.
//!
//! Datagrams, since each message is one and descriptors go along with it. The end of the conversation is a message too: the
//! process's end is close-on-exec, so the monitor sees the end of file when the command runs; and the process sees it when
//! the monitor is gone.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair,
    sockopt,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::protocol::{Failure, FailureClass};

use super::failure::system;

/// First byte of each message.
const READY: u8 = b'R';
const FAILED: u8 = b'F';
const MOVED: u8 = b'M';
const GO: u8 = b'G';

/// Most bytes of a message.
const MOST: usize = 8192;

/// The monitor's end.
pub(crate) struct MonitorEnd(OwnedFd);

/// The process's end.
pub(crate) struct ProcessEnd(OwnedFd);

/// What the process has to say.
pub(crate) enum Message {
    /// It waits for [`MonitorEnd::go`]. The descriptor is the master of its terminal.
    Ready(Option<OwnedFd>),
    /// Another process goes on in its place, and it ends. Who says so is the other one: the first can be killed at any moment, and if it
    /// were the one to tell, the other would wait for ever.
    Moved {
        /// The other, as the monitor's pid namespace numbers it.
        pid: i32,
        /// The other.
        pidfd: OwnedFd,
    },
    /// It gives up.
    Failed(Failure),
    /// It executes the command, or is dead.
    Ended,
}

/// Make both ends.
pub(crate) fn pair() -> Result<(MonitorEnd, ProcessEnd)> {
    let (monitor, process) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((MonitorEnd(monitor), ProcessEnd(process)))
}

impl MonitorEnd {
    /// From now on the kernel says which process has sent a message, numbered as the monitor's pid namespace does: until
    /// [`Message::Moved`].
    ///
    /// Nothing must be sent meanwhile: that would give this end a name, an abstract one, for all to see in the monitor's network
    /// namespace, which may be the container's (unix(7), "Autobind feature").
    pub(crate) fn expect_a_move(&self) -> Result<()> {
        sockopt::set_socket_passcred(&self.0, true)
    }

    /// The process that has sent [`MOVED`].
    fn moved(&self, sender: Option<Pid>) -> Result<Message> {
        sockopt::set_socket_passcred(&self.0, false)?;
        let pid = sender.ok_or(Errno::BADMSG)?;
        // It is not reaped, so its number is nobody else's.
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Message::Moved { pid: pid.as_raw_nonzero().get(), pidfd })
    }

    /// Let the process go on to the command.
    pub(crate) fn go(&self) -> Result<()> {
        match rustix::net::send(&self.0, &[GO], SendFlags::NOSIGNAL) {
            // It has ended; why, it has said, or its exit status does.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Wait for what it has to say next.
    pub(crate) fn receive(&self) -> std::result::Result<Message, Failure> {
        let mut bytes = vec![0; MOST];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut iov = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut iov, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                // It ended without reading what was sent to it. That is told first, and once; then come the messages it sent
                // before (unix_release_sock in the kernel's af_unix.c sets the error whatever is queued).
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(error) => return Err(system("hear from the container's process", error)),
                Ok(message) => break message.bytes,
            }
        };
        let (mut descriptor, mut sender) = (None, None);
        for message in ancillary.drain() {
            match message {
                RecvAncillaryMessage::ScmRights(mut descriptors) => descriptor = descriptors.next(),
                RecvAncillaryMessage::ScmCredentials(credentials) => sender = Some(credentials.pid),
                _ => {}
            }
        }
        match bytes[..received].split_first() {
            None => Ok(Message::Ended),
            Some((&READY, _)) => Ok(Message::Ready(descriptor)),
            Some((&MOVED, _)) => self
                .moved(sender)
                .map_err(|errno| system("look at who goes on in the container", errno)),
            Some((&FAILED, document)) => Ok(Message::Failed(parse(document))),
            Some(_) => Err(system("hear from the container's process", Errno::BADMSG)),
        }
    }
}

impl AsFd for MonitorEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for ProcessEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ProcessEnd {
    /// Say that everything is set up, and hand over the master of the terminal.
    pub(crate) fn ready(&self, master: Option<OwnedFd>) -> Result<()> {
        self.send(&[READY], master.as_ref())
    }

    /// Say that this process goes on in the place of the one that the monitor knows.
    pub(crate) fn moved(&self) -> Result<()> {
        self.send(&[MOVED], None)
    }

    fn send(&self, bytes: &[u8], descriptor: Option<&OwnedFd>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let iov = [IoSlice::new(bytes)];
        sendmsg(&self.0, &iov, &mut ancillary, SendFlags::NOSIGNAL).map(drop)
    }

    /// Wait for [`MonitorEnd::go`]. `false`: the monitor is gone.
    pub(crate) fn wait(&self) -> bool {
        loop {
            let mut byte = [0; 1];
            match recv(&self.0, &mut byte, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((_, 1)) => return byte == [GO],
                _ => return false,
            }
        }
    }

    /// Whether the monitor is still there. It says nothing more after [`MonitorEnd::go`].
    pub(crate) fn monitor_lives(&self) -> bool {
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(recv(&self.0, &mut byte, flags), Ok((_, 0)) | Err(Errno::CONNRESET))
    }

    /// Say why it has ended.
    pub(crate) fn fail(&self, failure: &Failure) {
        // When the monitor is gone, nobody wants to know.
        let _ = rustix::net::send(&self.0, &document(failure), SendFlags::NOSIGNAL);
    }
}

/// The message for a failure, its text cut to what fits.
fn document(failure: &Failure) -> Vec<u8> {
    let mut failure = failure.clone();
    loop {
        let mut bytes = vec![FAILED];
        if serde_json::to_writer(&mut bytes, &failure).is_ok() && bytes.len() <= MOST {
            return bytes;
        }
        let half = failure.message.len() / 2;
        let cut = (0..=half).rev().find(|at| failure.message.is_char_boundary(*at)).unwrap_or(0);
        failure.message.truncate(cut);
    }
}

fn parse(document: &[u8]) -> Failure {
    serde_json::from_slice(document).unwrap_or_else(|_| Failure {
        class: FailureClass::System,
        message: "the container's process failed and did not say why".to_owned(),
        errno: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure { class: FailureClass::Invalid, message: message.to_owned(), errno: Some(2) }
    }

    #[test]
    fn a_failure_arrives_as_it_was_sent() {
        let (monitor, process) = pair().unwrap();
        process.fail(&failure("mount /x: é"));
        let Message::Failed(received) = monitor.receive().unwrap() else { panic!() };
        assert_eq!(received.message, "mount /x: é");
        assert_eq!((received.class, received.errno), (FailureClass::Invalid, Some(2)));
    }

    #[test]
    fn a_failure_arrives_although_the_process_ended_without_hearing_the_monitor() {
        let (monitor, process) = pair().unwrap();
        process.fail(&failure("no such user"));
        monitor.go().unwrap();
        drop(process);
        assert!(matches!(monitor.receive().unwrap(), Message::Failed(_)));
        assert!(matches!(monitor.receive().unwrap(), Message::Ended));
    }

    #[test]
    fn a_long_failure_is_cut_but_arrives() {
        let (monitor, process) = pair().unwrap();
        process.fail(&failure(&"\u{1}é".repeat(100_000)));
        let Message::Failed(received) = monitor.receive().unwrap() else { panic!() };
        assert!(received.message.starts_with("\u{1}é\u{1}é"));
    }

    #[test]
    fn each_side_sees_the_end_of_the_other() {
        let (monitor, process) = pair().unwrap();
        assert!(process.monitor_lives());
        drop(process);
        assert!(matches!(monitor.receive().unwrap(), Message::Ended));
        monitor.go().unwrap();

        let (monitor, process) = pair().unwrap();
        monitor.go().unwrap();
        assert!(process.wait());
        drop(monitor);
        assert!(!process.monitor_lives());
        assert!(!process.wait());
    }

    #[test]
    fn who_goes_on_is_known_by_its_number_here() {
        let (monitor, process) = pair().unwrap();
        monitor.expect_a_move().unwrap();
        process.moved().unwrap();
        let Message::Moved { pid, .. } = monitor.receive().unwrap() else { panic!() };
        assert_eq!(pid, std::process::id() as i32);
        monitor.go().unwrap();
        let name = rustix::net::getsockname(monitor.as_fd()).unwrap();
        let name = rustix::net::SocketAddrUnix::try_from(name).unwrap();
        assert!(name.abstract_name().is_none_or(<[u8]>::is_empty), "{name:?}");
    }

    #[test]
    fn a_terminal_goes_along_with_ready() {
        let (monitor, process) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        process.ready(Some(file.into())).unwrap();
        process.ready(None).unwrap();
        assert!(matches!(monitor.receive().unwrap(), Message::Ready(Some(_))));
        assert!(matches!(monitor.receive().unwrap(), Message::Ready(None)));
    }
}
