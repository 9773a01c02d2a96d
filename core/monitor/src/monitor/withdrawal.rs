//! The end of a container's published ports: nothing leads to it any more before somebody else may have its ports.
//!
//! The library has written down the message to nf_tables that does it, a batch of deletions, in the run directory; a monitor knows nothing
//! else of firewalls. Where a batch has an element that is not there any more (somebody has flushed the rules) none of it is done
//! (nfnetlink's batches are transactions), so then each deletion gets a batch of its own.

use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::process;
use crate::protocol::{PORTS_FILE, WITHDRAWAL_FILE};

/// Do what the run directory says, if it says anything. What cannot be done now, the next command finds out and does.
pub(super) fn withdraw(run: BorrowedFd<'_>) {
    if let Ok(batch) = read(run) {
        let _ = send_batch(&batch);
        // The ports first: without them the other is of no use to anybody.
        for name in [PORTS_FILE, WITHDRAWAL_FILE] {
            let _ = unlinkat(run, name, AtFlags::empty());
        }
        // Whoever has waited for the end may have the ports, and does not wait for the process.
        process::release_ports();
    }
}

fn read(run: BorrowedFd<'_>) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut batch = Vec::new();
    let mut file = std::fs::File::from(openat(run, WITHDRAWAL_FILE, flags, Mode::empty())?);
    std::io::Read::read_to_end(&mut file, &mut batch)?;
    Ok(batch)
}

fn send_batch(batch: &[u8]) -> Result<(), Errno> {
    // It stays open until the monitor ends: to close it after a deletion takes a grace period of RCU, some 10 ms (`nft_rcv_nl_event` in
    // nf_tables_api.c), which somebody would wait for now and nobody does then.
    let socket = ManuallyDrop::new(socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(NETFILTER),
    )?);
    if carried_out(&socket, batch) {
        return Ok(());
    }
    let messages = messages(batch);
    if let [begin, deletions @ .., end] = &messages[..] {
        for deletion in deletions {
            carried_out(&socket, &[begin, *deletion, end].concat());
        }
    }
    Ok(())
}

/// Send a batch. The kernel has done it when the call is back, and answers only what it refuses, as nothing else was asked for.
fn carried_out(socket: &OwnedFd, batch: &[u8]) -> bool {
    let mut sent = send(socket, batch, SendFlags::empty()).is_ok();
    let mut answer = [0; 4096];
    while let Ok((length, _)) = recv(socket, &mut answer, RecvFlags::empty()) {
        sent = false;
        if length == 0 {
            break;
        }
    }
    sent
}

/// The messages of a batch (netlink(7)): each begins with its length, and with the next multiple of four the next.
fn messages(mut batch: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(length) = batch.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes) as usize) {
        let length = length.next_multiple_of(4);
        // A netlink header has sixteen bytes.
        if length < 16 || length > batch.len() {
            break;
        }
        let (message, rest) = batch.split_at(length);
        messages.push(message);
        batch = rest;
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::messages;

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
}
