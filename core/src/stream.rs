//! The one stream type: pulled by its reader, cancelled from anywhere.
//!
//! Logs, the output of a run, waits, events, statistics and progress are all a [`Stream`] of [`Item`]s. Nothing
//! is pushed: there is no callback and no thread, so a reader that stops reading holds nothing up but itself, and every
//! language can put its own loop around [`Stream::next`]. A stream is also a descriptor ([`Stream::as_fd`]) that an event
//! loop can poll.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use crate::api::ContainerCreated;
use crate::error::{Error, ErrorKind, Result};

/// What a stream yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Bytes a container wrote.
    Chunk(Chunk),
    /// A JSON document, as text.
    Document(String),
}

/// Bytes a container wrote to one of its outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which output.
    pub channel: Output,
    /// When the monitor read them, nanoseconds since 1970; `None` where it was not asked for.
    pub timestamp: Option<i64>,
    /// The bytes, as they were written.
    pub data: Vec<u8>,
}

/// A container's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Standard output, or the terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What [`Stream::next`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next item.
    Item(Item),
    /// There will be no more. Asked again, the answer is the same.
    Done,
    /// Nothing came before the deadline; the stream goes on.
    TimedOut,
}

/// Until when a call may wait.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Wait as long as it takes.
    pub const fn never() -> Deadline {
        Deadline(None)
    }

    /// Wait at most this long from now. A time too far away to count is for ever.
    pub fn after(duration: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(duration))
    }

    /// Wait at most this many milliseconds from now; negative: for ever.
    pub fn after_ms(ms: i64) -> Deadline {
        match u64::try_from(ms) {
            Ok(ms) => Deadline::after(Duration::from_millis(ms)),
            Err(_) => Deadline::never(),
        }
    }

    /// The time that is left, `None` for ever.
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

/// Cancels operations and streams, from any thread. Clones are the same canceller; a cancelled one stays so.
#[derive(Clone)]
pub struct Canceller(Arc<CancelState>);

struct CancelState {
    cancelled: AtomicBool,
    fd: OwnedFd,
    /// Whose use is this one's too.
    parent: Option<Canceller>,
}

impl Canceller {
    /// A canceller that has not been used.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceExhausted`] when the process is out of descriptors.
    pub fn new() -> Result<Canceller> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::system("create an eventfd", errno.into()))?;
        Ok(Canceller(Arc::new(CancelState { cancelled: AtomicBool::new(false), fd, parent: None })))
    }

    /// A canceller for a part of what this one cancels: it is used with this one, and by itself too.
    pub(crate) fn child(&self) -> Result<Canceller> {
        let Canceller(state) = Canceller::new()?;
        let mut state = Arc::into_inner(state).ok_or_else(|| Error::internal("a new canceller"))?;
        state.parent = Some(self.clone());
        Ok(Canceller(Arc::new(state)))
    }

    /// Cancel: every waiting and later call that uses this canceller fails with [`ErrorKind::Cancelled`].
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
        // A full counter (EAGAIN) means that it is readable already, which is all that is wanted.
        let _ = rustix::io::write(&self.0.fd, &1u64.to_ne_bytes());
    }

    /// Whether it has been used.
    pub fn is_cancelled(&self) -> bool {
        self.lineage().any(|one| one.0.cancelled.load(Ordering::Acquire))
    }

    /// Fail when it has been used.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Wait until `fd` can be read, the deadline passes (`false`) or this is cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`].
    pub fn wait_readable(&self, fd: BorrowedFd<'_>, deadline: Deadline) -> Result<bool> {
        Ok(!self.wait_for(fd, PollFlags::IN, deadline)?.is_empty())
    }

    /// Wait until `fd` is ready for one of `wanted`; nothing when the deadline passes first.
    pub(crate) fn wait_for(
        &self,
        fd: BorrowedFd<'_>,
        wanted: PollFlags,
        deadline: Deadline,
    ) -> Result<PollFlags> {
        loop {
            self.check()?;
            let mut fds = vec![PollFd::from_borrowed_fd(fd, wanted)];
            fds.extend(self.lineage().map(|one| PollFd::new(&one.0.fd, PollFlags::IN)));
            let timeout = deadline.remaining().and_then(|left| left.try_into().ok());
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Ok(PollFlags::empty()),
                Ok(_) if fds[0].revents().is_empty() => {
                    // Written to by someone who has only the descriptor: a signal handler, which may call write(2) and not
                    // much else (signal-safety(7)).
                    for (one, fd) in self.lineage().zip(&fds[1..]) {
                        if !fd.revents().is_empty() {
                            one.0.cancelled.store(true, Ordering::Release);
                        }
                    }
                }
                Ok(_) => return Ok(fds[0].revents()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Error::system("poll", errno.into())),
            }
        }
    }

    /// This one, and those that it is a part of.
    fn lineage(&self) -> impl Iterator<Item = &Canceller> {
        std::iter::successors(Some(self), |one| one.0.parent.as_ref())
    }

    /// Let time pass, unless this is cancelled.
    pub(crate) fn sleep(&self, duration: Duration) -> Result<()> {
        // The descriptor of the canceller itself: when it is readable, `wait_for` finds it so and fails.
        let deadline = Deadline::after(duration);
        self.wait_for(self.0.fd.as_fd(), PollFlags::empty(), deadline).map(drop)
    }
}

