//! `barque commit`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "commit",
    about: "Create a new image from a container's changes",
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")
    #[arg(short, long, value_name = "string", default_value = "")]
    author: String,
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Commit message
    #[arg(short, long, value_name = "string", default_value = "")]
    message: String,
    /// Disable pausing container during commit
    #[arg(long)]
    no_pause: bool,
    /// Pause container during commit
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = crate::args::truth, action = clap::ArgAction::Set, value_name = "bool")]
    pause: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::ContainerCommit {
        id: parsed.operands[0].clone(),
        reference: parsed.operands.get(1).cloned().unwrap_or_default(),
        changes: flags.change,
        author: flags.author,
        message: flags.message,
        pause: flags.pause && !flags.no_pause,
    };
    let created = parsed.engine()?.containers().commit(&request)?;
    output::out(format!("{}\n", created.id)).map(|()| 0)
}
