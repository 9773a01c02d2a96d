//! `barque completion`: scripts that let a shell complete this command's words.

use clap::{Args, Command};
use clap_complete::Shell;

use super::{GROUPS, TOP};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "completion",
    about: "Generate the autocompletion script for a shell: bash, zsh or fish",
    usage: "bash|zsh|fish",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let Flags {} = parsed.flags()?;
    let shell = match parsed.operands[0].as_str() {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        other => {
            return Err(Failure::new(format!("unknown shell: {other}: use bash, zsh or fish")));
        }
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut tree(), "barque", &mut script);
    output::out(script).map(|()| 0)
}

/// All verbs at once, which nothing else needs.
pub(crate) fn tree() -> Command {
    let mut tree = Command::new("barque").disable_help_subcommand(true);
    for verb in TOP {
        tree = tree.subcommand(verb.command());
    }
    for group in GROUPS {
        let mut noun = Command::new(group.name).about(group.about).disable_help_subcommand(true);
        for (names, verb) in group.verbs {
            let command = verb.command().name(names[0]);
            noun = noun.subcommand(command.visible_aliases(names[1..].iter().copied()));
        }
        tree = tree.subcommand(noun);
    }
    tree.arg(clap::arg!(--root <string> "Directory of the engine"))
}
