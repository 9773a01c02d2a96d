//! Ends: by itself, by a signal, by a stop, for lack of memory, with its owner; and what is true on disk when.

use barque_monitor::protocol::{
    self, Channel, Event, FailureClass, Launch, Request, Restart, Stdin,
};
use barque_monitor::state::{Reason, Status};
use serde_json::json;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Running, is_alive, set, wait_until};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

#[test]
fn an_exit_code_is_reported_and_on_disk_before_it_is_told() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("exit 37"));
    let pid = running.started();
    let state = running.wire.exited();
    assert_eq!(bench.state(), state);
    assert_eq!((state.status, state.exit_code, state.reason), (Status::Exited, 37, Reason::Exited));
    assert_eq!((state.pid, state.boot_id.as_str()), (0, "boot"));
    assert!(state.started_at > 0 && state.finished_at >= state.started_at && pid > 0);
    running.wire.closed();
    // Whoever waits for that finds nothing left.
    assert!(!bench.is_locked());
    bench.assert_gone();
}

#[test]
fn a_container_dies_with_its_owner_however_that_dies_and_is_not_restarted() {
    let bench = Bench::new();
    let mut owner = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    let launch = Launch {
        owner: Some(owner.id().cast_signed()),
        restart: Restart::Always,
        ..bench.launch(&["/bin/sleep", "1000"])
    };
    let mut running = bench.start(&launch);
    let pid = running.started();
    std::thread::sleep(Duration::from_millis(100));
    assert!(is_alive(pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let state = running.wire.exited();
    assert_eq!((state.status, state.exit_code), (Status::Exited, 137));
    assert_eq!((state.reason, state.restart_count), (Reason::OwnerGone, 0));
    running.wire.closed();
    assert!(!is_alive(pid));
    bench.assert_gone();
}

#[test]
fn an_owner_that_is_dead_already_ends_it_at_once() {
    let bench = Bench::new();
    let mut owner = std::process::Command::new("/bin/true").spawn().unwrap();
    let pid = owner.id().cast_signed();
    owner.wait().unwrap();
    let launch = Launch { owner: Some(pid), ..bench.launch(&["/bin/sleep", "1000"]) };
    let mut running = bench.start(&launch);
    running.started();
    assert_eq!(running.wire.exited().reason, Reason::OwnerGone);
    running.wire.closed();
    bench.assert_gone();
}

#[test]
fn a_policy_runs_it_again_and_the_state_says_what_it_waits_for() {
    let bench = Bench::new();
    let launch = Launch { restart: Restart::OnFailure { most: 2 }, ..bench.script("exit 9") };
    let mut running = bench.start(&launch);
    running.started();
    let mut told = Vec::new();
    loop {
        let Event::Exited { state, again } = running.wire.event() else { panic!() };
        assert_eq!(state.exit_code, 9);
        told.push((again, state.status));
        if !again {
            break;
        }
    }
    let waits = (true, Status::Restarting);
    assert_eq!(told, [waits, waits, (false, Status::Exited)]);
    running.wire.closed();
    assert_eq!(bench.state().restart_count, 2);
    bench.assert_gone();
}

#[test]
fn a_stop_ends_the_wait_for_the_next_run() {
    let bench = Bench::new();
    let launch = Launch { restart: Restart::Always, ..bench.script("exit 9") };
    let mut running = bench.start(&launch);
    running.started();
    // The third pause is long enough to be met.
    wait_until("it waits", || {
        let state = bench.state();
        state.status == Status::Restarting && state.restart_count >= 2
    });
    let stop = Request::Stop { signal: SIGTERM, timeout_ms: Some(0) };
    let Event::Exited { state, again } = running.connect().ask(stop) else { panic!() };
    assert_eq!((state.status, state.exit_code, again), (Status::Exited, 9, false));
    bench.wait_until_gone();
}

#[test]
fn a_paused_container_holds_still_and_dies_all_the_same() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("while :; do echo x >>/tmp/beat; done"));
    running.started();
    let beat = bench.path.join("rootfs/tmp/beat");
    let length = || std::fs::metadata(&beat).map_or(0, |found| found.len());
    wait_until("it beats", || length() > 0);
    assert!(matches!(running.connect().ask(Request::Pause), Event::Done));
    assert!(bench.state().paused);
    let before = length();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(length(), before);
    assert!(matches!(running.connect().ask(Request::Unpause), Event::Done));
    wait_until("it beats again", || length() > before);
    assert!(matches!(running.connect().ask(Request::Pause), Event::Done));
    assert!(matches!(running.connect().ask(Request::Kill { signal: SIGKILL }), Event::Done));
    let state = running.wire.exited();
    assert_eq!((state.exit_code, state.paused), (137, false));
    running.wire.closed();
    bench.assert_gone();
}

