//! The firewall's rules, put back when somebody has taken them away.
//!
//! The engine's table is made again by one of the engine's monitors, and each of them adds what leads to its own container. What to send the
//! library has written down, for the engine and for the container.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, openat};

use super::netfilter::{self, carried_out, rules_in, rules_of};
use crate::protocol::{PUBLICATION_FILE, RULES_FILE};

/// Put back what is not there. The caller has the lock of the network namespace.
pub(super) fn put_back(run: BorrowedFd<'_>) {
    let Ok(text) = read(run, &format!("../{RULES_FILE}")) else { return };
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return };
    let (table, batch) = (String::from_utf8_lossy(&text[..end]), &text[end + 1..]);
    // It is not waited for when it closes: nothing is deleted but by a table that is made again.
    let Ok(socket) = netfilter::open() else { return };
    if rules_in(&socket, &table) != rules_of(batch) {
        carried_out(&socket, batch);
    }
    if let Ok(own) = read(run, PUBLICATION_FILE) {
        carried_out(&socket, &own);
    }
}

/// What is written down.
pub(super) fn read(run: BorrowedFd<'_>, name: &str) -> std::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut text = Vec::new();
    File::from(openat(run, name, flags, Mode::empty())?).read_to_end(&mut text)?;
    Ok(text)
}
