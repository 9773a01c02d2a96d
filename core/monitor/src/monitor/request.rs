//! What clients ask for.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};

use super::client::Interests;
use super::exec::Start;
use super::supervisor::Supervisor;
use crate::protocol::{Event, Failure, Request};

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
        match request {
            Request::Start => Err(Failure::invalid("the container is started already")),
            Request::Kill { .. } | Request::Resize { .. } if ended => Err(not_running()),
            Request::Kill { signal } => self.kill(signal).map(|()| Some(Event::Done)),
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
        self.ending.map(|_| Event::Exited { state: self.state.clone() })
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
        self.asked.kill = Some(signal);
        self.events.kill(signal);
        match self.send_signal(signal) {
            // It is dead and we are about to see it.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => {
                Err(Failure::system(format!("send signal {signal}"), errno.raw_os_error()))
            }
        }
    }

    fn resize(&self, rows: u16, columns: u16) -> Result<(), Failure> {
        let Some(terminal) = &self.terminal else {
            return Err(Failure::invalid("the container has no terminal"));
        };
        set_size(terminal, [rows, columns])
    }
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
