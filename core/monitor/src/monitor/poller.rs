//! epoll, with the few kinds of source a monitor has.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use super::log::Stream;
use super::names::NameSource;

/// Most events that are taken at once.
const BATCH: usize = 32;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Process 1 has ended.
    Process,
    /// A connection to the control socket.
    Listener,
    /// Output of the container.
    Output(Stream),
    /// Room for input to the container.
    Stdin,
    /// A signal to the monitor.
    Signal,
    /// The process that the container is tied to has ended.
    Owner,
    /// The container has run out of memory.
    Memory,
    /// A client can be read from or written to. The second number tells apart those that had the place one after another.
    Client(u32, u32),
    /// A further process, by its number.
    Exec(ExecSource, u32),
    /// Something of the network was taken away.
    Mending,
    /// What the resolver waits for, by its place.
    Names(NameSource, u32),
}

/// What is waited for of a further process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExecSource {
    /// It is further on its way to the command.
    Status,
    /// It has ended.
    Process,
    /// Output of it.
    Output(Stream),
    /// Room for input to it.
    Stdin,
}

impl Source {
    fn encode(self) -> u64 {
        let (kind, place, turn) = match self {
            Source::Process => (0, 0, 0),
            Source::Listener => (1, 0, 0),
            Source::Output(Stream::Stdout) => (2, 0, 0),
            Source::Output(Stream::Stderr) => (3, 0, 0),
            Source::Stdin => (4, 0, 0),
            Source::Signal => (5, 0, 0),
            Source::Memory => (6, 0, 0),
            Source::Client(place, turn) => (7, place, turn),
            Source::Exec(ExecSource::Status, number) => (8, 0, number),
            Source::Exec(ExecSource::Process, number) => (9, 0, number),
            Source::Exec(ExecSource::Output(Stream::Stdout), number) => (10, 0, number),
            Source::Exec(ExecSource::Output(Stream::Stderr), number) => (11, 0, number),
            Source::Exec(ExecSource::Stdin, number) => (12, 0, number),
            Source::Owner => (13, 0, 0),
            Source::Mending => (18, 0, 0),
            Source::Names(NameSource::Packets, place) => (14, 0, place),
            Source::Names(NameSource::Connections, place) => (15, 0, place),
            Source::Names(NameSource::Forwarded, place) => (16, 0, place),
            Source::Names(NameSource::Stream, place) => (17, 0, place),
        };
        kind | u64::from(place & 0xff_ffff) << 8 | u64::from(turn) << 32
    }

    fn decode(code: u64) -> Source {
        let high = (code >> 32) as u32;
        match code & 0xff {
            0 => Source::Process,
            1 => Source::Listener,
            2 => Source::Output(Stream::Stdout),
            3 => Source::Output(Stream::Stderr),
            4 => Source::Stdin,
            5 => Source::Signal,
            6 => Source::Memory,
            8 => Source::Exec(ExecSource::Status, high),
            9 => Source::Exec(ExecSource::Process, high),
            10 => Source::Exec(ExecSource::Output(Stream::Stdout), high),
            11 => Source::Exec(ExecSource::Output(Stream::Stderr), high),
            12 => Source::Exec(ExecSource::Stdin, high),
            13 => Source::Owner,
            18 => Source::Mending,
            14 => Source::Names(NameSource::Packets, high),
            15 => Source::Names(NameSource::Connections, high),
            16 => Source::Names(NameSource::Forwarded, high),
            17 => Source::Names(NameSource::Stream, high),
            _ => Source::Client((code >> 8 & 0xff_ffff) as u32, high),
        }
    }
}

/// What has happened at a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) source: Source,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The other side is gone altogether.
    pub(super) hung_up: bool,
}

/// The sources that are watched.
pub(super) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub(super) fn new() -> Result<Poller, Errno> {
        Ok(Poller { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    pub(super) fn watch(
        &self,
        fd: impl AsFd,
        source: Source,
        flags: EventFlags,
    ) -> Result<(), Errno> {
        epoll::add(&self.epoll, fd, EventData::new_u64(source.encode()), flags)
    }

    pub(super) fn change(
        &self,
        fd: impl AsFd,
        source: Source,
        flags: EventFlags,
    ) -> Result<(), Errno> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(source.encode()), flags)
    }

    /// A source that is not watched at all also reports no hang-up, which a mere change of flags would not achieve.
    pub(super) fn forget(&self, fd: impl AsFd) {
        // One that was not watched is forgotten already.
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Wait for something to happen, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> Result<Batch, Errno> {
        let timeout = deadline.map(|d| timespec(d.saturating_duration_since(Instant::now())));
        let mut events = [EMPTY; BATCH];
        let count = match epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno),
        };
        Ok(Batch { events, count, next: 0 })
    }
}

const EMPTY: Event = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };

/// epoll counts whole milliseconds: rounded up, so that a wait never ends just before its deadline, over and over.
fn timespec(duration: Duration) -> Timespec {
    let duration = duration + Duration::from_nanos(999_999);
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).min(86_400);
    Timespec { tv_sec: seconds, tv_nsec: (duration.subsec_millis() * 1_000_000).into() }
}

/// What has happened, one by one.
pub(super) struct Batch {
    events: [Event; BATCH],
    count: usize,
    next: usize,
}

impl Iterator for Batch {
    type Item = Ready;

    fn next(&mut self) -> Option<Ready> {
        let Event { flags, data } = *self.events[..self.count].get(self.next)?;
        self.next += 1;
        Some(Ready {
            source: Source::decode(data.u64()),
            readable: flags
                .intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR),
            writable: flags.intersects(EventFlags::OUT | EventFlags::ERR),
            hung_up: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_comes_back_as_it_went() {
        for source in [
            Source::Process,
            Source::Listener,
            Source::Output(Stream::Stdout),
            Source::Output(Stream::Stderr),
            Source::Stdin,
            Source::Signal,
            Source::Memory,
            Source::Client(0, 0),
            Source::Client(1024, u32::MAX),
            Source::Exec(ExecSource::Status, 0),
            Source::Exec(ExecSource::Process, 1),
            Source::Exec(ExecSource::Output(Stream::Stdout), 2),
            Source::Exec(ExecSource::Output(Stream::Stderr), u32::MAX),
            Source::Exec(ExecSource::Stdin, 3),
            Source::Names(NameSource::Packets, 0),
            Source::Names(NameSource::Connections, 0),
            Source::Names(NameSource::Forwarded, 255),
            Source::Names(NameSource::Stream, 31),
            Source::Mending,
        ] {
            assert_eq!(Source::decode(source.encode()), source);
        }
    }
}
