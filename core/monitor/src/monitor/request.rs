//! What clients ask for.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};

use super::client::Interests;
use super::exec::Start;
use super::supervisor::Supervisor;
use crate::failpoint::failpoint;
use crate::oci::Resources;
use crate::protocol::{Event, Failure, Launch, Request, Restart};

/// How long the container's processes may take to hold still.
const FREEZING: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Carry out a request and answer it.
    pub(super) fn request(
        &mut self,
        place: u32,
        turn: u32,
        request: Result<Request, serde_json::Error>,
    ) {
        let answer = match request {
            Ok(request) => self.carry_out(place, turn, request),
            // A newer library may know requests that we do not.
            Err(error) => Err(Failure::unsupported(format!("request not understood: {error}"))),
        };
        let Some(client) = self.clients.get(place, turn) else { return };
        match answer {
            Ok(Some(event)) => client.tell(&event),
            Ok(None) => {}
            Err(failure) => client.tell(&Event::Refused { failure }),
        }
        // One that is gone is found so when the poller tells of it.
        let _ = self.clients.flush(place, turn, self.output.chunk());
    }

    /// The answer, where it comes at once.
    fn carry_out(
        &mut self,
        place: u32,
        turn: u32,
        request: Request,
    ) -> Result<Option<Event>, Failure> {
        let ended = self.ending.is_some();
        let not_running = || Failure::invalid("the container is not running");
        if self.restarts.are_due() && needs_a_run(&request) {
            let message = "the container is restarting, wait until the container is running";
            return Err(Failure::conflict(message));
        }
        match request {
            Request::Start => Err(Failure::invalid("the container is started already")),
            Request::Kill { .. } | Request::Resize { .. } if ended => Err(not_running()),
            Request::Kill { signal } => self.kill(signal).map(|()| Some(Event::Done)),
            Request::Pause | Request::Unpause | Request::Update { .. } if ended => {
                Err(not_running())
            }
            Request::Links => {
                if let Some(mending) = &mut self.mending {
                    mending.follow();
                }
                Ok(Some(Event::Done))
            }
            Request::Pause => self.pause().map(|()| Some(Event::Done)),
            Request::Unpause => self.unpause().map(|()| Some(Event::Done)),
            Request::Update { resources, restart, launch } => {
                self.update(&resources, restart, launch).map(|()| Some(Event::Done))
            }
            Request::Describe { attributes } => {
                if let Some(launch) = &mut self.restarts.launch {
                    launch.attributes.clone_from(&attributes);
                }
                self.events.describe(attributes);
                Ok(Some(Event::Done))
            }
            Request::Restart { launch, signal, timeout_ms } => {
                if !is_signal(signal) {
                    return Err(no_such_signal(signal));
                }
                // The end of this run is past the point where it could be followed by another.
                if ended {
                    return Ok(self.exited());
                }
                self.restarts.asked = Some((launch, (place, turn)));
                match self.restarts.are_due() {
                    true => self.restarts.due = Some(Instant::now()),
                    false => self.stop(signal, timeout_ms.map(Duration::from_millis)),
                }
                Ok(None)
            }
            Request::Resize { rows, columns } => {
                self.resize(rows, columns).map(|()| Some(Event::Done))
            }
            Request::Stop { signal, timeout_ms } => {
                if !ended {
                    if !is_signal(signal) {
                        return Err(no_such_signal(signal));
                    }
                    self.stop(signal, timeout_ms.map(Duration::from_millis));
                }
                self.add_interests(place, turn, Interests { exit: true, ..Interests::default() });
                Ok(self.exited())
            }
            Request::Wait => {
                self.add_interests(place, turn, Interests { exit: true, ..Interests::default() });
                Ok(self.exited())
            }
            Request::Attach { stdin, stdout, stderr } => {
                let interests = Interests { stdin, stdout, stderr, log: false, exit: true };
                self.add_interests(place, turn, interests);
                Ok(self.exited().or(Some(Event::Done)))
            }
            Request::ExecCreate { .. }
            | Request::ExecStart { .. }
            | Request::ExecKill { .. }
            | Request::ExecResize { .. }
            | Request::ExecDetach
                if ended =>
            {
                Err(not_running())
            }
            Request::ExecCreate { exec } => self.exec_create(exec).map(Some),
            Request::ExecStart { id, detach, timeout_ms, size } => {
                let timeout = Some(timeout_ms).filter(|ms| *ms > 0).map(Duration::from_millis);
                self.exec_start((place, turn), &id, &Start { detach, timeout, size }).map(|()| None)
            }
            Request::ExecDetach => self.exec_detach(place, turn).map(Some),
            Request::ExecKill { id, signal } => self.exec_kill(&id, signal).map(Some),
            Request::ExecResize { id, rows, columns } => {
                self.exec_resize(&id, [rows, columns]).map(Some)
            }
            Request::ExecInspect { id } => self.exec_inspect(&id).map(Some),
            Request::Follow => {
                let interests = Interests { log: true, exit: true, ..Interests::default() };
                self.add_interests(place, turn, interests);
                Ok(self.exited().or(Some(Event::Done)))
            }
        }
    }

    /// The answer to whoever wants to know the end, when that is known already.
    fn exited(&self) -> Option<Event> {
        self.ending.map(|_| Event::Exited { state: self.state.clone(), again: false })
    }

    fn add_interests(&mut self, place: u32, turn: u32, more: Interests) {
        let Some(client) = self.clients.get(place, turn) else { return };
        let has = client.interests;
        client.interests = Interests {
            stdin: has.stdin || more.stdin,
            stdout: has.stdout || more.stdout,
            stderr: has.stderr || more.stderr,
            log: has.log || more.log,
            exit: has.exit || more.exit,
        };
    }

    fn kill(&mut self, signal: i32) -> Result<(), Failure> {
        if !is_signal(signal) {
            return Err(no_such_signal(signal));
        }
        let ends = signal == libc::SIGKILL || signal == libc::SIGTERM;
        if self.restarts.are_due() {
            if !ends {
                return Err(Failure::conflict("the container is restarting"));
            }
            self.give_up(None);
            return Ok(());
        }
        self.asked.kill = Some(signal);
        self.asked.ends_policy |= ends;
        self.events.kill(signal);
        match self.send_signal(signal) {
            // It is dead and we are about to see it.
            Ok(()) | Err(Errno::SRCH) => {
                if signal == libc::SIGKILL {
                    self.thaw();
                }
                Ok(())
            }
            Err(errno) => {
                Err(Failure::system(format!("send signal {signal}"), errno.raw_os_error()))
            }
        }
    }

    fn pause(&mut self) -> Result<(), Failure> {
        if self.state.paused {
            return Err(Failure::conflict("the container is already paused"));
        }
        self.cgroup.freeze(FREEZING)?;
        self.state.paused = true;
        self.pause_health();
        self.write_state();
        let _ = failpoint("paused");
        self.events.tell("pause", &[]);
        Ok(())
    }

    fn unpause(&mut self) -> Result<(), Failure> {
        if !self.state.paused {
            return Err(Failure::conflict("the container is not paused"));
        }
        self.cgroup.thaw()?;
        self.state.paused = false;
        self.resume_health();
        self.write_state();
        self.events.tell("unpause", &[]);
        Ok(())
    }

    /// Limits first: a policy that holds is of no use to whoever is told that his limits do not.
    fn update(
        &mut self,
        resources: &Resources,
        restart: Restart,
        launch: Option<Box<Launch>>,
    ) -> Result<(), Failure> {
        if !self.restarts.are_due() {
            self.cgroup.apply(resources)?;
        }
        self.restarts.policy = restart;
        self.restarts.launch = launch;
        Ok(())
    }

    fn resize(&self, rows: u16, columns: u16) -> Result<(), Failure> {
        let Some(terminal) = &self.terminal else {
            return Err(Failure::invalid("the container has no terminal"));
        };
        set_size(terminal, [rows, columns])
    }
}

/// It is about processes of the container.
fn needs_a_run(request: &Request) -> bool {
    matches!(
        request,
        Request::Pause
            | Request::Unpause
            | Request::Attach { .. }
            | Request::Resize { .. }
            | Request::ExecCreate { .. }
            | Request::ExecStart { .. }
            | Request::ExecKill { .. }
            | Request::ExecResize { .. }
            | Request::ExecDetach
    )
}

/// Set a terminal's size.
pub(super) fn set_size(terminal: &OwnedFd, [rows, columns]: [u16; 2]) -> Result<(), Failure> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size)
        .map_err(|errno| Failure::system("resize the terminal", errno.raw_os_error()))
}

pub(super) fn is_signal(signal: i32) -> bool {
    (1..=libc::SIGRTMAX()).contains(&signal)
}

pub(super) fn no_such_signal(signal: i32) -> Failure {
    Failure::invalid(format!("no such signal: {signal}"))
}
