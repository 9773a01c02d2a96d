//! Makes and writes `state.json`, always as a whole: a new file is renamed over the old one.
//!
//! The state at the end is durable before anybody is told of it (write, fsync, rename, fsync of the directory). On a full
//! disk there may be no room for a new file, and that is when the state matters most. So the file is padded to a
//! fixed length: the old one can then be overwritten in place, which needs no room.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fsync, openat, renameat};
use rustix::io::{Errno, pwrite};

use super::timestamp;
use crate::protocol::{Failure, FailureClass, Launch};
use crate::state::{FILE, Health, HealthStatus, Reason, RunState, Status};

const NEW: &str = "state.json.new";

/// Length of the file. The rest after the document is spaces and a line end, which JSON takes as nothing.
const LENGTH: usize = 2048;

/// The longest error text that is kept: the document stays well below [`LENGTH`], even if every byte has to be escaped.
const ERROR_MAX: usize = 200;

/// The state of a container whose command runs now.
pub(super) fn running(launch: &Launch, pid: i32) -> RunState {
    RunState {
        status: Status::Running,
        pid,
        pid_start_time: start_time(pid).unwrap_or(0),
        monitor_pid: std::process::id().cast_signed(),
        boot_id: launch.boot_id.clone(),
        started_at: timestamp::now(),
        finished_at: 0,
        exit_code: 0,
        reason: Reason::None,
        oom_killed: false,
        error: String::new(),
        paused: false,
        restart_count: 0,
        health: launch
            .health
            .is_some()
            .then_some(Health { status: HealthStatus::Starting, failing_streak: 0 }),
    }
}

/// Field 22 of `/proc/PID/stat`. The name before it may hold anything, a closing parenthesis too.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// The state of a container that could not be started.
pub(super) fn failed(launch: &Launch, failure: &Failure) -> RunState {
    let now = timestamp::now();
    RunState {
        status: Status::Exited,
        pid: 0,
        started_at: now,
        finished_at: now,
        exit_code: exit_code(failure),
        reason: Reason::StartFailed,
        error: failure.message.clone(),
        health: None,
        ..running(launch, 0)
    }
}

/// Docker's exit codes of a container, or a further process, that could not be started.
pub(super) fn exit_code(failure: &Failure) -> i32 {
    match failure.class {
        FailureClass::CommandNotFound => 127,
        FailureClass::CommandNotExecutable => 126,
        _ => 128,
    }
}

/// Write the state to the container's directory.
pub(super) fn write(
    directory: BorrowedFd<'_>,
    state: &RunState,
    durable: bool,
) -> Result<(), Errno> {
    let document = document(state);
    match write_new(directory, FILE, &document, durable) {
        Err(Errno::NOSPC | Errno::DQUOT) => overwrite(directory, &document, durable),
        result => result,
    }
}

fn document(state: &RunState) -> Vec<u8> {
    let mut state = state.clone();
    let end =
        (0..=ERROR_MAX.min(state.error.len())).rev().find(|n| state.error.is_char_boundary(*n));
    state.error.truncate(end.unwrap_or(0));
    // Plain data always has a form.
    let mut document = serde_json::to_vec(&state).unwrap_or_default();
    document.resize(LENGTH.max(document.len() + 1), b' ');
    if let Some(last) = document.last_mut() {
        *last = b'\n';
    }
    document
}

/// Replace a file of the container's directory.
pub(super) fn write_new(
    directory: BorrowedFd<'_>,
    name: &str,
    document: &[u8],
    durable: bool,
) -> Result<(), Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(directory, NEW, flags, Mode::from(0o600))?;
    write_at_start(&file, document)?;
    if durable {
        fsync(&file)?;
    }
    renameat(directory, NEW, directory, name)?;
    if durable {
        // The descriptor we were given may be a mere place (O_PATH), which cannot be synchronised.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        fsync(openat(directory, ".", flags, Mode::empty())?.as_fd())?;
    }
    Ok(())
}

fn overwrite(directory: BorrowedFd<'_>, document: &[u8], durable: bool) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(directory, FILE, flags, Mode::empty())?;
    write_at_start(&file, document)?;
    if durable { fsync(&file) } else { Ok(()) }
}

fn write_at_start(file: &OwnedFd, document: &[u8]) -> Result<(), Errno> {
    match pwrite(file, document, 0)? {
        n if n == document.len() => Ok(()),
        // A short write to a file means that there is no room for more.
        _ => Err(Errno::NOSPC),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(error: &str) -> RunState {
        RunState {
            status: Status::Exited,
            pid: 0,
            pid_start_time: u64::MAX,
            monitor_pid: i32::MAX,
            boot_id: "0".repeat(36),
            started_at: i64::MIN,
            finished_at: i64::MIN,
            exit_code: i32::MIN,
            reason: Reason::MonitorDied,
            oom_killed: false,
            error: error.to_owned(),
            paused: false,
            restart_count: u32::MAX,
            health: Some(Health { status: HealthStatus::Unhealthy, failing_streak: u32::MAX }),
        }
    }

    #[test]
    fn every_document_has_the_same_length_and_reads_back() {
        for error in ["", "log: no space left on device", &"\u{1}".repeat(9999), &"ö".repeat(9999)]
        {
            let document = document(&state(error));
            assert_eq!(document.len(), LENGTH);
            let read: RunState = serde_json::from_slice(&document).unwrap();
            assert!(error.starts_with(&read.error));
            assert_eq!(read, state(&read.error));
        }
    }

    #[test]
    fn the_old_file_can_be_overwritten_when_there_is_no_room_for_a_new_one() {
        let path = std::env::temp_dir().join(format!("barque-record-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let directory = std::fs::File::open(&path).unwrap();
        write(directory.as_fd(), &state("first"), true).unwrap();
        overwrite(directory.as_fd(), &document(&state("second, and longer")), true).unwrap();
        let read: RunState =
            serde_json::from_slice(&std::fs::read(path.join(FILE)).unwrap()).unwrap();
        assert_eq!(read, state("second, and longer"));
        assert!(!path.join(NEW).exists());
        std::fs::remove_dir_all(&path).unwrap();
    }
}
