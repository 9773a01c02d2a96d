//! `barque restart`.

use barque::api;
use clap::Args;

use super::each;
use super::stop::Flags;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const VERB: Verb = Verb {
    name: "restart",
    about: "Restart one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| {
        let request = api::ContainerRestart {
            id: id.to_owned(),
            timeout: flags.timeout,
            signal: flags.signal.clone(),
        };
        engine.containers().restart(&request).map(|()| id.to_owned())
    })
}
