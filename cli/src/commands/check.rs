//! `barque system check`.

use barque::api;
use clap::Args;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "check",
    about: "Compare everything that is stored with its digest",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[arg(long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
    /// Put right what can be
    #[arg(long)]
    repair: bool,
}

/// Fails with 1 when something is wrong and was not put right.
fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let checked = parsed.engine()?.check(&api::SystemCheck { repair: flags.repair })?;
    let left = checked.problems.iter().filter(|problem| !problem.repaired).count();
    let code = u8::from(left > 0);
    if list::document(&list::value(&checked)?, flags.format.as_deref())? {
        return Ok(code);
    }
    let mut text = String::new();
    for problem in &checked.problems {
        let repaired = if problem.repaired { " (repaired)" } else { "" };
        let images: Vec<&str> = problem.images.iter().map(|id| human::short_id(id)).collect();
        let of =
            if images.is_empty() { String::new() } else { format!(" of {}", images.join(", ")) };
        text += &format!("{} {}{of}: {}{repaired}\n", problem.kind, problem.id, problem.problem);
    }
    text += &format!(
        "{} blobs, {} layers and {} images are whole; {} problems, {} repaired\n",
        checked.blobs,
        checked.layers,
        checked.images,
        checked.problems.len(),
        checked.problems.len() - left
    );
    output::out(text).map(|()| code)
}