impl AsFd for Canceller {
    /// An eventfd. Writing the number 1 (8 bytes) to it cancels what waits, and can be done where [`Canceller::cancel`] cannot
    /// be called: in a signal handler.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the operation was cancelled")
}

/// How long to sleep between looks at what gives no sign when it is over: each time twice as long, up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Backoff {
        Backoff { next: first, most }
    }

    /// How long this time.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.most);
        pause
    }
}

/// Where a stream's items come from.
pub(crate) trait Source: Send {
    /// The next item if there is one now; [`Next::TimedOut`] when the reader must wait for [`Source::readable`].
    fn try_next(&mut self) -> Result<Next>;

    /// The descriptor that becomes readable when [`Source::try_next`] may have more to say.
    fn readable(&self) -> BorrowedFd<'_>;

    /// Bytes for the other side (a container's standard input), as many as it takes now: 0 when none. An empty slice closes
    /// it. Never waits.
    fn write(&mut self, _data: &[u8]) -> Result<usize> {
        Err(Error::invalid("this stream takes no input"))
    }

    /// The reader wants no more: whatever works for this stream may stop.
    fn stop(&mut self) {}

    /// What stops this source's own waiting from now on.
    fn cancel_with(&mut self, _canceller: &Canceller) {}

    /// The container whose output it is, and what its creation warned about.
    fn container(&self) -> Option<ContainerCreated> {
        None
    }

    /// From now on the other side goes on when this is dropped.
    fn detach(&mut self) -> Result<()> {
        Ok(())
    }

    /// The descriptor that becomes writable when [`Source::write`] may take more.
    fn writable(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A sequence of items that its reader pulls.
pub struct Stream {
    source: Box<dyn Source>,
    canceller: Canceller,
    poller: OwnedFd,
    ended: bool,
    /// The process that opened it.
    pid: u32,
}

impl Stream {
    /// A stream over `source` that `canceller` stops.
    pub(crate) fn new(source: Box<dyn Source>, canceller: Canceller) -> Result<Stream> {
        let failed = |errno: rustix::io::Errno| Error::system("set up an epoll", errno.into());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&poller, source.readable(), epoll::EventData::new_u64(0), readable)
            .map_err(failed)?;
        epoll::add(&poller, &canceller, epoll::EventData::new_u64(1), readable).map_err(failed)?;
        Ok(Stream { source, canceller, poller, ended: false, pid: std::process::id() })
    }

    /// The next item, waiting for it until `deadline`.
    ///
    /// # Errors
    /// What the source fails with, once; afterwards the stream is [`Next::Done`]. [`ErrorKind::Cancelled`] when it was
    /// cancelled.
    pub fn next(&mut self, deadline: Deadline) -> Result<Next> {
        self.check_process()?;
        loop {
            if self.ended {
                return Ok(Next::Done);
            }
            match self.step(deadline) {
                Ok(Some(next)) => {
                    self.ended = next == Next::Done;
                    return Ok(next);
                }
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    self.source.stop();
                    return Err(error);
                }
            }
        }
    }

