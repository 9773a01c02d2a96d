//! `barque push`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;
use crate::progress::{self, To};

pub(crate) const VERB: Verb = Verb {
    name: "push",
    about: "Upload an image to a registry",
    usage: "[OPTIONS] NAME[:TAG]",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Push all tags of an image to the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let name = parsed.operands[0].clone();
    let last = name.rsplit('/').next().unwrap_or(&name);
    if !flags.quiet && !flags.all_tags && !last.contains([':', '@']) {
        output::out("Using default tag: latest\n")?;
    }
    let to = if flags.quiet { To::Nowhere } else { To::Stdout };
    let request = api::ImagePush { name, all_tags: flags.all_tags, ..api::ImagePush::default() };
    let engine = parsed.engine()?;
    let mut stream = engine.images().push(&request)?;
    let pushed: api::ImagePushed = progress::show(&mut stream, to)?;
    if flags.quiet {
        for tag in &pushed.tags {
            let name = format!("{}:{}", pushed.repository, tag.tag);
            output::out(format!("{}\n", output::printable(&name)))?;
        }
    }
    Ok(0)
}
