//! Clients: standard input, terminals, many of them, and those that misbehave.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use barque_monitor::protocol::{Channel, Event, Launch, Request, Stdin};
use barque_monitor::state::Reason;
use serde_json::json;

use crate::bench::{Bench, Running, set, wait_until};
use crate::wire::{Frame, Wire};

const ATTACH: Request = Request::Attach { stdin: true, stdout: true, stderr: true };

fn end(running: &mut Running) {
    running.connect().ask(Request::Kill { signal: 9 });
    running.wire.exited();
    running.wire.closed();
}

fn with_terminal(launch: &mut Launch) {
    let options = ["newinstance", "ptmxmode=0666", "mode=0620"];
    let mounts = json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options},
    ]);
    set(launch, "/mounts", mounts);
    set(launch, "/process/terminal", json!(true));
}

#[test]
fn standard_input_reaches_the_container_to_its_end() {
    let bench = Bench::new();
    let mut running =
        bench.start(&Launch { stdin: Stdin::Open, attach: true, ..bench.launch(&["/bin/cat"]) });
    running.started();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| ((n * 31) >> 3) as u8).collect();
    let mut writer = Wire(running.wire.0.try_clone().unwrap());
    let pieces = sent.clone();
    let thread = std::thread::spawn(move || {
        for piece in pieces.chunks(100_001) {
            writer.send_frame(Channel::Stdin, piece);
        }
        writer.send_frame(Channel::Stdin, b"");
    });
    let (stdout, _, state) = running.wire.collect();
    thread.join().unwrap();
    assert_eq!(state.exit_code, 0);
    assert!(stdout == sent, "input and output differ");
}

#[test]
fn open_input_stays_open_when_clients_leave_and_once_does_not() {
    let bench = Bench::new();
    for (stdin, stays) in [(Stdin::Open, true), (Stdin::Once, false)] {
        let mut running = bench.start(&Launch { stdin, ..bench.script("cat; echo end") });
        running.started();
        let mut first = running.connect();
        assert!(matches!(first.ask(ATTACH), Event::Done));
        first.send_frame(Channel::Stdin, b"hello\n");
        assert!(matches!(first.receive(), Frame::Stdout(bytes) if bytes == b"hello\n"));
        drop(first);
        if stays {
            let mut second = running.connect();
            second.ask(ATTACH);
            second.send_frame(Channel::Stdin, b"again\n");
            assert!(matches!(second.receive(), Frame::Stdout(bytes) if bytes == b"again\n"));
            second.send_frame(Channel::Stdin, b"");
        }
        assert_eq!(running.wire.exited().exit_code, 0);
        running.wire.closed();
        assert!(bench.log().ends_with(b" stdout F end\n"));
    }
}

#[test]
fn input_is_not_for_clients_that_did_not_ask_nor_for_containers_that_take_none() {
    let bench = Bench::new();
    let mut running = bench.start(&Launch { stdin: Stdin::Open, ..bench.launch(&["/bin/cat"]) });
    running.started();
    let mut client = running.connect();
    client.ask(Request::Attach { stdin: false, stdout: true, stderr: true });
    client.send_frame(Channel::Stdin, b"unwanted\n");
    client.send_frame(Channel::Stdin, b"");
    let mut writer = running.connect();
    writer.ask(ATTACH);
    writer.send_frame(Channel::Stdin, b"wanted\n");
    assert!(matches!(client.receive(), Frame::Stdout(bytes) if bytes == b"wanted\n"));
    end(&mut running);

    let mut running = bench.start(&bench.script("cat; sleep 1000"));
    running.started();
    let mut writer = running.connect();
    writer.ask(ATTACH);
    writer.send_frame(Channel::Stdin, &vec![b'x'; 1 << 20]);
    drop(writer);
    end(&mut running);
}

