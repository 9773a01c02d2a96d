//! Waiting for what the one before has left running: podman goes on cleaning up for a tenth of a second after its command has ended,
//! and that is not to be the next one's time.

use std::time::{Duration, Instant};

/// As long as nothing else has run when it was looked at.
const QUIET: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(5);
/// A machine that others use too is never quiet.
const PATIENCE: Duration = Duration::from_millis(500);

/// Wait until nothing but this process runs, or no longer.
pub(crate) fn settle() {
    let begin = Instant::now();
    let mut quiet = 0;
    while quiet < QUIET && begin.elapsed() < PATIENCE {
        std::thread::sleep(BETWEEN);
        quiet = if running() <= 1 { quiet + 1 } else { 0 };
    }
}

/// How many threads of the machine run or could: `procs_running` in proc_stat(5), this one among them.
fn running() -> u32 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("procs_running "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
