//! What a further process (exec) gives to a container that attacks it, and what it can reach itself (SEC-001, -002, -003, -015,
//! -017, -020, -024, -029, -030).

use std::path::Path;
use std::time::Duration;

use barque_tests::sandbox::{Finished, finish, wait_until};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants, programs};
use serde_json::{Value, json};

use super::hostile_configurations::{inside, sums};
use super::victim::{Victim, is_clean};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-001 three hundred execs give no program of the host away", no_program_is_given);
    suite.add("SEC-001 an exec of /proc/self/exe is the container's", self_exe_is_the_containers);
    suite.add("SEC-002 nothing of the host is seen in a process that enters", nothing_comes_along);
    suite.add("SEC-003 an exec's working directory in /proc leads nowhere", workdir_in_proc);
    suite.add("SEC-003 descriptors of exec's caller do not reach it", callers_descriptors);
    suite.add("SEC-015 inheritable and ambient sets of an exec are empty", inheritable_sets);
    suite.add("SEC-017 an exec's user is who it says, or an error", users);
    suite.add("SEC-020 an exec has the groups of the container", groups);
    suite.add("SEC-024 an exec that writes without end fills no memory", endless_output);
    suite.add("SEC-029 an exec has the container's filter, paths and cgroup", confined_alike);
    suite.add("SEC-029 a profile outlives the file that it was read from", profile_is_kept);
}

/// A container that runs `command` until it is told otherwise.
fn host(sandbox: &Sandbox, options: &[&str], command: &[&str]) {
    let mut words = vec!["run", "--detach", "--name", "host", "--network", "none"];
    words.extend(options);
    words.push("testbox");
    words.extend(command);
    sandbox.ok(&words);
}

fn exec(sandbox: &Sandbox, options: &[&str], command: &[&str]) -> Finished {
    let mut words = vec!["exec"];
    words.extend(options);
    words.extend(["host", "/testbox"]);
    words.extend(command);
    sandbox.barque(&words)
}

/// What a process of the container sees.
#[track_caller]
fn report(sandbox: &Sandbox, options: &[&str], command: &[&str]) -> Value {
    let done = exec(sandbox, options, command);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"))
}

fn end(sandbox: &Sandbox, what: &str) {
    sandbox.ok(&["rm", "--force", "host"]);
    invariants::hold(sandbox, what);
}

/// Process 1 goes through `/proc/*` all the time while others enter. What it got is in its log.
fn attacked_by(command: &[&str], options: &[&str], count: usize) -> Value {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, options, command);
    for _ in 0..count {
        let done = exec(&sandbox, &[], &["exit", "0"]);
        assert_eq!(done.code, 0, "{done:?}");
    }
    exec(&sandbox, &[], &["write", "/stop", "x"]);
    sandbox.ok(&["wait", "host"]);
    let log = sandbox.ok(&["logs", "host"]);
    end(&sandbox, "execs under attack");
    serde_json::from_str(&log).unwrap_or_else(|error| panic!("{error}: {log}"))
}

fn no_program_is_given() {
    let before = sums();
    for options in
        [&[][..], &["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"], &["--privileged"]]
    {
        let seen = attacked_by(&["open-exes", "3600000"], options, 100);
        assert_eq!(seen["opened"], json!([]), "{options:?}: {seen}");
        assert!(seen["tried"].as_u64() > Some(100), "{seen}");
    }
    assert_eq!(sums(), before);
}

fn self_exe_is_the_containers() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    host(&sandbox, &[], &["sleep", "forever"]);
    let done = sandbox.barque(&["exec", "host", "/proc/self/exe", "self-exe"]);
    is_clean(&done);
    assert!(!done.stdout.contains("/testbox"), "{done:?}");
    victim.is_untouched("an exec of /proc/self/exe");
    end(&sandbox, "an exec of /proc/self/exe");
}

fn nothing_comes_along() {
    for options in [
        &["--cap-add", "SYS_PTRACE"][..],
        &["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"],
    ] {
        let seen = attacked_by(&["watch-processes", "3600000"], options, 100);
        assert_eq!(seen["foreign"], json!([]), "{options:?}: {seen}");
        assert!(seen["looked"].as_u64() > Some(100), "{seen}");
    }
}

