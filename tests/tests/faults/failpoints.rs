//! The sweep over failpoints: found in the sources, so a new one is swept by being there. Each is passed by at least one
//! operation, or it is a failure too.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use barque_tests::programs;
use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;

use super::operations::{OPERATIONS, Operation, is_clean};

/// Every name in a call of `failpoint("…")` below a directory of Rust sources.
pub(crate) fn names_below(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                for call in text.split("failpoint(\"").skip(1) {
                    found.extend(call.split('"').next().map(str::to_owned));
                }
            }
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
    let mut fired = Vec::new();
    for operation in OPERATIONS {
        if strike(operation, &program, side, name, action) {
            fired.push(operation.name);
        }
    }
    assert!(!fired.is_empty(), "no operation passes {name}");
}

/// One operation with the failpoint armed; whether it was passed.
fn strike(operation: &Operation, program: &Path, side: &str, name: &str, action: &str) -> bool {
    let sandbox = operation.sandbox();
    let mark = sandbox.work().join("passed");
    let mut command = operation.command(&sandbox, program);
    // The place leaves this file when it acts, so that a kill inside a monitor is seen too.
    command.env("BARQUE_FAILPOINTS", format!("{name}={action},mark={}", mark.display()));
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
