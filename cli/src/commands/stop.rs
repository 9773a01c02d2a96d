//! `barque stop`.

use barque::{ErrorKind, api};
use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;

pub(crate) const VERB: Verb = Verb {
    name: "stop",
    about: "Stop one or more running containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

/// How to stop; `restart` has the same.
#[derive(Args)]
pub(super) struct Flags {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", default_value = "")]
    pub(super) signal: String,
    /// Seconds to wait before killing the container
    #[arg(short, long, alias = "time", value_name = "int")]
    pub(super) timeout: Option<i64>,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| {
        let request = api::ContainerStop {
            id: id.to_owned(),
            timeout: flags.timeout,
            signal: flags.signal.clone(),
        };
        match engine.containers().stop(&request) {
            // Docker answers the same to a container that does not run.
            Err(error) if error.kind() != ErrorKind::NotModified => Err(error),
            _ => Ok(id.to_owned()),
        }
    })
}
