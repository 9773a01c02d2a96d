//! The loop of a running container: one thread, one epoll, and no memory taken while nothing but output happens.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::client::{Interests, Received};
use super::clients::{Clients, MOST, Requests};
use super::directories::Directories;
use super::ending::{Asked, Ending, Memory, Stop};
use super::events::Events;
use super::execs::Execs;
use super::health::Health;
use super::listener::{Accepted, Listener};
use super::log::Log;
use super::mending::Mending;
use super::names::Names;
use super::output::{Output, Sinks};
use super::poller::{Poller, Ready, Source};
use super::process;
use super::record;
use super::restart::Restarts;
use super::stdin::Stdin;
use crate::cgroup::Cgroup;
use crate::protocol::{Event, Failure};
use crate::runtime::Container;
use crate::seccomp::Filter;
use crate::state::RunState;

/// How long new connections wait when there was no descriptor for one.
const NO_DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// What a monitor is told to do by SIGTERM, which a machine that shuts down sends to everybody.
const TERM_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a container has to run before the monitor makes itself comfortable: one that ends at once should not have to
/// wait for that.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// How this container is looked after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) tied: bool,
    pub(super) auto_remove: bool,
    /// When it is killed at the latest.
    pub(super) limit: Option<Instant>,
    pub(super) stdin_once: bool,
    /// Processes of it can be alive when its process 1 is not.
    pub(super) shares_pids: bool,
}

/// A monitor while its container runs.
pub(super) struct Supervisor {
    pub(super) poller: Poller,
    pub(super) container: Container,
    pub(super) cgroup: Cgroup,
    /// The system call filter of all its processes.
    pub(super) filter: Option<Filter>,
    pub(super) terms: Terms,
    pub(super) directories: Directories,
    pub(super) terminal: Option<OwnedFd>,
    pub(super) output: Output,
    pub(super) stdin: Stdin,
    pub(super) log: Option<Log>,
    pub(super) clients: Clients,
    pub(super) execs: Execs,
    pub(super) health: Option<Health>,
    pub(super) names: Option<Names>,
    pub(super) mending: Option<Mending>,
    /// The client that is the launch socket.
    pub(super) launch: Option<(u32, u32)>,
    pub(super) listener: Listener,
    pub(super) listen_again: Option<Instant>,
    pub(super) settle_at: Option<Instant>,
    pub(super) signals: OwnedFd,
    pub(super) memory: Memory,
    pub(super) asked: Asked,
    pub(super) ending: Option<Ending>,
    pub(super) restarts: Restarts,
    /// It has ended, and is not started again although that was meant.
    pub(super) over: bool,
    pub(super) state: RunState,
    pub(super) events: Events,
    /// The process that it is tied to.
    pub(super) owner: Option<OwnedFd>,
}

impl Supervisor {
    /// Look after the container until its process 1 has ended; or wait for its next run, until that has ended, or there
    /// is to be none after all.
    pub(super) fn run(&mut self) -> Result<Option<Ending>, Errno> {
        if !self.restarts.are_due() {
            self.poller.watch(&self.container.pidfd, Source::Process, EventFlags::IN)?;
        }
        self.poller.watch(&self.listener, Source::Listener, EventFlags::IN)?;
        self.poller.watch(&self.signals, Source::Signal, EventFlags::IN)?;
        if let Some(owner) = &self.owner {
            self.poller.watch(owner, Source::Owner, EventFlags::IN)?;
        }
        if let Some(names) = &self.names {
            names.watch(&self.poller);
        }
        if let Some(mending) = &self.mending {
            mending.watch(&self.poller);
        }
        loop {
            self.output.watch(&self.poller, &self.clients)?;
            self.execs.watch(&self.poller, &mut self.clients);
            let Supervisor { stdin, execs, clients, poller, .. } = &mut *self;
            let stdin_ready = |exec: Option<u32>| match exec {
                Some(number) => execs.is_ready(number),
                None => stdin.is_ready(),
            };
            clients.watch(poller, Requests::Read { stdin_ready: &stdin_ready });
            for ready in self.poller.wait(self.deadline())? {
                self.handle(ready)?;
                // Answers from now on wait for the settled state.
                if let Some(ending) = self.ending {
                    return Ok(Some(ending));
                }
                if self.over {
                    return Ok(None);
                }
            }
            self.look_at_clock()?;
            if self.over {
                return Ok(None);
            }
        }
    }

