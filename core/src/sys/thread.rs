//! Threads of the library's own.

use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};

/// Start a thread in which no signal is handled: the host program's handlers are not meant to run there. Threads that it starts are the
/// same.
pub(crate) fn spawn_quiet(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // A thread begins with its maker's mask, so the maker's is full for a moment: what arrives meanwhile is delivered afterwards.
    // SAFETY: both sets are ours; `sigfillset` initialises the first before it is read, and the second is only written.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = Builder::new().name("barque".into()).spawn(work);
    // SAFETY: initialised by the call above, which cannot fail with these arguments.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread.map_err(|error| Error::system("start a thread", error))
}

/// Do something in which a write may find its reader gone, without SIGPIPE: it is blocked in this thread meanwhile, and one that this caused
/// is taken away (`man 7 signal`, "Signal mask and pending signals": it is sent to the thread that wrote).
pub(crate) fn without_sigpipe<T>(body: impl FnOnce() -> T) -> T {
    let mut pipe = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the sets are ours, and each is initialised by the call that writes it before another reads it.
    let was_pending = unsafe {
        libc::sigemptyset(pipe.as_mut_ptr());
        libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), before.as_mut_ptr());
        libc::sigpending(pending.as_mut_ptr());
        libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
    };
    let value = body();
    // SAFETY: as above; the time is on the stack and no information is wanted.
    unsafe {
        if !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(pipe.as_ptr(), std::ptr::null_mut(), &now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut());
    }
    value
}