#[test]
fn while_it_runs_the_state_says_so() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.launch(&["/bin/sleep", "1000"]));
    let pid = running.started();
    let state = bench.state();
    assert_eq!((state.status, state.pid, state.reason), (Status::Running, pid, Reason::None));
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(stat.split(' ').nth(21).unwrap(), state.pid_start_time.to_string());
    let name = std::fs::read_to_string(format!("/proc/{}/comm", state.monitor_pid)).unwrap();
    assert_eq!(name, "barque-monitor\n");
    assert!(bench.is_locked());
    assert!(matches!(running.connect().ask(Request::Kill { signal: SIGKILL }), Event::Done));
    assert_eq!(running.wire.exited().exit_code, 137);
}

#[test]
fn a_container_waits_for_its_start() {
    let bench = Bench::new();
    let mut running =
        bench.start(&Launch { auto_start: false, ..bench.script("echo ran >/tmp/ran") });
    let Event::Created { pid } = running.wire.event() else { panic!() };
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_alive(pid) && !bench.path.join("rootfs/tmp/ran").exists());
    assert!(!bench.has_state());
    running.wire.send(&Request::Start);
    assert_eq!(running.started(), pid);
    assert_eq!(running.wire.exited().exit_code, 0);
    assert!(bench.path.join("rootfs/tmp/ran").exists());
}

#[test]
fn a_caller_that_goes_before_the_start_leaves_nothing() {
    let bench = Bench::new();
    let mut running =
        bench.start(&Launch { auto_start: false, ..bench.script("echo ran >/tmp/ran") });
    let Event::Created { pid } = running.wire.event() else { panic!() };
    drop(running);
    bench.wait_until_gone();
    assert!(!is_alive(pid) && !bench.has_state());
    assert!(!bench.path.join("rootfs/tmp/ran").exists());
}

#[test]
fn a_command_that_does_not_exist_is_a_failure_with_nothing_left() {
    let bench = Bench::new();
    for (command, class, code) in [
        ("/bin/nonesuch", FailureClass::CommandNotFound, 127),
        ("/proc", FailureClass::CommandNotExecutable, 126),
    ] {
        let mut running = bench.start(&bench.launch(&[command]));
        let Event::Failed { failure } = running.wire.event() else { panic!() };
        assert_eq!(failure.class, class, "{}", failure.message);
        assert!(failure.message.contains(command), "{}", failure.message);
        bench.assert_gone();
        let state = bench.state();
        assert_eq!((state.reason, state.exit_code), (Reason::StartFailed, code));
        assert_eq!(state.error, failure.message);
        running.wire.closed();
    }
}

#[test]
fn a_launch_that_is_not_understood_is_a_failure() {
    let bench = Bench::new();
    let mut other = bench.script("true");
    other.version = 99;
    let mut wrong = serde_json::to_value(bench.script("true")).unwrap();
    wrong["spec"]["process"] = json!(5);
    for (launch, is_read) in [(serde_json::to_value(other).unwrap(), true), (wrong, false)] {
        let mut running = bench.start(&launch);
        assert!(matches!(running.wire.event(), Event::Failed { .. }));
        running.wire.closed();
        if !is_read {
            // Nobody knows then what it is called but who made it.
            std::fs::remove_dir(bench.run_dir()).unwrap();
        }
    }
}

