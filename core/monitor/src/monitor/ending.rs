//! Why a container has ended, from how its process 1 ended and what was asked for before.

use std::time::{Duration, Instant};

use super::super::cgroup::{Cgroup, OomWatch};
use crate::state::Reason;

const SIGKILL: i32 = 9;

/// How process 1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Code(i32),
    Signal(i32),
}

impl Ending {
    /// The exit code that is reported.
    pub(super) fn code(self) -> i32 {
        match self {
            Ending::Code(code) => code,
            Ending::Signal(signal) => 128 + signal,
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// The last signal that `kill` was to send.
    pub(super) kill: Option<i32>,
    /// It was one that is meant to end the container, so that no restart policy starts it again.
    pub(super) ends_policy: bool,
    pub(super) stop: Stop,
    /// The process that it was tied to is gone.
    pub(super) owner_gone: bool,
    /// The time that it had is over.
    pub(super) timed_out: bool,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Stop {
    #[default]
    NotAsked,
    /// The signal is sent; SIGKILL follows at some time, if ever.
    Waiting(Option<Instant>),
    /// SIGKILL is sent.
    Killed,
}

impl Asked {
    /// The reason. `out_of_memory`: the OOM killer has been at work just now.
    pub(super) fn reason(&self, ending: Ending, out_of_memory: bool) -> Reason {
        // A shell or a reaper as process 1 reports its child's death as its own code.
        let killed_by = |signal| ending.code() == 128 + signal;
        if killed_by(SIGKILL) {
            match self {
                Asked { owner_gone: true, .. } => return Reason::OwnerGone,
                Asked { timed_out: true, .. } => return Reason::Timeout,
                Asked { stop: Stop::Killed, .. } => return Reason::StopTimeout,
                Asked { kill: Some(SIGKILL), .. } => return Reason::Killed,
                _ if out_of_memory => return Reason::OomKilled,
                _ => {}
            }
        }
        match (self, ending) {
            (Asked { stop: Stop::Waiting(_) | Stop::Killed, .. }, _) => Reason::Stopped,
            (Asked { kill: Some(signal), .. }, _) if killed_by(*signal) => Reason::Killed,
            (_, Ending::Code(_)) => Reason::Exited,
            (_, Ending::Signal(_)) => Reason::Signaled,
        }
    }
}

/// How long after a kill of the OOM killer a death by SIGKILL counts as its doing.
const RECENT: Duration = Duration::from_secs(1);

/// How long after a notice the count is looked at: cgroup v1 gives notice before it kills.
const DELAY: Duration = Duration::from_millis(100);

/// Keeps track of the OOM killer's work in a container.
pub(super) struct Memory {
    watch: Option<OomWatch>,
    kills: u64,
    last: Option<Instant>,
    look_at: Option<Instant>,
}

impl Memory {
    pub(super) fn new(watch: Option<OomWatch>) -> Memory {
        Memory { watch, kills: 0, last: None, look_at: None }
    }

    pub(super) fn watch(&self) -> Option<&OomWatch> {
        self.watch.as_ref()
    }

    /// Memory has run out; the count is looked at soon.
    pub(super) fn noticed(&mut self) {
        if let Some(watch) = &self.watch {
            watch.clear();
        }
        self.look_at = Some(Instant::now() + DELAY);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Look at the count. `true` when this is the first time that there are kills.
    pub(super) fn look(&mut self, cgroup: &Cgroup) -> bool {
        self.look_at = None;
        let kills = cgroup.oom_kills();
        let first = self.kills == 0 && kills > 0;
        if kills > self.kills {
            (self.kills, self.last) = (kills, Some(Instant::now()));
        }
        first
    }

    /// Something in the container was killed.
    pub(super) fn has_killed(&self) -> bool {
        self.kills > 0
    }

    /// ... and just now.
    pub(super) fn has_killed_recently(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() < RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGTERM: i32 = 15;

    #[test]
    fn a_reason_is_what_was_asked_for_if_that_is_what_it_died_of() {
        let nothing = Asked::default();
        assert_eq!(nothing.reason(Ending::Code(0), false), Reason::Exited);
        assert_eq!(nothing.reason(Ending::Code(137), false), Reason::Exited);
        assert_eq!(nothing.reason(Ending::Signal(SIGKILL), false), Reason::Signaled);
        assert_eq!(nothing.reason(Ending::Signal(SIGKILL), true), Reason::OomKilled);
        assert_eq!(nothing.reason(Ending::Code(137), true), Reason::OomKilled);
        assert_eq!(nothing.reason(Ending::Code(1), true), Reason::Exited);

        let killed = Asked { kill: Some(SIGTERM), ..nothing };
        assert_eq!(killed.reason(Ending::Signal(SIGTERM), false), Reason::Killed);
        assert_eq!(killed.reason(Ending::Code(143), false), Reason::Killed);
        assert_eq!(killed.reason(Ending::Code(0), false), Reason::Exited);
        let killed = Asked { kill: Some(SIGKILL), ..nothing };
        assert_eq!(killed.reason(Ending::Signal(SIGKILL), true), Reason::Killed);

        let stopping = Asked { stop: Stop::Waiting(None), ..nothing };
        assert_eq!(stopping.reason(Ending::Code(0), false), Reason::Stopped);
        assert_eq!(stopping.reason(Ending::Signal(SIGTERM), false), Reason::Stopped);
        let stopped = Asked { stop: Stop::Killed, ..nothing };
        assert_eq!(stopped.reason(Ending::Signal(SIGKILL), false), Reason::StopTimeout);

        let orphan = Asked { owner_gone: true, ..nothing };
        assert_eq!(orphan.reason(Ending::Signal(SIGKILL), false), Reason::OwnerGone);
        assert_eq!(orphan.reason(Ending::Code(0), false), Reason::Exited);

        let late = Asked { timed_out: true, ..nothing };
        assert_eq!(late.reason(Ending::Signal(SIGKILL), false), Reason::Timeout);
        assert_eq!(late.reason(Ending::Code(0), false), Reason::Exited);
    }
}
