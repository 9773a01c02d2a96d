//! Output: exact, held up by a slow reader and by nobody else, followed, rotated.

use std::time::{Duration, Instant};

use barque_monitor::protocol::{Event, LogConfig, LogDriver, Request};
use barque_monitor::state::Reason;

use crate::bench::{Bench, wait_until};
use crate::wire::Frame;

/// The text of a log's lines of one stream, put together again.
fn text(log: &[u8], stream: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for line in log.split_inclusive(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\n").expect("a whole line");
        let (head, rest) = line.split_at(40);
        match std::str::from_utf8(&head[30..]).unwrap() {
            tag if tag == format!(" {stream} F ") => {
                text.extend_from_slice(rest);
                text.push(b'\n');
            }
            tag if tag == format!(" {stream} P ") => text.extend_from_slice(rest),
            _ => {}
        }
    }
    text
}

fn numbers(last: u32) -> Vec<u8> {
    (1..=last).map(|n| format!("{n}\n")).collect::<String>().into_bytes()
}

#[test]
fn a_million_lines_reach_the_log_and_the_caller() {
    let bench = Bench::new();
    let (stdout, stderr, state) = bench.run(bench.script("seq 1 1000000; echo done >&2"));
    assert_eq!((state.exit_code, state.reason), (0, Reason::Exited));
    assert!(stdout == numbers(1_000_000), "output differs");
    assert_eq!(stderr, b"done\n");
    let log = bench.log();
    assert!(text(&log, "stdout") == stdout, "log differs");
    assert_eq!(text(&log, "stderr"), b"done\n");
}

#[test]
fn a_last_line_without_an_end_and_bytes_of_any_kind_are_kept() {
    let bench = Bench::new();
    let (stdout, _, _) = bench.run(bench.script(r"printf 'a\000\377\r\n\nb'"));
    assert_eq!(stdout, b"a\0\xff\r\n\nb");
    assert_eq!(text(&bench.log(), "stdout"), stdout);
}

#[test]
fn a_client_that_does_not_read_holds_up_the_container_until_it_does() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("seq 1 1000000"));
    running.started();
    let mut slow = running.connect();
    let attach = Request::Attach { stdin: false, stdout: true, stderr: true };
    match slow.ask(attach) {
        Event::Done => {}
        // It was too quick for us.
        Event::Exited { .. } => return,
        other => panic!("{other:?}"),
    }
    // Output has stopped when the log does not grow any more.
    let mut size = 0;
    wait_until("the container is held up", || {
        std::thread::sleep(Duration::from_millis(100));
        std::mem::replace(&mut size, bench.log().len()) == size && size > 0
    });
    let before = text(&bench.log(), "stdout").len();
    assert!(before < numbers(1_000_000).len(), "it was not held up");
    let (stdout, _, state) = slow.collect();
    assert_eq!(state.exit_code, 0);
    assert!(numbers(1_000_000).ends_with(&stdout), "the client's output has gaps");
    assert!(text(&bench.log(), "stdout") == numbers(1_000_000), "log differs");
}

#[test]
fn a_client_that_stalls_for_half_a_minute_is_sent_away() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("seq 1 1000000"));
    running.started();
    let mut stalled = running.connect();
    stalled.send(&Request::Attach { stdin: false, stdout: true, stderr: true });
    let start = Instant::now();
    let state = running.wire.exited();
    assert_eq!(state.exit_code, 0);
    // Unless the container was quicker than the client.
    if start.elapsed() > Duration::from_secs(5) {
        assert!((25..40).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        stalled.closed();
    }
    assert!(text(&bench.log(), "stdout") == numbers(1_000_000), "log differs");
}

#[test]
fn a_client_that_leaves_holds_up_nobody() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("seq 1 1000000"));
    running.started();
    let mut slow = running.connect();
    slow.send(&Request::Attach { stdin: false, stdout: true, stderr: true });
    std::thread::sleep(Duration::from_millis(200));
    drop(slow);
    assert_eq!(running.wire.exited().exit_code, 0);
    assert!(text(&bench.log(), "stdout") == numbers(1_000_000), "log differs");
}

#[test]
fn a_caller_that_leaves_does_not_end_the_container() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 0.3; seq 1 100000"));
    running.started();
    drop(running);
    bench.wait_until_gone();
    assert_eq!((bench.state().exit_code, bench.state().reason), (0, Reason::Exited));
    assert!(text(&bench.log(), "stdout") == numbers(100_000), "log differs");
}

