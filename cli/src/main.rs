//! The `barque` command: docker's verbs, flags, output and exit codes over core's API.
//!
//! It decides nothing. Flags become a document (`args`), a verb is one call or stream of core's (`commands`), and the answer
//! becomes a table, a template's text or a container's own bytes (`table`, `template`, `session`). All printing is in
//! `output`.
//!
//! A `barque run` is mostly this program's start: only the verb that was asked for builds its flags, and nothing is read,
//! opened or looked up before it is needed.

mod args;
mod commands;
mod failure;
mod human;
mod output;
mod progress;
mod screen;
mod session;
mod steps;
mod table;
mod template;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect();
    ExitCode::from(match commands::dispatch(arguments) {
        Ok(code) => code,
        Err(failure) => output::report(failure),
    })
}