fn workdir_in_proc() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &[], &["sleep", "forever"]);
    let mut places: Vec<String> = (0..32).map(|n| format!("/proc/self/fd/{n}")).collect();
    places.extend((3..12).map(|n| format!("/proc/self/fd/{n}/../../..")));
    places.extend(
        ["/proc/1/cwd", "/proc/1/root", "/proc/thread-self/fd/7", "/proc/self/task/1/cwd"]
            .map(String::from),
    );
    for place in places {
        let done = exec(&sandbox, &["--workdir", &place], &["report", "cwd", "fds"]);
        is_clean(&done);
        inside(&place, &done);
    }
    end(&sandbox, "working directories in /proc");
}

fn callers_descriptors() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &[], &["sleep", "forever"]);
    let mut command = sandbox.command_of(Path::new("bash"), &["-c"]);
    command
        .arg("for n in $(seq 10 109); do eval \"exec $n</\"; done; exec \"$@\"")
        .arg("bash")
        .arg(programs::barque())
        .args([
            "exec",
            "--workdir",
            "/proc/self/fd/50",
            "host",
            "/testbox",
            "report",
            "cwd",
            "fds",
        ]);
    let done = finish(command, b"");
    is_clean(&done);
    inside("a hundred descriptors", &done);
    let seen = report(&sandbox, &["--interactive"], &["report", "cwd", "fds"]);
    assert_eq!(seen["fds"].as_array().map(Vec::len), Some(3), "{seen}");
    end(&sandbox, "a caller with a hundred descriptors");
}

fn inheritable_sets() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &["--cap-add", "NET_ADMIN"], &["sleep", "forever"]);
    for options in
        [&[][..], &["--user", "sailor"][..], &["--privileged"][..], &["--privileged", "-u", "1"]]
    {
        let sets = report(&sandbox, options, &["report", "capabilities"])["capabilities"].clone();
        let none = (&json!([]), &json!([]));
        assert_eq!((&sets["inheritable"], &sets["ambient"]), none, "{options:?}");
        if options.contains(&"--user") || options.contains(&"-u") {
            assert_eq!(sets["effective"], json!([]), "{options:?}: {sets}");
        }
    }
    let first = |name: &str| {
        report(&sandbox, &[], &["report", "capabilities"])["capabilities"][name].clone()
    };
    // Those of the container and no more.
    let bounding = first("bounding");
    let bounding = bounding.as_array().expect("a list");
    assert!(bounding.contains(&json!("NET_ADMIN")) && !bounding.contains(&json!("SYS_ADMIN")));
    end(&sandbox, "capabilities of execs");
}

fn users() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &[], &["sleep", "forever"]);
    let ids = |user: &str| -> Option<(u64, u64)> {
        let done = exec(&sandbox, &["--user", user], &["report", "ids"]);
        is_clean(&done);
        let seen: Value = serde_json::from_str(&done.stdout).ok()?;
        // Real, effective and saved are one.
        let id = |name: &str| {
            let all: Vec<u64> = serde_json::from_value(seen["ids"][name].clone()).ok()?;
            all.iter().all(|id| *id == all[0]).then_some(all[0])
        };
        id("uid").zip(id("gid"))
    };
    for (user, wanted) in [
        ("1", Some((1, 0))),
        ("1:1", Some((1, 1))),
        ("0:1", Some((0, 1))),
        ("01", None),
        ("+1", None),
        (" 1", None),
        ("0x1", None),
        ("1e0", None),
        ("-1", None),
        ("4294967295", None),
        ("4294967296", None),
        ("\u{663}", None),
        ("1:1:1", None),
        ("no-such-user", None),
        ("1:no-such-group", None),
    ] {
        let found = ids(user);
        match wanted {
            Some(_) => assert_eq!(found, wanted, "{user:?}"),
            // An error, or what it says in a base that Docker reads: never another user.
            None => assert!(
                found.is_none() || user == "01" && found == Some((1, 0)),
                "{user:?}: {found:?}"
            ),
        }
    }
    end(&sandbox, "users of execs");
}

fn groups() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &["--group-add", "4711"], &["sleep", "forever"]);
    for options in [&["--user", "sailor"][..], &["--user", "7:8"]] {
        let of_exec = report(&sandbox, options, &["report", "ids"])["ids"].clone();
        let mut both = vec!["--group-add", "4711"];
        both.extend(options);
        let of_run = sandbox.report(&both, &["report", "ids"])["ids"].clone();
        assert_eq!(of_exec, of_run, "{options:?}");
        let groups = of_exec["groups"].as_array().expect("a list");
        assert!(groups.contains(&json!(4711)), "{of_exec}");
    }
    end(&sandbox, "groups of execs");
}

