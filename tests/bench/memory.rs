//! What stands beside a container, and how much memory it takes.

use std::process::Stdio;
use std::time::Duration;

use barque_tests::Sandbox;

use crate::engines::Engines;
use crate::life::timed;
use crate::table::{Table, median, ms};

/// Memory of a process: proportional set size and private dirty pages, KiB.
fn memory(pid: &str) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Some((field("Pss:")?, field("Private_Dirty:")?))
}

/// Processes whose program's name contains this.
fn processes(name: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            comm.contains(name)
                || exe.file_name().is_some_and(|exe| exe.to_string_lossy().contains(name))
        })
        .collect()
}

/// How long the command takes to list what stands, and whether that is all of it.
fn listed(sandbox: &Sandbox, count: usize, table: &mut Table) {
    let mut times: Vec<Duration> =
        (0..=10).filter_map(|_| timed(sandbox.command(&["ps"]))).skip(1).collect();
    let took = median(&mut times);
    table.judge(format!("ps of {count} that run, command line"), ms(took), "50 ms", took <= 50.0);
    let found = sandbox.ok(&["ps", "--quiet"]).lines().count();
    table.judge("  of which listed", found.to_string(), count.to_string(), found == count);
}

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, quick: bool, table: &mut Table) {
    let beside = |table: &mut Table, count: usize| -> Option<()> {
        let ids: Vec<String> = (0..count)
            .map(|_| {
                sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"])
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        if count > 10 {
            listed(sandbox, count, table);
        }
        let mut found: Vec<(u64, u64)> = ids
            .iter()
            .filter_map(|id| {
                let path = sandbox.root().join("containers").join(id).join("state.json");
                let state: serde_json::Value =
                    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
                memory(&state["monitor_pid"].to_string())
            })
            .collect();
        let mut arguments = vec!["rm", "--force"];
        arguments.extend(ids.iter().map(String::as_str));
        sandbox.ok(&arguments);
        found.sort_unstable();
        let (pss, private) = *found.get(found.len() / 2)?;
        let what = if count == 1 {
            "monitor of one container".into()
        } else {
            format!("monitor, each of {count}")
        };
        table.judge(format!("{what}: PSS"), format!("{pss} KiB"), "1,024 KiB", pss <= 1024);
        table.judge(
            format!("{what}: private"),
            format!("{private} KiB"),
            "400 KiB",
            private <= 400,
        );
        Some(())
    };
    beside(table, 1);
    beside(table, 10);
    beside(table, if quick { 50 } else { 1000 });
    let left = processes("barque-monitor");
    table.judge("processes when no container runs", left.len().to_string(), "0", left.is_empty());
    for engine in &engines.found {
        let Some((command, name)) = &engine.detached else { continue };
        let mut again = std::process::Command::new(command.get_program());
        again
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if !again.status().is_ok_and(|status| status.success()) {
            continue;
        }
        std::thread::sleep(Duration::from_millis(300));
        let found: Vec<(u64, u64)> = processes(name).iter().filter_map(|pid| memory(pid)).collect();
        let (pss, private) = found.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        table.tell(
            format!("  {name} of {}: PSS, private", engine.name),
            format!("{pss} KiB, {private} KiB"),
        );
    }
}
