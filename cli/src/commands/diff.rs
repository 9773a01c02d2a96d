//! `barque diff`.

use clap::Command;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "diff",
    about: "Inspect changes to files or directories on a container's filesystem",
    usage: "CONTAINER",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: |command: Command| command,
    run,
};

fn run(parsed: &mut Parsed) -> Result<u8> {
    let mut lines = String::new();
    for change in parsed.engine()?.containers().diff(&parsed.operands[0])? {
        let letter = match change.kind {
            0 => 'C',
            1 => 'A',
            _ => 'D',
        };
        lines.push_str(&format!("{letter} {}\n", output::printable(&change.path)));
    }
    output::out(lines).map(|()| 0)
}
