//! Many processes on one engine root: none fails for another's sake, and what they leave is whole (§3.7 of the reliability
//! table, the pairs that exist).

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use barque_tests::sandbox::{Finished, collect, finish};
use barque_tests::{Sandbox, image, invariants, programs, suite};

suite!(
    two_hundred_runs_at_once_all_succeed,
    a_removal_at_the_end_takes_no_line_from_who_reads_on,
    of_two_starts_one_starts,
    start_and_remove_end_in_a_whole_state,
    two_stops_both_succeed,
    of_two_removes_one_removes_and_the_other_finds_nothing,
    remove_and_start_end_in_a_whole_state,
    forced_removal_ends_the_followers_of_a_log,
    of_two_creates_of_one_name_one_wins,
    two_loads_of_one_image_leave_one,
    load_and_removal_of_one_image_end_in_a_whole_state,
    tag_and_removal_end_in_a_whole_state,
    create_and_removal_of_its_image_never_leave_a_container_without_one,
    two_copies_into_one_container_both_arrive,
    copy_and_removal_end_in_a_whole_state,
    commit_and_stop_or_removal_end_in_a_whole_state,
    two_reconciliations_find_the_same,
    an_engine_is_opened_for_the_first_time_by_many,
    from_another_pid_namespace_all_is_seen_but_the_files_of_what_runs,
);

fn start<S: AsRef<std::ffi::OsStr>>(sandbox: &Sandbox, arguments: &[S]) -> Child {
    let mut command = sandbox.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start barque")
}

/// Both at once; what each left.
fn race<S: AsRef<std::ffi::OsStr>>(
    sandbox: &Sandbox,
    one: &[S],
    other: &[S],
) -> (Finished, Finished) {
    let (one, other) = (start(sandbox, one), start(sandbox, other));
    (collect(one), collect(other))
}

fn no_lock_error(done: &Finished) {
    let told = done.stderr.to_lowercase();
    assert!(!told.contains("locked") && !told.contains("busy"), "{}", done.stderr);
    assert!(!told.contains("panicked"), "{}", done.stderr);
}

/// G-23.
fn two_hundred_runs_at_once_all_succeed() {
    let sandbox = Sandbox::with_testbox();
    let begin = Instant::now();
    let children: Vec<(u32, Child)> = (0..200)
        .map(|n| {
            let text = format!("number {n}");
            (n, start(&sandbox, &["run", "--rm", "--network", "none", "testbox", "echo", &text]))
        })
        .collect();
    for (n, child) in children {
        let done = collect(child);
        assert_eq!(done.code, 0, "run {n}: {}", done.stderr);
        assert_eq!(done.stdout, format!("number {n}\n"));
        no_lock_error(&done);
    }
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(60), "200 runs took {took:?}");
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
    invariants::hold(&sandbox, "200 runs");
}

/// Row 98 of the features: the log of a container that goes with its end is read to the end by who follows it, and so is the
/// output by who is attached.
fn a_removal_at_the_end_takes_no_line_from_who_reads_on() {
    let sandbox = Sandbox::with_testbox();
    let lines: String = (1..=500).map(|n| format!("line {n}\n")).collect();
    for round in 0..40 {
        let run = ["run", "--rm", "--network", "none"];
        let talks = [&run[..], &["testbox", "lines", "500"]].concat();
        let attached = start(&sandbox, &talks);
        let waits = ["--detach", "testbox", "trap", "USR1=0", ",", "lines", "500"];
        let id = sandbox.ok(&[&run[..], &waits].concat());
        let mut follower = start(&sandbox, &["logs", "--follow", &id]);
        let mut output = BufReader::new(follower.stdout.take().expect("its output"));
        let mut first = String::new();
        output.read_line(&mut first).expect("read a line");
        assert_eq!(first, "ready\n");
        sandbox.ok(&["kill", "--signal", "USR1", &id]);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("read the rest");
        assert!(follower.wait().expect("wait for it").success(), "round {round}");
        assert_eq!(rest, format!("signal 10\n{lines}"), "round {round}");
        let done = collect(attached);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "round {round}");
        assert_eq!(done.stdout, lines, "round {round}");
    }
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
    invariants::hold(&sandbox, "logs of containers that went with their ends");
}

const ROUNDS: u32 = 12;

fn sleeper(sandbox: &Sandbox) -> String {
    sandbox.ok(&["create", "--network", "none", "testbox", "sleep", "forever"])
}

fn of_two_starts_one_starts() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..ROUNDS {
        let id = sleeper(&sandbox);
        let (one, other) = race(&sandbox, &["start", &id], &["start", &id]);
        // docker's start of a running container is no error.
        assert_eq!((one.code, other.code), (0, 0), "{} {}", one.stderr, other.stderr);
        invariants::hold(&sandbox, "start and start");
        sandbox.ok(&["rm", "--force", &id]);
    }
}

