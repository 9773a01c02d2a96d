//! What a monitor costs.

use std::time::{Duration, Instant};

use barque_monitor::protocol::{Launch, LogDriver, Request};

use crate::bench::{Bench, binary};

/// Memory of a process, KiB.
#[derive(Debug)]
pub(crate) struct Memory {
    /// What this process alone has, and no file could give back.
    pub(crate) dirty: u64,
    pub(crate) pss: u64,
}

pub(crate) fn memory(pid: i32) -> Memory {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    Memory { dirty: field("Private_Dirty:"), pss: field("Pss:") }
}

fn is_static() -> bool {
    // No program interpreter.
    let elf = std::fs::read(binary()).unwrap();
    !elf.windows(15).any(|w| w == b"/lib64/ld-linux")
}

#[test]
fn a_monitor_is_small() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.launch(&["/bin/sleep", "1000"]));
    running.started();
    std::thread::sleep(Duration::from_millis(200));
    let idle = memory(running.monitor_pid());
    // The program's pages belong to all monitors that have them mapped: with a second one, each bears half of them.
    let other_bench = Bench::new();
    let mut other = other_bench.start(&other_bench.launch(&["/bin/sleep", "1000"]));
    other.started();
    std::thread::sleep(Duration::from_millis(200));
    let shared = memory(running.monitor_pid());
    eprintln!("monitor: alone {idle:?}, one of two {shared:?} (KiB), static: {}", is_static());
    if is_static() {
        assert!(idle.dirty <= 400 && idle.pss <= 1024, "{idle:?} {shared:?}");
    }
    for running in [&mut running, &mut other] {
        running.connect().ask(Request::Kill { signal: 9 });
        running.wire.exited();
        running.wire.closed();
    }
}

/// Processor time of a process so far.
fn cpu_time(pid: i32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// The most memory that a process has had, KiB.
fn peak(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Millions of bytes a second, of the clock and of the monitor's processor time.
fn rate(what: &str, bench: &Bench, launch: Launch, bytes: f64) -> (f64, f64) {
    let start = Instant::now();
    let mut running = bench.start(&launch);
    running.started();
    let monitor = running.monitor_pid();
    let watch = std::thread::spawn(move || {
        let (mut last, mut most) = (Duration::ZERO, 0);
        while let Some(now) = cpu_time(monitor) {
            (last, most) = (last.max(now), peak(monitor).unwrap_or(0).max(most));
            std::thread::sleep(Duration::from_millis(5));
        }
        (last, most)
    });
    let state = running.wire.exited();
    let took = start.elapsed();
    running.wire.closed();
    assert_eq!(state.exit_code, 0);
    let (busy, most) = watch.join().unwrap();
    let rate = |time: Duration| bytes / 1e6 / time.as_secs_f64();
    let rates = (rate(took), rate(busy));
    eprintln!(
        "{what}: {:.0} MB/s, {:.0} MB a second of the monitor's CPU, peak {most} KiB",
        rates.0, rates.1
    );
    // However long a line is.
    assert!(most < 8192, "{most} KiB");
    let _ = std::fs::remove_file(bench.container().join("container.log"));
    rates
}

#[test]
fn output_is_passed_on_quickly() {
    let bench = Bench::new();
    let line =
        "a line of output that is about as long as lines of output are, which is not very long\n";
    let file = bench.path.join("rootfs/lines");
    std::fs::write(&file, line.repeat(50_000_000 / line.len())).unwrap();
    let bytes = std::fs::metadata(&file).unwrap().len() as f64 * 10.0;
    let files = ["/lines"; 10].join(" ");
    let lines = rate("lines of 86 bytes", &bench, bench.script(&format!("cat {files}")), bytes);
    let mut unkept = bench.script(&format!("cat {files}"));
    unkept.log.driver = LogDriver::None;
    rate("the same, not kept", &bench, unkept, bytes);
    let endless = bench.script("dd if=/dev/zero bs=64k count=8000 2>/dev/null");
    rate("bytes without line ends", &bench, endless, 8000.0 * 65536.0);
    if is_static() {
        assert!(lines.1 >= 200.0);
    }
}

#[test]
fn a_short_life_is_short() {
    let bench = Bench::new();
    let mut times: Vec<[Duration; 3]> = (0..100)
        .map(|_| {
            let launch = Launch { auto_remove: true, attach: true, ..bench.launch(&["/bin/true"]) };
            let start = Instant::now();
            let mut running = bench.start(&launch);
            running.started();
            let started = start.elapsed();
            running.wire.exited();
            let exited = start.elapsed();
            running.wire.closed();
            [started, exited, start.elapsed()]
        })
        .collect();
    times.sort();
    let [started, exited, closed] = times[times.len() / 2];
    eprintln!("`true`: started {started:?}, exited {exited:?}, all gone {closed:?} (medians)");
}
