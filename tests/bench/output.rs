//! How fast output goes through one monitor, with how much memory, and whether all of it arrives.

use std::time::{Duration, Instant};

use barque_tests::Sandbox;

use crate::table::Table;

pub(crate) fn measure(sandbox: &Sandbox, short: bool, table: &mut Table) {
    let bytes: u64 = if short { 64 << 20 } else { 1 << 30 };
    let size = bytes.to_string();
    for (what, line) in [("lines of 100 bytes", "100"), ("one line without end", "0")] {
        let begin = Instant::now();
        let id = sandbox.ok(&[
            "run",
            "--detach",
            "--network",
            "none",
            "--log-opt",
            "max-size=64m",
            "--log-opt",
            "max-file=2",
            "testbox",
            "flood",
            &size,
            line,
        ]);
        let mut most = 0;
        let directory = sandbox.root().join("containers").join(&id);
        let state = || -> serde_json::Value {
            let text = std::fs::read_to_string(directory.join("state.json")).unwrap_or_default();
            serde_json::from_str(&text).unwrap_or_default()
        };
        while state()["status"] != "exited" && begin.elapsed() < Duration::from_secs(120) {
            let monitor = state()["monitor_pid"].to_string();
            let text = std::fs::read_to_string(format!("/proc/{monitor}/smaps_rollup"))
                .unwrap_or_default();
            let private = text
                .lines()
                .find(|line| line.starts_with("Private_Dirty:"))
                .and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            most = most.max(private.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(2));
        }
        let rate = bytes as f64 / 1e6 / begin.elapsed().as_secs_f64();
        table.judge(format!("log, {what}"), format!("{rate:.0} MB/s"), "200 MB/s", rate >= 200.0);
        table.judge(
            "  most private memory meanwhile",
            format!("{most} KiB"),
            "bounded: 4,096 KiB",
            most <= 4096,
        );
        sandbox.ok(&["rm", "--force", &id]);
    }

    let count = if short { 50_000u64 } else { 1_000_000 };
    let begin = Instant::now();
    sandbox.ok(&[
        "run",
        "--detach",
        "--name",
        "lines",
        "--network",
        "none",
        "testbox",
        "lines",
        &count.to_string(),
    ]);
    sandbox.ok(&["wait", "lines"]);
    let written = begin.elapsed();
    let begin = Instant::now();
    let text = sandbox.ok(&["logs", "lines"]);
    let read = begin.elapsed();
    let mut lost = 0;
    let mut lines = text.lines();
    for n in 1..=count {
        lost += u64::from(lines.next() != Some(format!("line {n}").as_str()));
    }
    lost += lines.count() as u64;
    table.judge(format!("{count} lines, lost or out of order"), lost.to_string(), "0", lost == 0);
    table.tell(
        "  written, read",
        format!("{:.2} s, {:.2} s", written.as_secs_f64(), read.as_secs_f64()),
    );
    sandbox.ok(&["rm", "lines"]);
}
