//! `barque pause` and `barque unpause`.

use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const PAUSE: Verb = Verb {
    name: "pause",
    about: "Pause all processes within one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run: pause,
};

pub(crate) const UNPAUSE: Verb = Verb {
    name: "unpause",
    about: "Unpause all processes within one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run: unpause,
};

#[derive(Args)]
struct Flags {}

fn pause(parsed: &mut Parsed) -> Result<u8> {
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| engine.containers().pause(id).map(|()| id.to_owned()))
}

fn unpause(parsed: &mut Parsed) -> Result<u8> {
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| engine.containers().unpause(id).map(|()| id.to_owned()))
}
