//! From words to flags: docker's syntax, messages and statuses over clap.
//!
//! pflag, which docker uses, differs from clap in what users meet: a switch takes `=false`, a repeated flag's last value counts,
//! messages are worded differently, help is laid out differently. Flags are declared with clap's derive beside each verb;
//! this module makes them behave like docker's.

pub(crate) mod create;
pub(crate) mod document;
mod error;
mod health;
pub(crate) mod help;
mod network;
mod values;

use std::ffi::OsString;
use std::mem::ManuallyDrop;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::failure::{Failure, Result};
pub(crate) use values::truth;

/// A verb: how it is called, and the function that does it.
pub(crate) struct Verb {
    /// Its name at the top: `ps`.
    pub(crate) name: &'static str,
    /// One line for lists of commands.
    pub(crate) about: &'static str,
    /// What follows the name: `[OPTIONS] CONTAINER [CONTAINER...]`.
    pub(crate) usage: &'static str,
    /// How many words it takes beside flags.
    pub(crate) operands: Operands,
    /// The first word that is no flag ends the flags: what follows is the container's command line.
    pub(crate) trailing: bool,
    /// Adds its flags.
    pub(crate) flags: fn(Command) -> Command,
    /// Does it.
    pub(crate) run: fn(&mut Parsed) -> Result<u8>,
}

/// How many words a verb takes.
#[derive(Clone, Copy)]
pub(crate) enum Operands {
    None,
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    Between(usize, usize),
}

/// What was on the command line.
pub(crate) struct Parsed {
    /// The flags.
    pub(crate) matches: ArgMatches,
    /// The words beside them.
    pub(crate) operands: Vec<String>,
    /// The engine root from `--root`.
    pub(crate) root: Option<String>,
    /// The verb as it was called: `barque container ls`.
    pub(crate) called: String,
}

impl Parsed {
    /// The flags as the struct that declared them.
    pub(crate) fn flags<T: clap::FromArgMatches>(&mut self) -> Result<T> {
        T::from_arg_matches_mut(&mut self.matches).map_err(|error| Failure::new(error.kind()))
    }

    /// Open the engine, for as long as this process lives. Its end closes at once what would be closed and freed one by one.
    pub(crate) fn engine(&self) -> Result<&'static barque::Engine> {
        let options = match &self.root {
            Some(root) => barque::EngineOptions::at(root),
            None => barque::EngineOptions::default(),
        };
        Ok(Box::leak(Box::new(barque::Engine::open(options)?)))
    }

    /// A mistake in the arguments that only shows when they are looked at together.
    pub(crate) fn mistake(&self, message: impl std::fmt::Display) -> Failure {
        let hint = format!("Run '{} --help' for more information", self.called);
        Failure::usage(format!("barque: {message}\n\n{hint}"), 125)
    }
}

const OPERANDS: &str = "operands";
const HELP: &str = "help";

impl Verb {
    /// The verb as clap sees it.
    pub(crate) fn command(&self) -> Command {
        let operands = Arg::new(OPERANDS).num_args(0..).trailing_var_arg(self.trailing).hide(true);
        let help = Arg::new(HELP).long("help").action(ArgAction::SetTrue).help("Print usage");
        let command = Command::new(self.name)
            .about(self.about)
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args_override_self(true);
        (self.flags)(command).arg(help).arg(operands).mut_args(as_pflag)
    }

    /// Read the words after the verb. `None`: the user asked for help, and has it.
    pub(crate) fn parse(
        &self,
        called: &str,
        root: Option<String>,
        words: Vec<OsString>,
    ) -> Result<Option<Parsed>> {
        // To free each flag of a verb that has a hundred takes as long as a system call does, and the process ends soon.
        let mut command = ManuallyDrop::new(self.command());
        let words = std::iter::once(OsString::from(self.name)).chain(words);
        let parsed = command.try_get_matches_from_mut(words);
        let mut matches = match parsed {
            Ok(matches) => matches,
            Err(error) => return Err(error::flag(&error, &command, called, self.usage)),
        };
        if matches.get_flag(HELP) {
            help::verb(self, &command, called)?;
            return Ok(None);
        }
        let operands: Vec<String> =
            matches.remove_many(OPERANDS).map(Iterator::collect).unwrap_or_default();
        self.operands.check(operands.len(), called, self.usage)?;
        Ok(Some(Parsed { matches, operands, root, called: called.to_owned() }))
    }
}

/// Make a flag behave as pflag's: switches take a value after `=`.
fn as_pflag(arg: Arg) -> Arg {
    match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(ValueParser::new(truth)),
        _ if arg.is_positional() => arg,
        // A value may begin with a dash: `--memory-swap -1`.
        _ => arg.allow_hyphen_values(true),
    }
}

impl Operands {
    fn check(self, given: usize, called: &str, usage: &str) -> Result<()> {
        let plural = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let complaint = match self {
            Operands::None if given > 0 => "accepts no arguments".to_owned(),
            Operands::Exactly(count) if given != count => {
                format!("requires {count} {}", plural(count))
            }
            Operands::AtLeast(count) if given < count => {
                format!("requires at least {count} {}", plural(count))
            }
            Operands::AtMost(count) if given > count => {
                format!("requires at most {count} {}", plural(count))
            }
            Operands::Between(least, most) if !(least..=most).contains(&given) => {
                format!("requires at least {least} and at most {most} {}", plural(most))
            }
            _ => return Ok(()),
        };
        Err(error::operands(&complaint, called, usage))
    }
}
