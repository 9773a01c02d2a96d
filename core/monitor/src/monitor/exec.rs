//! What happens to the further processes of a container, from the request to the exit code.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::EventFlags;
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

use super::client::{Chunk, Interests};
use super::ending::Ending;
use super::execs::{Exec, Output, Stage};
use super::health::Verdict;
use super::log::Stream;
use super::poller::{ExecSource, Source};
use super::request::{is_signal, no_such_signal, set_size};
use super::stdin::Stdin;
use super::streams::clone;
use super::supervisor::{SETTLE, Supervisor};
use super::{process, record};
use crate::failpoint::failpoint;
use crate::oci::ConsoleSize;
use crate::protocol::{self, Event, Failure};
use crate::runtime::{self, ExecOptions, ExecStdio, Step, Wanted};

/// How a process is to be started.
pub(super) struct Start {
    pub(super) detach: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) size: Option<[u16; 2]>,
}

impl Supervisor {
    pub(super) fn exec_create(&mut self, exec: Box<protocol::Exec>) -> Result<Event, Failure> {
        self.refuse_if_paused()?;
        if self.execs.find(&exec.id).is_some() {
            return Err(Failure::conflict(format!("the exec {} exists already", exec.id)));
        }
        self.exec_add(exec).map(|_| Event::Done)
    }

    /// Remember one; its number.
    pub(super) fn exec_add(&mut self, exec: Box<protocol::Exec>) -> Result<u32, Failure> {
        let number = self
            .execs
            .add(exec)
            .ok_or_else(|| Failure::conflict("the container has too many execs that run"))?;
        if let Some(exec) = self.execs.get(number) {
            let action = format!("exec_create: {}", exec.command());
            self.events.tell(&action, &[("execID", exec.id.as_str())]);
        }
        Ok(number)
    }

    /// The answer comes when the command runs.
    pub(super) fn exec_start(
        &mut self,
        (place, turn): (u32, u32),
        id: &str,
        start: &Start,
    ) -> Result<(), Failure> {
        let busy = self.clients.get(place, turn).is_none_or(|client| client.exec.is_some());
        self.refuse_if_paused()?;
        let exec = self.execs.find(id).ok_or_else(|| unknown(id))?;
        let Stage::Created(wish) = &exec.stage else {
            let what = if exec.is_busy() { "is already running" } else { "has already run" };
            return Err(Failure::conflict(format!("exec {id} {what}")));
        };
        if busy {
            return Err(Failure::conflict("this connection has started an exec already"));
        }
        let number = exec.number;
        let wanted = Wanted {
            stdin: wish.stdin && !start.detach,
            stdout: wish.stdout && !start.detach,
            stderr: wish.stderr && !start.detach,
        };
        self.exec_begin(number, wanted, start.size)?;
        let Some(exec) = self.execs.get(number) else { return Ok(()) };
        exec.client = Some((place, turn));
        exec.detached = start.detach;
        exec.limit = start.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if let Some(client) = self.clients.get(place, turn) {
            client.exec = Some(number);
            client.interests = Interests {
                stdin: wanted.stdin,
                stdout: wanted.stdout,
                stderr: wanted.stderr,
                ..Interests::default()
            };
        }
        Ok(())
    }

    /// Start one that was created.
    pub(super) fn exec_begin(
        &mut self,
        number: u32,
        wanted: Wanted,
        size: Option<[u16; 2]>,
    ) -> Result<(), Failure> {
        let Some(exec) = self.execs.get(number) else { return Ok(()) };
        let Stage::Created(wish) = &exec.stage else { return Ok(()) };
        let mut wish = wish.clone();
        if let Some([height, width]) = size.filter(|[rows, columns]| *rows > 0 && *columns > 0) {
            wish.process.console_size = Some(ConsoleSize { height, width });
        }
        self.begin(number, &wish, wanted).inspect_err(|failure| {
            self.exec_failed(number, failure);
        })
    }

