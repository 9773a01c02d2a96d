//! The command on a terminal: raw mode, keys, sizes, and what a hostile name does.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod engine;

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use engine::{Engine, wait_for};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

/// A terminal, from the side of whoever sits at it.
struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    seen: String,
}

impl Terminal {
    fn new() -> Terminal {
        let size = Winsize { ws_row: 33, ws_col: 111, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        Terminal { master, slave, seen: String::new() }
    }

    fn start(&self, engine: &Engine, words: &str) -> Child {
        let end = || Stdio::from(self.slave.try_clone().unwrap());
        engine.command(words).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap()
    }

    fn enter(&self, keys: &[u8]) {
        nix::unistd::write(&self.master, keys).unwrap();
    }

    /// Read what comes, and wait so many milliseconds for it.
    fn look(&mut self, patience: u16) {
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(patience)).unwrap() > 0 {
            let mut bytes = [0; 4096];
            let length = nix::unistd::read(&self.master, &mut bytes).unwrap();
            self.seen += &String::from_utf8_lossy(&bytes[..length]);
        }
    }

    /// Read until something is to be seen.
    fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(text) {
            assert!(Instant::now() < deadline, "{text:?} is not in {:?}", self.seen);
            self.look(100);
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ICANON)
    }
}

#[test]
fn keys_reach_the_container_and_the_terminal_is_given_back() {
    let engine = Engine::new("tty");
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&engine, "run -it --rm --name talk hello cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"ahoy\r");
    // Once echoed by the container's terminal, once written by cat.
    terminal.expect("ahoy\r\nahoy\r\n");
    terminal.enter(b"\x04");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!terminal.is_raw());
}

#[test]
fn the_detach_keys_leave_the_container_running() {
    let engine = Engine::new("detach");
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&engine, "run -it --name kept hello cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"\x10\x11");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    terminal.expect("read escape sequence");
    assert!(!terminal.is_raw());
    engine.running("kept");

    let mut child = terminal.start(&engine, "attach --detach-keys ctrl-x kept");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"back\r");
    terminal.expect("back\r\nback\r\n");
    terminal.enter(b"\x18");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    engine.running("kept");
}

#[test]
fn a_created_terminal_is_started_attached_and_shared_by_several() {
    let engine = Engine::new("several");
    assert_eq!(engine.run("create -it --name c hello cat").code, Some(0));
    let (mut one, mut two) = (Terminal::new(), Terminal::new());
    let mut first = one.start(&engine, "start -ai c");
    wait_for("raw mode", || one.is_raw().then_some(()));
    one.enter(b"one\r");
    one.expect("one\r\none\r\n");
    let mut second = two.start(&engine, "attach c");
    wait_for("raw mode", || two.is_raw().then_some(()));
    // What one types both see; who has just come may need a moment until it is attached.
    wait_for("the other one to see it", || {
        one.enter(b"both\r");
        two.look(200);
        two.seen.contains("both\r\nboth\r\n").then_some(())
    });
    one.expect("both\r\nboth\r\n");
    // The one leaves, the other ends it.
    one.enter(b"\x10\x11");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    two.enter(b"last\r");
    two.expect("last\r\nlast\r\n");
    two.enter(b"\x04");
    assert_eq!(second.wait().unwrap().code(), Some(0));
    assert!(!one.is_raw() && !two.is_raw());
}

#[test]
fn an_exec_has_a_terminal_of_its_own() {
    let engine = Engine::new("exec");
    assert_eq!(engine.run("run -d --name c hello sleep 1000").code, Some(0));
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&engine, "exec -it c cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"ahoy\r");
    terminal.expect("ahoy\r\nahoy\r\n");
    terminal.enter(b"\x04");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!terminal.is_raw());
    // Left, it goes on; its container does in any case.
    let mut child = terminal.start(&engine, "exec -it c cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"\x10\x11");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    engine.running("c");
    let refused = engine.run("exec -it c cat");
    assert_eq!(
        (refused.code, refused.err.as_str()),
        (Some(1), "barque: the input device is not a TTY\n")
    );
}

