//! What is done to a container that runs: `exec` of a program that ends at once, `stop` of a container that is willing; and to
//! one that does not: `create` and `rm`.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::Sandbox;

use crate::engines::Engines;
use crate::quiet::settle;
use crate::table::{Table, ms};

const WILLING: [&str; 6] = ["run", "--detach", "--network=none", "testbox", "trap", "TERM=0"];
const STAYS: [&str; 6] = ["run", "--detach", "--network=none", "testbox", "sleep", "forever"];
/// The part of the others' time that any of this may take.
const ASKED: [(&str, f64); 2] = [("docker", 10.0), ("podman", 15.0)];
const CREATED: [&str; 5] = ["create", "--network=none", "testbox", "exit", "0"];

/// What makes a command of arguments.
pub(crate) type Client<'a> = &'a dyn Fn(&[&str]) -> Command;

/// Run it; `None` when it failed.
pub(crate) fn timed(mut command: Command) -> Option<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let status = command.status().ok()?;
    status.success().then(|| begin.elapsed())
}

/// What it prints, without the last line's end; `None` when it failed.
pub(crate) fn output(mut command: Command) -> Option<String> {
    let done = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    done.status.success().then_some(text)
}

/// Ours, and those of the engines that have a command line like it.
pub(crate) fn clients<'a>(ours: Client<'a>, engines: &'a Engines) -> Vec<(&'a str, Client<'a>)> {
    let theirs = engines.found.iter().filter_map(|e| Some((e.name, e.client.as_deref()?)));
    std::iter::once(("barque", ours)).chain(theirs).collect()
}

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, repetitions: u32, table: &mut Table) {
    let ours = |arguments: &[&str]| sandbox.command(arguments);
    let all = clients(&ours, engines);
    exec(&all, repetitions, table);
    stop(&all, repetitions, table);
    create_and_remove(&all, repetitions, table);
}

fn create_and_remove(all: &[(&str, Client<'_>)], repetitions: u32, table: &mut Table) {
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..=repetitions {
        for (name, client) in all {
            settle();
            let begin = Instant::now();
            let Some(id) = output(client(&CREATED)) else { continue };
            let removed = timed(client(&["rm", &id])).map(|_| begin.elapsed());
            // The first round warms the caches.
            times.entry(name).or_default().extend(removed.filter(|_| round > 0));
        }
    }
    table.beside("create and rm, command line", &mut times, &ASKED);
}

fn exec(all: &[(&str, Client<'_>)], repetitions: u32, table: &mut Table) {
    let stays = all.iter().filter_map(|(name, c)| Some((*name, *c, output(c(&STAYS))?)));
    let stays: Vec<(&str, Client<'_>, String)> = stays.collect();
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for round in 0..=repetitions {
        for (name, client, id) in &stays {
            settle();
            let took = timed(client(&["exec", id, "/testbox", "exit", "0"]));
            // The first round warms the caches.
            if let Some(took) = took.filter(|_| round > 0) {
                times.entry(name).or_default().push(took);
            }
        }
    }
    for (_, client, id) in &stays {
        timed(client(&["rm", "--force", id]));
    }
    let ours = table.beside("exec of true, command line", &mut times, &ASKED);
    table.judge("  aim", ms(ours), "5 ms", ours <= 5.0);
}

fn stop(all: &[(&str, Client<'_>)], repetitions: u32, table: &mut Table) {
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for _ in 0..repetitions.min(10) {
        for (name, client) in all {
            let Some(id) = output(client(&WILLING)) else { continue };
            // Until it has said that it listens.
            while output(client(&["logs", &id])).is_some_and(|log| log.is_empty()) {}
            settle();
            times.entry(name).or_default().extend(timed(client(&["stop", &id])));
            timed(client(&["rm", "--force", &id]));
        }
    }
    let ours = table.beside("stop of a willing container, command line", &mut times, &ASKED);
    table.judge("  beyond the container's own time", ms(ours), "10 ms", ours <= 10.0);
}
