//! What the kernel counts for a cgroup. On a machine with both versions each controller is looked for where it is
//! (`barque_monitor::cgroup`); one that is nowhere counts nothing.

use std::collections::BTreeMap;

use barque_monitor::cgroup::{Cgroup, Files};

use super::machine::{Machine, TICK};
use crate::api::{
    BlkioStatEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, PidsStats, ThrottlingData,
};

pub(super) fn pids(cgroup: &Cgroup) -> PidsStats {
    let Some(files) = cgroup.v1_files("pids").or_else(|| cgroup.v2_files()) else {
        return PidsStats::default();
    };
    // `max` is no number.
    PidsStats {
        current: number(files, "pids.current").unwrap_or(0),
        limit: number(files, "pids.max").unwrap_or(0),
    }
}

pub(super) fn cpu(cgroup: &Cgroup, machine: &Machine) -> CpuStats {
    let (cpu_usage, throttling_data) = match cgroup.v1_files("cpuacct") {
        Some(files) => cpu_v1(files, cgroup.v1_files("cpu")),
        None => cpu_v2(&cgroup.v2_files().map(|f| pairs(f, "cpu.stat")).unwrap_or_default()),
    };
    CpuStats {
        cpu_usage,
        system_cpu_usage: machine.cpu,
        online_cpus: machine.cpus,
        throttling_data,
    }
}

fn cpu_v1(usage: Files<'_>, quota: Option<Files<'_>>) -> (CpuUsage, ThrottlingData) {
    let stat = pairs(usage, "cpuacct.stat");
    let ticks = |name| get(&stat, name).saturating_mul(TICK);
    let percpu = usage.read("cpuacct.usage_percpu").unwrap_or_default();
    let usage = CpuUsage {
        total_usage: number(usage, "cpuacct.usage").unwrap_or(0),
        percpu_usage: Some(percpu.split_whitespace().filter_map(|n| n.parse().ok()).collect()),
        usage_in_kernelmode: ticks("system"),
        usage_in_usermode: ticks("user"),
    };
    let stat = quota.map(|files| pairs(files, "cpu.stat")).unwrap_or_default();
    let throttling = ThrottlingData {
        periods: get(&stat, "nr_periods"),
        throttled_periods: get(&stat, "nr_throttled"),
        throttled_time: get(&stat, "throttled_time"),
    };
    (usage, throttling)
}

fn cpu_v2(stat: &BTreeMap<String, u64>) -> (CpuUsage, ThrottlingData) {
    let nanoseconds = |name| get(stat, name).saturating_mul(1000);
    let usage = CpuUsage {
        total_usage: nanoseconds("usage_usec"),
        percpu_usage: None,
        usage_in_kernelmode: nanoseconds("system_usec"),
        usage_in_usermode: nanoseconds("user_usec"),
    };
    let throttling = ThrottlingData {
        periods: get(stat, "nr_periods"),
        throttled_periods: get(stat, "nr_throttled"),
        throttled_time: nanoseconds("throttled_usec"),
    };
    (usage, throttling)
}

pub(super) fn memory(cgroup: &Cgroup, machine: &Machine) -> MemoryStats {
    let within = |limit: Option<u64>| limit.map_or(machine.memory, |l| l.min(machine.memory));
    if let Some(files) = cgroup.v1_files("memory") {
        return MemoryStats {
            usage: number(files, "memory.usage_in_bytes").unwrap_or(0),
            max_usage: number(files, "memory.max_usage_in_bytes"),
            stats: pairs(files, "memory.stat"),
            failcnt: number(files, "memory.failcnt"),
            limit: within(number(files, "memory.limit_in_bytes")),
        };
    }
    let Some(files) = cgroup.v2_files() else { return MemoryStats::default() };
    MemoryStats {
        usage: number(files, "memory.current").unwrap_or(0),
        // Since Linux 5.19.
        max_usage: number(files, "memory.peak"),
        stats: pairs(files, "memory.stat"),
        failcnt: None,
        limit: within(number(files, "memory.max")),
    }
}

pub(super) fn blkio(cgroup: &Cgroup) -> BlkioStats {
    if let Some(files) = cgroup.v1_files("blkio") {
        let read = |file| files.read(file).map(|text| blkio_v1(&text)).unwrap_or_default();
        return BlkioStats {
            io_service_bytes_recursive: read("blkio.throttle.io_service_bytes_recursive"),
            io_serviced_recursive: read("blkio.throttle.io_serviced_recursive"),
        };
    }
    let text = cgroup.v2_files().and_then(|files| files.read("io.stat")).unwrap_or_default();
    BlkioStats {
        io_service_bytes_recursive: blkio_v2(&text, "rbytes", "wbytes"),
        io_serviced_recursive: blkio_v2(&text, "rios", "wios"),
    }
}

/// `8:0 Read 4096` and so on for each device, and a total.
fn blkio_v1(text: &str) -> Vec<BlkioStatEntry> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = device(words.next()?)?;
        let op = words.next()?.to_lowercase();
        Some(BlkioStatEntry { major, minor, op, value: words.next()?.parse().ok()? })
    };
    text.lines().filter_map(entry).collect()
}

/// `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 …` for each device.
fn blkio_v2(text: &str, read: &str, write: &str) -> Vec<BlkioStatEntry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else { continue };
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let op = match name {
                _ if name == read => "read",
                _ if name == write => "write",
                _ => continue,
            };
            let value = value.parse().unwrap_or(0);
            entries.push(BlkioStatEntry { major, minor, op: op.to_owned(), value });
        }
    }
    entries
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn number(files: Files<'_>, file: &str) -> Option<u64> {
    files.read(file)?.trim().parse().ok()
}

fn pairs(files: Files<'_>, file: &str) -> BTreeMap<String, u64> {
    parse_pairs(&files.read(file).unwrap_or_default())
}

fn parse_pairs(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

fn get(pairs: &BTreeMap<String, u64>, name: &str) -> u64 {
    pairs.get(name).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(op: &str, value: u64) -> BlkioStatEntry {
        BlkioStatEntry { major: 8, minor: 16, op: op.to_owned(), value }
    }

    #[test]
    fn disks_are_read_from_either_version() {
        let v1 = "8:16 Read 4096\n8:16 Write 0\n8:16 Total 4096\nTotal 4096\n";
        assert_eq!(blkio_v1(v1), [entry("read", 4096), entry("write", 0), entry("total", 4096)]);
        let v2 = "8:16 rbytes=4096 wbytes=512 rios=1 wios=2 dbytes=0 dios=0\nbroken\n";
        assert_eq!(blkio_v2(v2, "rbytes", "wbytes"), [entry("read", 4096), entry("write", 512)]);
        assert_eq!(blkio_v2(v2, "rios", "wios"), [entry("read", 1), entry("write", 2)]);
    }

    #[test]
    fn v2_counts_microseconds_and_documents_have_nanoseconds() {
        let stat = parse_pairs(
            "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n",
        );
        let (usage, throttling) = cpu_v2(&stat);
        assert_eq!(
            (usage.total_usage, usage.usage_in_usermode, usage.usage_in_kernelmode),
            (5000, 3000, 2000)
        );
        assert_eq!(
            (throttling.periods, throttling.throttled_periods, throttling.throttled_time),
            (9, 4, 7000)
        );
    }
}
