//! `make bench`: barque beside whichever of runc, crun, podman, docker and bubblewrap are found, and beside a floor program of
//! our own, in one run on one machine. What is compared are ratios: the repetitions of all are interleaved, so that what
//! the machine does meanwhile falls on all alike, and medians are taken.
//!
//! `bench [REPETITIONS [PART]]`; a figure of the issue that is missed is told as MISS, and never fails: a timing is no test.

mod build;
mod engines;
mod files;
mod installed;
mod library;
mod life;
mod memory;
mod networks;
mod output;
mod quiet;
mod registry;
mod run_directory;
mod start;
mod store;
mod table;

use std::process::ExitCode;

use barque_tests::{Sandbox, programs, suite};

use engines::Engines;
use run_directory::RunDirectory;
use table::Table;

/// What measures one thing, so many times.
type Part = fn(&Sandbox, &Engines, u32, &mut Table);

const PARTS: [(&str, Part); 10] = [
    ("start", start::measure),
    ("life", life::measure),
    ("library", library::measure),
    ("files", |sandbox, engines, n, table| files::measure(sandbox, engines, n < 10, table)),
    ("build", |sandbox, engines, n, table| build::measure(sandbox, engines, n < 10, table)),
    ("memory", |sandbox, engines, n, table| memory::measure(sandbox, engines, n < 10, table)),
    ("parallel", |sandbox, _, n, table| {
        start::parallel(sandbox, if n < 10 { 20 } else { 200 }, table);
    }),
    ("output", |sandbox, _, n, table| output::measure(sandbox, n < 10, table)),
    ("store", |sandbox, engines, n, table| store::measure(sandbox, engines, n < 10, table)),
    // The last: it goes into a network namespace of its own.
    ("networks", networks::measure),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let repetitions = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(25);
    let wanted = arguments.next();
    suite::in_namespaces(|| {
        let sandbox = Sandbox::with_testbox();
        let mut table = Table::default();
        // The libraries were copied to where they are loaded from.
        if let Err(error) = installed::read_again(&programs::barque()) {
            table.tell("program not read again", error.to_string());
        }
        let run = RunDirectory::on(&sandbox.run());
        if run.is_none() {
            table.tell("run directory", "not on a tmpfs");
        }
        let engines = Engines::start(&sandbox);
        let chosen = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        for (_, measure) in PARTS.iter().filter(|(name, _)| chosen(name)) {
            measure(&sandbox, &engines, repetitions, &mut table);
        }
        drop((engines, run));
        table.print();
        ExitCode::SUCCESS
    })
}