    /// The launch socket becomes a client like others.
    pub(super) fn take_in_caller(&mut self, socket: OwnedFd, interests: Interests, event: &Event) {
        let (place, turn) = self.clients.add(socket);
        let Some(client) = self.clients.get(place, turn) else { return };
        client.interests = interests;
        client.watched = EventFlags::IN | EventFlags::RDHUP;
        client.tell(event);
        self.launch = Some((place, turn));
        // A caller that is gone by now is found so by the first look at it.
        let watched = self.poller.watch(&*client, Source::Client(place, turn), client.watched);
        if watched.is_err() || !self.clients.flush(place, turn, self.output.chunk()) {
            self.ended_sending(place, turn);
        }
    }

    /// The container is one that stays: need no more than for waiting, and watch for lack of memory.
    fn settle_down(&mut self) {
        self.settle_at = None;
        // After an exec it settles down once more.
        if self.memory.watch().is_none() {
            self.memory = Memory::new(self.cgroup.watch_oom());
            if let Some(watch) = self.memory.watch() {
                // Without, the count at the end has to do.
                let _ = self.poller.watch(watch, Source::Memory, EventFlags::IN);
            }
        }
        // Only one with networks has a resolver.
        if self.names.is_some() && self.mending.is_none() {
            self.mending = Mending::new(self.directories.run);
            if let Some(mending) = &self.mending {
                mending.watch(&self.poller);
            }
        }
        process::settle_down();
    }

    fn handle(&mut self, ready: Ready) -> Result<(), Errno> {
        match ready.source {
            Source::Process => self.reap()?,
            Source::Listener => self.accept(),
            Source::Output(stream) => {
                let Supervisor { log, clients, poller, .. } = self;
                self.output.pump(stream, &mut Sinks { log, clients, poller });
                self.note_log_trouble();
            }
            Source::Stdin => self.stdin.go_on(&self.poller),
            Source::Signal => self.take_signals(),
            Source::Memory => self.memory.noticed(),
            Source::Owner => self.owner_ended(),
            Source::Client(place, turn) => self.serve(place, turn, ready),
            Source::Exec(source, number) => self.exec_ready(source, number),
            Source::Mending => {
                if let Some(mending) = &mut self.mending {
                    mending.noticed(&self.poller);
                }
            }
            Source::Names(source, place) => {
                if let Some(names) = &mut self.names {
                    names.handle(source, place, &self.poller);
                }
            }
        }
        Ok(())
    }

    /// The next time at which something is due that no descriptor tells.
    fn deadline(&self) -> Option<Instant> {
        let stop = match self.asked.stop {
            Stop::Waiting(until) => until,
            _ => None,
        };
        let limit = self.terms.limit.filter(|_| !self.asked.timed_out);
        let (clients, memory) = (self.clients.deadline(), self.memory.deadline());
        let (execs, restart) = (self.execs.deadline(), self.restarts.due);
        let health = self.health.as_ref().and_then(|health| health.due);
        let names = self.names.as_ref().and_then(Names::deadline);
        let mending = self.mending.as_ref().and_then(Mending::deadline);
        let pauses = [self.listen_again, self.settle_at, mending];
        let all = [stop, limit, clients, memory, execs, health, names, restart];
        all.into_iter().chain(pauses).flatten().min()
    }

    fn look_at_clock(&mut self) -> Result<(), Errno> {
        if self.deadline().is_none() {
            return Ok(());
        }
        let now = Instant::now();
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if let Stop::Waiting(until) = self.asked.stop
            && due(until)
        {
            self.asked.stop = Stop::Killed;
            self.kill_all();
        }
        if !self.asked.timed_out && due(self.terms.limit) {
            self.asked.timed_out = true;
            self.kill_all();
        }
        self.look_at_execs(now);
        if due(self.health.as_ref().and_then(|health| health.due)) {
            self.check_health();
        }
        if due(self.memory.deadline()) && self.memory.look(&self.cgroup) {
            self.state.oom_killed = true;
            self.write_state();
            self.events.tell("oom", &[]);
        }
        if let Some(names) = &mut self.names {
            names.look_at_clock(now, &self.poller);
        }
        if let Some(mending) = &mut self.mending {
            mending.look_at_clock(now, &self.poller);
        }
        if due(self.restarts.due) {
            self.restart();
        }
        if due(self.settle_at) {
            self.settle_down();
        }
        if due(self.listen_again) {
            self.listen_again = None;
            self.poller.watch(&self.listener, Source::Listener, EventFlags::IN)?;
        }
        while let Some((place, turn)) = self.clients.stalled(now) {
            self.leave(place, turn);
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<(), Errno> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let Some(status) = waitid(WaitId::PidFd(self.container.pidfd.as_fd()), options)? else {
            return Ok(());
        };
        self.ending = Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Ending::Code(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Code(crate::state::EXIT_UNKNOWN),
        });
        Ok(())
    }

