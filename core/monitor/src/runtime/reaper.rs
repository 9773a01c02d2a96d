//! Process 1 of a container that was asked to have an init: reaps whatever is orphaned, passes signals on to the command, and
//! ends as the command does. When process 1 ends, the kernel kills all others in its pid namespace.

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use crate::sys::exec::{close_all, exit};
use crate::sys::signal::{SignalSet, kill};

/// Be process 1 for `command`, with `signals` blocked already. A blocked signal reaches process 1 even where it has no
/// handler, and an unblocked one would not (kill(2), "Notes").
///
/// # Safety
///
/// Closes every descriptor behind the backs of their owners.
pub(crate) unsafe fn reap(command: Pid, signals: &SignalSet) -> ! {
    // The command's output ends when the command does, not when this does.
    // SAFETY: nothing is used or dropped from here on, since this never returns.
    let _ = unsafe { close_all() };
    let _ = rustix::thread::set_name(c"barque-init");
    // Where the pid namespace is shared, this is not process 1, and orphans would go to whoever is.
    let _ = rustix::process::set_child_subreaper(Some(command));
    loop {
        match signals.wait() {
            Ok(libc::SIGCHLD) => while reap_one(command, WaitOptions::NOHANG) {},
            // It may have ended just now, which SIGCHLD will tell.
            Ok(signal) => drop(kill(command, signal)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            // A system call filter that forbids it. Signals cannot be passed on then, but ends can be seen.
            Err(_) => drop(reap_one(command, WaitOptions::empty())),
        }
    }
}

/// Reap one process, and end if it is the command. `false`: there was none.
fn reap_one(command: Pid, options: WaitOptions) -> bool {
    match wait(options) {
        Ok(Some((pid, status))) if pid == command => exit(code(status)),
        Ok(Some(_)) => true,
        Ok(None) => false,
        Err(Errno::INTR) => true,
        // No children at all: the command was reaped, or taken away by a tracer.
        Err(_) => exit(1),
    }
}

/// As a shell has it.
fn code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    }
}
