//! What networks cost: a run in one, with a published port, joining one, many of them; a connection through one published port and
//! through one of a thousand; and how much goes through. All in network namespaces of its own, with a docker daemon that has its usual
//! bridge and rules.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use barque_tests::{Sandbox, suite};

use crate::engines::{Daemon, Engines};
use crate::life::{Client, output, timed};
use crate::table::{Table, median, ms};

/// The part of the others' time that a run on a bridge may take.
const ASKED: [(&str, f64); 2] = [("docker", 12.0), ("podman", 12.0)];

/// The first address of docker's default bridge, and of ours.
const GATEWAY: &str = "172.17.0.1";

pub(crate) fn measure(sandbox: &Sandbox, engines: &Engines, repetitions: u32, table: &mut Table) {
    let ours = |arguments: &[&str]| sandbox.command(arguments);
    runs(sandbox, &ours, engines, repetitions, table);
    suite::own_network();
    timed(ours(&["network", "create", "web"]));
    in_one_s_own(&ours, repetitions, table);
    joining(&ours, repetitions, table);
    many(&ours, repetitions.min(10), table);
    throughput(sandbox, &ours, if repetitions < 10 { 1 } else { 15 }, table);
    suite::own_network();
    coming_and_going(sandbox, table);
    if repetitions >= 10 {
        crowd(&ours, table);
    }
}

/// One engine after the other, each in a network namespace of its own: docker's rules drop what it does not know, and every change that one
/// makes to the rules has the others look again.
fn runs(sandbox: &Sandbox, ours: Client<'_>, engines: &Engines, rounds: u32, table: &mut Table) {
    let mut times = [BTreeMap::new(), BTreeMap::new()];
    let mut measure = |name: &'static str, client: Client<'_>| {
        for (times, flag) in times.iter_mut().zip(["--network=bridge", "--publish=8080:80"]) {
            for round in 0..=rounds {
                let took = timed(client(&["run", "--rm", flag, "testbox", "exit", "0"]));
                // The first round warms the caches, and makes the bridge.
                let times: &mut Vec<Duration> = times.entry(name).or_default();
                times.extend(took.filter(|_| round > 0));
            }
        }
    };
    suite::own_network();
    measure("barque", ours);
    let podman = engines.found.iter().find(|engine| engine.name == "podman");
    if let Some(client) = podman.and_then(|podman| podman.client.as_deref()) {
        suite::own_network();
        measure("podman", client);
    }
    suite::own_network();
    if let Some(docker) = Daemon::start(&sandbox.work(), "networks", &[]) {
        measure("docker", &*docker.client);
    }
    let [mut bridge, mut published] = times;
    table.beside("run --rm of true on the default bridge", &mut bridge, &ASKED);
    table.beside("run --rm of true with a published port", &mut published, &ASKED);
}

fn in_one_s_own(ours: Client<'_>, rounds: u32, table: &mut Table) {
    let run = ["run", "--rm", "--network=web", "testbox", "exit", "0"];
    let mut times: Vec<Duration> = (0..rounds).filter_map(|_| timed(ours(&run))).collect();
    table.tell("run --rm of true in a network with names", ms(median(&mut times)));
}

/// `network connect` of a container that runs.
fn joining(ours: Client<'_>, rounds: u32, table: &mut Table) {
    timed(ours(&[
        "run",
        "--detach",
        "--name=joins",
        "--network=web",
        "testbox",
        "sleep",
        "forever",
    ]));
    timed(ours(&["network", "create", "more"]));
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.extend(timed(ours(&["network", "connect", "more", "joins"])));
        timed(ours(&["network", "disconnect", "more", "joins"]));
    }
    timed(ours(&["rm", "--force", "joins"]));
    let took = median(&mut times);
    table.judge("network connect of a running container", ms(took), "100 ms", took < 100.0);
}

/// A connection to a published port, when it is the only one and when it is one of a thousand.
fn many(ours: Client<'_>, rounds: u32, table: &mut Table) {
    let connections = |ports: &str, port: u16| {
        let flags = ["run", "--detach", "--name=many", "--publish", ports, "testbox", "listen"];
        let inside = if ports.contains('-') { "1079" } else { "80" };
        timed(ours(&[&flags[..], &[inside]].concat()));
        while output(ours(&["logs", "many"])).is_some_and(|log| log.is_empty()) {}
        let mut times = Vec::new();
        for _ in 0..rounds * 100 {
            let begin = Instant::now();
            let mut said = String::new();
            let heard =
                TcpStream::connect((GATEWAY, port)).and_then(|mut c| c.read_to_string(&mut said));
            times.extend(heard.ok().map(|_| begin.elapsed()));
        }
        timed(ours(&["rm", "--force", "many"]));
        median(&mut times)
    };
    let (one, thousand) =
        (connections("8080:80", 8080), connections("20000-20999:80-1079", 20_999));
    let measured = format!("{thousand:.3} ms beside {one:.3} ms");
    table.judge(
        "a connection through one of 1,000 published ports, beside one of one",
        measured,
        "1.1x",
        thousand <= one * 1.1,
    );
}

/// A container that sends to whoever connects, and its engine.
struct Source<'a> {
    client: Client<'a>,
    /// The network namespace that it is seen from.
    host: File,
    id: String,
    address: String,
}

