//! Signals by number: what a reaper passes on may be any, real-time ones too.

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Result;
use rustix::process::Pid;

use super::clone::last_errno;

/// Those that a fault of the process itself raises, and for which blocking is undefined.
const FAULTS: [libc::c_int; 7] = [
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGTRAP,
];

/// A set of signals.
pub(crate) struct SignalSet(libc::sigset_t);

impl SignalSet {
    /// All but those for faults.
    pub(crate) fn all_but_faults() -> SignalSet {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset initializes the set; all numbers are signals.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for signal in FAULTS {
                libc::sigdelset(set.as_mut_ptr(), signal);
            }
            SignalSet(set.assume_init())
        }
    }

    /// Block these and no others.
    pub(crate) fn block(&self) -> Result<()> {
        // SAFETY: the set is initialized, and the old mask is not asked for.
        match unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(last_errno()),
        }
    }

    /// Take the next of these, which are blocked.
    pub(crate) fn wait(&self) -> Result<libc::c_int> {
        // SAFETY: the set is initialized, and the details are not asked for.
        match unsafe { libc::sigwaitinfo(&self.0, ptr::null_mut()) } {
            -1 => Err(last_errno()),
            signal => Ok(signal),
        }
    }
}

/// Send a signal.
pub(crate) fn kill(process: Pid, signal: libc::c_int) -> Result<()> {
    // SAFETY: plain integers.
    match unsafe { libc::kill(process.as_raw_nonzero().get(), signal) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}