    fn begin(&mut self, number: u32, wish: &protocol::Exec, wanted: Wanted) -> Result<(), Failure> {
        let cgroup = self.cgroup.make_below(&format!("exec-{}", wish.id))?;
        let started = runtime::exec(&ExecOptions {
            process: &wish.process,
            filter: self.filter.as_ref(),
            user: &wish.user,
            group_add: &wish.group_add,
            container: self.container.pidfd.as_fd(),
            pid: self.container.pid,
            cgroups: &cgroup.in_hierarchies(&self.cgroup),
            wanted,
        });
        let started = started.and_then(|exec| {
            failpoint("exec-cloned").map_err(|e| Failure::invalid(e.to_string()))?;
            let source = Source::Exec(ExecSource::Status, number);
            self.poller
                .watch(exec.status(), source, EventFlags::IN)
                .map_err(|e| Failure::system("watch the process", e.raw_os_error()))?;
            Ok(exec)
        });
        match (started, self.execs.get(number)) {
            (Ok(starting), Some(exec)) => {
                exec.pid = starting.pid;
                exec.cgroup = Some(cgroup);
                exec.stage = Stage::Starting(starting);
                Ok(())
            }
            (result, _) => {
                cgroup.kill();
                cgroup.remove();
                result.map(drop)
            }
        }
    }

    fn refuse_if_paused(&self) -> Result<(), Failure> {
        match self.state.paused {
            true => {
                let id = self.events.id();
                let message =
                    format!("Container {id} is paused, unpause the container before exec");
                Err(Failure::conflict(message))
            }
            false => Ok(()),
        }
    }

    pub(super) fn exec_detach(&mut self, place: u32, turn: u32) -> Result<Event, Failure> {
        let number = self.clients.get(place, turn).and_then(|client| client.exec);
        match number.and_then(|number| self.execs.get(number)) {
            Some(exec) => {
                exec.detached = true;
                Ok(Event::Done)
            }
            None => Err(Failure::conflict("this connection is attached to no exec")),
        }
    }

    pub(super) fn exec_kill(&mut self, id: &str, signal: i32) -> Result<Event, Failure> {
        if !is_signal(signal) {
            return Err(no_such_signal(signal));
        }
        let exec = self.execs.find(id).ok_or_else(|| unknown(id))?;
        match &exec.stage {
            Stage::Running(pidfd) => {
                exec.asked.kill = Some(signal);
                match process::send_signal(pidfd, signal) {
                    // It is dead and we are about to see it.
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => {
                        let what = format!("send signal {signal}");
                        return Err(Failure::system(what, errno.raw_os_error()));
                    }
                }
                if signal == libc::SIGKILL {
                    kill(exec);
                }
                Ok(Event::Done)
            }
            // It is not the command yet, which alone could do something about another signal.
            Stage::Starting(_) => {
                exec.asked.kill = Some(libc::SIGKILL);
                kill(exec);
                Ok(Event::Done)
            }
            _ => Err(Failure::conflict(format!("exec {id} is not running"))),
        }
    }

    pub(super) fn exec_resize(&mut self, id: &str, size: [u16; 2]) -> Result<Event, Failure> {
        let exec = self.execs.find(id).ok_or_else(|| unknown(id))?;
        match (&exec.stage, &exec.terminal) {
            (Stage::Running(_), Some(terminal)) => set_size(terminal, size).map(|()| Event::Done),
            (Stage::Running(_), None) => {
                Err(Failure::invalid(format!("exec {id} has no terminal")))
            }
            _ => Err(Failure::conflict(format!("exec {id} is not running"))),
        }
    }

    pub(super) fn exec_inspect(&mut self, id: &str) -> Result<Event, Failure> {
        let exec = self.execs.find(id).ok_or_else(|| unknown(id))?;
        let (running, exit_code) = match exec.stage {
            Stage::Created(_) => (false, None),
            Stage::Starting(_) | Stage::Running(_) | Stage::Draining(_) => (true, None),
            Stage::Over { exit_code } => (false, Some(exit_code)),
        };
        let pid = if running { exec.pid } else { 0 };
        Ok(Event::Exec { document: exec.document.clone(), running, exit_code, pid })
    }

    /// Something has happened to one.
    pub(super) fn exec_ready(&mut self, source: ExecSource, number: u32) {
        let Supervisor { execs, clients, poller, .. } = self;
        let Some(exec) = execs.get(number) else { return };
        match source {
            ExecSource::Status => return self.exec_advance(number),
            ExecSource::Process => return self.exec_reap(number),
            ExecSource::Output(stream) => exec.pump(stream, clients, poller),
            ExecSource::Stdin => exec.stdin.go_on(poller),
        }
        self.exec_finish(number);
    }

