//! What of a container's network somebody takes away while it runs is back within a moment: rules of the firewall ([`super::rules`]), and
//! links ([`super::links`]).
//!
//! The kernel tells who listens of every removal. A moment later, when whoever removes things has finished, it is looked whether all
//! is there. Somebody who removes them over and over is not followed any faster than [`LONGEST`] says, and costs nothing in between.

use std::fs::{File, TryLockError};
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::netfilter::{self, TAKEN_AWAY};
use super::poller::{Poller, Source};
use super::{links, netlink, process, rules};
use crate::sys::netlink::{ADDRESSES, ADDRESSES6, LINKS, NFTABLES, hear_of_links, hear_only, join};

/// How long after a removal it is looked, and how long who finds somebody else at it waits for him.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where there is no end of removals: each pause is twice the one before.
const LONGEST: Duration = Duration::from_secs(1);
/// When that is over.
const QUIET: Duration = Duration::from_secs(10);

/// Who listens.
pub(super) struct Mending {
    /// It is open until the monitor ends, for the reason that `withdrawal` has.
    rules: ManuallyDrop<OwnedFd>,
    links: OwnedFd,
    run: BorrowedFd<'static>,
    look_at: Option<Instant>,
    looked: Option<Instant>,
    pause: Duration,
}

impl Mending {
    /// Listen, if that can be done: the next command puts back what this does not.
    pub(super) fn new(run: BorrowedFd<'static>) -> Option<Mending> {
        let rules = netfilter::open().ok()?;
        // What is added, and elements that come and go with every container, wake nobody.
        hear_only(&rules, &TAKEN_AWAY).ok()?;
        join(&rules, &[NFTABLES]).ok()?;
        let links = netlink::open(None).ok()?;
        let mut mending = Mending {
            rules: ManuallyDrop::new(rules),
            links,
            run,
            look_at: None,
            looked: None,
            pause: PAUSE,
        };
        mending.follow();
        join(&mending.links, &[LINKS, ADDRESSES, ADDRESSES6]).ok()?;
        Some(mending)
    }

    /// Listen for what is taken away of the links that the container has now, and look whether all is there.
    pub(super) fn follow(&mut self) {
        let numbers = links::numbers(self.run);
        // One that hears of no link is as good as one that is not there; 0 is no link's number.
        let numbers = if numbers.is_empty() { vec![0] } else { numbers };
        let _ = hear_of_links(&self.links, &numbers);
        self.look_at.get_or_insert(Instant::now() + PAUSE);
    }

    pub(super) fn watch(&self, poller: &Poller) {
        for socket in [&*self.rules, &self.links] {
            let _ = poller.watch(socket, Source::Mending, EventFlags::IN);
        }
    }

    /// Listen no more, until it is watched again.
    pub(super) fn stop(&self, poller: &Poller) {
        for socket in [&*self.rules, &self.links] {
            poller.forget(socket);
        }
    }

    /// Something was taken away. What else is, until it is looked, does not wake us.
    pub(super) fn noticed(&mut self, poller: &Poller) {
        self.stop(poller);
        let now = Instant::now();
        let quiet = self.looked.is_none_or(|looked| now.duration_since(looked) >= QUIET);
        self.pause = if quiet { PAUSE } else { (self.pause * 2).min(LONGEST) };
        self.look_at.get_or_insert(now + self.pause);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Look whether all is as it should be, if it is time for that.
    pub(super) fn look_at_clock(&mut self, now: Instant, poller: &Poller) {
        if self.look_at.is_none_or(|at| now < at) {
            return;
        }
        // The library's lock of the network namespace (`core/src/sys/namespace.rs`): who holds it changes things just now.
        let lock = File::open("/proc/self/ns/net");
        match lock.as_ref().map(File::try_lock) {
            Ok(Err(TryLockError::WouldBlock)) => {
                self.look_at = Some(now + PAUSE);
                return;
            }
            Ok(Ok(())) => {
                self.look_at = None;
                self.looked = Some(now);
                // What is said from now on is looked at later.
                for socket in [&*self.rules, &self.links] {
                    drain(socket);
                }
                // First what keeps others out, then what lets them in.
                rules::put_back(self.run);
                links::put_back(self.run);
                process::settle_down();
            }
            // It cannot be had at all.
            Ok(Err(TryLockError::Error(_))) | Err(_) => self.look_at = None,
        }
        self.watch(poller);
    }
}

/// Read what was said.
fn drain(socket: &OwnedFd) {
    let mut buffer = [0; 64];
    let mut hear = || recv(socket, &mut buffer, RecvFlags::empty());
    // More may have been said than there was room for, and what is longer is cut off.
    while let Ok(_) | Err(Errno::NOBUFS | Errno::INTR) = hear() {}
}