#[test]
fn the_first_byte_of_an_attached_start_is_never_lost() {
    let engine = Engine::new("first");
    for n in 0..20 {
        assert_eq!(engine.run(&format!("create --name c{n} hello echo first")).code, Some(0));
        let done = engine.run(&format!("start -a c{n}"));
        assert_eq!((done.code, done.out.as_str()), (Some(0), "first\n"));
    }
}

#[test]
fn a_signal_that_ends_the_command_leaves_a_usable_terminal() {
    let engine = Engine::new("ended");
    let terminal = Terminal::new();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let words = format!("run -it --rm --sig-proxy=false --name s{code} hello cat");
        let mut child = terminal.start(&engine, &words);
        wait_for("raw mode", || terminal.is_raw().then_some(()));
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(!terminal.is_raw(), "{signal} left the terminal raw");
        assert_eq!(engine.run(&format!("rm -f s{code}")).code, Some(0));
    }
}

#[test]
fn a_stop_gives_the_terminal_back_until_it_is_continued() {
    let engine = Engine::new("stop");
    let terminal = Terminal::new();
    let mut child = terminal.start(&engine, "run -it --rm hello cat");
    let pid = Pid::from_raw(child.id() as i32);
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    kill(pid, Signal::SIGTSTP).unwrap();
    wait_for("the terminal", || (!terminal.is_raw()).then_some(()));
    kill(pid, Signal::SIGCONT).unwrap();
    wait_for("raw mode again", || terminal.is_raw().then_some(()));
    terminal.enter(b"\x04");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!terminal.is_raw());
}

#[test]
fn a_command_with_escapes_in_it_is_shown_and_not_obeyed() {
    let engine = Engine::new("escapes");
    let created = engine.command("create --name evil hello echo").arg("\u{1b}]0;x\u{7}").output();
    assert!(created.unwrap().status.success());
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&engine, "ps -a --no-trunc");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    terminal.expect("evil");
    assert!(
        !terminal.seen.contains('\u{1b}') && terminal.seen.contains("\\x1b]0;x\\x07"),
        "{:?}",
        terminal.seen
    );
    // A pipe gets what there is.
    assert!(engine.run("ps -a --no-trunc").out.contains("\u{1b}]0;x\u{7}"));
}

#[test]
fn a_password_that_is_not_finished_leaves_a_terminal_that_echoes() {
    let engine = Engine::new("password");
    let echoes = |terminal: &Terminal| {
        tcgetattr(&terminal.slave).unwrap().local_flags.contains(LocalFlags::ECHO)
    };
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let mut terminal = Terminal::new();
        let mut child = terminal.start(&engine, "login --username me 127.0.0.1:1");
        terminal.expect("Password: ");
        wait_for("silence", || (!echoes(&terminal)).then_some(()));
        let pid = Pid::from_raw(child.id() as i32);
        kill(pid, Signal::SIGTSTP).unwrap();
        wait_for("an echo while it is stopped", || echoes(&terminal).then_some(()));
        kill(pid, Signal::SIGCONT).unwrap();
        wait_for("silence again", || (!echoes(&terminal)).then_some(()));
        kill(pid, signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(echoes(&terminal), "{signal} left the terminal without an echo");
    }
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&engine, "login --username me 127.0.0.1:1");
    terminal.expect("Password: ");
    terminal.enter(b"canary\r");
    // Nobody listens there.
    terminal.expect("connection refused");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(echoes(&terminal) && !terminal.seen.contains("canary"), "{:?}", terminal.seen);
}

#[test]
fn a_terminal_without_a_size_or_with_ever_another_is_no_trouble() {
    let engine = Engine::new("sizes");
    let mut terminal = Terminal::new();
    let size = |rows, columns| rustix::termios::Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&terminal.master, size(0, 0)).unwrap();
    let mut child = terminal.start(&engine, "run -it --rm --network none hello cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    for n in 0..2_000u16 {
        rustix::termios::tcsetwinsize(&terminal.master, size(n % 60, n % 200)).unwrap();
        kill(Pid::from_raw(child.id() as i32), Signal::SIGWINCH).unwrap();
    }
    terminal.enter(b"ahoy\r");
    terminal.expect("ahoy\r\nahoy\r\n");
    terminal.enter(b"\x04");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!terminal.is_raw());
    // An end at once, and tables on no columns.
    for words in ["ps -a", "images", "run --rm --network none hello true"] {
        rustix::termios::tcsetwinsize(&terminal.master, size(0, 0)).unwrap();
        assert_eq!(terminal.start(&engine, words).wait().unwrap().code(), Some(0), "{words}");
    }
}

