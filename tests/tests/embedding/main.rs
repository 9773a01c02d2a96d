//! The library is a guest: a C program in every odd state a host may be in runs containers and is afterwards what it was
//! (`tests/embedding/host.c` takes the pictures). Seen from outside too: nothing printed, no process left, no fork without an
//! exec, and the engine whole.

mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, faces, invariants, programs};

const MODES: &[&str] = &[
    "plain",
    "sigchld-ignored",
    "sigchld-reaped",
    "sigpipe-default",
    "sigpipe-ignored",
    "signals-ignored",
    "inherited-descriptors",
    "umask-0777",
    "umask-0",
    "standard-descriptors-closed",
    "working-directory-deleted",
    "signals-blocked",
    "alarm-storm",
    "few-descriptors",
    "strange-environment",
    "standard-output-nonblocking",
    "fork-after-open",
];

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    for mode in MODES {
        suite.add(format!("a host is what it was: {mode}"), move || a_host_is_what_it_was(mode));
    }
    suite.add("no fork without an exec", no_fork_without_an_exec);
    suite.add("every descriptor is close-on-exec", every_descriptor_is_close_on_exec);
    suite.add("a host that dies leaves a tied container's end and nothing else", a_host_that_dies);
    suite.add("a host that gives its rights away is told what it lacks", rights_dropped);
    suite.add("a host of eight descriptors is told that they are too few", eight_descriptors);
    suite
        .add("a system call that the host may not make is an error or done without", refused_calls);
    suite.add("a panic stops at the boundary", a_panic_stops_at_the_boundary);
    suite.add("a second copy in the process is kept from an open engine", a_second_copy);
    memory::add(&mut suite);
    suite.run()
}

fn host() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let sources = [Path::new("tests/embedding/host.c")];
    PROGRAM.get_or_init(|| faces::compile_c("host", &sources, &[])).clone()
}

fn run(sandbox: &Sandbox, mut command: Command, mode: &str) -> (Finished, String) {
    let report = sandbox.work().join("report");
    command.arg(mode).arg(&report).arg(sandbox.root()).arg(sandbox.run());
    let done = finish(command, b"");
    (done, std::fs::read_to_string(&report).unwrap_or_default())
}

fn a_host_is_what_it_was(mode: &str) {
    let sandbox = Sandbox::with_testbox();
    let (done, report) = run(&sandbox, sandbox.command_of(&host(), &[""; 0]), mode);
    // A host without them gets /dev/null for the standard descriptors, once, so that no file of the engine's becomes its
    // standard output; anything else is a leak.
    let allowed = match mode {
        "standard-descriptors-closed" => {
            "1 descriptors became 4\n  new: 0 /dev/null\n  new: 1 /dev/null\n  new: 2 /dev/null\n"
        }
        _ => "",
    };
    assert!(report.is_empty() || report == allowed, "{mode}: {report}");
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""), "{mode}");
    sandbox.ok(&["ps"]);
    invariants::hold(&sandbox, mode);
}

/// Seen by strace: every child that the host makes (a thread is none) executes a program.
fn no_fork_without_an_exec() {
    let sandbox = Sandbox::with_testbox();
    let trace = sandbox.work().join("trace");
    let mut command = sandbox.command_of(
        &programs::tool("strace"),
        &["-f", "-qq", "-e", "trace=process", "-e", "signal=none", "-o"],
    );
    command.arg(&trace).arg(host());
    let (done, report) = run(&sandbox, command, "plain");
    assert_eq!((done.code, report.as_str()), (0, ""), "{}", done.stderr);
    let text = std::fs::read_to_string(&trace).expect("read the trace");
    let first = text.split_whitespace().next().expect("a pid");
    let Trace { made, executed } = Trace::read(&text);
    let mut threads = BTreeSet::from([first]);
    // A thread may have made something before its own maker is seen to return.
    while let Some(thread) = made
        .iter()
        .find(|made| made.thread && threads.contains(made.by) && !threads.contains(made.task))
    {
        threads.insert(thread.task);
    }
    let mut children =
        made.iter().filter(|made| !made.thread && threads.contains(made.by)).peekable();
    assert!(children.peek().is_some(), "the host made no child: {}", text.len());
    for child in children {
        assert!(executed.contains(child.task), "{} was forked and executed nothing", child.task);
    }
}