    fn exec_advance(&mut self, number: u32) {
        let Some(exec) = self.execs.get(number) else { return };
        let Stage::Starting(starting) = &mut exec.stage else { return };
        match starting.advance() {
            Ok(Step::Waiting) => exec.pid = starting.pid,
            Ok(Step::Running) => {
                if let Err(failure) = self.exec_runs(number) {
                    self.exec_failed(number, &failure);
                }
            }
            Err(failure) => self.exec_failed(number, &failure),
        }
    }

    /// The command runs.
    fn exec_runs(&mut self, number: u32) -> Result<(), Failure> {
        let failed =
            |errno: Errno| Failure::system("set up the process's streams", errno.raw_os_error());
        let Some(exec) = self.execs.get(number) else { return Ok(()) };
        let Stage::Starting(starting) = &mut exec.stage else { return Ok(()) };
        self.poller.forget(starting.status());
        let pidfd = clone(&starting.pidfd).map_err(failed)?;
        let source = Source::Exec(ExecSource::Process, number);
        let (output, input, terminal) =
            take_streams(std::mem::take(&mut starting.stdio)).map_err(failed)?;
        self.poller.watch(&pidfd, source, EventFlags::IN).map_err(failed)?;
        let (pid, client, detached) = (starting.pid, exec.client, exec.detached);
        exec.pid = pid;
        exec.stage = Stage::Running(pidfd);
        exec.output = output;
        let source = Source::Exec(ExecSource::Stdin, number);
        exec.stdin = Stdin::new(input, terminal.is_some(), source);
        exec.terminal = terminal;
        let _ = failpoint("exec-started");
        let id = [("execID", exec.id.as_str())];
        self.events.tell(&format!("exec_start: {}", exec.command()), &id);
        self.exec_tell(client, &Event::ExecStarted { pid });
        if detached {
            self.exec_let_go(number);
        }
        Ok(())
    }

    /// Nobody is attached to it any more.
    fn exec_let_go(&mut self, number: u32) {
        let Some(exec) = self.execs.get(number) else { return };
        if let Some((place, turn)) = exec.client.take()
            && let Some(client) = self.clients.get(place, turn)
        {
            client.exec = None;
            client.interests = Interests::default();
        }
    }

    /// Its process could not become the command, and is gone.
    fn exec_failed(&mut self, number: u32, failure: &Failure) {
        let Some(exec) = self.execs.get(number) else { return };
        if let Stage::Starting(starting) = &exec.stage {
            self.poller.forget(starting.status());
        }
        let exit_code = record::exit_code(failure);
        let client = exec.client;
        exec.stage = Stage::Over { exit_code };
        if let Some(cgroup) = exec.cgroup.take() {
            cgroup.kill();
            cgroup.remove();
        }
        if exec.kept.is_some() {
            return self.health_checked(number, &Verdict::Failed(&failure.message));
        }
        self.exec_tell(client, &Event::Refused { failure: failure.clone() });
        self.exec_let_go(number);
    }