#[test]
fn a_container_that_does_not_read_holds_up_only_input() {
    let bench = Bench::new();
    let mut running = bench.start(&Launch { stdin: Stdin::Open, ..bench.script("sleep 1000") });
    running.started();
    let mut writer = running.connect();
    writer.ask(ATTACH);
    writer.0.set_nonblocking(true).unwrap();
    let frame =
        [&barque_monitor::protocol::header(Channel::Stdin, 32 << 20)[..], &vec![0; 8 << 20]]
            .concat();
    let mut sent = 0;
    for _ in 0..50 {
        match writer.0.write(&frame[sent..]) {
            Ok(n) => sent += n,
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    assert!(sent < 2 << 20, "{sent} bytes were taken");
    // Others are served all the same.
    assert!(matches!(running.connect().ask(Request::Follow), Event::Done));
    end(&mut running);
}

#[test]
fn a_terminal_has_the_size_it_is_given_and_echoes() {
    let bench = Bench::new();
    let mut launch = bench.script("stty size; read line; stty size; echo got $line");
    with_terminal(&mut launch);
    set(&mut launch, "/process/consoleSize", json!({"height": 11, "width": 22}));
    let mut running = bench.start(&Launch { stdin: Stdin::Open, attach: true, ..launch });
    running.started();
    assert!(matches!(running.wire.receive(), Frame::Stdout(bytes) if bytes == b"11 22\r\n"));
    let resize = Request::Resize { rows: 40, columns: 120 };
    assert!(matches!(running.connect().ask(resize), Event::Done));
    running.wire.send_frame(Channel::Stdin, b"words\n");
    let (stdout, stderr, state) = running.wire.collect();
    let text = String::from_utf8(stdout).unwrap();
    assert_eq!(text, "words\r\n40 120\r\ngot words\r\n");
    assert!(stderr.is_empty());
    assert_eq!(state.exit_code, 0);
}

#[test]
fn the_last_output_of_a_terminal_is_not_lost() {
    for _ in 0..20 {
        let bench = Bench::new();
        let mut launch = bench.script("seq 1 2000");
        with_terminal(&mut launch);
        let (stdout, _, _) = bench.run(launch);
        assert!(stdout.ends_with(b"1999\r\n2000\r\n"), "{} bytes", stdout.len());
    }
}

#[test]
fn a_terminal_can_be_closed_and_opened_again() {
    let bench = Bench::new();
    let mut launch =
        bench.script("exec </dev/null >/dev/null 2>&1; sleep 0.3; exec >/dev/tty; echo again");
    with_terminal(&mut launch);
    let (stdout, _, state) = bench.run(launch);
    assert_eq!((&stdout[..], state.exit_code), (&b"again\r\n"[..], 0));
}

#[test]
fn resizing_without_a_terminal_is_refused() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    let answer = running.connect().ask(Request::Resize { rows: 1, columns: 1 });
    assert!(matches!(answer, Event::Refused { .. }), "{answer:?}");
    end(&mut running);
}

#[test]
fn the_control_socket_is_a_private_path() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    let mode =
        std::fs::metadata(bench.run_dir().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!sockets.lines().any(|l| l.contains('@') && l.contains("barque")));
    end(&mut running);
}

#[test]
fn a_stranger_is_not_served() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    // Even one who gets past the modes of the path.
    let socket = bench.run_dir().join("control.sock");
    for path in socket.ancestors().take(4) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    // SAFETY: the child calls nothing but system calls before it ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above.
        unsafe { libc::setresuid(1001, 1001, 1001) };
        let mut wire = Wire(std::os::unix::net::UnixStream::connect(&socket).unwrap());
        let request = br#"{"op":"kill","signal":9}"#;
        let frame = [
            &barque_monitor::protocol::header(Channel::Message, request.len() as u32)[..],
            request,
        ]
        .concat();
        let _ = wire.0.write_all(&frame);
        let served = !matches!(wire.receive(), Frame::End);
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(served)) };
    }
    let mut status = 0;
    // SAFETY: our own child.
    unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(status, 0, "a stranger was answered");
    end(&mut running);
}

#[test]
fn nonsense_ends_that_connection_and_no_other() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[4, 0, 0, 0, 255, 255, 255, 255], &[9; 64]] {
        let mut wire = running.connect();
        wire.0.write_all(bytes).unwrap();
        wire.closed();
    }
    let mut wire = running.connect();
    wire.send(&json!({"op": "dance"}));
    assert!(matches!(wire.event(), Event::Refused { .. }));
    assert!(matches!(wire.ask(Request::Follow), Event::Done));
    end(&mut running);
}

#[test]
fn one_client_too_many_is_told_so() {
    let bench = Bench::new();
    let mut running = bench.start(&bench.script("sleep 1000"));
    running.started();
    let mut wires: Vec<Wire> = Vec::new();
    let refusal = loop {
        let mut wire = running.connect();
        match wire.ask_for_a_place() {
            Event::Done => wires.push(wire),
            Event::Refused { failure } => break failure,
            other => panic!("{other:?}"),
        }
    };
    assert!(refusal.message.contains("1024 clients"), "{}", refusal.message);
    // The launch socket is one of them.
    assert_eq!(wires.len(), 1023);
    drop(wires.pop());
    wait_until("there is a place again", || {
        matches!(running.connect().ask_for_a_place(), Event::Done)
    });
    drop(wires);
    end(&mut running);
}

#[test]
fn ten_thousand_visits_leave_nothing_behind() {
    let bench = Bench::new();
    let mut launch = bench.script("sleep 1000");
    with_terminal(&mut launch);
    let mut running = bench.start(&launch);
    running.started();
    let monitor = running.monitor_pid();
    let measure = || {
        let fds = std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap().count();
        let threads = std::fs::read_dir(format!("/proc/{monitor}/task")).unwrap().count();
        (fds, threads, crate::figures::memory(monitor).dirty)
    };
    let visit = |n: u16| {
        let mut wire = running.connect();
        wire.send(&ATTACH);
        assert!(matches!(wire.event(), Event::Done));
        assert!(matches!(wire.ask(Request::Resize { rows: n, columns: n }), Event::Done));
    };
    (0..500).for_each(visit);
    // A directory that is read while its entries go may show fewer than there are.
    let settled = || {
        std::thread::sleep(Duration::from_millis(100));
        measure()
    };
    wait_until("all have left", || settled().0 < 40);
    let before = settled();
    (0..10_000).for_each(visit);
    wait_until("all have left", || settled().0 <= before.0);
    let after = settled();
    eprintln!("after 500 visits {before:?}, after 10500 {after:?} (descriptors, threads, KiB)");
    assert_eq!((before.0, before.1), (after.0, after.1));
    assert!(after.2 <= before.2 + 16, "{before:?} {after:?}");
    running.connect().ask(Request::Kill { signal: 9 });
    assert_eq!(running.wire.exited().reason, Reason::Killed);
}