#[test]
fn the_death_of_the_monitor_gives_the_terminal_back() {
    let engine = Engine::new("monitor");
    let terminal = Terminal::new();
    let mut child = terminal.start(&engine, "run -it --name orphan --network none hello cat");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    let id = engine.running("orphan");
    let pid = engine.run("inspect --format {{.State.Pid}} orphan").out.trim().to_owned();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    assert_eq!(id.len(), 64);
    kill(Pid::from_raw(parent.parse().unwrap()), Signal::SIGKILL).unwrap();
    assert_ne!(
        child.wait().unwrap().code(),
        Some(0),
        "an end that nobody saw was told as a good one"
    );
    assert!(!terminal.is_raw());
}

#[test]
fn in_the_background_it_stops_when_it_needs_the_terminal_and_goes_on_in_the_foreground() {
    let engine = Engine::new("jobs");
    let mut terminal = Terminal::new();
    let like = engine.command("");
    let end = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut command = std::process::Command::new("setsid");
    // A shell that has the terminal, and reads whole lines.
    command.args(["--ctty", "bash", "--norc", "--noprofile", "--noediting", "-i"]);
    command.stdin(end()).stdout(end()).stderr(end()).env("PS1", "").env("B", like.get_program());
    for (name, value) in like.get_envs() {
        command.env(name, value.unwrap());
    }
    let mut shell = command.spawn().unwrap();
    let say = |terminal: &mut Terminal, line: &str| {
        terminal.seen.clear();
        terminal.enter(format!("{line}\n").as_bytes());
    };
    let become_stopped = |terminal: &mut Terminal| {
        wait_for("it to be stopped", || {
            say(terminal, "jobs; echo lis'ted'");
            terminal.expect("listed");
            terminal.seen.contains("Stopped").then_some(())
        });
    };

    // Without input it needs no terminal, and is not stopped.
    let quiet = "$B run --rm --network none hello";
    say(&mut terminal, &format!("{quiet} sleep 1 & wait $!; echo quiet=$?"));
    terminal.expect("quiet=0");
    say(&mut terminal, &format!("{quiet} echo writes & wait $!; echo wrote=$?"));
    terminal.expect("wrote=0");
    assert!(terminal.seen.contains("writes\r\n"), "{:?}", terminal.seen);

    // With input it is stopped by SIGTTIN once there is some, whoever that was meant for; its container goes on.
    say(&mut terminal, "$B run -i --rm --name reader --network none hello cat &");
    engine.running("reader");
    become_stopped(&mut terminal);
    engine.running("reader");
    say(&mut terminal, "fg");
    terminal.expect("run -i");
    say(&mut terminal, "ahoy");
    terminal.expect("ahoy\r\nahoy\r\n");
    terminal.enter(b"\x04");
    say(&mut terminal, "echo read=$?");
    terminal.expect("read=0");

    // A terminal that is to be made raw stops it at once (SIGTTOU).
    say(&mut terminal, "$B run -it --rm --name typist --network none hello cat &");
    engine.running("typist");
    become_stopped(&mut terminal);
    assert!(!terminal.is_raw(), "the shell's terminal was made raw");
    say(&mut terminal, "fg");
    wait_for("raw mode", || terminal.is_raw().then_some(()));
    terminal.enter(b"ahoy\r");
    terminal.expect("ahoy\r\nahoy\r\n");
    terminal.enter(b"\x04");
    wait_for("the terminal", || (!terminal.is_raw()).then_some(()));
    say(&mut terminal, "echo typed=$?");
    terminal.expect("typed=0");

    say(&mut terminal, "exit 0");
    assert_eq!(shell.wait().unwrap().code(), Some(0));
    assert_eq!(engine.run("ps -aq").out, "");
}
