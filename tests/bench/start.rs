//! How long a run takes, alone and in a crowd.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::{Sandbox, programs};

use crate::engines::Engines;
use crate::quiet::settle;
use crate::table::{Table, median, ms};

/// A process that does a run for each line it gets, and says how long that took: Python and Node.
struct InProcess {
    name: &'static str,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl InProcess {
    fn start(name: &'static str, mut command: Command) -> Option<InProcess> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take()?));
        let mut started = InProcess { name, child, to, from };
        // The first run loads what a process loads once.
        started.once().map(|_| started)
    }

    fn once(&mut self) -> Option<Duration> {
        self.to.as_mut()?.write_all(b"go\n").ok()?;
        let mut line = String::new();
        self.from.read_line(&mut line).ok()?;
        line.trim().parse().ok().map(Duration::from_nanos)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}

fn in_process(sandbox: &Sandbox) -> Vec<InProcess> {
    let here = programs::workspace().join("tests/bench");
    let mut found = Vec::new();
    let python = programs::build_directory().parent().map(|target| target.join("venv/bin/python"));
    let python = std::env::var_os("BARQUE_PYTHON").map(Into::into).or(python);
    if let Some(python) = python.filter(|python| python.exists()) {
        let mut command = sandbox.command_of(&python, &[here.join("run.py")]);
        command.current_dir("/");
        found.extend(InProcess::start("Python", command));
    }
    if let Some(node) = programs::find_tool("node") {
        let mut command = sandbox.command_of(&node, &[here.join("run.mjs")]);
        command.env("BARQUE_PACKAGE", programs::workspace().join("bindings-node"));
        found.extend(InProcess::start("Node", command));
    }
    found
}

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, repetitions: u32, table: &mut Table) {
    let mut times: BTreeMap<&'static str, Vec<Duration>> = BTreeMap::new();
    let mut hosts = in_process(sandbox);
    let program = programs::barque();
    let engine = sandbox.engine();
    for round in 0..=repetitions {
        let mut keep = |name: &'static str, took: Option<Duration>| {
            // The first round warms the caches.
            if let Some(took) = took.filter(|_| round > 0) {
                times.entry(name).or_default().push(took);
            }
        };
        for one in &engines.found {
            settle();
            keep(one.name, one.once(round));
        }
        settle();
        let mut command = sandbox
            .command_of(&program, &["run", "--rm", "--network", "none", "testbox", "exit", "0"]);
        command.stdout(Stdio::null());
        let begin = Instant::now();
        let status = command.status();
        keep("barque", status.is_ok_and(|s| s.success()).then(|| begin.elapsed()));
        settle();
        keep("Rust", rust_run(&engine));
        for host in &mut hosts {
            settle();
            keep(host.name, host.once());
        }
    }
    let medians: BTreeMap<&str, f64> =
        times.iter_mut().map(|(name, times)| (*name, median(times))).collect();
    let Some(&ours) = medians.get("barque") else {
        table.judge("run --rm of true, command line", "failed", "", false);
        return;
    };
    table.tell(format!("run --rm of true, command line (median of {repetitions})"), ms(ours));
    for (name, most) in [("runc", 0.5), ("podman", 0.1), ("docker", 1.0 / 15.0)] {
        match medians.get(name) {
            Some(&theirs) => {
                let target =
                    if most < 0.4 { format!("1/{:.0}", 1.0 / most) } else { format!("{most}x") };
                table.judge(
                    format!("  beside {name} ({})", ms(theirs)),
                    format!("{:.2}x = 1/{:.1}", ours / theirs, theirs / ours),
                    target,
                    ours <= theirs * most,
                );
            }
            None => table.tell(format!("  beside {name}"), "not here"),
        }
    }
    for name in ["crun", "bubblewrap", "floor"] {
        if let Some(&theirs) = medians.get(name) {
            table.tell(
                format!("  beside {name} ({})", ms(theirs)),
                format!("{:.2}x", ours / theirs),
            );
        }
    }
    table.judge("  aim: crun's own time, 8 ms", ms(ours), "8 ms", ours <= 8.0);
    for name in ["Rust", "Python", "Node"] {
        if let Some(&theirs) = medians.get(name) {
            let target = "no slower than the command";
            table.judge(
                format!("run from {name}, in process"),
                ms(theirs),
                target,
                theirs <= ours * 1.02,
            );
        }
    }
}

fn rust_run(engine: &barque::Engine) -> Option<Duration> {
    use barque::api::{ContainerCreate, ContainerRun, HostConfig};
    let request = ContainerRun {
        create: ContainerCreate {
            image: "testbox".into(),
            cmd: Some(vec!["exit".into(), "0".into()]),
            host_config: HostConfig {
                network_mode: "none".into(),
                auto_remove: true,
                ..Default::default()
            },
            ..Default::default()
        },
        ..Default::default()
    };
    let begin = Instant::now();
    let ended = engine.containers().run(&request).and_then(|mut stream| stream.collect(1 << 20));
    ended.is_ok().then(|| begin.elapsed())
}

/// Many at once, each a process of its own.
pub(crate) fn parallel(sandbox: &Sandbox, count: usize, table: &mut Table) {
    let program = programs::barque();
    let begin = Instant::now();
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let mut command = sandbox.command_of(
                &program,
                &["run", "--rm", "--network", "none", "testbox", "exit", "0"],
            );
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn()
        })
        .filter_map(Result::ok)
        .map(|child| {
            std::thread::spawn(move || {
                let done = child.wait_with_output().ok();
                (done.is_some_and(|d| d.status.success()), begin.elapsed())
            })
        })
        .collect();
    let mut ended: Vec<(bool, Duration)> =
        threads.into_iter().filter_map(|t| t.join().ok()).collect();
    let took = begin.elapsed();
    let failed = count - ended.iter().filter(|(well, _)| *well).count();
    ended.sort_by_key(|(_, time)| *time);
    let worst = ended.last().map_or(0.0, |(_, time)| time.as_secs_f64());
    table.judge(format!("{count} runs at once, failed"), failed.to_string(), "0", failed == 0);
    table.tell(
        "  rate, last one done after",
        format!("{:.0} a second, {worst:.1} s", count as f64 / took.as_secs_f64()),
    );
}
