//! `barque start`.

use barque::{ErrorKind, api};
use clap::Args;

use super::each;
use super::run::{Broken, Remains, attached};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::session::keys::DetachKeys;
use crate::terminal;

pub(crate) const VERB: Verb = Verb {
    name: "start",
    about: "Start one or more stopped containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Attach STDOUT/STDERR and forward signals
    #[arg(short, long)]
    attach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = DetachKeys::parse, default_value = "")]
    detach_keys: DetachKeys,
    /// Attach container's STDIN
    #[arg(short, long)]
    interactive: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    if !flags.attach && !flags.interactive {
        return each(&parsed.operands, |id| {
            match engine
                .containers()
                .start(&api::ContainerStart { id: id.to_owned(), ..Default::default() })
            {
                // Docker answers the same to a container that runs.
                Err(error) if error.kind() != ErrorKind::NotModified => Err(error),
                _ => Ok(id.to_owned()),
            }
        });
    }
    let [id] = &parsed.operands[..] else {
        return Err(parsed.mistake("you cannot start and attach multiple containers at once"));
    };
    let container = engine.containers().inspect(id)?;
    let config = &container.config;
    let stdin = flags.interactive && config.open_stdin;
    if container.state.running {
        return super::attach::to_running(
            engine,
            &container,
            stdin,
            true,
            flags.detach_keys.clone(),
        );
    }
    if config.tty && stdin && !terminal::is_input() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    let remains = Remains {
        stdin,
        tty: config.tty,
        sig_proxy: true,
        stdout: true,
        stderr: true,
        detach_keys: flags.detach_keys,
    };
    let run = api::ContainerRun { id: container.id.clone(), ..Default::default() };
    attached(engine, &run, remains, |_| Ok(())).map_err(|broken| match broken {
        Broken::NotStarted(error) => error.into(),
        Broken::Other(failure) => failure,
    })
}
