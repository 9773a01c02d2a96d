//! Asking the monitor of a running container, and doing without one that does not answer.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use barque_monitor::cgroup::Cgroup;
use barque_monitor::protocol::{Event, Request};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::connection::{Connection, Received};
use super::failure;
use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::Deadline;

/// How long a monitor may take to answer what it can answer at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connect to the monitor of the container with this id; `None` when it does not run.
pub(super) fn connect(engine: &Engine, id: &str) -> Result<Option<Connection>> {
    let mut pause = Duration::from_millis(1);
    while Standing::of(engine, id)?.is_running() {
        if let Some(connection) = Connection::connect(&engine.layout().container_run(id))? {
            return Ok(Some(connection));
        }
        // A monitor opens its socket before it says that it runs, and closes it after it has said how that ended: so one
        // that runs and has none has ended just now.
        if pause > Duration::from_secs(1) {
            return Err(silent(id));
        }
        engine.canceller().sleep(pause)?;
        pause *= 2;
    }
    Ok(None)
}

/// What a monitor says to a request.
pub(super) enum Answer {
    /// It was carried out.
    Done,
    /// The container has ended; the state says how.
    Ended,
}

/// Send a request and wait for its answer. When that is the container's end, also until the monitor is gone, and with it
/// all that it kept.
pub(super) fn ask(
    engine: &Engine,
    id: &str,
    connection: &mut Connection,
    request: &Request,
    deadline: Deadline,
) -> Result<Answer> {
    connection.document(request)?;
    let mut ended = false;
    loop {
        let deadline = if ended { soon() } else { deadline };
        match connection.receive(engine.canceller(), deadline)? {
            Received::Event(Event::Done) => return Ok(Answer::Done),
            Received::Event(Event::Exited { again: false, .. }) => ended = true,
            Received::Event(Event::Refused { failure }) => {
                return Err(match Standing::of(engine, id)?.is_running() {
                    true => failure::error(&failure, id),
                    false => not_running(id),
                });
            }
            Received::Closed => return Ok(Answer::Ended),
            Received::Nothing if ended => return Ok(Answer::Ended),
            Received::Nothing => return Err(silent(id)),
            Received::Event(_) | Received::Output(..) => {}
        }
    }
}

/// Tell a monitor something, whatever comes of it: it may have ended, or be of an older build.
pub(crate) fn tell(engine: &Engine, id: &str, request: &Request) {
    if let Ok(Some(mut connection)) = connect(engine, id) {
        let _ = ask(engine, id, &mut connection, request, soon());
    }
}

/// Until when an answer that needs no waiting must be there.
pub(super) fn soon() -> Deadline {
    Deadline::after(PATIENCE)
}

/// What asking for something of a container that does not run says.
pub(super) fn not_running(id: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("container {id} is not running"))
        .with_reason("not_running")
        .about("container", id)
}

pub(super) fn silent(id: &str) -> Error {
    let message = format!("the monitor of container {id} does not answer");
    Error::new(ErrorKind::Timeout, message).with_reason("monitor_silent").about("container", id)
}

/// Kill all processes of a container, and its monitor if that does not end with them: for one that does not answer.
pub(super) fn end(engine: &Engine, record: &Record) -> Result<()> {
    let id = &record.id;
    let failed = |failure| failure::error(&failure, id);
    if let Some(cgroup) = Cgroup::open(&record.cgroup(engine.layout())).map_err(failed)? {
        cgroup.kill().map_err(failed)?;
    }
    for _ in 0..100 {
        if !Standing::of(engine, id)?.lock.monitor {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    if let Some(run) = Standing::of(engine, id)?.run {
        kill_monitor(engine, id, run.monitor_pid);
    }
    Ok(())
}

/// Kill the process with this pid, if it has the container's lock file open: pids are reused.
fn kill_monitor(engine: &Engine, id: &str, pid: i32) {
    let Some(number) = Pid::from_raw(pid) else { return };
    let Ok(pidfd) = pidfd_open(number, PidfdFlags::empty()) else { return };
    let open = format!("/proc/{pid}/fd/{}", barque_monitor::protocol::fd::LOCK);
    let (Ok(open), Ok(lock)) =
        (fs::metadata(open), fs::metadata(engine.layout().container_lock(id)))
    else {
        return;
    };
    if (open.dev(), open.ino()) == (lock.dev(), lock.ino()) {
        // It may have ended by itself just now.
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}
