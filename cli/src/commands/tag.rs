//! `barque tag`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const VERB: Verb = Verb {
    name: "tag",
    about: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    operands: Operands::Exactly(2),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let Flags {} = parsed.flags()?;
    let [name, reference] = &parsed.operands[..] else { return Ok(1) };
    let request = api::ImageTag { name: name.clone(), reference: reference.clone() };
    parsed.engine()?.images().tag(&request)?;
    Ok(0)
}
