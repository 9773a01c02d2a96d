//! `barque top`.

use barque::api;
use clap::Args;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{output, table};

pub(crate) const VERB: Verb = Verb {
    name: "top",
    about: "Display the running processes of a container",
    usage: "CONTAINER [ps OPTIONS]",
    operands: Operands::AtLeast(1),
    trailing: true,
    flags: Flags::augment_args,
    run,
};

/// Docker's width of a column of this table.
const COLUMN: usize = 20;

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let Flags {} = parsed.flags()?;
    let [id, options @ ..] = &parsed.operands[..] else { return Ok(0) };
    let request = api::ContainerTop { id: id.clone(), ps_args: options.join(" ") };
    let top = parsed.engine()?.containers().top(&request)?;
    let rows = std::iter::once(&top.titles).chain(&top.processes);
    let lines: Vec<Vec<String>> =
        rows.map(|row| row.iter().map(|text| list::cell(text)).collect()).collect();
    output::out(table::wide(&lines, COLUMN))?;
    Ok(0)
}
