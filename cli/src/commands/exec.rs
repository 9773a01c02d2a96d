//! `barque exec`.

use barque::api;
use clap::Args;

use crate::args::{Operands, Parsed, Verb, document};
use crate::failure::{Failure, Result};
use crate::session::keys::DetachKeys;
use crate::session::signals::Signals;
use crate::session::{self, Options, Subject};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "exec",
    about: "Execute a command in a running container",
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    operands: Operands::AtLeast(2),
    trailing: true,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = DetachKeys::parse, default_value = "")]
    detach_keys: DetachKeys,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    env_file: Vec<String>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long, value_name = "string", default_value = "")]
    user: String,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string", default_value = "")]
    workdir: String,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let env = document::environment(&flags.env_file, &flags.env)
        .map_err(|message| parsed.mistake(message))?;
    let [container, command @ ..] = &parsed.operands[..] else { return Ok(1) };
    let attached = !flags.detach;
    let stdin = attached && flags.interactive;
    if stdin && flags.tty && !terminal::is_input() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let size = terminal::size().filter(|_| flags.tty).unwrap_or_default();
    let request = api::ExecCreate {
        container: container.clone(),
        attach_stdin: stdin,
        attach_stdout: attached,
        attach_stderr: attached,
        tty: flags.tty,
        console_size: [size.0, size.1],
        env,
        cmd: Some(command.to_vec()),
        privileged: flags.privileged,
        user: flags.user,
        working_dir: flags.workdir,
    };
    let engine = parsed.engine()?;
    let created = engine.execs().create(&request)?;
    let start =
        api::ExecStart { id: created.id.clone(), detach: flags.detach, ..Default::default() };
    let signals = if attached { Some(Signals::take()?) } else { None };
    let mut stream = engine.execs().start(&start).map_err(|error| Failure::of_exec(&error))?;
    let Some(signals) = signals else { return Ok(0) };
    let options = Options {
        subject: Subject::Exec(created.id),
        stdin,
        tty: flags.tty,
        sig_proxy: false,
        stdout: true,
        stderr: true,
        detach_keys: flags.detach_keys,
    };
    let ended = session::run(engine, &mut stream, &signals, options)?;
    if matches!(ended, session::Ended::Detached) {
        output::say("\rread escape sequence");
    }
    Ok(ended.status())
}
