//! `barque run`: create, start, and stay attached to the end.

use barque::{Canceller, Engine, ErrorKind, api};
use clap::Args;

use super::create::Asked;
use crate::args::create::CreateFlags;
use crate::args::{Operands, Parsed, Verb, document};
use crate::failure::{Failure, Result};
use crate::session::keys::DetachKeys;
use crate::session::signals::{self, Signals};
use crate::session::{self, Options, Subject};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "run",
    about: "Create and run a new container from an image",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    operands: Operands::AtLeast(1),
    trailing: true,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[command(flatten)]
    create: CreateFlags,
    /// Run container in background and print container ID
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long, value_name = "string", value_parser = DetachKeys::parse, default_value = "")]
    detach_keys: DetachKeys,
    /// Proxy received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = crate::args::truth, action = clap::ArgAction::Set, value_name = "bool")]
    sig_proxy: bool,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let cidfile = flags.create.cidfile.clone();
    let (pull, quiet) = (flags.create.pull.clone(), flags.create.quiet);
    let mut request = document::of(flags.create, &parsed.operands, flags.detach)
        .map_err(|message| parsed.mistake(message))?;
    if !flags.detach && request.tty && request.attach_stdin && !terminal::is_input() {
        return Err(Failure::new("the input device is not a TTY"));
    }
    if request.tty
        && let Some((rows, columns)) = terminal::size()
    {
        request.host_config.console_size = [rows, columns];
    }
    let remains = Remains {
        stdin: request.attach_stdin,
        tty: request.tty,
        sig_proxy: flags.sig_proxy,
        stdout: request.attach_stdout,
        stderr: request.attach_stderr,
        detach_keys: flags.detach_keys,
    };
    let asked = Asked::new(cidfile, &pull, quiet)?;
    let engine = parsed.engine()?;
    if flags.detach {
        let id = asked.create(engine, &request)?;
        return match engine
            .containers()
            .start(&api::ContainerStart { id: id.clone(), ..Default::default() })
        {
            Ok(()) => output::out(format!("{id}\n")).map(|()| 0),
            Err(error) => Err(failed_to_start(engine, &id, &request, &error)),
        };
    }
    asked.provide(engine, &request)?;
    let run = api::ContainerRun { create: request, ..Default::default() };
    let begun = |created: &api::ContainerCreated| asked.created(created);
    attached(engine, &run, remains, begun).map_err(|broken| match broken {
        Broken::NotStarted(error) => Failure::of_run(&error),
        Broken::Other(failure) => failure,
    })
}

/// A container that was made to be removed at its end is removed too when it has no beginning.
fn failed_to_start(
    engine: &Engine,
    id: &str,
    request: &api::ContainerCreate,
    error: &barque::Error,
) -> Failure {
    if request.host_config.auto_remove {
        let request = api::ContainerRemove { id: id.to_owned(), force: true, volumes: true };
        // core may have done it already.
        let _ = engine.containers().remove(&request);
    }
    Failure::of_run(error)
}

/// How a container is attached, but for its id.
pub(super) struct Remains {
    pub(super) stdin: bool,
    pub(super) tty: bool,
    pub(super) sig_proxy: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) detach_keys: DetachKeys,
}

/// Why an attached run did not come to its end.
pub(super) enum Broken {
    /// The container was not started.
    NotStarted(barque::Error),
    /// Everything else.
    Other(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Broken {
        Broken::Other(failure)
    }
}

/// Start a container and stay attached; the exit status. `begun` is told about it as soon as it runs.
pub(super) fn attached(
    engine: &Engine,
    request: &api::ContainerRun,
    remains: Remains,
    begun: impl FnOnce(&api::ContainerCreated) -> Result<()>,
) -> std::result::Result<u8, Broken> {
    let signals = Signals::take()?;
    let canceller = Canceller::new().map_err(Failure::from)?;
    let starting = engine.with_canceller(&canceller);
    let started = signals.watch(&canceller, || starting.containers().run(request));
    let mut stream = match started.and_then(|stream| stream) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            let status = signals.next().map_or(130, signals::status);
            return Err(Failure::quiet(status).into());
        }
        Err(error) => return Err(Broken::NotStarted(error)),
    };
    // A signal that came too late to keep it from starting is passed on like any other.
    let renewed = Canceller::new().and_then(|canceller| stream.cancel_with(&canceller));
    renewed.map_err(Failure::from)?;
    let container = stream.container().unwrap_or_default();
    begun(&container)?;
    let Remains { stdin, tty, sig_proxy, stdout, stderr, detach_keys } = remains;
    let subject = Subject::Container(container.id);
    let options = Options { subject, stdin, tty, sig_proxy, stdout, stderr, detach_keys };
    let ended = session::run(engine, &mut stream, &signals, options)?;
    if matches!(ended, session::Ended::Detached) {
        output::say("\rread escape sequence");
    }
    Ok(ended.status())
}
