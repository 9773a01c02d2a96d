//! `barque version`.

use clap::Args;
use serde_json::json;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "version",
    about: "Show the barque version information",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[arg(short, long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let version = parsed.engine()?.version()?;
    // Docker's client and server; here they are one, and templates written for either find what they look for.
    let document = list::value(&version)?;
    if list::document(&json!({"Client": document, "Server": document}), flags.format.as_deref())? {
        return Ok(0);
    }
    output::out(format!(
        "barque:\n \
         Version:           {}\n \
         API version:       {}\n \
         OS/Arch:           {}/{}\n \
         Kernel version:    {}\n",
        version.version, version.api_version, version.os, version.arch, version.kernel_version
    ))?;
    Ok(0)
}