impl<'a> Source<'a> {
    /// One in a network namespace of its own, where this thread is.
    fn start(client: Client<'a>) -> Option<Source<'a>> {
        let run = ["run", "--detach", "--name=source", "--publish=9000:9000", "testbox"];
        let id = output(client(&[&run[..], &["source", "9000"]].concat()))?;
        while output(client(&["logs", &id])).is_some_and(|log| log.is_empty()) {}
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = output(client(&["inspect", "--format", format, &id]))?;
        let host = File::open("/proc/thread-self/ns/net").ok()?;
        Some(Source { client, host, id, address })
    }

    /// MB a second through the published port, and to another container.
    fn rates(&self) -> Option<[f64; 2]> {
        const SECONDS: f64 = 0.4;
        self.enter()?;
        let published = drain(&format!("{GATEWAY}:9000"), SECONDS)?;
        let (from, long) = (format!("{}:9000", self.address), SECONDS.to_string());
        let run = ["run", "--rm", "--network=bridge", "testbox", "drain", &from, &long];
        let between = output((self.client)(&run)).and_then(|n| n.parse().ok())?;
        Some([published, between])
    }

    fn enter(&self) -> Option<()> {
        // SAFETY: setns takes a descriptor and a number, and changes this thread's network namespace only.
        let entered = unsafe { libc::setns(self.host.as_raw_fd(), libc::CLONE_NEWNET) };
        (entered == 0).then_some(())
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        if self.enter().is_some() {
            timed((self.client)(&["rm", "--force", &self.id]));
        }
    }
}

/// How much goes through a published port of this host's, and between two containers, beside docker: in turns, because what else the
/// machine does makes more of a difference than who has made the bridge.
fn throughput(sandbox: &Sandbox, ours: Client<'_>, rounds: u32, table: &mut Table) {
    // Both have a bridge of this address.
    suite::own_network();
    let Some(ours) = Source::start(ours) else { return table.tell("throughput", "not measured") };
    suite::own_network();
    let docker = Daemon::start(&sandbox.work(), "throughput", &[]);
    let theirs = docker.as_ref().and_then(|docker| Source::start(&*docker.client));
    let (mut rates, mut beside) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..rounds {
        let there = theirs.as_ref().and_then(Source::rates);
        for (nth, ours) in ours.rates().into_iter().flatten().enumerate() {
            rates[nth].push(ours);
            beside[nth].extend(there.map(|there| (there[nth], ours / there[nth])));
        }
    }
    let middle = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied()
    };
    for (what, (rates, beside)) in
        ["throughput of a published port", "throughput between containers"]
            .into_iter()
            .zip(rates.into_iter().zip(beside))
    {
        table.tell(
            what,
            middle(rates).map_or("not measured".to_owned(), |r| format!("{r:.0} MB/s")),
        );
        let (theirs, ratios): (Vec<f64>, Vec<f64>) = beside.into_iter().unzip();
        match (middle(theirs), middle(ratios)) {
            (Some(theirs), Some(ratio)) => {
                let row = format!("  beside docker ({theirs:.0} MB/s)");
                table.judge(row, format!("{ratio:.2}x"), "0.95x", ratio >= 0.95);
            }
            _ => table.tell("  beside docker", "not here"),
        }
    }
}

/// Read for so long; MB a second.
fn drain(address: &str, seconds: f64) -> Option<f64> {
    let mut from = TcpStream::connect(address).ok()?;
    let (begin, mut room, mut all) = (Instant::now(), vec![0; 1 << 20], 0);
    while begin.elapsed().as_secs_f64() < seconds {
        all += from.read(&mut room).ok().filter(|length| *length > 0)?;
    }
    Some(all as f64 / 1e6 / begin.elapsed().as_secs_f64())
}

fn coming_and_going(sandbox: &Sandbox, table: &mut Table) {
    let engine = sandbox.engine();
    let begin = Instant::now();
    for number in 0..200 {
        let request =
            barque::api::NetworkCreate { name: format!("n{number}"), ..Default::default() };
        if engine.networks().create(&request).is_err() {
            return table.tell("200 networks created and removed", "failed");
        }
    }
    let pruned = engine.networks().prune(&barque::api::NetworkPrune::default());
    let (took, all) = (begin.elapsed(), pruned.is_ok_and(|p| p.networks_deleted.len() >= 200));
    let met = all && took < Duration::from_secs(10);
    table.judge(
        "200 networks created and removed",
        format!("{:.1} s", took.as_secs_f64()),
        "10 s",
        met,
    );
}

/// As many containers on one bridge as there may be, and what the next is told.
fn crowd(ours: Client<'_>, table: &mut Table) {
    timed(ours(&["network", "create", "--subnet=10.200.0.0/16", "crowd"]));
    let begin = Instant::now();
    let start = |number: usize| {
        let name = format!("--name=crowd-{number}");
        let run = ["run", "--detach", &name, "--network=crowd", "testbox", "sleep", "forever"];
        ours(&run).output().ok()
    };
    let started = (0..1000).take_while(|n| start(*n).is_some_and(|o| o.status.success())).count();
    let each = begin.elapsed().as_secs_f64() * 1e3 / started.max(1) as f64;
    table.judge("containers on one bridge", started.to_string(), "1000", started == 1000);
    table.tell("  each in", ms(each));
    let refused = (1000..1030).find_map(|number| {
        let done = start(number)?;
        (!done.status.success()).then(|| String::from_utf8_lossy(&done.stderr).trim().to_owned())
    });
    let clear = refused.as_ref().is_some_and(|words| words.contains("at most 1023 ports"));
    table.judge("  and the kernel's limit is said", if clear { "yes" } else { "no" }, "yes", clear);
    let all = output(ours(&["ps", "--quiet"])).unwrap_or_default();
    let ids: Vec<&str> = all.lines().collect();
    timed(ours(&[&["rm", "--force"][..], &ids].concat()));
}
