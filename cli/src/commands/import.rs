//! `barque import`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "import",
    about: "Import the contents from a tarball to create a filesystem image",
    usage: "[OPTIONS] file|directory|- [REPOSITORY[:TAG]]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Apply Dockerfile instruction to the created image
    #[arg(short, long, value_name = "list")]
    change: Vec<String>,
    /// Set commit message for imported image
    #[arg(short, long, value_name = "string", default_value = "")]
    message: String,
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let source = parsed.operands[0].clone();
    if source.starts_with("http://") || source.starts_with("https://") {
        return Err(Failure::new(format!(
            "Error: import from a URL is not supported: curl {source} | barque import -"
        )));
    }
    let input = match source.as_str() {
        "-" => api::Input { path: String::new(), fd: Some(0) },
        _ => api::Input { path: source, fd: None },
    };
    let request = api::ImageImport {
        input,
        reference: parsed.operands.get(1).cloned().unwrap_or_default(),
        changes: flags.change,
        message: flags.message,
        platform: flags.platform,
    };
    let created = parsed.engine()?.images().import(&request)?;
    output::out(format!("{}\n", created.id)).map(|()| 0)
}
