//! The end of a container's published ports: nothing leads to it any more before somebody else may have its ports.
//!
//! The library has written down the message to nf_tables that does it, a batch of deletions, in the run directory.
//! Where a batch has an element that is not there any more (somebody has flushed the rules) none of it is done
//! (nfnetlink's batches are transactions), so then each deletion gets a batch of its own.

use std::mem::ManuallyDrop;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::netfilter::{carried_out, open};
use super::netlink::messages;
use super::{process, rules};
use crate::protocol::{PORTS_FILE, PUBLICATION_FILE, WITHDRAWAL_FILE};

/// Do what the run directory says, if it says anything. What cannot be done now, the next command finds out and does.
pub(super) fn withdraw(run: BorrowedFd<'_>) {
    // From now on nobody puts them back.
    let _ = unlinkat(run, PUBLICATION_FILE, AtFlags::empty());
    if let Ok(batch) = rules::read(run, WITHDRAWAL_FILE) {
        let _ = send_batch(&batch);
        // The ports first: without them the other is of no use to anybody.
        for name in [PORTS_FILE, WITHDRAWAL_FILE] {
            let _ = unlinkat(run, name, AtFlags::empty());
        }
        // Whoever has waited for the end may have the ports, and does not wait for the process.
        process::release_ports();
    }
}

fn send_batch(batch: &[u8]) -> Result<(), Errno> {
    // It stays open until the monitor ends: to close it after a deletion takes a grace period of RCU, some 10 ms (`nft_rcv_nl_event` in
    // nf_tables_api.c), which somebody would wait for now and nobody does then.
    let socket = ManuallyDrop::new(open()?);
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
