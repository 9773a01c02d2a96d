//! How long builds take: many RUNs and a COPY of many files, without the cache and from it, and stages that do not need each other.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barque_tests::Sandbox;

use crate::engines::Engines;
use crate::files;
use crate::life::{Client, clients, timed};
use crate::table::{Table, ms};

const RUNS: usize = 20;

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, short: bool, table: &mut Table) {
    let repetitions = if short { 1 } else { 5 };
    let ours = |arguments: &[&str]| sandbox.command(arguments);
    let all = clients(&ours, engines);
    let place = sandbox.work();
    runs(&all, &place, repetitions, table);
    copies(&all, &place, repetitions, table);
    stages(&all, &place, table);
}

/// A context of its own for this text.
fn context(place: &Path, name: &str, text: &str) -> PathBuf {
    let context = place.join(name);
    let _ = std::fs::create_dir_all(&context);
    let _ = std::fs::write(context.join("Dockerfile"), text);
    context
}

fn build(client: Client<'_>, context: &Path, more: &[&str]) -> Option<Duration> {
    let context = context.to_string_lossy();
    let mut arguments = vec!["build", "--network=none", "--tag", "bench-built"];
    arguments.extend(more);
    arguments.push(&context);
    timed(client(&arguments))
}

/// Each engine in turn: without the cache, and then from it.
fn both<'a>(
    all: &[(&'a str, Client<'_>)],
    context: &Path,
    repetitions: usize,
) -> [BTreeMap<&'a str, Vec<Duration>>; 2] {
    let mut times = [BTreeMap::new(), BTreeMap::new()];
    for _ in 0..repetitions {
        for &(name, client) in all {
            for (more, times) in [&["--no-cache"] as &[&str], &[]].into_iter().zip(&mut times) {
                let took: &mut Vec<Duration> = times.entry(name).or_default();
                took.extend(build(client, context, more));
            }
        }
    }
    times
}

fn runs(all: &[(&str, Client<'_>)], place: &Path, repetitions: usize, table: &mut Table) {
    let mut text = "FROM testbox\n".to_owned();
    for number in 0..RUNS {
        let _ = writeln!(text, "RUN [\"/testbox\", \"write\", \"/{number}\", \"x\"]");
    }
    let [mut fresh, mut cached] = both(all, &context(place, "bench-runs", &text), repetitions);
    let what = format!("build of {RUNS} RUNs");
    let took = table.beside(&what, &mut fresh, &[("docker", 8.0), ("podman", 8.0)]);
    let again = table.beside(&format!("{what}, cached"), &mut cached, &[("docker", 4.0)]);
    table.judge("  aim", ms(again), "15 ms", again <= 15.0);
    let each = (took - again) / RUNS as f64;
    table.judge("  a step, with its command", ms(each), "20 ms", each < 20.0);
}

fn copies(all: &[(&str, Client<'_>)], place: &Path, repetitions: usize, table: &mut Table) {
    let context = context(place, "bench-copies", "FROM testbox\nCOPY many /many\n");
    let many = files::sources(place).into_iter().find(|(what, _)| *what == "5000-files");
    let moved = many.is_some_and(|(_, many)| std::fs::rename(many, context.join("many")).is_ok());
    if !moved {
        table.tell("build of a COPY", "no files could be made");
        return;
    }
    let [mut fresh, mut cached] = both(all, &context, repetitions);
    let what = "build of a COPY of 5,000 files";
    table.beside(what, &mut fresh, &[("docker", 5.0), ("podman", 2.0)]);
    table.beside(&format!("{what}, cached"), &mut cached, &[("docker", 10.0)]);
    let _ = std::fs::remove_dir_all(context);
}

/// Two that wait for two seconds each.
fn stages(all: &[(&str, Client<'_>)], place: &Path, table: &mut Table) {
    let sleep =
        "RUN [\"/testbox\", \"sleep\", \"2\"]\nRUN [\"/testbox\", \"write\", \"/made\", \"x\"]";
    let text = format!(
        "FROM testbox AS one\n{sleep}\nFROM testbox AS two\n{sleep}\nFROM testbox\n\
         COPY --from=one /made /one\nCOPY --from=two /made /two\n"
    );
    let context = context(place, "bench-stages", &text);
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for &(name, client) in all {
        times.entry(name).or_default().extend(build(client, &context, &["--no-cache"]));
    }
    let ours = table.beside("build of two stages of 2 s", &mut times, &[]);
    table.judge("  both", ms(ours), "2200 ms", ours <= 2200.0);
}
