//! `barque rm`.

use barque::{ErrorKind, api};
use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |id| {
        let request =
            api::ContainerRemove { id: id.to_owned(), force: flags.force, volumes: flags.volumes };
        match engine.containers().remove(&request) {
            // With -f it is no failure that there is nothing to remove.
            Err(error) if flags.force && error.kind() == ErrorKind::NotFound => {
                output::report(error.into());
                Ok(String::new())
            }
            result => result.map(|()| id.to_owned()),
        }
    })
}
