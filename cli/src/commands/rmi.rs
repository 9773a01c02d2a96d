//! `barque rmi`.

use barque::{ErrorKind, api};
use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "rmi",
    about: "Remove one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |name| {
        let request = api::ImageRemove {
            name: name.to_owned(),
            force: flags.force,
            no_prune: flags.no_prune,
        };
        let removed = match engine.images().remove(&request) {
            // With -f it is no failure that there is nothing to remove.
            Err(error) if flags.force && error.kind() == ErrorKind::NotFound => {
                output::report(error.into());
                return Ok(String::new());
            }
            result => result?,
        };
        let lines = removed.iter().map(|row| match row.untagged.as_str() {
            "" => format!("Deleted: {}", row.deleted),
            name => format!("Untagged: {}", output::printable(name)),
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    })
}