#[test]
fn who_follows_is_told_of_each_growth_and_never_holds_up() {
    let bench = Bench::new();
    let mut running = bench.start(
        &bench.script("while [ ! -e /tmp/go ]; do sleep 0.01; done; seq 1 300000; echo last"),
    );
    running.started();
    let (mut follower, mut sleeper) = (running.connect(), running.connect());
    assert!(matches!(follower.ask(Request::Follow), Event::Done));
    // This one never reads before the end.
    sleeper.send(&Request::Follow);
    std::fs::write(bench.path.join("rootfs/tmp/go"), "").unwrap();
    let (mut notices, mut seen) = (0, 0);
    let state = loop {
        match follower.receive() {
            Frame::Event(Event::Logged) => {
                notices += 1;
                seen = bench.log().len();
            }
            Frame::Event(Event::Exited { state, .. }) => break state,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(state.exit_code, 0);
    assert!(notices > 0);
    assert_eq!(seen, bench.log().len(), "the last growth was not told");
    running.wire.exited();
    let mut last = None;
    while let Frame::Event(event) = sleeper.receive() {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Exited { .. })), "{last:?}");
}

#[test]
fn a_log_is_rotated_and_no_log_is_none() {
    let bench = Bench::new();
    let mut launch = bench.script("seq 1 100000");
    launch.log = LogConfig { driver: LogDriver::JsonFile, max_size: 100_000, max_file: 3 };
    let (stdout, _, _) = bench.run(launch);
    let mut kept = Vec::new();
    for name in ["container.log.2", "container.log.1", "container.log"] {
        let file = std::fs::read(bench.container().join(name)).unwrap();
        assert!(file.len() <= 100_000);
        kept.extend(text(&file, "stdout"));
    }
    assert!(!bench.container().join("container.log.3").exists());
    assert!(kept.len() > 10_000 && stdout.ends_with(&kept));

    let bench = Bench::new();
    let mut launch = bench.script("seq 1 1000");
    launch.log.driver = LogDriver::None;
    assert_eq!(bench.run(launch).0, numbers(1000));
    assert!(!bench.container().join("container.log").exists());
}

#[test]
fn a_full_disk_does_not_hold_up_the_container_and_its_end_is_kept() {
    let bench = Bench::new();
    let disk = bench.container();
    let mount = ["-t", "tmpfs", "-o", "size=128k", "barque-test"];
    assert!(std::process::Command::new("mount").args(mount).arg(&disk).status().unwrap().success());
    let (stdout, _, state) = bench.run(bench.script("seq 1 100000; exit 7"));
    let (on_disk, log) = (bench.state(), bench.log());
    assert!(std::process::Command::new("umount").arg("-l").arg(&disk).status().unwrap().success());
    assert_eq!(stdout, numbers(100_000));
    assert_eq!((state.exit_code, state.reason), (7, Reason::Exited));
    assert!(state.error.contains("log: no space left on device"), "{}", state.error);
    assert_eq!(on_disk, state);
    let kept = text(&log, "stdout");
    assert!(!kept.is_empty() && stdout.starts_with(&kept));
}

#[test]
fn what_is_still_in_the_pipe_at_the_end_is_not_lost() {
    let bench = Bench::new();
    // Its pipe holds this much, so it is gone before anybody has read it.
    let (stdout, _, _) = bench.run(bench.script("seq 1 10000"));
    assert_eq!(stdout, numbers(10_000));
    for _ in 0..20 {
        let bench = Bench::new();
        let (stdout, stderr, _) = bench.run(bench.script("echo out; echo err >&2; exit 3"));
        assert_eq!((&stdout[..], &stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    }
}

#[test]
fn a_process_that_took_the_pipe_elsewhere_does_not_hold_us_for_ever() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    let pid = running.started();
    // Somebody outside has the container's standard output open.
    let kept = std::fs::File::options().write(true).open(format!("/proc/{pid}/fd/1")).unwrap();
    let mut control = running.connect();
    assert!(matches!(control.ask(Request::Kill { signal: 9 }), Event::Done));
    assert_eq!(running.wire.exited().reason, Reason::Killed);
    running.wire.closed();
    drop(kept);
}
