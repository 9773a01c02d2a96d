//! `barque stats`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use barque::api::{self, BlkioStatEntry, StatsResponse};
use barque::{Deadline, Engine, ErrorKind, Item, Next, Stream};
use clap::Args;
use serde_json::{Value, json};

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "stats",
    about: "Display a live stream of container(s) resource usage statistics",
    usage: "[OPTIONS] [CONTAINER...]",
    operands: Operands::AtLeast(0),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Disable streaming stats and only pull the first result
    #[arg(long)]
    no_stream: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
}

const COLUMNS: &[list::Column] = &[
    ("Container", "CONTAINER"),
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];

const SHOWN: &[&str] =
    &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"];

/// Cursor to the upper left corner, and clear from there on: a terminal is drawn again with each round.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Samples come once a second; one that is later is shown in the next round.
const ROUND: Duration = Duration::from_millis(1_500);

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    let mut watched = Watched { streams: BTreeMap::new(), stream: !flags.no_stream };
    let clears = watched.stream && nix::unistd::isatty(io::stdout()).unwrap_or(false);
    loop {
        let named = !parsed.operands.is_empty();
        let names = if named { parsed.operands.clone() } else { listed(engine, flags.all)? };
        watched.look_at(engine, &names, named)?;
        let samples = watched.round()?;
        if named && watched.stream && samples.is_empty() && watched.streams.is_empty() {
            return Ok(0);
        }
        let rows: Vec<Value> =
            samples.iter().map(|(name, sample)| shown(name, sample, !flags.no_trunc)).collect();
        if clears {
            output::out(CLEAR)?;
        }
        list::print(&rows, flags.format.as_deref(), SHOWN, COLUMNS)?;
        if !watched.stream {
            return Ok(0);
        }
        if samples.is_empty() {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

fn listed(engine: &Engine, all: bool) -> Result<Vec<String>> {
    let request = api::ContainerList { all, ..api::ContainerList::default() };
    Ok(engine.containers().list(&request)?.into_iter().map(|container| container.id).collect())
}

/// The streams of samples, by the name that each container was asked for with.
struct Watched {
    streams: BTreeMap<String, Stream>,
    stream: bool,
}

impl Watched {
    /// Begin to watch those that are not watched yet.
    fn look_at(&mut self, engine: &Engine, names: &[String], named: bool) -> Result<()> {
        self.streams.retain(|name, _| names.contains(name));
        for name in names {
            if self.streams.contains_key(name) {
                continue;
            }
            let request =
                api::ContainerStats { id: name.clone(), stream: self.stream, one_shot: false };
            match engine.containers().stats(&request) {
                Ok(stream) => drop(self.streams.insert(name.clone(), stream)),
                // One that was listed may be gone by now.
                Err(error) if !named && error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A sample of each.
    fn round(&mut self) -> Result<Vec<(String, StatsResponse)>> {
        let deadline = || Deadline::after(ROUND);
        let (mut samples, mut ended) = (Vec::new(), Vec::new());
        for (name, stream) in &mut self.streams {
            match stream.next(deadline())? {
                Next::Item(Item::Document(text)) => {
                    samples.push((name.clone(), api::parse(&text)?));
                }
                Next::Done => ended.push(name.clone()),
                Next::Item(Item::Chunk(_)) | Next::TimedOut => {}
            }
        }
        for name in ended {
            self.streams.remove(&name);
        }
        Ok(samples)
    }
}

/// A sample as a row of texts. What is computed is computed as docker's client does it.
fn shown(asked: &str, sample: &StatsResponse, shorten: bool) -> Value {
    let (cpu, before) = (&sample.cpu_stats, &sample.precpu_stats);
    let used = cpu.cpu_usage.total_usage.saturating_sub(before.cpu_usage.total_usage) as f64;
    let passed = cpu.system_cpu_usage.saturating_sub(before.system_cpu_usage) as f64;
    let share = if passed > 0.0 { used / passed * f64::from(cpu.online_cpus) * 100.0 } else { 0.0 };
    let memory = &sample.memory_stats;
    // The page cache that nobody has touched for long is as good as free: v1 and v2 have other names for it.
    let inactive = ["total_inactive_file", "inactive_file"]
        .iter()
        .find_map(|name| memory.stats.get(*name))
        .copied()
        .unwrap_or(0);
    let usage = memory.usage.checked_sub(inactive).unwrap_or(memory.usage);
    let of_limit = if memory.limit > 0 { usage as f64 / memory.limit as f64 * 100.0 } else { 0.0 };
    let networks = sample.networks.iter().flat_map(BTreeMap::values);
    let (received, sent) = networks
        .fold((0, 0), |(rx, tx), interface| (rx + interface.rx_bytes, tx + interface.tx_bytes));
    let disks = &sample.blkio_stats.io_service_bytes_recursive;
    json!({
        "Container": asked,
        "ID": if shorten { human::short_id(&sample.id) } else { &sample.id },
        "Name": sample.name.trim_start_matches('/'),
        "CPUPerc": format!("{share:.2}%"),
        "MemUsage": format!("{} / {}", human::memory(signed(usage)), human::memory(signed(memory.limit))),
        "MemPerc": format!("{of_limit:.2}%"),
        "NetIO": both(received, sent),
        "BlockIO": both(bytes(disks, "read"), bytes(disks, "write")),
        "PIDs": sample.pids_stats.current.to_string(),
    })
}

fn bytes(disks: &[BlkioStatEntry], op: &str) -> u64 {
    disks.iter().filter(|entry| entry.op == op).map(|entry| entry.value).sum()
}

fn both(first: u64, second: u64) -> String {
    format!("{} / {}", human::size(signed(first), 3), human::size(signed(second), 3))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_computed_as_dockers_client_does_it() {
        let text = r#"{"id": "0123456789abcdef", "name": "/web",
            "pids_stats": {"current": 3},
            "cpu_stats": {"cpu_usage": {"total_usage": 3000}, "system_cpu_usage": 20000, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 1000}, "system_cpu_usage": 10000},
            "memory_stats": {"usage": 3145728, "limit": 10485760, "stats": {"inactive_file": 1048576}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"op": "read", "value": 1000}, {"op": "write", "value": 7}, {"op": "read", "value": 500}]},
            "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 3, "tx_bytes": 4}}}"#;
        let row = shown("web", &api::parse(text).unwrap(), true);
        assert_eq!(
            row,
            json!({"Container": "web", "ID": "0123456789ab", "Name": "web", "CPUPerc": "40.00%",
                "MemUsage": "2MiB / 10MiB", "MemPerc": "20.00%", "NetIO": "4B / 6B",
                "BlockIO": "1.5kB / 7B", "PIDs": "3"})
        );
    }
}