fn start_and_remove_end_in_a_whole_state() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..ROUNDS {
        let id = sleeper(&sandbox);
        let (started, removed) = race(&sandbox, &["start", &id], &["rm", &id]);
        no_lock_error(&started);
        no_lock_error(&removed);
        // Either it was removed first, or it runs and cannot be removed; never both.
        let left = sandbox.ok(&["ps", "--all", "--quiet", "--no-trunc"]);
        assert_eq!(removed.code == 0, left.is_empty(), "{} {}", started.stderr, removed.stderr);
        assert!(started.code == 0 || removed.code == 0, "{} {}", started.stderr, removed.stderr);
        invariants::hold(&sandbox, "start and rm");
        sandbox.barque(&["rm", "--force", &id]);
    }
}

fn two_stops_both_succeed() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..ROUNDS / 2 {
        let id = sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "trap", "TERM=4"]);
        let stop = ["stop", "--time", "20", &id];
        let (one, other) = race(&sandbox, &stop, &stop);
        assert_eq!((one.code, other.code), (0, 0), "{} {}", one.stderr, other.stderr);
        let state = &sandbox.inspect(&id)["State"];
        // A TERM that arrives before the trap is set is process 1's to ignore: then SIGKILL would end it, after 20 s.
        assert_eq!(state["ExitCode"], 4, "{state}");
        sandbox.ok(&["rm", &id]);
        invariants::hold(&sandbox, "stop and stop");
    }
}

fn of_two_removes_one_removes_and_the_other_finds_nothing() {
    let sandbox = Sandbox::with_testbox();
    for round in 0..ROUNDS {
        let id = sleeper(&sandbox);
        if round % 2 == 0 {
            sandbox.ok(&["start", &id]);
        }
        let remove = ["rm", "--force", &id];
        let (one, other) = race(&sandbox, &remove, &remove);
        assert!(one.code == 0 || other.code == 0, "{} {}", one.stderr, other.stderr);
        for done in [&one, &other] {
            no_lock_error(done);
            let told = &done.stderr;
            assert!(
                done.code == 0 || told.contains("No such container") || told.contains("removal"),
                "{told}"
            );
        }
        assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
        invariants::hold(&sandbox, "rm and rm");
    }
}

fn remove_and_start_end_in_a_whole_state() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..ROUNDS {
        let id = sleeper(&sandbox);
        let (removed, started) = race(&sandbox, &["rm", "--force", &id], &["start", &id]);
        no_lock_error(&removed);
        no_lock_error(&started);
        assert_eq!(removed.code, 0, "{}", removed.stderr);
        assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "", "{}", started.stderr);
        invariants::hold(&sandbox, "rm --force and start");
    }
}

fn forced_removal_ends_the_followers_of_a_log() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&[
        "run",
        "--detach",
        "--network",
        "none",
        "testbox",
        "echo",
        "x",
        ",",
        "sleep",
        "forever",
    ]);
    let mut followers: Vec<Child> =
        (0..100).map(|_| start(&sandbox, &["logs", "--follow", &id])).collect();
    for follower in &mut followers {
        let mut line = [0; 2];
        follower.stdout.as_mut().expect("a pipe").read_exact(&mut line).expect("a line");
        assert_eq!(&line, b"x\n");
    }
    sandbox.ok(&["rm", "--force", &id]);
    for follower in followers {
        assert_eq!(collect(follower).stdout, "");
    }
    invariants::hold(&sandbox, "rm --force and logs --follow");
}

fn of_two_creates_of_one_name_one_wins() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..ROUNDS {
        let create = ["create", "--name", "same", "--network", "none", "testbox"];
        let (one, other) = race(&sandbox, &create, &create);
        assert_eq!(u32::from(one.code == 0) + u32::from(other.code == 0), 1, "{one:?} {other:?}");
        no_lock_error(&one);
        no_lock_error(&other);
        sandbox.ok(&["rm", "same"]);
        invariants::hold(&sandbox, "create and create");
    }
}

fn archive(sandbox: &Sandbox) -> String {
    let path = sandbox.work().join("raced.tar");
    let data = vec![b'r'; 3 << 20];
    let layer = image::Layer::new().file("raced", 0o644, &data).finish();
    image::Image::new("raced").layer(layer).write_docker_archive(&path);
    path.to_string_lossy().into_owned()
}

