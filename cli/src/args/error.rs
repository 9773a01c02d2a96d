//! What is wrong with a command line, in pflag's words.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::Failure;

/// A flag that cannot be read. docker exits with 125 then.
pub(super) fn flag(
    error: &clap::Error,
    command: &clap::Command,
    called: &str,
    usage: &str,
) -> Failure {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue);
    let line = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with("--") => {
            let name = argument.split('=').next().unwrap_or_default();
            match context(ContextKind::SuggestedArg) {
                suggested if suggested.is_empty() => format!("unknown flag: {name}"),
                suggested => {
                    format!("unknown flag: {name}\nDid you mean '{}'?", first_word(&suggested))
                }
            }
        }
        ErrorKind::UnknownArgument => {
            let letter = argument.trim_start_matches('-').chars().next().unwrap_or('-');
            format!("unknown shorthand flag: '{letter}' in {argument}")
        }
        // clap says that the value is an empty one when there is none.
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("flag needs an argument: {}", first_word(&argument))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| "invalid value".to_owned());
            format!(
                "invalid argument {value:?} for \"{}\" flag: {cause}",
                both_names(&argument, command)
            )
        }
        ErrorKind::InvalidUtf8 => "invalid argument: it is not UTF-8".to_owned(),
        kind => kind.to_string(),
    };
    Failure::usage(format!("{line}\n\n{}", pointer(called, usage, "Run")), 125)
}

/// Too few or too many words. docker exits with 1 then.
pub(super) fn operands(complaint: &str, called: &str, usage: &str) -> Failure {
    let line = format!("barque: '{called}' {complaint}");
    Failure::usage(format!("{line}\n\n{}", pointer(called, usage, "See")), 1)
}

fn pointer(called: &str, usage: &str, verb: &str) -> String {
    format!("Usage:  {called} {usage}\n\n{verb} '{called} --help' for more information")
}

fn first_word(text: &str) -> &str {
    text.split([' ', '=', '[']).next().unwrap_or_default()
}

/// `-m, --memory` for clap's `--memory <bytes>`.
fn both_names(argument: &str, command: &clap::Command) -> String {
    let name = first_word(argument);
    let long = name.trim_start_matches('-');
    let short = command
        .get_arguments()
        .find(|known| known.get_long() == Some(long))
        .and_then(clap::Arg::get_short);
    match short {
        Some(short) => format!("-{short}, {name}"),
        None => name.to_owned(),
    }
}
