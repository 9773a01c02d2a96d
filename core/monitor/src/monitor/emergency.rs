//! What happens when the monitor itself fails: the container is killed, and its state says so.
//!
//! A panic aborts (the profile `monitor` has no unwinding), but its hook runs before. A monitor that is killed outright runs
//! nothing: its container dies by PR_SET_PDEATHSIG, and whoever opens the engine next finds a state that says
//! "running" under a lock that nobody holds.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::PanicHookInfo;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::directories::Directories;
use super::events::Events;
use super::{process, record, timestamp};
use crate::cgroup::Cgroup;
use crate::state::{EXIT_UNKNOWN, Reason, RunState, Status};

/// What is needed to end a container in a hurry.
pub(super) struct Emergency {
    pub(super) pidfd: OwnedFd,
    pub(super) cgroup: String,
    pub(super) directories: Directories,
    pub(super) state: RunState,
    pub(super) events: Events,
}

static EMERGENCY: Mutex<Option<Emergency>> = Mutex::new(None);

/// Be ready from now on.
pub(super) fn arm(emergency: Emergency) {
    if let Ok(mut armed) = EMERGENCY.lock() {
        *armed = Some(emergency);
    }
    std::panic::set_hook(Box::new(|panic| {
        end(&describe(panic));
        // Where panics unwind (a debug build), nothing else must run either.
        std::process::abort();
    }));
}

/// The container has ended in good order.
pub(super) fn disarm() {
    if let Ok(mut armed) = EMERGENCY.lock() {
        *armed = None;
    }
}

/// Kill the container and write down that the monitor has failed, and why.
pub(super) fn end(why: &str) {
    // Not lock(): a panic may have come from within arm().
    let Some(Emergency { pidfd, cgroup, directories, mut state, events }) =
        EMERGENCY.try_lock().ok().and_then(|mut armed| armed.take())
    else {
        return;
    };
    // Each step is worth trying whatever became of the others.
    let _ = process::send_signal(&pidfd, libc::SIGKILL);
    let cgroup = Cgroup::open(&cgroup);
    if let Ok(Some(cgroup)) = &cgroup {
        let _ = cgroup.kill();
    }
    let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    state.status = Status::Exited;
    state.pid = 0;
    state.finished_at = timestamp::now();
    state.exit_code = EXIT_UNKNOWN;
    state.reason = Reason::MonitorDied;
    state.error = why.to_owned();
    let _ = record::write(directories.container, &state, true);
    events.die(&state);
    if let Ok(Some(cgroup)) = &cgroup {
        let _ = cgroup.remove(Duration::from_secs(2));
    }
    directories.remove_run();
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("a panic");
    match panic.location() {
        Some(at) => format!("the monitor failed: {what} ({}:{})", at.file(), at.line()),
        None => format!("the monitor failed: {what}"),
    }
}