#[test]
fn kill_sends_any_signal_and_is_a_reason_only_when_it_was_the_cause() {
    let bench = Bench::new();
    let script =
        "trap 'echo usr1' USR1; trap 'exit 143' TERM; echo ready; while :; do sleep 0.05; done";
    for (signals, code, reason) in
        [(&[10, SIGTERM][..], 143, Reason::Killed), (&[SIGKILL], 137, Reason::Killed)]
    {
        let mut running = bench.start(&bench.script(script));
        running.started();
        wait_until("it is ready", || bench.log().ends_with(b"ready\n"));
        for signal in signals {
            assert!(matches!(
                running.connect().ask(Request::Kill { signal: *signal }),
                Event::Done
            ));
            std::thread::sleep(Duration::from_millis(200));
        }
        let state = running.wire.exited();
        assert_eq!((state.exit_code, state.reason), (code, reason));
        running.wire.closed();
        assert_eq!(bench.log().windows(4).any(|w| w == b"usr1"), signals.len() > 1);
        std::fs::remove_file(bench.container().join("container.log")).unwrap();
    }
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    for signal in [0, -1, 65, 4096] {
        let answer = running.connect().ask(Request::Kill { signal });
        assert!(matches!(answer, Event::Refused { .. }), "{answer:?}");
    }
    running.connect().ask(Request::Kill { signal: SIGKILL });
    running.wire.exited();
}

#[test]
fn a_signal_from_elsewhere_is_not_a_kill() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    let pid = running.started();
    // SAFETY: a process of this test.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    let state = running.wire.exited();
    assert_eq!((state.exit_code, state.reason), (137, Reason::Signaled));
}

#[test]
fn stop_asks_first() {
    let bench = Bench::new();
    let mut running =
        bench.start(&bench.script("trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
    running.started();
    wait_until("it is ready", || bench.log().ends_with(b"ready\n"));
    let stop = Request::Stop { signal: SIGTERM, timeout_ms: Some(60_000) };
    let Event::Exited { state, .. } = running.connect().ask(stop) else { panic!() };
    assert_eq!((state.exit_code, state.reason), (5, Reason::Stopped));
}

#[test]
fn stop_kills_everything_after_the_timeout_even_when_the_asker_has_left() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("trap '' TERM; sleep 1000 & sleep 1000 & wait"));
    running.started();
    let start = Instant::now();
    let mut asker = running.connect();
    asker.send(&Request::Stop { signal: SIGTERM, timeout_ms: Some(300) });
    drop(asker);
    let state = running.wire.exited();
    assert_eq!((state.exit_code, state.reason), (137, Reason::StopTimeout));
    let took = start.elapsed();
    assert!((Duration::from_millis(300)..Duration::from_secs(2)).contains(&took), "{took:?}");
}

#[test]
fn lack_of_memory_is_told_apart() {
    let bench = Bench::new();
    let mut launch = bench.script("tail -c 100000000 /dev/zero");
    set(&mut launch, "/linux/resources", json!({"memory": {"limit": 16 << 20, "swap": 16 << 20}}));
    set(
        &mut launch,
        "/process/args",
        json!(["/bin/sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=200M"]),
    );
    let (_, _, state) = bench.run(launch.clone());
    assert_eq!((state.exit_code, state.reason, state.oom_killed), (137, Reason::OomKilled, true));

    // A child of it dies, and it goes on: killed is not what it was.
    set(
        &mut launch,
        "/process/args",
        json!(["/bin/sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M; sleep 2; exit 3"]),
    );
    let (_, _, state) = bench.run(launch);
    assert_eq!((state.exit_code, state.reason, state.oom_killed), (3, Reason::Exited, true));
}

#[test]
fn a_tied_container_ends_with_its_owner_and_only_then() {
    let bench = Bench::new();
    let mut running = bench.start(&Launch { tied: true, ..bench.script("sleep 1000") });
    let pid = running.started();
    std::thread::sleep(Duration::from_millis(100));
    assert!(is_alive(pid));
    drop(running);
    bench.wait_until_gone();
    assert_eq!((bench.state().exit_code, bench.state().reason), (137, Reason::OwnerGone));
}

#[test]
fn a_tied_container_ends_with_its_owner_also_when_it_leaves_input_unread() {
    let bench = Bench::new();
    let launch =
        Launch { tied: true, stdin: Stdin::Open, attach: true, ..bench.script("sleep 1000") };
    let mut running = bench.start(&launch);
    running.started();
    fill(&mut running);
    drop(running);
    bench.wait_until_gone();
    assert_eq!((bench.state().exit_code, bench.state().reason), (137, Reason::OwnerGone));
}

