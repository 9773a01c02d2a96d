//! A container's run state: the file `state.json` in its directory.
//!
//! Only the monitor writes it (and, when the monitor has died, whoever reconciles), always as a whole: written to a
//! temporary name, renamed. A reader believes [`Status::Running`] only while the monitor's byte of the lock file is locked
//! ([`crate::protocol::LOCK_MONITOR`]), never because of the pid in it.

use serde::{Deserialize, Serialize};

/// File name in the container's directory.
pub const FILE: &str = "state.json";

/// File with the last health checks, the newest last, in the same directory. It is apart because only who inspects the container
/// reads it, and because what a check writes has no place in a file that must fit on a full disk.
pub const HEALTH_LOG: &str = "health.json";

/// Exit code that stands for "unknown": the monitor died before it could see the real one.
pub const EXIT_UNKNOWN: i32 = 125;

/// How a container is or was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Where it stands.
    pub status: Status,
    /// Process 1 of the container while it runs, 0 afterwards.
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: with the pid, which process that was.
    pub pid_start_time: u64,
    /// The monitor's pid. For people: the lock is what counts.
    pub monitor_pid: i32,
    /// The boot it ran in.
    pub boot_id: String,
    /// When it was started, nanoseconds since 1970.
    pub started_at: i64,
    /// When it ended, nanoseconds since 1970; 0 while it runs.
    pub finished_at: i64,
    /// Exit code: the process's own, or 128 + the signal that killed it. Meaningless while it runs.
    pub exit_code: i32,
    /// Why it ended.
    pub reason: Reason,
    /// The kernel's OOM killer has killed a process in it.
    pub oom_killed: bool,
    /// What went wrong, for people; empty when nothing did.
    pub error: String,
    /// Its processes are frozen.
    #[serde(default)]
    pub paused: bool,
    /// How often its restart policy has started it again.
    #[serde(default)]
    pub restart_count: u32,
    /// How healthy it is, where there is a health check. What the last checks have found is in [`HEALTH_LOG`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// How healthy a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// What it counts as.
    pub status: HealthStatus,
    /// How many checks have failed since the last that passed.
    pub failing_streak: u32,
}

/// What a container's health counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// No check has passed yet, and not enough have failed.
    Starting,
    /// The last check has passed, or not enough have failed since.
    Healthy,
    /// Enough have failed.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word for it.
    pub const fn word(self) -> &'static str {
        match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        }
    }
}

/// What a health check has found: one of the list in [`HEALTH_LOG`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthResult {
    /// When it began, nanoseconds since 1970.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Its exit code; -1: it could not be run, or took too long.
    pub exit_code: i32,
    /// What it wrote, or why it has none.
    pub output: String,
}

impl RunState {
    /// A monitor looks after it: its command runs, or is to run again.
    pub fn goes_on(&self) -> bool {
        self.status != Status::Exited
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its command runs.
    Running,
    /// It has ended, and is to be started again in a moment. What is said of its end is that of the last run.
    Restarting,
    /// It has ended.
    Exited,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It has not.
    #[default]
    None,
    /// The command exited by itself.
    Exited,
    /// A signal from inside or from elsewhere killed it.
    Signaled,
    /// `kill` was asked for.
    Killed,
    /// `stop` was asked for and the stop signal was enough.
    Stopped,
    /// `stop` was asked for, and it took SIGKILL.
    StopTimeout,
    /// The kernel's OOM killer killed process 1.
    OomKilled,
    /// The process it was tied to is gone.
    OwnerGone,
    /// A time limit of `run` ran out.
    Timeout,
    /// The command could not be started.
    StartFailed,
    /// The monitor died; how the container ended is not known.
    MonitorDied,
}
