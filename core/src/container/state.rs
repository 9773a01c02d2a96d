//! How a container is: what its monitor wrote, and whether that monitor lives.
//!
//! `state.json` says how the last run stands, the monitor's lock whether somebody watches it. The file may say *running*
//! when nothing runs (the monitor was killed, the machine was switched off), so it is believed only together with the lock;
//! the lock says nothing about how it ended.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use barque_monitor::state::{
    EXIT_UNKNOWN, FILE, HEALTH_LOG, Health, HealthResult, HealthStatus, Reason, RunState, Status,
};

use super::lock::{Locks, Look};
use crate::Engine;
use crate::api::{self, ContainerExit, ContainerState, HealthcheckResult, WaitError};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{self, clock};

/// How a container is.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// How its last run stands; `None` before the first.
    pub(crate) run: Option<RunState>,
    /// Its lock file.
    pub(crate) lock: Look,
    /// `run` is not what the file says: that says running, and the monitor is dead. Somebody has to settle it.
    pub(crate) unsettled: bool,
}

impl Standing {
    /// How the container is now.
    pub(crate) fn of(engine: &Engine, id: &str) -> Result<Standing> {
        let directory = engine.layout().container(id);
        Standing::settle(engine.boot_id(), || Look::at(engine, id), || read(&directory))
    }

    fn settle(
        boot_id: &str,
        look: impl Fn() -> Result<Look>,
        read: impl Fn() -> Result<Option<RunState>>,
    ) -> Result<Standing> {
        // The lock first: a monitor writes the end of a run before it lets go.
        let mut lock = look()?;
        let mut run = read()?;
        while !lock.monitor && run.as_ref().is_some_and(RunState::goes_on) {
            // Between the two looks a run may have begun; the same file once more is one that nobody writes any more.
            let again = (look()?, read()?);
            if !again.0.monitor && again.1 == run {
                let ended = run.map(|run| abandoned(run, boot_id));
                return Ok(Standing { run: ended, lock, unsettled: true });
            }
            (lock, run) = again;
        }
        Ok(Standing { run, lock, unsettled: false })
    }

    /// Whether it has ended and is one that goes when it ends, as `auto_remove` says: it is gone then, even if nobody has cleared it away
    /// yet.
    pub(crate) fn is_over(&self, auto_remove: bool) -> bool {
        // Its monitor removes its directory, and with it the state. What is left is a lock file that nobody holds.
        let abandoned =
            self.run.is_none() && self.lock.exists && !self.lock.monitor && !self.lock.operation;
        auto_remove && (self.ended().is_some() || abandoned)
    }

    /// Whether a monitor looks after it: its command runs, or is to run again in a moment.
    pub(crate) fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// The run that goes on.
    pub(crate) fn running(&self) -> Option<&RunState> {
        self.run.as_ref().filter(|run| run.goes_on())
    }

    /// The run that has ended, if its command ever ran.
    pub(crate) fn ended(&self) -> Option<&RunState> {
        self.run
            .as_ref()
            .filter(|run| run.status == Status::Exited && run.reason != Reason::StartFailed)
    }

    /// How healthy it is, where there is a health check. One that does not run is not, as docker sees it.
    pub(crate) fn health(&self) -> Option<Health> {
        let run = self.run.as_ref()?;
        let health = run.health?;
        match run.status {
            Status::Running => Some(health),
            Status::Restarting | Status::Exited => {
                Some(Health { status: HealthStatus::Unhealthy, ..health })
            }
        }
    }

    /// Docker's word for it.
    pub(crate) fn status(&self, removing: bool) -> &'static str {
        if let Some(run) = self.running() {
            match run.status {
                Status::Restarting => "restarting",
                _ if run.paused => "paused",
                _ => "running",
            }
        } else if removing {
            "removing"
        } else if self.ended().is_some() {
            "exited"
        } else {
            "created"
        }
    }

    /// As the inspect document has it.
    pub(crate) fn document(&self, removing: bool) -> ContainerState {
        let status = self.status(removing).to_owned();
        let Some(run) = &self.run else {
            let never = clock::rfc3339(0);
            return ContainerState {
                status,
                started_at: never.clone(),
                finished_at: never,
                ..Default::default()
            };
        };
        let running = self.is_running();
        let restarting = run.status == Status::Restarting;
        let never_ran = run.reason == Reason::StartFailed;
        ContainerState {
            status,
            running,
            paused: running && run.paused,
            restarting,
            pid: if running { run.pid } else { 0 },
            oom_killed: run.oom_killed,
            exit_code: if running && !restarting { 0 } else { run.exit_code },
            error: run.error.clone(),
            exit_reason: if running && !restarting { String::new() } else { reason(run.reason) },
            // A command that could not be executed never ran, as docker sees it.
            started_at: clock::rfc3339(if never_ran { 0 } else { run.started_at }),
            finished_at: clock::rfc3339(if never_ran { 0 } else { run.finished_at }),
            ..Default::default()
        }
    }
}

/// How containers are, for whoever looks at many: what is looked at lies below directories that are opened once.
pub(crate) struct Standings<'e> {
    engine: &'e Engine,
    locks: Locks,
    /// `None`: none was started yet.
    containers: Option<OwnedFd>,
}

