//! `barque attach`.

use barque::{Engine, api};
use clap::Args;

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::session::keys::DetachKeys;
use crate::session::signals::Signals;
use crate::session::{self, Options, Subject};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "attach",
    about: "Attach local standard input, output, and error streams to a running container",
    usage: "[OPTIONS] CONTAINER",
    operands: Operands::Exactly(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = DetachKeys::parse, default_value = "")]
    detach_keys: DetachKeys,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = crate::args::truth, action = clap::ArgAction::Set, value_name = "bool")]
    sig_proxy: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    let container = engine.containers().inspect(&parsed.operands[0])?;
    if !container.state.running {
        return Err(Failure::new("You cannot attach to a stopped container, start it first"));
    }
    let stdin = !flags.no_stdin && container.config.open_stdin;
    to_running(engine, &container, stdin, flags.sig_proxy, flags.detach_keys.clone())
}

/// Attach to a container that runs; the exit status.
pub(super) fn to_running(
    engine: &Engine,
    container: &api::ContainerInspect,
    stdin: bool,
    sig_proxy: bool,
    detach_keys: DetachKeys,
) -> Result<u8> {
    let tty = container.config.tty;
    if tty && stdin && !terminal::is_input() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let id = container.id.clone();
    let request = api::ContainerAttach { id: id.clone(), stdin, stdout: true, stderr: true };
    let signals = Signals::take()?;
    let mut stream = engine.containers().attach(&request)?;
    let subject = Subject::Container(id);
    let options =
        Options { subject, stdin, tty, sig_proxy, stdout: true, stderr: true, detach_keys };
    let ended = session::run(engine, &mut stream, &signals, options)?;
    if matches!(ended, session::Ended::Detached) {
        output::say("\rread escape sequence");
    }
    Ok(ended.status())
}
