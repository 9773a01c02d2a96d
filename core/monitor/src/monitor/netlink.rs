//! Messages of netlink(7), whatever they are about: to nf_tables ([`super::netfilter`]) and to rtnetlink ([`super::links`]).

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A socket that never waits; without a protocol it is rtnetlink's.
pub(super) fn open(protocol: Option<Protocol>) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)
}

/// A message that is sent alone.
pub(super) fn message(kind: u16, flags: i32, body: &[u8]) -> Vec<u8> {
    let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), (flags as u16).to_ne_bytes()].concat());
    // Its number, and who sends it: the kernel knows both.
    message.extend([0; 8]);
    message.extend(body);
    message
}

/// The messages of a batch: each begins with its length, and with the next multiple of four the next.
pub(super) fn messages(mut batch: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(length) = batch.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
        let length = length.next_multiple_of(4);
        if length < HEADER || length > batch.len() {
            break;
        }
        let (message, rest) = batch.split_at(length);
        messages.push(message);
        batch = rest;
    }
    messages
}

/// A message's type.
pub(super) fn kind(message: &[u8]) -> u16 {
    message.get(4..6).map_or(0, |bytes| u16::from_ne_bytes([bytes[0], bytes[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_taken_apart_as_far_as_it_is_one() {
        let message = |length: u32, fill: u8| {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.resize(length.next_multiple_of(4) as usize, fill);
            bytes
        };
        let (first, second) = (message(20, 1), message(18, 2));
        let batch = [&first[..], &second].concat();
        assert_eq!(messages(&batch), [&first, &second]);
        assert_eq!(messages(&batch[..batch.len() - 1]), [&first]);
        assert_eq!(messages(&[0; 64]), [] as [&[u8]; 0]);
        assert_eq!(messages(b"abc"), [] as [&[u8]; 0]);
    }

    #[test]
    fn what_is_made_is_taken_apart() {
        let made = [message(7, 1, &[1; 4]), message(9, 0, &[])].concat();
        let kinds: Vec<u16> = messages(&made).into_iter().map(kind).collect();
        assert_eq!(kinds, [7, 9]);
    }
}
