//! `barque load`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "load",
    about: "Load an image from a tar archive or STDIN",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Read from tar archive file or OCI layout directory, instead of STDIN
    #[arg(short, long, value_name = "string")]
    input: Option<String>,
    /// Suppress the load output
    #[arg(short, long)]
    quiet: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let input = match flags.input {
        Some(path) => api::Input { path, fd: None },
        None if terminal::is_input() => {
            return Err(Failure::new("requested load from stdin, but stdin is empty"));
        }
        None => api::Input { path: String::new(), fd: Some(0) },
    };
    let loaded = parsed.engine()?.images().load(&api::ImageLoad { input })?;
    for warning in &loaded.warnings {
        output::say(&format!("WARNING: {warning}"));
    }
    let mut lines = String::new();
    for image in &loaded.images {
        if image.names.is_empty() {
            lines += &format!("Loaded image ID: {}\n", image.id);
        }
        for name in &image.names {
            lines += &format!("Loaded image: {}\n", output::printable(name));
        }
    }
    if flags.quiet { Ok(0) } else { output::out(lines).map(|()| 0) }
}
