//! A container's links to bridges, made again when somebody has removed them, and set up again when somebody has set them down or taken a
//! bridge's addresses away.
//!
//! What a link and its bridge are made by the library has written down (`core/src/network/links.rs`): messages to rtnetlink(7), and settings
//! below /proc/sys. Whatever of it is there already is refused by the kernel and stays as it is, so any number of monitors may do it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::netlink::{self, kind, message, messages};
use super::process;
use super::rules::read;
use crate::protocol::{Action, LINKS_FILE, Links, Step};

/// Room for what the kernel says about a link: statistics, mostly.
const ANSWER: usize = 16 << 10;

/// What is written down; nothing, where that cannot be read.
fn written(run: BorrowedFd<'_>) -> Links {
    let text = read(run, LINKS_FILE);
    text.ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// The numbers of the links that are to stay as they are.
pub(super) fn numbers(run: BorrowedFd<'_>) -> Vec<u32> {
    written(run).0.iter().flat_map(|link| [link.bridge, link.number]).collect()
}

/// Make again what is not there. The caller has the lock of the network namespace.
pub(super) fn put_back(run: BorrowedFd<'_>) {
    let links = written(run);
    if links.0.is_empty() {
        return;
    }
    let Ok(outside) = netlink::open(None) else { return };
    for link in &links.0 {
        let (bridge_again, link_again): (&[Step], &[Step]) = match master(&outside, link.number) {
            Some(master) if master == link.bridge => (&[], &[]),
            Some(_) => (&link.bridge_again, &[]),
            None => (&link.bridge_again, &link.link_again),
        };
        let steps = [bridge_again, &link.bridge_set_up, link_again, &link.member_again];
        take(&outside, steps.into_iter().flatten());
    }
}

fn take<'a>(outside: &OwnedFd, steps: impl Iterator<Item = &'a Step>) {
    let mut inside = None;
    for step in steps {
        if step.inside && inside.is_none() {
            inside = within(|| netlink::open(None)).ok();
        }
        // That it is there is what most answers say; and about what cannot be done, nobody here could do anything.
        let _ = match (&step.action, step.inside) {
            (Action::Send(message), false) => ask(outside, message).map(drop),
            (Action::Send(message), true) => {
                inside.as_ref().map_or(Ok(()), |inside| ask(inside, message).map(drop))
            }
            (Action::Set(path, value), false) => set(path, value),
            (Action::Set(path, value), true) => within(|| set(path, value)),
        };
    }
}

fn set(path: &str, value: &str) -> Result<(), Errno> {
    let written = std::fs::write(path, value);
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// The number of the bridge that a link belongs to, 0 for none; `None` where there is no such link.
fn master(socket: &OwnedFd, number: u32) -> Option<u32> {
    const IFLA_MASTER: u16 = 10;
    /// Bytes of `struct ifinfomsg`, and of it with a header.
    const FIXED: usize = 16;
    const ATTRIBUTES: usize = 32;
    let mut fixed = [0; FIXED];
    fixed[4..8].copy_from_slice(&number.to_ne_bytes());
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
    let answer = ask(socket, &message(libc::RTM_GETLINK, flags, &fixed)).ok()?;
    let link = messages(&answer).into_iter().next()?;
    let mut attributes = link.get(ATTRIBUTES..)?;
    while let Some(header) = attributes.first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        if kind == IFLA_MASTER {
            return attributes.get(4..8)?.try_into().ok().map(u32::from_ne_bytes);
        }
        if length < 4 {
            break;
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(0)
}

/// Send a message that asks for an answer; what was answered before the kernel said that it is done.
fn ask(socket: &OwnedFd, message: &[u8]) -> Result<Vec<u8>, Errno> {
    send(socket, message, SendFlags::empty())?;
    let mut answers = Vec::new();
    let mut buffer = vec![0; ANSWER];
    // It has answered when the call is back.
    loop {
        let length = match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            // What there was room for is still there.
            Err(Errno::INTR | Errno::NOBUFS) => continue,
            Err(errno) => return Err(errno),
        };
        let answer = &buffer[..length.min(ANSWER)];
        for message in messages(answer) {
            if i32::from(kind(message)) == libc::NLMSG_ERROR {
                let errno = message.get(16..20).and_then(|code| code.try_into().ok());
                return match errno.map_or(0, i32::from_ne_bytes) {
                    0 => Ok(answers),
                    errno => Err(Errno::from_raw_os_error(-errno)),
                };
            }
            answers.extend(message);
        }
    }
}

/// Do something in the container's network namespace.
fn within<T>(work: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let here = rustix::fs::open("/proc/self/ns/net", flags, Mode::empty())?;
    let network = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(process::network(), network)?;
    let done = work();
    // We come from there, and nothing was taken from us since.
    move_into_link_name_space(here.as_fd(), network)?;
    done
}
