//! The sweep over failpoints: found in the sources, so a new one is swept by being there. Each is passed by at least one
//! operation, or it is a failure too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use barque_tests::files::below;
use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, programs};

use super::operations::{OPERATIONS, Operation, is_clean};

/// Every name in a call of `failpoint("…")` below a directory of Rust sources.
pub(crate) fn names_below(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let sources =
        below(directory).into_iter().filter(|path| path.extension() == Some("rs".as_ref()));
    for path in sources {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for call in text.split("failpoint(\"").skip(1) {
            found.extend(call.split('"').next().map(str::to_owned));
        }
    }
    found
}

pub(crate) fn add(suite: &mut Suite) {
    let workspace = programs::workspace();
    let of_the_library = names_below(&workspace.join("core/src"));
    let of_the_monitor = names_below(&workspace.join("core/monitor/src"));
    for (side, names) in [("caller", of_the_library), ("monitor", of_the_monitor)] {
        for name in names {
            // What a monitor does at its end it does whatever fails: there only death counts.
            for action in if side == "caller" { &["kill", "error"][..] } else { &["kill"] } {
                let name = name.clone();
                suite.add_patient(
                    format!("{side}: {action} at {name}"),
                    Duration::from_secs(300),
                    move || sweep(side, &name, action),
                );
            }
        }
    }
    suite.add("the sweep was of this many faults", told);
}

/// Places of a monitor that are passed only when somebody asks it for something, or after a while.
const ASKED: &[&str] =
    &["exec-cloned", "exec-started", "health-written", "paused", "restart-told", "restarted"];

static FAULTS: AtomicU32 = AtomicU32::new(0);

fn told() {
    let count = FAULTS.load(Ordering::Relaxed);
    assert!(count > 0, "no failpoint fired");
    // The closing note of a release quotes it.
    barque_tests::suite::note(&format!(
        "{count} faults at failpoints, each followed by the invariants check"
    ));
}

fn sweep(side: &str, name: &str, action: &str) {
    let program = programs::barque_with_failpoints();
    let traced = traced(&program);
    // What operations on networks have in common with others is struck there.
    let of_networks = name.starts_with("network") || name.starts_with("names");
    let fits = |operation: &Operation| of_networks || !operation.name.contains("network");
    let passes = |operation: &&Operation| fits(operation) && traced[operation.name].contains(name);
    let mut fired = 0;
    for operation in OPERATIONS.iter().filter(passes) {
        fired += u32::from(strike(operation, &program, side, name, action));
    }
    assert!(fired > 0, "no operation passes {name}");
}

/// The places that each operation passes when nothing is in its way: the others need not be tried.
fn traced(program: &Path) -> &'static BTreeMap<&'static str, BTreeSet<String>> {
    static TRACED: OnceLock<BTreeMap<&str, BTreeSet<String>>> = OnceLock::new();
    TRACED.get_or_init(|| {
        let trace = |operation: &'static Operation| {
            let places_of = |sandbox: &Sandbox| sandbox.work().join("places");
            let list = |sandbox: &Sandbox| format!("trace={}", places_of(sandbox).display());
            // Nothing is noted before the directory is there.
            let sandbox = operation.armed_sandbox(program, list);
            std::fs::create_dir(places_of(&sandbox)).expect("make a directory");
            let places = places_of(&sandbox);
            let mut command = operation.command(&sandbox, program);
            command.env("BARQUE_FAILPOINTS", list(&sandbox));
            finish(command, b"");
            let passed = std::fs::read_dir(&places).expect("list what was passed").flatten();
            let passed = passed.filter_map(|entry| entry.file_name().into_string().ok());
            (operation.name, passed.collect())
        };
        OPERATIONS.iter().map(trace).collect()
    })
}

/// One operation with the failpoint armed; whether it was passed.
fn strike(operation: &Operation, program: &Path, side: &str, name: &str, action: &str) -> bool {
    // The place leaves this file when it acts, so that a kill inside a monitor is seen too.
    let mark_of = |sandbox: &Sandbox| sandbox.work().join("passed");
    let list = |sandbox: &Sandbox| format!("{name}={action},mark={}", mark_of(sandbox).display());
    // What a monitor passes when it is asked for something it must have been told of when it was started.
    let sandbox = match side == "monitor" && ASKED.contains(&name) {
        true => operation.armed_sandbox(program, list),
        false => operation.sandbox(),
    };
    let mark = mark_of(&sandbox);
    let mut command = operation.command(&sandbox, program);
    command.env("BARQUE_FAILPOINTS", list(&sandbox));
    let done = finish(command, b"");
    let what = format!("{action} at {name} ({side})");
    if !mark.exists() {
        return false;
    }
    if !(action == "kill" && side == "caller") {
        is_clean(&done, &what);
    }
    FAULTS.fetch_add(1, Ordering::Relaxed);
    operation.recovers(&sandbox, &what);
    true
}
