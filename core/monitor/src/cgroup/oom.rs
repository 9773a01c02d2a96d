//! The kernel's OOM killer at work in a cgroup.
//!
//! It counts its kills in `memory.oom_control` (v1, since Linux 4.13) or `memory.events` (v2). A change can be waited for:
//! v1 signals an eventfd when memory has run out (Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control"), which is
//! just before the kill; v2 reports a modification of the file to inotify.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::limit::Place;
use super::{Cgroup, Directory};

/// Becomes readable when a cgroup has run out of memory. Dropping it ends the watch.
pub struct OomWatch {
    fd: OwnedFd,
}

impl OomWatch {
    /// Forget what has been reported so far.
    pub fn clear(&self) {
        let mut report = [0_u8; 4096];
        // Nothing to read is as good.
        let _ = rustix::io::read(&self.fd, &mut report);
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Cgroup {
    /// How many processes in it the OOM killer has killed. 0 where there is no memory controller.
    pub fn oom_kills(&self) -> u64 {
        let text = match self.place("memory", "memory") {
            Some(Place::V1(directory)) => directory.read("memory.oom_control"),
            Some(Place::V2(directory)) => directory.read("memory.events"),
            None => return 0,
        };
        let count = |text: String| {
            text.lines().find_map(|l| l.strip_prefix("oom_kill ")).and_then(|n| n.parse().ok())
        };
        text.ok().and_then(count).unwrap_or(0)
    }

    /// Be told when memory runs out. `None` where there is no memory controller.
    pub fn watch_oom(&self) -> Option<OomWatch> {
        let fd = match self.place("memory", "memory")? {
            Place::V1(directory) => watch_v1(directory),
            Place::V2(directory) => watch_v2(directory),
        };
        // The count at the end is what decides; the watch only tells earlier.
        fd.ok().map(|fd| OomWatch { fd })
    }
}

fn watch_v1(directory: &Directory) -> Result<OwnedFd, Errno> {
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let control = openat(directory.fd(), "memory.oom_control", flags, Mode::empty())?;
    let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    directory.write("cgroup.event_control", &line)?;
    Ok(event)
}

fn watch_v2(directory: &Directory) -> Result<OwnedFd, Errno> {
    let watch = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    add_watch(&watch, format!("{}/memory.events", directory.path()), WatchFlags::MODIFY)?;
    Ok(watch)
}