fn endless_output() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &[], &["sleep", "forever"]);
    let id = sandbox.inspect("host")["Id"].as_str().expect("an id").to_owned();
    let monitor = sandbox.monitor_of(&id);
    let resident = || -> u64 {
        let path = format!("/proc/{monitor}/status");
        let status = std::fs::read_to_string(path).expect("read a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let engine = sandbox.engine();
    let start = |detach: bool| {
        let create = barque::api::ExecCreate {
            container: id.clone(),
            cmd: Some(["/testbox", "flood", "1000000000"].map(String::from).to_vec()),
            attach_stdout: true,
            ..Default::default()
        };
        let id = engine.execs().create(&create).expect("create an exec").id;
        let start = barque::api::ExecStart { id: id.clone(), detach, ..Default::default() };
        (id, engine.execs().start(&start).expect("start an exec"))
    };
    // One that nobody reads is held up; one without a reader goes on, and its output is dropped.
    let (unread, stream) = start(false);
    let (detached, _) = start(true);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(resident() < 32 << 10, "the monitor has {} KiB", resident());
    let runs = |id: &str| engine.execs().inspect(id).expect("inspect an exec").running;
    assert!(runs(&unread), "an exec that nobody reads has ended");
    drop(stream);
    // Who leaves takes along what was started.
    wait_until("the exec has ended with its stream", Duration::from_secs(30), || !runs(&unread));
    wait_until("the detached one has ended", Duration::from_secs(60), || !runs(&detached));
    drop(engine);
    end(&sandbox, "endless output");
}

fn confined_alike() {
    let sandbox = Sandbox::with_testbox();
    host(&sandbox, &["--read-only"], &["sleep", "forever"]);
    let seen = report(&sandbox, &[], &["syscalls"]);
    for name in ["socket_alg", "mount", "setns", "unshare_user", "bpf", "keyctl", "fsopen"] {
        let answer = &seen[name];
        assert!(answer == libc::EPERM || answer == libc::ENOSYS, "{name} answers {answer}");
    }
    let sections = ["report", "paths", "namespaces", "security", "cgroup", "mounts", "rlimits"];
    let of_exec = report(&sandbox, &[], &sections);
    let of_first = sandbox.report(&["--read-only"], &sections);
    assert_eq!(of_exec["paths"], of_first["paths"]);
    assert_eq!(of_exec["security"], of_first["security"]);
    assert_eq!(of_exec["rlimits"], of_first["rlimits"]);
    for line in of_exec["cgroup"]["membership"].as_array().into_iter().flatten() {
        let line = line.as_str().unwrap_or_default();
        assert!(!line.contains(&sandbox.instance()) && !line.contains("/.."), "{line}");
    }
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let host = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("read a namespace");
        assert_ne!(of_exec["namespaces"][name], json!(host.display().to_string()), "{name}");
    }
    end(&sandbox, "a confined exec");
}

fn profile_is_kept() {
    let sandbox = Sandbox::with_testbox();
    let directory = sandbox.work().join("elsewhere");
    std::fs::create_dir(&directory).expect("a directory");
    let profile = directory.join("profile.json");
    std::fs::write(&profile, r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).expect("a profile");
    let option = ["--security-opt", "seccomp=profile.json"];
    let mut words = vec!["create", "--name", "host", "--network", "none"];
    words.extend(option);
    words.extend(["testbox", "sleep", "forever"]);
    let mut command = sandbox.command(&words);
    command.current_dir(&directory);
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "{done:?}");
    std::fs::remove_dir_all(&directory).expect("removed");
    for _ in 0..2 {
        sandbox.ok(&["restart", "--time", "0", "host"]);
        assert_eq!(report(&sandbox, &[], &["report", "security"])["security"]["seccomp"], 2);
    }
    let refused = sandbox.barque(&[&["run"], &option[..], &["testbox", "true"]].concat());
    assert!(
        refused.stderr.contains("opening seccomp profile (profile.json) failed"),
        "{refused:?}"
    );
    end(&sandbox, "a profile whose file has gone");
}