fn two_loads_of_one_image_leave_one() {
    let sandbox = Sandbox::new();
    let path = archive(&sandbox);
    for _ in 0..ROUNDS / 2 {
        let load = ["load", "--input", &path];
        let (one, other) = race(&sandbox, &load, &load);
        assert_eq!((one.code, other.code), (0, 0), "{} {}", one.stderr, other.stderr);
        let listed = sandbox.ok(&["images", "--quiet", "--filter", "reference=raced"]);
        assert_eq!(listed.lines().count(), 1);
        invariants::hold(&sandbox, "load and load");
        sandbox.ok(&["rmi", "raced"]);
        invariants::hold(&sandbox, "rmi");
    }
}

fn load_and_removal_of_one_image_end_in_a_whole_state() {
    let sandbox = Sandbox::new();
    let path = archive(&sandbox);
    for _ in 0..ROUNDS {
        sandbox.ok(&["load", "--quiet", "--input", &path]);
        let (loaded, removed) =
            race(&sandbox, &["load", "--input", &path], &["rmi", "--force", "raced"]);
        // It is whole, or it says that it is not: what it found already there was taken away under it.
        assert!(loaded.code == 0 || loaded.stderr.contains("load it again"), "{}", loaded.stderr);
        no_lock_error(&removed);
        sandbox.ok(&["images"]);
        invariants::hold(&sandbox, "load and rmi");
        // What is left is an image that works, or none.
        if sandbox.barque(&["inspect", "--type", "image", "raced"]).code == 0 {
            sandbox.ok(&["create", "--name", "uses", "--network", "none", "raced", "x"]);
            sandbox.ok(&["rm", "uses"]);
        }
        sandbox.barque(&["rmi", "--force", "raced"]);
    }
    invariants::hold(&sandbox, "loads and removals");
}

fn tag_and_removal_end_in_a_whole_state() {
    let sandbox = Sandbox::new();
    let path = archive(&sandbox);
    for _ in 0..ROUNDS {
        sandbox.ok(&["load", "--quiet", "--input", &path]);
        let (tagged, removed) = race(&sandbox, &["tag", "raced", "other"], &["rmi", "raced"]);
        no_lock_error(&tagged);
        no_lock_error(&removed);
        let left = sandbox.barque(&["inspect", "--type", "image", "other"]).code == 0;
        assert_eq!(tagged.code == 0, left, "{} {}", tagged.stderr, removed.stderr);
        invariants::hold(&sandbox, "tag and rmi");
        sandbox.barque(&["rmi", "--force", "other"]);
        sandbox.barque(&["rmi", "--force", "raced"]);
    }
}

fn create_and_removal_of_its_image_never_leave_a_container_without_one() {
    let sandbox = Sandbox::new();
    let path = archive(&sandbox);
    for _ in 0..ROUNDS {
        sandbox.ok(&["load", "--quiet", "--input", &path]);
        let (created, removed) = race(
            &sandbox,
            &["create", "--name", "c", "--network", "none", "raced", "x"],
            &["rmi", "raced"],
        );
        let succeeded = u32::from(created.code == 0) + u32::from(removed.code == 0);
        assert_eq!(succeeded, 1, "{created:?} {removed:?}");
        invariants::hold(&sandbox, "create and rmi");
        sandbox.barque(&["rm", "c"]);
        sandbox.barque(&["rmi", "--force", "raced"]);
    }
}

/// A directory of a few megabytes.
fn tree(sandbox: &Sandbox) -> String {
    let tree = sandbox.work().join("tree");
    std::fs::create_dir_all(&tree).expect("make a directory");
    for name in ["one", "two"] {
        std::fs::write(tree.join(name), vec![b't'; 2 << 20]).expect("write a file");
    }
    tree.to_string_lossy().into_owned()
}

fn two_copies_into_one_container_both_arrive() {
    let sandbox = Sandbox::with_testbox();
    let tree = tree(&sandbox);
    for round in 0..ROUNDS / 2 {
        let id = sleeper(&sandbox);
        if round % 2 == 0 {
            sandbox.ok(&["start", &id]);
        }
        let places = ["one", "other"].map(|name| format!("{id}:/data/{name}"));
        let (one, other) = race(&sandbox, &["cp", &tree, &places[0]], &["cp", &tree, &places[1]]);
        assert_eq!((one.code, other.code), (0, 0), "{} {}", one.stderr, other.stderr);
        let changed = sandbox.ok(&["diff", &id]);
        for path in ["/data/one/one", "/data/one/two", "/data/other/one", "/data/other/two"] {
            assert!(changed.lines().any(|line| line == format!("A {path}")), "{changed}");
        }
        sandbox.ok(&["rm", "--force", &id]);
        invariants::hold(&sandbox, "cp and cp");
    }
}