impl<'e> Standings<'e> {
    pub(crate) fn of(engine: &'e Engine) -> Result<Standings<'e>> {
        let containers = sys::directory::base(&engine.layout().containers())?;
        Ok(Standings { engine, locks: Locks::of(engine)?, containers })
    }

    /// As [`Standing::of`].
    pub(crate) fn one(&self, id: &str) -> Result<Standing> {
        let name = format!("{id}/{FILE}");
        let read = || match &self.containers {
            Some(containers) => match sys::directory::file_below(containers.as_fd(), &name)? {
                Some(file) => parse(file).map_err(|error| failed(&name, error)),
                None => Ok(None),
            },
            None => Ok(None),
        };
        Standing::settle(self.engine.boot_id(), || self.locks.look(id), read)
    }
}

/// How healthy a container is, as the inspect document has it.
pub(crate) fn health(directory: &Path, health: Health) -> api::Health {
    // A log that is not there, or not whole after a power cut, is no reason not to tell the rest.
    let log: Vec<HealthResult> = std::fs::read(directory.join(HEALTH_LOG))
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let row = |result: HealthResult| HealthcheckResult {
        start: clock::rfc3339(result.start),
        end: clock::rfc3339(result.end),
        exit_code: result.exit_code,
        output: result.output,
    };
    api::Health {
        status: health.status.word().to_owned(),
        failing_streak: health.failing_streak,
        log: log.into_iter().map(row).collect(),
    }
}

/// The end of a run as a document.
pub(crate) fn exit(id: &str, run: &RunState) -> ContainerExit {
    ContainerExit {
        id: id.to_owned(),
        status_code: run.exit_code,
        reason: reason(run.reason),
        oom_killed: run.oom_killed,
        error: (!run.error.is_empty()).then(|| WaitError { message: run.error.clone() }),
    }
}

/// The reason's name: `oom-killed`; nothing for none.
pub(crate) fn reason(reason: Reason) -> String {
    match serde_json::to_value(reason) {
        Ok(serde_json::Value::String(name)) if reason != Reason::None => name,
        _ => String::new(),
    }
}

/// What is known of a run whose monitor died: that it has ended.
pub(crate) fn abandoned(run: RunState, boot_id: &str) -> RunState {
    if run.status == Status::Restarting {
        // How its last run ended is known; there was to be another, and there is none.
        return RunState { status: Status::Exited, ..run };
    }
    let error = if run.boot_id == boot_id {
        "the exit code is not known: the monitor died"
    } else {
        "the exit code is not known: the machine was restarted"
    };
    RunState {
        status: Status::Exited,
        pid: 0,
        finished_at: clock::now().max(run.started_at),
        exit_code: EXIT_UNKNOWN,
        reason: Reason::MonitorDied,
        error: error.to_owned(),
        paused: false,
        ..run
    }
}

/// What is known of a run that left nothing behind, not even what it was.
pub(crate) fn unknown() -> RunState {
    RunState {
        status: Status::Exited,
        pid: 0,
        pid_start_time: 0,
        monitor_pid: 0,
        boot_id: String::new(),
        started_at: 0,
        finished_at: 0,
        exit_code: EXIT_UNKNOWN,
        reason: Reason::MonitorDied,
        oom_killed: false,
        error: "the exit code is not known: the monitor died".to_owned(),
        paused: false,
        restart_count: 0,
        health: None,
    }
}

/// The state in a container's directory; `None` when there is none, or none that a crash left whole.
pub(crate) fn read(directory: &Path) -> Result<Option<RunState>> {
    let path = directory.join(FILE);
    match File::open(&path) {
        Ok(file) => parse(file).map_err(|error| failed(path.display(), error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path.display(), error)),
    }
}

/// Bytes that a state hardly ever needs more of. A monitor pads it to twice as many.
const MOSTLY: usize = 1024;

fn parse(mut file: File) -> std::io::Result<Option<RunState>> {
    let mut begin = [0; MOSTLY];
    let length = match file.read(&mut begin) {
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => 0,
        length => length?,
    };
    // A document that is whole is all there is but blanks.
    if let Ok(state) = serde_json::from_slice(&begin[..length]) {
        return Ok(Some(state));
    }
    let mut text = begin[..length].to_vec();
    file.read_to_end(&mut text)?;
    // It is renamed into place. What is not whole comes from a power cut, for a run whose state was not made durable.
    Ok(serde_json::from_slice(&text).ok())
}

fn failed(path: impl std::fmt::Display, error: std::io::Error) -> Error {
    Error::system(format!("read {path}"), error)
}

/// Write the state. Only for who holds the operation lock of a container without a monitor.
///
/// It is not made durable: what is written here was found out, and would be found out again.
pub(crate) fn write(directory: &Path, state: &RunState) -> Result<()> {
    let path = directory.join(FILE);
    let mut text = serde_json::to_vec(state)
        .map_err(|error| Error::internal("write a run state").because(error))?;
    match sys::file::replace(&path, &text, 0o600) {
        // A monitor pads the file, so that on a full disk it can be overwritten where it is.
        Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
            let failed = |error| Error::system(format!("write {}", path.display()), error);
            let file = std::fs::File::options().write(true).open(&path).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len() as usize;
            text.resize(length.max(text.len()), b' ');
            std::os::unix::fs::FileExt::write_all_at(&file, &text, 0).map_err(failed)
        }
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_whole_however_long_it_is_and_not_at_all_when_it_is_not_whole() {
        let directory = std::env::temp_dir().join(format!("barque-state-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert_eq!(read(&directory).unwrap(), None);
        for length in [0, 500, MOSTLY, 3 * MOSTLY] {
            let state = RunState { error: "x".repeat(length), ..unknown() };
            let mut text = serde_json::to_vec(&state).unwrap();
            for padding in [0, 2048] {
                text.resize(text.len().max(padding), b' ');
                std::fs::write(directory.join(FILE), &text).unwrap();
                assert_eq!(read(&directory).unwrap().as_ref(), Some(&state), "{length} {padding}");
            }
            std::fs::write(directory.join(FILE), &text[..length.max(200)]).unwrap();
            assert_eq!(read(&directory).unwrap(), None, "{length}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
