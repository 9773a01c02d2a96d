//! `make bench`: barque beside whichever of runc, crun, podman, docker and bubblewrap are found, and beside a floor program of
//! our own, in one run on one machine. What is compared are ratios: the repetitions of all are interleaved, so that what
//! the machine does meanwhile falls on all alike, and medians are taken.
//!
//! `bench [REPETITIONS]`; a figure of the issue that is missed is told as MISS, and never fails: a timing is no test.

mod engines;
mod files;
mod life;
mod memory;
mod output;
mod registry;
mod start;
mod store;
mod table;

use std::process::ExitCode;

use barque_tests::{Sandbox, suite};

fn main() -> ExitCode {
    let repetitions = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(25);
    suite::in_namespaces(|| {
        let sandbox = Sandbox::with_testbox();
        let mut table = table::Table::default();
        let engines = engines::Engines::start(&sandbox);
        start::measure(&sandbox, &engines, repetitions, &mut table);
        life::measure(&sandbox, &engines, repetitions, &mut table);
        files::measure(&sandbox, &engines, repetitions < 10, &mut table);
        memory::measure(&sandbox, &engines, repetitions < 10, &mut table);
        start::parallel(&sandbox, if repetitions < 10 { 20 } else { 200 }, &mut table);
        output::measure(&sandbox, repetitions < 10, &mut table);
        store::measure(&sandbox, &engines, repetitions < 10, &mut table);
        drop(engines);
        table.print();
        ExitCode::SUCCESS
    })
}