    /// A child that was forked shares the connection: what it read would be missing here.
    fn check_process(&self) -> Result<()> {
        if self.pid == std::process::id() { Ok(()) } else { Err(Error::forked()) }
    }

    fn step(&mut self, deadline: Deadline) -> Result<Option<Next>> {
        self.canceller.check()?;
        match self.source.try_next()? {
            Next::TimedOut => {}
            next => return Ok(Some(next)),
        }
        let ready = self.canceller.wait_readable(self.source.readable(), deadline)?;
        Ok((!ready).then_some(Next::TimedOut))
    }

    /// Send bytes to the other side: a container's standard input. Returns how many were taken, 0 when it takes none now
    /// (see [`Stream::input_fd`]); an empty slice closes the input while output goes on. Never waits: a container that waits for
    /// its output to be read takes no input, so whoever writes must be able to read.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the stream takes no input, [`ErrorKind::Conflict`] when it is closed.
    pub fn write(&mut self, data: &[u8]) -> Result<usize> {
        self.check_process()?;
        self.source.write(data)
    }

    /// Let go: what would end with this stream (the process of an `exec.start`) goes on when it is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] in a process that was forked.
    pub fn detach(&mut self) -> Result<()> {
        self.check_process()?;
        self.source.detach()
    }

    /// The container of a run or attach while it goes on: its id, to kill it or resize its terminal, and for a run the warnings
    /// of its creation. `None` for other streams.
    pub fn container(&self) -> Option<ContainerCreated> {
        self.source.container()
    }

    /// The descriptor that is writable when [`Stream::write`] may take more; `None` when the stream takes no input. Only to be
    /// polled.
    pub fn input_fd(&self) -> Option<BorrowedFd<'_>> {
        self.source.writable()
    }

    /// From now on `canceller` stops this stream, and what did before does no more: who cancels the start of a container may
    /// come too late, and then has a stream to read.
    ///
    /// # Errors
    /// [`ErrorKind::System`] when the kernel is out of memory; the stream is then as before.
    pub fn cancel_with(&mut self, canceller: &Canceller) -> Result<()> {
        let failed = |errno: rustix::io::Errno| Error::system("change an epoll", errno.into());
        epoll::add(&self.poller, canceller, epoll::EventData::new_u64(1), epoll::EventFlags::IN)
            .map_err(failed)?;
        epoll::delete(&self.poller, &self.canceller).map_err(failed)?;
        self.canceller = canceller.clone();
        self.source.cancel_with(canceller);
        Ok(())
    }

    /// What cancels this stream, from any thread.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

impl AsFd for Stream {
    /// A descriptor that is readable when [`Stream::next`] may have something to say: for event loops. Only to be polled, and
    /// only after [`Stream::next`] has had nothing more to say ([`Next::TimedOut`]): it may have read ahead.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_to_the_descriptor_cancels_like_a_call_does() {
        let canceller = Canceller::new().unwrap();
        let never = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&canceller, &1u64.to_ne_bytes()).unwrap();
        let error = canceller.wait_readable(never.as_fd(), Deadline::never()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(canceller.is_cancelled());
    }

    /// Never has anything to say.
    struct Silent(OwnedFd);

    impl Source for Silent {
        fn try_next(&mut self) -> Result<Next> {
            Ok(Next::TimedOut)
        }
        fn readable(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn a_stream_can_be_taken_from_a_canceller_that_was_used() {
        let (first, second) = (Canceller::new().unwrap(), Canceller::new().unwrap());
        let never = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let mut stream = Stream::new(Box::new(Silent(never)), first.clone()).unwrap();
        first.cancel();
        stream.cancel_with(&second).unwrap();
        assert_eq!(stream.next(Deadline::after_ms(1)).unwrap(), Next::TimedOut);
        let mut fds = [PollFd::new(&stream, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&Default::default())).unwrap(), 0);
        second.cancel();
        assert_eq!(stream.next(Deadline::never()).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
