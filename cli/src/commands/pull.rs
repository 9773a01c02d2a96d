//! `barque pull`.

use barque::{Engine, api};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;
use crate::progress::{self, To};

pub(crate) const VERB: Verb = Verb {
    name: "pull",
    about: "Download an image from a registry",
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    /// Suppress verbose output
    #[arg(short, long)]
    quiet: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let name = parsed.operands[0].clone();
    let last = name.rsplit('/').next().unwrap_or(&name);
    if !flags.quiet && !last.contains([':', '@']) {
        output::out("Using default tag: latest\n")?;
    }
    let to = if flags.quiet { To::Nowhere } else { To::Stdout };
    let request = api::ImagePull { name, platform: flags.platform, ..api::ImagePull::default() };
    let pulled = pull(parsed.engine()?, &request, to)?;
    output::out(format!("{}\n", output::printable(&pulled.name))).map(|()| 0)
}

/// Pull and show how it goes.
pub(super) fn pull(engine: &Engine, request: &api::ImagePull, to: To) -> Result<api::ImagePulled> {
    let mut stream = engine.images().pull(request)?;
    let pulled: api::ImagePulled = progress::show(&mut stream, to)?;
    for warning in &pulled.warnings {
        output::say(&format!("WARNING: {warning}"));
    }
    Ok(pulled)
}