fn copy_and_removal_end_in_a_whole_state() {
    let sandbox = Sandbox::with_testbox();
    let tree = tree(&sandbox);
    let out = sandbox.work().join("out").to_string_lossy().into_owned();
    for round in 0..ROUNDS {
        let id = sleeper(&sandbox);
        if round % 2 == 0 {
            sandbox.ok(&["start", &id]);
        }
        let inside = format!("{id}:/data");
        let copy = if round % 3 == 0 { ["cp", &inside, &out] } else { ["cp", &tree, &inside] };
        let (copied, removed) = race(&sandbox, &copy, &["rm", "--force", &id]);
        no_lock_error(&copied);
        no_lock_error(&removed);
        assert_eq!(removed.code, 0, "{}", removed.stderr);
        assert!(copied.code == 0 || !copied.stderr.trim().is_empty(), "failed without a word");
        assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
        invariants::hold(&sandbox, "cp and rm --force");
        let _ = std::fs::remove_dir_all(&out);
    }
}

fn commit_and_stop_or_removal_end_in_a_whole_state() {
    let sandbox = Sandbox::with_testbox();
    let tree = tree(&sandbox);
    for round in 0..ROUNDS {
        let id = sleeper(&sandbox);
        sandbox.ok(&["start", &id]);
        sandbox.ok(&["cp", &tree, &format!("{id}:/data/")]);
        let end: &[&str] = match round % 2 {
            0 => &["stop", "--time", "1", &id],
            _ => &["rm", "--force", &id],
        };
        let begin = Instant::now();
        let (made, ended) = race(&sandbox, &["commit", &id, "made"], end);
        assert!(begin.elapsed() < Duration::from_secs(10), "one waited for the other");
        no_lock_error(&made);
        no_lock_error(&ended);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(made.code == 0 || made.stderr.contains("No such container"), "{}", made.stderr);
        if made.code == 0 {
            sandbox.ok(&["create", "--name", "uses", "--network", "none", "made", "x"]);
            sandbox.ok(&["rm", "uses"]);
            sandbox.ok(&["rmi", "--force", "made"]);
        }
        sandbox.barque(&["rm", "--force", &id]);
        invariants::hold(&sandbox, "commit and an end");
    }
}

fn two_reconciliations_find_the_same() {
    let sandbox = Sandbox::with_testbox();
    for _ in 0..4 {
        let ids: Vec<String> = (0..3)
            .map(|_| {
                sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"])
            })
            .collect();
        for id in &ids {
            sandbox.kill_monitor(id);
        }
        let (one, other) = race(&sandbox, &["ps", "--all"], &["ps", "--all"]);
        assert_eq!((one.code, other.code), (0, 0), "{} {}", one.stderr, other.stderr);
        for id in &ids {
            let state = &sandbox.inspect(id)["State"];
            assert_eq!(state["Running"], false, "{state}");
            assert_ne!(state["ExitCode"], 0, "{state}");
        }
        invariants::hold(&sandbox, "two reconciliations");
        sandbox.ok(&[vec!["rm"], ids.iter().map(String::as_str).collect()].concat());
    }
}

fn an_engine_is_opened_for_the_first_time_by_many() {
    for _ in 0..5 {
        let sandbox = Sandbox::new();
        let children: Vec<Child> = (0..12).map(|_| start(&sandbox, &["ps"])).collect();
        for child in children {
            let done = collect(child);
            assert_eq!(done.code, 0, "{}", done.stderr);
        }
        invariants::hold(&sandbox, "a first opening by many");
    }
}

fn from_another_pid_namespace_all_is_seen_but_the_files_of_what_runs() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&[
        "run",
        "--detach",
        "--name",
        "c",
        "--network=none",
        "testbox",
        "sleep",
        "forever",
    ]);
    let elsewhere = |words: &[&str]| {
        let unshare = ["--fork", "--pid", "--mount", "--mount-proc", "--kill-child"];
        let mut command = sandbox.command_of(Path::new("unshare"), &unshare);
        command.arg(programs::barque()).args(words);
        finish(command, b"")
    };
    assert_eq!(elsewhere(&["ps", "--quiet", "--no-trunc"]).stdout.trim(), id);
    let done = elsewhere(&["exec", "c", "/testbox", "echo", "inside"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "inside\n"), "{}", done.stderr);
    let done = elsewhere(&["cp", "c:/etc/passwd", "-"]);
    assert_ne!(done.code, 0);
    assert!(done.stderr.contains("from the pid namespace that it was started in"), "{done:?}");
    assert_eq!(sandbox.inspect("c")["State"]["Running"], true);
    let done = elsewhere(&["stop", "--time", "0", "c"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = elsewhere(&["cp", "c:/etc/passwd", "-"]);
    assert!(done.code == 0 && done.stdout.contains("sailor"), "{}", done.stderr);
    assert_eq!(elsewhere(&["rm", "c"]).code, 0);
    invariants::hold(&sandbox, "a second pid namespace");
}
