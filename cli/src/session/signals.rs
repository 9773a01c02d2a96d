//! Signals while a container is attached: taken in as data, so that they can be passed on.
//!
//! They are blocked and read from a signalfd(2): no handler runs, so nothing is interrupted half way, and a signal that came
//! while the container was being started is not lost.

use std::os::fd::{AsFd, BorrowedFd};

use barque::{Canceller, Engine, Error, api};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::failure::{Failure, Result};

/// What a container gets when this program gets it. Not among them: those of children (SIGCHLD) and broken pipes, those that
/// stop and continue this program, and those of faults.
const PASSED_ON: [Signal; 14] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
];

/// The blocked signals.
pub(crate) struct Signals {
    fd: SignalFd,
    set: SigSet,
}

impl Signals {
    /// Block them from here on.
    pub(crate) fn take() -> Result<Signals> {
        let mut set: SigSet = PASSED_ON.into_iter().collect();
        set.add(Signal::SIGWINCH);
        set.add(Signal::SIGTSTP);
        let failed = |errno: nix::errno::Errno| Failure::new(format!("take in signals: {errno}"));
        set.thread_block().map_err(failed)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        Ok(Signals { fd: fd.map_err(failed)?, set })
    }

    /// Let them act again, those too that came and were not read.
    pub(crate) fn give_back(self) {
        // It fails for no set of signals.
        let _ = self.set.thread_unblock();
    }

    /// The next that has come.
    pub(crate) fn next(&self) -> Option<Signal> {
        let info = self.fd.read_signal().ok()??;
        Signal::try_from(info.ssi_signo as i32).ok()
    }

    /// Do something that can be cancelled, and cancel it when one comes that is meant to end this program. The signal is
    /// still there to be read afterwards.
    pub(crate) fn watch<T: Send>(
        &self,
        canceller: &Canceller,
        work: impl FnOnce() -> T + Send,
    ) -> barque::Result<T> {
        let failed = |errno: nix::errno::Errno| Error::system("create an eventfd", errno.into());
        let done = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).map_err(failed)?;
        std::thread::scope(|scope| {
            let watcher = std::thread::Builder::new().spawn_scoped(scope, || {
                let mut fds = [
                    PollFd::new(self.fd.as_fd(), PollFlags::POLLIN),
                    PollFd::new(done.as_fd(), PollFlags::POLLIN),
                ];
                let _ = poll(&mut fds, PollTimeout::NONE);
                if fds[0].any() == Some(true) {
                    canceller.cancel();
                }
            });
            // `scope.spawn` would panic where this process may have no more threads.
            watcher.map_err(|error| Error::system("start a thread", error))?;
            let result = work();
            let _ = done.write(1);
            Ok(result)
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Send a signal to a container. It may be gone by now, which is what most senders want.
pub(crate) fn pass_on(engine: &Engine, id: &str, signal: Signal) {
    let request = api::ContainerKill { id: id.to_owned(), signal: signal.as_str().to_owned() };
    let _ = engine.containers().kill(&request);
}

/// The status of a program that a signal ended.
pub(crate) fn status(signal: Signal) -> u8 {
    128 + signal as u8
}