/// What strace(1) saw of processes.
#[derive(Default)]
struct Trace<'a> {
    made: Vec<Made<'a>>,
    executed: BTreeSet<&'a str>,
}

struct Made<'a> {
    by: &'a str,
    task: &'a str,
    thread: bool,
}

impl<'a> Trace<'a> {
    fn read(text: &'a str) -> Trace<'a> {
        let mut trace = Trace::default();
        // A call during which another process did something is told in two lines, and its flags stand on the first.
        let mut unfinished: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines() {
            let Some((pid, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            let begun = match call.starts_with("<... ") {
                true => unfinished.remove(pid).unwrap_or_default(),
                false => call,
            };
            if begun.starts_with("execve") {
                trace.executed.insert(pid);
            }
            if call.ends_with("<unfinished ...>") {
                unfinished.insert(pid, call);
                continue;
            }
            let makes = ["clone", "fork", "vfork"].iter().any(|name| begun.starts_with(name));
            let Some((_, task)) = call.rsplit_once("= ").filter(|_| makes) else { continue };
            let task = task.split_whitespace().next().unwrap_or_default();
            if task.parse::<u32>().is_ok() {
                trace.made.push(Made { by: pid, task, thread: begun.contains("CLONE_THREAD") });
            }
        }
        trace
    }
}

/// An engine and a stream are open in this process: what it would hand on to a child must not be theirs.
fn every_descriptor_is_close_on_exec() {
    let sandbox = Sandbox::with_testbox();
    let open = || -> BTreeSet<i32> {
        std::fs::read_dir("/proc/self/fd")
            .expect("list descriptors")
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
            .collect()
    };
    let before = open();
    let engine = sandbox.engine();
    let request = barque::api::ContainerRun {
        create: barque::api::ContainerCreate {
            image: "testbox".into(),
            cmd: Some(vec!["sleep".into(), "0.5".into()]),
            host_config: barque::api::HostConfig {
                network_mode: "none".into(),
                auto_remove: true,
                ..Default::default()
            },
            ..Default::default()
        },
        ..Default::default()
    };
    let mut stream = engine.containers().run(&request).expect("run");
    for fd in open().difference(&before) {
        // SAFETY: a query; a descriptor that was closed meanwhile answers -1.
        let flags = unsafe { libc::fcntl(*fd, libc::F_GETFD) };
        assert!(
            flags < 0 || flags & libc::FD_CLOEXEC != 0,
            "descriptor {fd} is inherited by children"
        );
    }
    stream.collect(1 << 20).expect("the run ends");
}

fn a_host_that_dies() {
    let sandbox = Sandbox::with_testbox();
    let mut face = faces::open("c", &sandbox);
    let request = |name: &str, tied: bool| {
        serde_json::json!({"Tied": tied, "Create": {"Name": name, "Image": "testbox", "Cmd": ["sleep", "forever"],
            "HostConfig": {"NetworkMode": "none"}}})
        .to_string()
    };
    face.begin("tied", "container.run", &request("tied", true)).expect("a tied run");
    face.begin("free", "container.run", &request("free", false)).expect("a free run");
    // The driver is told to close, which frees the streams: the tied one's container ends, the other goes on.
    drop(face);
    barque_tests::sandbox::wait_until(
        "the tied container ends",
        std::time::Duration::from_secs(30),
        || sandbox.inspect("tied")["State"]["Running"] == false,
    );
    assert_eq!(sandbox.inspect("tied")["State"]["ExitReason"], "owner-gone");
    assert_eq!(sandbox.inspect("free")["State"]["Running"], true);
    sandbox.ok(&["rm", "--force", "tied", "free"]);
    invariants::hold(&sandbox, "a host that went");
}

fn rights_dropped() {
    let sandbox = Sandbox::with_testbox();
    let (done, report) = run(&sandbox, sandbox.command_of(&host(), &[""; 0]), "rights-dropped");
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""), "{report}");
    // Permission denied, and whose permission it is.
    assert!(report.starts_with("-4 ") && report.contains("(barque needs root)"), "{report}");
    sandbox.ok(&["ps"]);
    invariants::hold(&sandbox, "a host without rights");
}

fn eight_descriptors() {
    let sandbox = Sandbox::with_testbox();
    let (done, report) = run(&sandbox, sandbox.command_of(&host(), &[""; 0]), "eight-descriptors");
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""), "{report}");
    assert!(done.code <= 1 && report.contains("too many open files"), "{} {report}", done.code);
    sandbox.ok(&["ps"]);
    invariants::hold(&sandbox, "eight descriptors");
}

