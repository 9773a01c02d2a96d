//! A host that has no memory any more: the n-th allocation of a call fails, or it and all later ones do, or the address space
//! ends (`tests/embedding/memory.c`). Either the call says so or the process ends as every program in Rust does then, and in
//! both cases whoever comes next finds a whole engine.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::{self, Suite};
use barque_tests::{Sandbox, faces, invariants};

/// What is asked for, and whether the container is there before that.
const CALLS: &[(&str, bool)] =
    &[("open", true), ("create", false), ("run", false), ("remove", true)];

pub(crate) fn add(suite: &mut Suite) {
    for (call, there) in CALLS {
        suite.add_patient(
            format!("an allocation that fails in {call} ends the process or the call"),
            Duration::from_secs(300),
            move || allocations_fail(call, *there),
        );
    }
    suite.add_patient(
        "an address space that ends, ends the process or the call",
        Duration::from_secs(300),
        the_address_space_ends,
    );
}

fn host() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let sources = [Path::new("tests/embedding/memory.c")];
    // What the compiler knows of malloc(3) is not true of this one.
    PROGRAM.get_or_init(|| faces::compile_c("memory", &sources, &["-fno-builtin"])).clone()
}

fn run(sandbox: &Sandbox, call: &str, how: &str, number: usize) -> (Finished, String) {
    let report = sandbox.work().join("report");
    let mut command = sandbox.command_of(&host(), &[call, how, &number.to_string()]);
    command.arg(&report).arg(sandbox.root()).arg(sandbox.run());
    let done = finish(command, b"");
    (done, std::fs::read_to_string(&report).unwrap_or_default())
}

/// As the documentation has it: the process aborts and says why, or the call says why, or could do without.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Aborted,
    Refused,
    Done,
}

fn end(what: &str, done: &Finished, report: &str) -> End {
    assert_eq!(done.stdout, "", "{what}");
    match done.code {
        // abort(3)
        134 => {
            let told = done.stderr.starts_with("memory allocation of ");
            assert!(told && done.stderr.contains("bytes failed"), "{what}: {done:?}");
            assert_eq!(report, "", "{what}");
            End::Aborted
        }
        0 => {
            assert_eq!(done.stderr, "", "{what}");
            if report == "done" || report == "exit code 7" {
                return End::Done;
            }
            let told = report.to_lowercase();
            assert!(told.starts_with('-') && told.contains("memory"), "{what}: {report}");
            assert!(
                !told.contains("panic") && !told.contains("no list afterwards"),
                "{what}: {report}"
            );
            End::Refused
        }
        _ => panic!("{what}: {done:?} {report}"),
    }
}

/// Whoever comes next finds everything whole, nothing that runs, and can do it.
fn whole(sandbox: &Sandbox, what: &str) {
    // What was tied to a process that is gone ends by itself, a moment later, and its monitor after it.
    let until = Instant::now() + Duration::from_secs(20);
    while !(sandbox.ok(&["ps", "--quiet"]).is_empty() && invariants::violations(sandbox).is_empty())
    {
        if Instant::now() > until {
            invariants::hold(sandbox, what);
            panic!("something runs for ever after {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let known = sandbox.ok(&["ps", "--all", "--quiet"]);
    if !known.is_empty() {
        sandbox.ok(&["rm", "c"]);
    }
    invariants::hold(sandbox, what);
}

fn allocations_fail(call: &str, there: bool) {
    let sandbox = Sandbox::with_testbox();
    let prepare = || {
        if there {
            sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox", "exit", "7"]);
        }
    };
    prepare();
    let (done, report) = run(&sandbox, call, "count", 0);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let all: usize = report.parse().expect("a number of allocations");
    assert!(all > 20, "{all} allocations");
    whole(&sandbox, "nothing");
    let mut ends = Vec::new();
    for how in ["once", "since"] {
        // The first ones, where a call begins, and a dozen places of the rest.
        for number in (0..4).chain((4..all).step_by(all / 12 + 1)) {
            prepare();
            let what = format!("{call}, {how} {number} of {all}");
            let (done, report) = run(&sandbox, call, how, number);
            ends.push(end(&what, &done, &report));
            whole(&sandbox, &what);
        }
    }
    let counted = |end| ends.iter().filter(|one| **one == end).count();
    let [aborted, refused, done] = [End::Aborted, End::Refused, End::Done].map(counted);
    suite::note(&format!("{call}: {aborted} aborted, {refused} refused, {done} done without"));
    assert!(aborted > 0, "no allocation of Rust's failed");
    sandbox.ok(&["system", "check"]);
}

fn the_address_space_ends() {
    let sandbox = Sandbox::with_testbox();
    let mut ends = Vec::new();
    for (call, there) in CALLS {
        for kib in [0, 64, 256, 1024, 4096] {
            if *there {
                sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox", "exit", "7"]);
            }
            let what = format!("{call} with {kib} KiB");
            let (done, report) = run(&sandbox, call, "limit", kib << 10);
            ends.push(end(&what, &done, &report));
            whole(&sandbox, &what);
        }
    }
    assert!(ends.iter().any(|end| *end != End::Done), "no limit was too small");
    sandbox.ok(&["system", "check"]);
}