#[test]
fn input_of_a_client_that_is_gone_waits_for_the_container_and_costs_nothing_meanwhile() {
    let bench = Bench::new();
    let script = "sleep 2; cat | wc -c > /count; sleep 0.2; read x < /count; exit $((x > 100000))";
    let launch = Launch { stdin: Stdin::Once, attach: true, ..bench.script(script) };
    let mut running = bench.start(&launch);
    running.started();
    let monitor = running.monitor_pid();
    fill(&mut running);
    drop(running);
    std::thread::sleep(Duration::from_millis(300));
    let before = cpu_ticks(monitor);
    std::thread::sleep(Duration::from_secs(1));
    assert!(cpu_ticks(monitor) - before < 3, "the monitor spins");
    bench.wait_until_gone();
    assert_eq!((bench.state().exit_code, bench.state().reason), (1, Reason::Exited));
}

/// Send input until nothing takes more.
fn fill(running: &mut Running) {
    running.wire.0.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let frame = [&protocol::header(Channel::Stdin, 65536)[..], &[b'x'; 65536]].concat();
    while std::io::Write::write_all(&mut running.wire.0, &frame).is_ok() {}
}

/// Processor time of a process, in hundredths of a second.
fn cpu_ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_time_limit_ends_it() {
    let bench = Bench::new();
    let start = Instant::now();
    let (_, _, state) = bench.run(Launch { timeout_ms: 300, ..bench.script("sleep 1000 & wait") });
    assert_eq!((state.exit_code, state.reason), (137, Reason::Timeout));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_container_dies_with_its_monitor() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000 & sleep 1000"));
    let pid = running.started();
    // SAFETY: a process of this test.
    unsafe { libc::kill(running.monitor_pid(), libc::SIGKILL) };
    running.wire.closed();
    wait_until("it has died", || !is_alive(pid));
    // What is left says "running" under a lock that nobody holds, and can be found by the cgroup's name.
    assert!(!bench.is_locked());
    assert_eq!(bench.state().status, Status::Running);
    let left = barque_monitor::cgroup::Cgroup::open(&bench.cgroup).unwrap().unwrap();
    left.kill().unwrap();
    left.remove(Duration::from_secs(5)).unwrap();
    std::fs::remove_dir_all(bench.run_dir()).unwrap();
}

#[test]
fn a_monitor_that_is_asked_to_end_stops_its_container() {
    let bench = Bench::new();
    let mut running =
        bench.start(&bench.script("trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done"));
    running.started();
    wait_until("it is ready", || bench.log().ends_with(b"ready\n"));
    // SAFETY: a process of this test.
    unsafe { libc::kill(running.monitor_pid(), libc::SIGTERM) };
    let state = running.wire.exited();
    assert_eq!((state.exit_code, state.reason), (4, Reason::Stopped));
}

#[test]
fn with_the_hosts_pids_nothing_outlives_process_1() {
    let bench = Bench::new();
    let mut launch =
        bench.script("sleep 1000 & sleep 1000 & (sleep 1000 & exit 0); echo $!; exit 6");
    set(&mut launch, "/linux/namespaces", json!([{"type": "mount"}, {"type": "ipc"}]));
    let (stdout, _, state) = bench.run(launch);
    assert_eq!((state.exit_code, state.reason), (6, Reason::Exited));
    let child: i32 = String::from_utf8(stdout).unwrap().trim().parse().unwrap();
    assert!(!is_alive(child));
}

#[test]
fn an_auto_removed_container_leaves_nothing() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.container().join("upper/a/b/c")).unwrap();
    std::os::unix::fs::symlink(bench.path.join("rootfs"), bench.container().join("upper/link"))
        .unwrap();
    let mut running = bench.start(&Launch { auto_remove: true, ..bench.script("echo x; exit 2") });
    running.started();
    assert_eq!(running.wire.exited().exit_code, 2);
    running.wire.closed();
    assert!(!bench.container().exists());
    assert!(bench.path.join("rootfs/bin/sh").exists());
}
