//! Starting the container again after its end: because its restart policy says so, or because somebody has asked for it.
//!
//! The monitor stays, with its lock, its socket and its log; everything else is made anew. While it waits for the time to come,
//! there is nothing of the container but its directory, and the state says `restarting`. The times are docker's: 100 ms at
//! first, twice as long after every run that was shorter than ten seconds, a minute at most.

use std::time::{Duration, Instant};

use super::client::Interests;
use super::ending::{Asked, Ending, Memory, Stop};
use super::execs::Execs;
use super::launch::{self, Again};
use super::log::Stream;
use super::poller::Source;
use super::streams::streams;
use super::supervisor::{SETTLE, Supervisor};
use super::{emergency, record};
use crate::failpoint::failpoint;
use crate::oci::IdMapping;
use crate::protocol::{Event, Failure, Launch, Restart};
use crate::state::{Reason, Status};

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);
/// A run that was as long as this has gone well.
const GOOD: Duration = Duration::from_secs(10);

/// What is known about further runs.
#[derive(Default)]
pub(super) struct Restarts {
    pub(super) policy: Restart,
    /// What is run by the policy. There is none without, since it is large.
    pub(super) launch: Option<Box<Launch>>,
    /// Somebody has asked for a restart: what is to be run, and who.
    pub(super) asked: Option<(Box<Launch>, (u32, u32))>,
    /// When the next run begins, while there is none.
    pub(super) due: Option<Instant>,
    /// Whose ids the container has, which is made for its first run and which a run that was planned since does not say.
    maps: [Vec<IdMapping>; 2],
    delay: Duration,
    pub(super) began: Option<Instant>,
}

impl Restarts {
    pub(super) fn new(launch: &Launch) -> Restarts {
        let kept = launch.restart != Restart::No;
        let linux = &launch.spec.linux;
        Restarts {
            policy: launch.restart,
            launch: kept.then(|| Box::new(launch.clone())),
            maps: [linux.uid_mappings.clone(), linux.gid_mappings.clone()],
            began: Some(Instant::now()),
            ..Restarts::default()
        }
    }

    /// There is no run now, but there is to be one.
    pub(super) fn are_due(&self) -> bool {
        self.due.is_some()
    }

    /// How long to wait before the next run, if there is to be one after this end.
    fn after(&mut self, ending: Ending, asked: &Asked, count: u32) -> Option<Duration> {
        if self.asked.is_some() {
            return Some(Duration::ZERO);
        }
        let manual = asked.owner_gone
            || asked.timed_out
            || asked.ends_policy
            || !matches!(asked.stop, Stop::NotAsked);
        let wanted = match self.policy {
            Restart::No => false,
            Restart::Always => true,
            Restart::OnFailure { most } => ending.code() != 0 && (most == 0 || count < most),
        };
        if manual || !wanted {
            return None;
        }
        if self.began.is_some_and(|began| began.elapsed() >= GOOD) {
            self.delay = Duration::ZERO;
        }
        self.delay = (self.delay * 2).clamp(SHORTEST, LONGEST);
        Some(self.delay)
    }
}

impl Supervisor {
    /// Whether the container is to be started again after this end; it is then prepared for.
    pub(super) fn prepare_restart(&mut self, ending: Ending) -> bool {
        let count = self.state.restart_count;
        let Some(delay) = self.restarts.after(ending, &self.asked, count) else { return false };
        self.state.status = Status::Restarting;
        self.restarts.due = Some(Instant::now() + delay);
        true
    }

    /// The end of a run that is not the last.
    pub(super) fn finish_run(&mut self) {
        // A crash of the machine ends it all; that it was to be started again is then no more than that it had ended.
        self.write_state();
        emergency::disarm();
        self.events.die(&self.state);
        let event = Event::Exited { state: self.state.clone(), again: true };
        self.clients.tell_exit(&event, self.output.chunk());
        let _ = failpoint("restart-told");
        // Who is attached was so to that run, and keeps the rest of it.
        for (place, turn) in self.clients.all() {
            let Some(client) = self.clients.get(place, turn) else { continue };
            let Interests { stdout, stderr, stdin, .. } = client.interests;
            if stdout || stderr || stdin {
                client.interests = Interests::default();
                client.last_words = true;
                if !client.has_unsent() {
                    self.leave(place, turn);
                }
            }
        }
        self.remove_cgroup();
        self.execs = Execs::default();
        self.asked = Asked::default();
        self.ending = None;
        self.terminal = None;
    }

