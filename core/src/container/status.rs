//! A container's status in words: `Up 5 minutes`, `Exited (0) 2 hours ago`. The words and the rounding are docker's.

use barque_monitor::state::{HealthStatus, Status};

use super::state::Standing;
use crate::human;

const SECOND: i64 = 1_000_000_000;

/// The line that `ps` shows.
pub(super) fn line(standing: &Standing, removing: bool, now: i64) -> String {
    if let Some(run) = standing.running() {
        if run.status == Status::Restarting {
            let ago = human::duration((now - run.finished_at) / SECOND);
            return format!("Restarting ({}) {ago} ago", run.exit_code);
        }
        let more = match standing.health().map(|health| health.status) {
            _ if run.paused => " (Paused)".to_owned(),
            Some(HealthStatus::Starting) => " (health: starting)".to_owned(),
            Some(status) => format!(" ({})", status.word()),
            None => String::new(),
        };
        return format!("Up {}{more}", human::duration((now - run.started_at) / SECOND));
    }
    if removing {
        return "Removal In Progress".to_owned();
    }
    match standing.ended() {
        Some(run) => {
            format!(
                "Exited ({}) {} ago",
                run.exit_code,
                human::duration((now - run.finished_at) / SECOND)
            )
        }
        None => "Created".to_owned(),
    }
}