/// A host in a sandbox of its own (an older Docker's, a browser's) is refused calls that its filter does not know.
fn refused_calls() {
    let refuse = faces::compile_c("refuse", &[Path::new("tests/embedding/refuse.c")], &[]);
    let sandbox = Sandbox::with_testbox();
    for call in [
        "openat2",
        "clone3",
        "pidfd_open",
        "close_range",
        "fsopen",
        "open_tree",
        "mount_setattr",
        "memfd_create",
    ] {
        for errno in ["EPERM", "ENOSYS"] {
            let mut command = sandbox.command_of(&refuse, &[call, errno]);
            command.arg(programs::barque());
            command.args(["run", "--rm", "--network", "none", "testbox", "exit", "7"]);
            let done = finish(command, b"");
            let words = if errno == "EPERM" { "not permitted" } else { "not implemented" };
            let told = done.code == 125 && done.stderr.contains(words);
            assert!(done.code == 7 || told, "{call} {errno}: {done:?}");
            assert!(!done.stderr.contains("panicked"), "{call} {errno}: {done:?}");
            sandbox.ok(&["ps"]);
            invariants::hold(&sandbox, call);
        }
    }
}

/// The library with failpoints is told to panic in the middle of a run.
fn a_panic_stops_at_the_boundary() {
    let library = programs::need(
        "the C library with failpoints",
        programs::build_directory().join("failpoints/libbarque.so"),
    );
    let sandbox = Sandbox::with_testbox();
    for place in ["create-checked", "start-locked"] {
        let mut command = sandbox.command_of(&host(), &[""; 0]);
        command
            .env("LD_LIBRARY_PATH", library.parent().expect("a directory"))
            .env("BARQUE_FAILPOINTS", format!("{place}=panic"));
        let (done, report) = run(&sandbox, command, "plain");
        assert_eq!(done.code, 0, "{place}: {done:?}");
        assert!(report.contains("run: ") && report.contains("panic"), "{place}: {report}");
        assert!(!report.contains("descriptors became"), "{place}: {report}");
    }
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "a panic");
}

/// A Python program that has the wheel and, by `ctypes`, the C library: two copies of SQLite, whose locks would undo each
/// other's (`core/src/store/copies.rs`).
fn a_second_copy() {
    const PROGRAM: &str = r#"
import ctypes, os, sys, barque
c = ctypes.CDLL(sys.argv[1])
c.barque_error_message.restype = ctypes.c_char_p
def open_in_c():
    engine, error = ctypes.c_void_p(), ctypes.c_void_p()
    if c.barque_engine_open(os.fsencode(sys.argv[2]), os.fsencode(sys.argv[3]), ctypes.byref(engine), ctypes.byref(error)):
        return c.barque_error_message(error).decode()
    c.barque_engine_free(engine)
with barque.from_env() as client:
    print(open_in_c())
    print(len(client.containers.list()))
print(open_in_c())
"#;
    let sandbox = Sandbox::with_testbox();
    let library = programs::shared_library();
    let mut command = sandbox.command_of(&programs::python(), &["-c", PROGRAM]);
    command.arg(&library).arg(sandbox.root()).arg(sandbox.run());
    let done = finish(command, b"");
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{done:?}");
    assert!(lines[0].contains("by another copy of barque"), "{done:?}");
    assert_eq!(&lines[1..], ["0", "None"], "{done:?}");
}
