//! What is counted for the whole machine, and for a network namespace.

use std::collections::BTreeMap;

use crate::api::NetworkStats;
use crate::error::{Error, Result};
use crate::sys::memory;

/// `USER_HZ`: how often a second `/proc` counts. 100 on every architecture that Linux runs on today.
pub(super) const TICK: u64 = 1_000_000_000 / 100;

/// The machine's processors and memory.
pub(super) struct Machine {
    /// Nanoseconds of all processors since the machine was started, idle ones too.
    pub(super) cpu: u64,
    pub(super) cpus: u32,
    /// Bytes.
    pub(super) memory: u64,
}

impl Machine {
    pub(super) fn now() -> Result<Machine> {
        let stat = std::fs::read_to_string("/proc/stat")
            .map_err(|error| Error::system("read /proc/stat", error))?;
        let (cpu, cpus) = processors(&stat);
        let memory = memory::total().map_err(|error| Error::system("read /proc/meminfo", error))?;
        Ok(Machine { cpu, cpus, memory })
    }
}

/// From `/proc/stat`: the first seven counters (user to softirq), which are what Docker adds up.
fn processors(text: &str) -> (u64, u32) {
    let (mut ticks, mut cpus) = (0, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cpu") => ticks = words.take(7).filter_map(|n| n.parse::<u64>().ok()).sum(),
            Some(name) if name.starts_with("cpu") => cpus += 1,
            _ => break,
        }
    }
    (ticks.saturating_mul(TICK), cpus)
}

/// The interfaces that a process sees; `None` when it is gone.
pub(super) fn networks(pid: i32) -> Option<BTreeMap<String, NetworkStats>> {
    Some(interfaces(&std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?))
}

fn interfaces(text: &str) -> BTreeMap<String, NetworkStats> {
    // Two lines of titles.
    let lines = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| name.trim() != "lo")
        .map(|(name, counters)| {
            let mut counters = counters.split_whitespace().map(|n| n.parse().unwrap_or(0));
            let mut next = || counters.next().unwrap_or(0);
            let [rx_bytes, rx_packets, rx_errors, rx_dropped] = [next(), next(), next(), next()];
            // fifo, frame, compressed, multicast
            for _ in 0..4 {
                next();
            }
            let [tx_bytes, tx_packets, tx_errors, tx_dropped] = [next(), next(), next(), next()];
            let stats = NetworkStats {
                rx_bytes,
                rx_packets,
                rx_errors,
                rx_dropped,
                tx_bytes,
                tx_packets,
                tx_errors,
                tx_dropped,
            };
            (name.trim().to_owned(), stats)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_machine_are_added_up_as_docker_does() {
        let text =
            "cpu  10 20 30 400 50 6 7 800 9 0\ncpu0 1 1 1 1 1 1 1 1 1 1\ncpu1 1 1 1\nintr 5\n";
        assert_eq!(processors(text), (523 * TICK, 2));
    }

    #[test]
    fn interfaces_are_read_without_the_loopback() {
        let text = "Inter-| Receive | Transmit\n face |bytes packets\n    lo: 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9 9\n\
                    \x20 eth0:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n";
        let found = interfaces(text);
        assert_eq!(found.len(), 1);
        let eth0 = &found["eth0"];
        assert_eq!((eth0.rx_bytes, eth0.rx_packets, eth0.rx_errors, eth0.rx_dropped), (1, 2, 3, 4));
        assert_eq!((eth0.tx_bytes, eth0.tx_packets, eth0.tx_errors, eth0.tx_dropped), (5, 6, 7, 8));
    }
}
