//! Health checks: a command that is run in the container again and again, and what follows from its exit code.
//!
//! A check is a further process of the container as any other ([`super::exec`]), without a client: what it writes is kept, so far
//! as docker keeps it. The rules are docker's: the time until the next check counts from the end of the last; a check that
//! fails during the start period does not count; while the container is paused there are none.

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};
use serde_json::json;

use super::directories::Directories;
use super::supervisor::Supervisor;
use super::{record, timestamp};
use crate::failpoint::failpoint;
use crate::protocol::{Exec, HealthCheck, Launch};
use crate::runtime::Wanted;
use crate::state::{HEALTH_LOG, HealthResult, HealthStatus};

/// How many results are kept.
const RESULTS: usize = 5;

/// How much of a check's output is kept.
const OUTPUT_MAX: usize = 4096;

/// The health check of a container that runs.
pub(super) struct Health {
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u32,
    /// What is run, as text: the document itself would be ten times as large, for most of the time in vain.
    exec: Box<str>,
    /// When the next check begins, while none runs.
    pub(super) due: Option<Instant>,
    began: Instant,
    running: Option<Running>,
}

/// A check that runs.
struct Running {
    number: u32,
    start: i64,
    began: Instant,
}

/// What a check has written.
#[derive(Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = OUTPUT_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.cut |= bytes.len() > room;
    }

    fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.cut {
            text.push_str("...");
        }
        text
    }
}

/// How a check has ended.
pub(super) enum Verdict<'a> {
    /// Its process has.
    Exited { exit_code: i32, timed_out: bool, kept: &'a Kept },
    /// There was none.
    Failed(&'a str),
}

impl Health {
    /// The check that a container is launched with.
    pub(super) fn new(launch: &Launch) -> Option<Health> {
        let check = launch.health.clone()?;
        // Plain data always has a form.
        let exec = serde_json::to_string(&check.exec).unwrap_or_default().into();
        let HealthCheck { interval, timeout, start_period, start_interval, retries, .. } = check;
        let mut health = Health {
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
            exec,
            due: None,
            began: Instant::now(),
            running: None,
        };
        health.schedule(HealthStatus::Starting);
        Some(health)
    }

    /// The next check comes after a while.
    fn schedule(&mut self, status: HealthStatus) {
        let starting = status == HealthStatus::Starting && self.is_early(Instant::now());
        let pause = if starting { self.start_interval } else { self.interval };
        self.due = Instant::now().checked_add(pause);
    }

    /// Whether a failure then does not count yet.
    fn is_early(&self, then: Instant) -> bool {
        then.saturating_duration_since(self.began) < self.start_period
    }
}

impl Supervisor {
    /// It is time for a check.
    pub(super) fn check_health(&mut self) {
        let Some(health) = &mut self.health else { return };
        health.due = None;
        let (start, began) = (timestamp::now(), Instant::now());
        // It is our own text.
        let Ok(mut exec) = serde_json::from_str::<Exec>(&health.exec) else { return };
        let container = self.events.id();
        // As of any exec: the first half is the container's.
        exec.id = format!("{container:.32}{start:032x}");
        let words = exec.process.args.split_first();
        let (program, arguments) =
            words.map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        exec.document = json!({"ID": exec.id, "ContainerID": container,
                               "ProcessConfig": {"entrypoint": program, "arguments": arguments}});
        let limit = began.checked_add(health.timeout);
        let Ok(number) = self.exec_add(Box::new(exec)) else {
            // There are too many others: that says nothing about the container.
            return self.resume_health();
        };
        if let Some(health) = &mut self.health {
            health.running = Some(Running { number, start, began });
        }
        if let Some(exec) = self.execs.get(number) {
            (exec.kept, exec.limit) = (Some(Kept::default()), limit);
        }
        let wanted = Wanted { stdin: false, stdout: true, stderr: true };
        // Where it cannot begin, that is the result.
        let _ = self.exec_begin(number, wanted, None);
    }

    /// A check is over.
    pub(super) fn health_checked(&mut self, number: u32, verdict: &Verdict<'_>) {
        self.execs.forget(number);
        let Some(health) = &mut self.health else { return };
        // One that was given up has nothing to say.
        let Some(running) = health.running.take_if(|running| running.number == number) else {
            return;
        };
        let Some(mut state) = self.state.health else { return };
        let (exit_code, output) = match verdict {
            Verdict::Exited { timed_out: true, kept, .. } => {
                let timeout = health.timeout;
                let (colon, output) = match kept.text() {
                    text if text.is_empty() => ("", text),
                    text => (": ", text),
                };
                (-1, format!("Health check exceeded timeout ({timeout:?}){colon}{output}"))
            }
            Verdict::Exited { exit_code, kept, .. } => (*exit_code, kept.text()),
            Verdict::Failed(why) => (-1, (*why).to_owned()),
        };
        let before = state.status;
        if exit_code == 0 {
            (state.failing_streak, state.status) = (0, HealthStatus::Healthy);
        } else if before != HealthStatus::Starting || !health.is_early(running.began) {
            state.failing_streak = state.failing_streak.saturating_add(1);
            if state.failing_streak >= health.retries {
                state.status = HealthStatus::Unhealthy;
            }
        }
        health.schedule(state.status);
        let result =
            HealthResult { start: running.start, end: timestamp::now(), exit_code, output };
        keep(&self.directories, result);
        if self.state.health != Some(state) {
            self.state.health = Some(state);
            self.write_state();
        }
        let _ = failpoint("health-written");
        if state.status != before {
            self.events.tell(&format!("health_status: {}", state.status.word()), &[]);
        }
    }

    /// The container is paused: a check would hang, and one that runs says nothing any more.
    pub(super) fn pause_health(&mut self) {
        let Some(health) = &mut self.health else { return };
        health.due = None;
        if let Some(running) = health.running.take() {
            self.exec_end(running.number);
        }
    }

    /// The container goes on.
    pub(super) fn resume_health(&mut self) {
        if let (Some(health), Some(state)) = (&mut self.health, &self.state.health) {
            health.schedule(state.status);
        }
    }
}

/// Add a result to the file. It is read for that and not remembered. What cannot be written is lost, and counts all the same.
fn keep(directories: &Directories, result: HealthResult) {
    let mut results = read(directories).unwrap_or_default();
    results.drain(..(results.len() + 1).saturating_sub(RESULTS));
    results.push(result);
    if let Ok(document) = serde_json::to_vec(&results) {
        let _ = record::write_new(directories.container, HEALTH_LOG, &document, false);
    }
}

fn read(directories: &Directories) -> Option<Vec<HealthResult>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut text = Vec::new();
    let file = openat(directories.container, HEALTH_LOG, flags, Mode::empty()).ok()?;
    File::from(file).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_cut_where_docker_cuts_it() {
        let mut kept = Kept::default();
        kept.add(&[b'a'; 4000]);
        kept.add(&[b'b'; 96]);
        assert_eq!(kept.text().len(), 4096);
        kept.add(b"c");
        let text = kept.text();
        assert!(text.ends_with("b..."), "{text}");
        assert_eq!(text.len(), 4099);
    }
}
