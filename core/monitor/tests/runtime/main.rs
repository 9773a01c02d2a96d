//! Containers made by the runtime, as root, looked at from inside and from the host.
//!
//! A program of its own and not libtest's: the runtime clones, so it must be called from a process with one thread. Takes a
//! part of a test's name as its argument, as libtest does, and runs the tests one after another. After each, this process
//! must have the mounts, children and descriptors that it had before.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program of tests")]

mod container;
mod hostile;
mod identity;
mod isolation;
mod lifecycle;
mod mounts;
mod scene;
mod speed;
mod terminal;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use scene::{Base, Traces};

/// A test: a name and what is run.
type Test = (&'static str, fn(&Base));

/// The tests of one module, by their functions' names.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[crate::Test] =
            &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}
pub(crate) use tests;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let all = [
        lifecycle::TESTS,
        isolation::TESTS,
        identity::TESTS,
        mounts::TESTS,
        terminal::TESTS,
        hostile::TESTS,
    ];
    let slow = [speed::TESTS];
    let chosen = if flag("--ignored") { slow.as_slice() } else { all.as_slice() };
    let chosen: Vec<&Test> = chosen
        .iter()
        .flat_map(|tests| tests.iter())
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|f| name.contains(*f)))
        .collect();
    if flag("--list") {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: {} tests of the runtime need root", chosen.len());
        return ExitCode::SUCCESS;
    }
    let base = Base::new();
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        print!("test {name} ... ");
        let _ = std::io::stdout().flush();
        let before = Traces::take();
        let result = catch_unwind(AssertUnwindSafe(|| {
            test(&base);
            before.check();
        }));
        println!("{}", if result.is_ok() { "ok" } else { "FAILED" });
        if result.is_err() {
            failed.push(name);
            scene::kill_children();
        }
    }
    println!("\n{} passed, {} failed {failed:?}", chosen.len() - failed.len(), failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