    /// The time has come.
    pub(super) fn restart(&mut self) {
        self.restarts.due = None;
        let (launch, asker) = match self.restarts.asked.take() {
            Some((launch, asker)) => (Some(launch), Some(asker)),
            None => (self.restarts.launch.take(), None),
        };
        let Some(mut launch) = launch else { return self.give_up(None) };
        let linux = &mut launch.spec.linux;
        [linux.uid_mappings, linux.gid_mappings] = self.restarts.maps.clone();
        let count = if asker.is_some() { 0 } else { self.state.restart_count + 1 };
        let result = self.run_again(&launch, count);
        if launch.restart != Restart::No {
            self.restarts.launch = Some(launch);
        }
        match result {
            Ok(()) => {
                self.events.tell("start", &[]);
                if asker.is_some() {
                    self.events.tell("restart", &[]);
                    self.restarts.delay = Duration::ZERO;
                }
                self.answer(asker, &Event::Done);
            }
            Err(failure) => {
                self.answer(asker, &Event::Refused { failure: failure.clone() });
                self.give_up(Some(&failure));
            }
        }
    }

    fn run_again(&mut self, launch: &Launch, count: u32) -> Result<(), Failure> {
        let Again { mut container, cgroup, filter, mut state, health } =
            launch::again(launch, &self.directories, &self.events)?;
        let failed = |errno: rustix::io::Errno| {
            Failure::system("set up the container's streams", errno.raw_os_error())
        };
        let (output, stdin, terminal) =
            streams(container.stdio.take(), launch.stdin).map_err(failed)?;
        self.poller
            .watch(&container.pidfd, Source::Process, rustix::event::epoll::EventFlags::IN)
            .map_err(failed)?;
        state.restart_count = count;
        (self.container, self.cgroup, self.state) = (container, cgroup, state);
        self.filter = filter;
        (self.output, self.stdin, self.terminal) = (output, stdin, terminal);
        self.health = health;
        if let (Some(names), Some(resolver)) = (&mut self.names, &launch.resolver) {
            names.set_servers(&resolver.servers);
        }
        self.memory = Memory::new(None);
        self.settle_at = Some(Instant::now() + SETTLE);
        self.restarts.began = Some(Instant::now());
        self.restarts.policy = launch.restart;
        self.write_state();
        let _ = failpoint("restarted");
        Ok(())
    }

    fn answer(&mut self, asker: Option<(u32, u32)>, event: &Event) {
        let Some((place, turn)) = asker else { return };
        let Some(client) = self.clients.get(place, turn) else { return };
        client.tell(event);
        // One that is gone is found so when the poller tells of it.
        self.clients.flush(place, turn, super::client::Chunk::new(Stream::Stdout, &[]));
    }

    /// There will be no further run after all.
    pub(super) fn give_up(&mut self, failure: Option<&Failure>) {
        self.restarts.due = None;
        self.state.status = Status::Exited;
        if let Some(failure) = failure {
            self.state.reason = Reason::StartFailed;
            self.state.exit_code = record::exit_code(failure);
            self.state.error.clone_from(&failure.message);
        }
        self.over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restarts(policy: Restart) -> Restarts {
        Restarts { policy, ..Restarts::default() }
    }

    #[test]
    fn a_policy_looks_at_the_exit_code_the_count_and_what_was_asked_for() {
        let (good, bad) = (Ending::Code(0), Ending::Code(3));
        let nothing = Asked::default();
        let stopped = Asked { stop: Stop::Killed, ..nothing };
        for (policy, ending, asked, count, wanted) in [
            (Restart::No, bad, nothing, 0, false),
            (Restart::Always, good, nothing, 1_000, true),
            (Restart::Always, good, stopped, 0, false),
            (Restart::Always, Ending::Signal(9), Asked { ends_policy: true, ..nothing }, 0, false),
            (Restart::Always, bad, Asked { owner_gone: true, ..nothing }, 0, false),
            (Restart::OnFailure { most: 0 }, good, nothing, 0, false),
            (Restart::OnFailure { most: 0 }, bad, nothing, 1_000, true),
            (Restart::OnFailure { most: 2 }, bad, nothing, 1, true),
            (Restart::OnFailure { most: 2 }, bad, nothing, 2, false),
            (Restart::OnFailure { most: 2 }, Ending::Signal(11), nothing, 0, true),
        ] {
            let next = restarts(policy).after(ending, &asked, count);
            assert_eq!(next.is_some(), wanted, "{policy:?} {ending:?} {asked:?} {count}");
        }
    }

    #[test]
    fn the_pause_doubles_up_to_a_minute_and_a_long_run_makes_it_short_again() {
        let mut restarts = restarts(Restart::Always);
        let mut next = || {
            let pause = restarts.after(Ending::Code(0), &Asked::default(), 0).unwrap();
            pause.as_millis()
        };
        assert_eq!([next(), next(), next()], [100, 200, 400]);
        for _ in 0..20 {
            next();
        }
        assert_eq!(next(), 60_000);
        restarts.began = Instant::now().checked_sub(GOOD);
        let pause = restarts.after(Ending::Code(0), &Asked::default(), 0).unwrap();
        assert_eq!(pause, SHORTEST);
    }
}