    /// Its process may have ended.
    pub(super) fn exec_reap(&mut self, number: u32) {
        let Some(exec) = self.execs.get(number) else { return };
        let Stage::Running(pidfd) = &exec.stage else { return };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let ending = match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
            Ok(None) | Err(Errno::INTR) => return,
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ending::Code(code),
                (None, Some(signal)) => Ending::Signal(signal),
                (None, None) => Ending::Code(crate::state::EXIT_UNKNOWN),
            },
            // Reaped with all others at the container's end.
            Err(_) => Ending::Signal(libc::SIGKILL),
        };
        self.poller.forget(pidfd);
        exec.stage = Stage::Draining(ending);
        exec.stdin.close(&self.poller);
        exec.output.end(&self.poller);
        for stream in [Stream::Stdout, Stream::Stderr] {
            exec.pump(stream, &mut self.clients, &self.poller);
        }
        self.exec_finish(number);
    }

    /// It is over when it has ended and its output is passed on.
    fn exec_finish(&mut self, number: u32) {
        let Some(exec) = self.execs.get(number) else { return };
        let Stage::Draining(ending) = exec.stage else { return };
        if !exec.output.is_over() {
            return;
        }
        exec.output.close_all(&self.poller);
        let (exit_code, reason) = (ending.code(), exec.asked.reason(ending, false));
        exec.stage = Stage::Over { exit_code };
        exec.terminal = None;
        // What it has left running keeps it, until the container ends.
        if let Some(cgroup) = exec.cgroup.take() {
            cgroup.remove();
        }
        let (client, kept, timed_out) = (exec.client, exec.kept.take(), exec.asked.timed_out);
        let code = exit_code.to_string();
        self.events.tell("exec_die", &[("execID", exec.id.as_str()), ("exitCode", &code)]);
        self.exec_tell(client, &Event::ExecExited { exit_code, reason });
        self.exec_let_go(number);
        if let Some(kept) = kept {
            self.health_checked(number, &Verdict::Exited { exit_code, timed_out, kept: &kept });
        }
        if !self.execs.are_busy() && self.settle_at.is_none() {
            self.settle_at = Some(Instant::now() + SETTLE);
        }
    }

    fn exec_tell(&mut self, client: Option<(u32, u32)>, event: &Event) {
        let Some((place, turn)) = client else { return };
        let Some(client) = self.clients.get(place, turn) else { return };
        client.tell(event);
        // One that is gone is found so when the poller tells of it.
        self.clients.flush(place, turn, Chunk::new(Stream::Stdout, &[]));
    }

    /// The client that has started it is gone.
    pub(super) fn exec_client_gone(&mut self, number: u32) {
        let Some(exec) = self.execs.get(number) else { return };
        exec.client = None;
        exec.stdin.end(&self.poller);
        if exec.is_busy() && !exec.detached {
            exec.asked.owner_gone = true;
            kill(exec);
        }
    }

    /// One is of no use any more.
    pub(super) fn exec_end(&mut self, number: u32) {
        if let Some(exec) = self.execs.get(number).filter(|exec| exec.is_busy()) {
            kill(exec);
        }
    }

    /// What is due for them.
    pub(super) fn look_at_execs(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let mut drained = Vec::new();
        for exec in self.execs.each().filter(|exec| exec.is_busy()) {
            if !exec.asked.timed_out && due(exec.limit) {
                exec.asked.timed_out = true;
                kill(exec);
            }
            if due(exec.output.until) {
                exec.output.close_all(&self.poller);
                drained.push(exec.number);
            }
        }
        for number in drained {
            self.exec_finish(number);
        }
    }

    /// The container has ended, and they with it.
    pub(super) fn end_execs(&mut self) {
        let busy: Vec<u32> =
            self.execs.each().filter(|exec| exec.is_busy()).map(|exec| exec.number).collect();
        for number in busy {
            let Some(exec) = self.execs.get(number) else { continue };
            kill(exec);
            match &exec.stage {
                Stage::Starting(_) => {
                    let failure = Failure::conflict("the container is not running");
                    self.exec_failed(number, &failure);
                    continue;
                }
                Stage::Running(pidfd) => {
                    // Only looked at: it is reaped below.
                    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                    while let Err(Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), options) {}
                    self.exec_reap(number);
                }
                _ => {}
            }
            // What is left comes at once, or never: its client has a moment to take it (say_farewell).
            let Supervisor { execs, clients, poller, .. } = self;
            if let Some(exec) = execs.get(number) {
                exec.flush_out(clients, poller);
            }
            self.exec_finish(number);
        }
    }
}

/// Kill one, and all that it started.
fn kill(exec: &Exec) {
    let pidfd = match &exec.stage {
        Stage::Starting(starting) => Some(&starting.pidfd),
        Stage::Running(pidfd) => Some(pidfd),
        _ => None,
    };
    if let Some(pidfd) = pidfd {
        // It may be dead already.
        let _ = process::send_signal(pidfd, libc::SIGKILL);
    }
    if let Some(cgroup) = &exec.cgroup {
        cgroup.kill();
    }
}

/// Output, input and, if it has one, its terminal.
type Streams = (Output, Option<OwnedFd>, Option<OwnedFd>);

fn take_streams(stdio: ExecStdio) -> Result<Streams, Errno> {
    let ExecStdio { stdin, stdout, stderr, terminal } = stdio;
    let Some(master) = terminal else {
        for fd in [&stdin, &stdout, &stderr].into_iter().flatten() {
            ioctl_fionbio(fd, true)?;
        }
        return Ok((Output::new([stdout, stderr], None), stdin, None));
    };
    ioctl_fionbio(&master, true)?;
    let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keep_open = ioctl_tiocgptpeer(&master, peer)?;
    let output = Output::new([Some(clone(&master)?), None], Some(keep_open));
    Ok((output, Some(clone(&master)?), Some(master)))
}

fn unknown(id: &str) -> Failure {
    Failure::not_found(format!("No such exec instance: {id}"))
}