    fn take_signals(&mut self) {
        while let Some(signal) = process::next_signal(&self.signals) {
            match signal {
                libc::SIGTERM => self.stop(libc::SIGTERM, Some(TERM_TIMEOUT)),
                libc::SIGCHLD => {
                    let (container, execs) = (self.container.pid, &self.execs);
                    process::reap_adopted(|pid| pid == container || execs.have(pid));
                }
                _ => {}
            }
        }
    }

    pub(super) fn accept(&mut self) {
        for _ in 0..64 {
            match self.listener.accept() {
                Accepted::Connection(socket) => self.welcome(socket),
                Accepted::Stranger => {}
                Accepted::Nobody => return,
                Accepted::NoDescriptor => {
                    self.poller.forget(&self.listener);
                    self.listen_again = Some(Instant::now() + NO_DESCRIPTOR_PAUSE);
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, socket: OwnedFd) {
        let full = self.clients.count() >= MOST;
        let (place, turn) = self.clients.add(socket);
        let Some(client) = self.clients.get(place, turn) else { return };
        if full {
            let message = format!("the container has {MOST} clients already");
            client.tell(&Event::Refused { failure: Failure::unsupported(message) });
        } else {
            let flags = EventFlags::IN | EventFlags::RDHUP;
            if self.poller.watch(&*client, Source::Client(place, turn), flags).is_ok() {
                client.watched = flags;
                return;
            }
        }
        self.clients.flush(place, turn, self.output.chunk());
        self.clients.remove(place, &self.poller);
    }

    /// Read from a client and send to it, as far as both go now.
    pub(super) fn serve(&mut self, place: u32, turn: u32, ready: Ready) {
        if ready.writable && !self.clients.flush(place, turn, self.output.chunk()) {
            self.clients.stop_sending(place, turn);
        }
        if self.clients.get(place, turn).is_some_and(|c| c.last_words && !c.has_unsent()) {
            return self.leave(place, turn);
        }
        if ready.hung_up {
            // What it has sent before counts all the same; answers do not.
            self.clients.stop_sending(place, turn);
        }
        // What a single client sends without end must not keep us from the others.
        for _ in 0..16 {
            let exec = self.clients.get(place, turn).and_then(|client| client.exec);
            let stdin_ready =
                exec.map_or_else(|| self.stdin.is_ready(), |number| self.execs.is_ready(number));
            let Some(client) = self.clients.get(place, turn) else { return };
            if !ready.readable || client.silent || client.has_unsent() && !ready.hung_up {
                break;
            }
            let mut buffer = [0; 16 << 10];
            match client.receive(&mut buffer, stdin_ready) {
                Received::Nothing => break,
                Received::End => {
                    client.silent = true;
                    self.ended_sending(place, turn);
                }
                Received::Nonsense => return self.leave(place, turn),
                Received::Request(request) => self.request(place, turn, request),
                Received::Stdin(count) if client.interests.stdin => {
                    if let Some(stdin) = stdin_of(&mut self.stdin, &mut self.execs, exec) {
                        stdin.give(&buffer[..count], &self.poller);
                    }
                }
                Received::StdinEnd if client.interests.stdin => {
                    if let Some(stdin) = stdin_of(&mut self.stdin, &mut self.execs, exec) {
                        stdin.end(&self.poller);
                    }
                }
                Received::Stdin(_) | Received::StdinEnd => {}
            }
        }
        if ready.hung_up {
            self.hung_up(place, turn);
        }
    }

    /// Nobody is at a client's other side. What it sent before may have to wait until the container reads its input; the
    /// end of a tied container does not.
    fn hung_up(&mut self, place: u32, turn: u32) {
        let Some(client) = self.clients.get(place, turn) else { return };
        if client.silent || client.exec.is_some() {
            return self.leave(place, turn);
        }
        client.hung_up = true;
        self.poller.forget(&*client);
        client.watched = EventFlags::empty();
        self.end_if_owned(place, turn);
    }

    /// The owner of a tied container is gone.
    fn end_if_owned(&mut self, place: u32, turn: u32) {
        let is_launch = self.launch == Some((place, turn));
        if is_launch && self.terms.tied && self.ending.is_none() && !self.asked.owner_gone {
            self.asked.owner_gone = true;
            self.kill_all();
        }
    }

    /// The process that it is tied to has ended.
    pub(super) fn owner_ended(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.poller.forget(&owner);
        }
        self.asked.owner_gone = true;
        self.kill_all();
    }

    /// A client sends nothing more: the owner's end of the launch socket is closed, or half of another connection.
    fn ended_sending(&mut self, place: u32, turn: u32) {
        self.end_if_owned(place, turn);
        let Some(client) = self.clients.get(place, turn) else { return };
        if client.exec.is_some() {
            return self.leave(place, turn);
        }
        let interests = client.interests;
        let listens = interests.stdout || interests.stderr || interests.log || interests.exit;
        if !listens && !client.has_unsent() {
            self.leave(place, turn);
        }
    }

    /// A client goes, or is sent away.
    pub(super) fn leave(&mut self, place: u32, turn: u32) {
        let Some(client) = self.clients.get(place, turn) else { return };
        let (gave_stdin, exec) = (client.interests.stdin, client.exec);
        self.clients.remove(place, &self.poller);
        if let Some(number) = exec {
            return self.exec_client_gone(number);
        }
        if self.launch == Some((place, turn)) {
            self.launch = None;
        }
        if gave_stdin && self.terms.stdin_once {
            self.stdin.end(&self.poller);
        }
    }

    /// Ask the container to end, and see to it that it does.
    pub(super) fn stop(&mut self, signal: i32, timeout: Option<Duration>) {
        if self.restarts.are_due() {
            return self.give_up(None);
        }
        let until = timeout.and_then(|t| Instant::now().checked_add(t));
        self.asked.stop = match self.asked.stop {
            Stop::NotAsked => Stop::Waiting(until),
            // The most impatient of those who ask decides.
            Stop::Waiting(earlier) => Stop::Waiting([earlier, until].into_iter().flatten().min()),
            Stop::Killed => Stop::Killed,
        };
        self.events.kill(signal);
        // One that is dying already needs no signal.
        let _ = self.send_signal(signal);
        self.thaw();
    }

    pub(super) fn send_signal(&self, signal: i32) -> Result<(), Errno> {
        process::send_signal(&self.container.pidfd, signal)
    }

    /// SIGKILL to everything in the container.
    pub(super) fn kill_all(&mut self) {
        if self.restarts.are_due() {
            return self.give_up(None);
        }
        self.events.kill(libc::SIGKILL);
        // Both may find nothing left to kill. Process 1 is killed by itself too: where there is no cgroup.kill the other way
        // takes longer.
        let _ = self.send_signal(libc::SIGKILL);
        let _ = self.cgroup.kill();
        self.thaw();
    }

    /// Frozen processes neither end nor handle a signal.
    pub(super) fn thaw(&mut self) {
        if self.state.paused && self.cgroup.thaw().is_ok() {
            self.state.paused = false;
            self.resume_health();
            self.write_state();
        }
    }

    /// The first time that the log cannot be written, say so where inspecting shows it.
    fn note_log_trouble(&mut self) {
        if self.state.error.is_empty()
            && let Some(trouble) = self.log.as_ref().and_then(Log::trouble)
        {
            self.state.error = trouble;
            self.write_state();
        }
    }

    pub(super) fn write_state(&self) {
        // It is written again at the end, and that one is what counts.
        let _ = record::write(self.directories.container, &self.state, false);
    }
}

/// The standard input of the container, or of one of its further processes.
fn stdin_of<'a>(
    container: &'a mut Stdin,
    execs: &'a mut Execs,
    exec: Option<u32>,
) -> Option<&'a mut Stdin> {
    match exec {
        Some(number) => execs.get(number).map(|exec| &mut exec.stdin),
        None => Some(container),
    }
}
