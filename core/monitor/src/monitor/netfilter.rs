//! Messages to nf_tables that the library has written down. A monitor knows nothing else of firewalls.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::netlink::{self, kind, message, messages};
use crate::sys::netlink::have_room;

/// `NFNL_SUBSYS_NFTABLES`, as the type of a message has it.
const SUBSYSTEM: u16 = 10 << 8;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
const INET: u8 = 1;

/// Room for what is sent: as much as the library has.
const BATCH: libc::c_int = 16 << 20;

/// A socket to it, which never waits.
pub(super) fn open() -> Result<OwnedFd, Errno> {
    let socket = netlink::open(Some(NETFILTER))?;
    // Who may not have it has fewer ports.
    let _ = have_room(&socket, BATCH);
    Ok(socket)
}

/// Send a batch. The kernel has done it when the call is back, and answers only what it refuses, as nothing else was asked for.
pub(super) fn carried_out(socket: &OwnedFd, batch: &[u8]) -> bool {
    let mut sent = send(socket, batch, SendFlags::empty()).is_ok();
    let mut answer = [0; 4096];
    loop {
        match recv(socket, &mut answer, RecvFlags::empty()) {
            // It may have refused more than there was room to say.
            Ok((1.., _)) | Err(Errno::NOBUFS) => sent = false,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return sent,
        }
    }
}

/// How many rules a batch adds.
pub(super) fn rules_of(batch: &[u8]) -> usize {
    messages(batch).iter().filter(|message| kind(message) == NEW_RULE).count()
}

/// How many rules a table has; none, where there is no such table.
pub(super) fn rules_in(socket: &OwnedFd, table: &str) -> usize {
    const TABLE: u16 = 1;
    let name = [table.as_bytes(), b"\0"].concat();
    let attribute = ((4 + name.len()) as u16).to_ne_bytes();
    let mut body = vec![INET, 0, 0, 0];
    body.extend([attribute, TABLE.to_ne_bytes()].concat());
    body.extend(name);
    body.resize(body.len().next_multiple_of(4), 0);
    let message = message(GET_RULE, libc::NLM_F_REQUEST | libc::NLM_F_DUMP, &body);
    if send(socket, &message, SendFlags::empty()).is_err() {
        return 0;
    }
    let mut count = 0;
    let mut answer = vec![0; 32 << 10];
    // The kernel fills the next part when the last one is read.
    while let Ok((length, _)) = recv(socket, &mut answer[..], RecvFlags::empty()) {
        let part = &answer[..length.min(answer.len())];
        count += messages(part).iter().filter(|message| kind(message) == NEW_RULE).count();
    }
    count
}

/// The types of what is said when something of a table is taken away: the table, a chain, a rule, a set.
pub(super) const TAKEN_AWAY: [u16; 4] =
    [SUBSYSTEM | 2, SUBSYSTEM | 5, SUBSYSTEM | 8, SUBSYSTEM | 11];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_from_other_messages() {
        let message = |kind: u16| {
            let mut bytes = 20_u32.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.resize(20, 0);
            bytes
        };
        let batch = [message(NEW_RULE), message(SUBSYSTEM), message(NEW_RULE)].concat();
        assert_eq!(rules_of(&batch), 2);
        assert_eq!(rules_of(&batch[..25]), 1);
    }
}
