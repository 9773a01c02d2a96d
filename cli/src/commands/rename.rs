//! `barque rename`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const VERB: Verb = Verb {
    name: "rename",
    about: "Rename a container",
    usage: "CONTAINER NEW_NAME",
    operands: Operands::Exactly(2),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let engine = parsed.engine()?;
    let [id, name] = &parsed.operands[..] else { return Ok(1) };
    let request = api::ContainerRename { id: id.clone(), name: name.clone() };
    engine.containers().rename(&request)?;
    Ok(0)
}
