//! How fast images are pushed to and pulled from Debian's registry on loopback, beside docker and podman where they are; and the download
//! alone beside skopeo, which does nothing else.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::registry::debian::{Debian, Manner};
use barque_tests::{Sandbox, programs};

use crate::engines::{Client, Engines};
use crate::life::timed;
use crate::store::{barque, median, rate};
use crate::table::{Table, ms};

/// Whoever can load, tag, push, pull and remove an image.
struct Party<'a> {
    name: &'a str,
    client: Client,
    /// After `push` and `pull`: podman has to be told that the registry speaks http.
    plain: &'a [&'a str],
    pushed: Vec<Duration>,
    pulled: Vec<Duration>,
}

/// The image `bench` of this archive, pushed to a registry that has nothing of it and pulled into a store that has nothing of it.
pub(crate) fn measure(
    sandbox: &Sandbox,
    engines: &Engines,
    archive: &Path,
    layers: usize,
    rounds: usize,
    table: &mut Table,
) {
    if !Debian::is_installed() {
        table.tell("push and pull", "there is no docker-registry");
        return;
    }
    let others = engines.found.iter().filter_map(|engine| {
        let plain: &[&str] = if engine.name == "podman" { &["--tls-verify=false"] } else { &[] };
        Some((engine.name, engine.client.clone()?, plain))
    });
    let mut others: Vec<Party<'_>> = others
        .map(|(name, client, plain)| Party { name, client, plain, pushed: vec![], pulled: vec![] })
        .collect();
    let (mut pushed, mut pulled) = (Vec::new(), Vec::new());
    // What we and skopeo take for the download alone, ours while what has come is unpacked.
    let mut downloads = (Vec::new(), Vec::new());
    let from = archive.to_string_lossy().into_owned();
    for round in 0..rounds {
        let ours = |arguments: &[&str]| barque(sandbox, arguments);
        let place = |name: &str| sandbox.work().join(format!("registry-{name}-{round}"));
        let directory = place("barque");
        let registry = Debian::start(&directory, Manner::default());
        let name = format!("{}/bench", registry.address());
        let _ = ours(&["load", "--input", &from]);
        let _ = ours(&["tag", "bench", &name]);
        pushed.extend(ours(&["push", "--quiet", &name]));
        let _ = ours(&["rmi", "--force", "bench", &name]);
        if let Some((download, all)) = pull(sandbox.command(&["pull", &name])) {
            downloads.0.push(download);
            pulled.push(all);
        }
        let _ = ours(&["rmi", "--force", &name]);
        if let Some(skopeo) = programs::find_tool("skopeo") {
            let to = place("skopeo");
            let mut copy = Command::new(skopeo);
            copy.args(["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{name}")]);
            copy.arg(format!("dir:{}", to.display()));
            downloads.1.extend(timed(copy));
            let _ = std::fs::remove_dir_all(&to);
        }
        drop(registry);
        let _ = std::fs::remove_dir_all(&directory);
        for party in &mut others {
            let directory = place(party.name);
            let registry = Debian::start(&directory, Manner::default());
            let name = format!("{}/bench", registry.address());
            let call = |words: &[&str]| timed((party.client)(words));
            let plain = |verb| [&[verb], party.plain, &[name.as_str()]].concat();
            let _ = call(&["load", "--input", &from]);
            let _ = call(&["tag", "bench", &name]);
            party.pushed.extend(call(&plain("push")));
            let _ = call(&["rmi", "--force", "bench", &name]);
            party.pulled.extend(call(&plain("pull")));
            let _ = call(&["rmi", "--force", &name]);
            drop(registry);
            let _ = std::fs::remove_dir_all(&directory);
        }
    }
    let size = archive.metadata().map_or(0, |metadata| metadata.len());
    for (verb, ours, limit) in [("push", pushed, 0.7), ("pull", pulled, 0.5)] {
        let what = format!("{verb}, {} MB in {layers} layers", size / 1_000_000);
        let Some(took) = median(ours) else {
            table.judge(what, "failed", "", false);
            continue;
        };
        table.tell(&what, rate(size, took));
        let theirs = others.iter().map(|party| {
            let times = if verb == "push" { &party.pushed } else { &party.pulled };
            // Of podman's push nothing is asked.
            (party.name, times.clone(), (verb == "pull" || party.name == "docker").then_some(limit))
        });
        for (name, times, limit) in theirs {
            let Some(other) = median(times) else {
                table.tell(format!("  of {name}"), "failed");
                continue;
            };
            let ratio = took.as_secs_f64() / other.as_secs_f64();
            let shown = format!("{ratio:.2}x of {}", rate(size, other));
            let what = format!("  beside {name}");
            match limit {
                Some(limit) => {
                    table.judge(what, shown, format!("{limit}x the time"), ratio <= limit);
                }
                None => table.tell(what, shown),
            }
        }
    }
    let (Some(ours), Some(theirs)) = (median(downloads.0), median(downloads.1)) else { return };
    let [ours, theirs] = [ours, theirs].map(|took| took.as_secs_f64() * 1e3);
    table.tell(format!("the download of that pull, {layers} layers"), ms(ours));
    let shown = format!("{:.2}x of {}", ours / theirs, ms(theirs));
    table.judge("  beside skopeo", shown, "0.7x the time", ours / theirs <= 0.7);
}

/// How long a pull takes until the last layer has come, and in all.
fn pull(mut command: Command) -> Option<(Duration, Duration)> {
    let begin = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut come = None;
    for line in BufReader::new(child.stdout.take()?).lines().map_while(Result::ok) {
        if line.ends_with(": Download complete") {
            come = Some(begin.elapsed());
        }
    }
    let done = child.wait().ok()?.success();
    Some((come?, begin.elapsed())).filter(|_| done)
}
