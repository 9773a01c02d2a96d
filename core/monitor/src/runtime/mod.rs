//! The OCI runtime: makes a container's process 1 from a specification.
//!
//! [`begin`] clones the process into its namespaces; everything else it does to itself (joins its cgroups, mounts its root
//! file system, gives up privileges) while the monitor goes on, and then waits for [`Container::start`]. The two are
//! connected by a socket: the child tells how far it is or what went wrong, the parent tells it to go on, and the end of
//! either is seen by the other. All of it stands on the monitor being single-threaded: the child of a bare clone(2)
//! may then do whatever the parent could.
//!
//! Cgroup directories, limits and the device filter are made before, and removed after, by the caller.

mod capabilities;
mod cgroups;
mod channel;
mod devices;
mod exec;
mod failure;
mod masks;
mod mount_options;
mod mounts;
mod namespaces;
pub(crate) mod paths;
mod process;
mod procfs;
mod reaper;
mod refusals;
mod rlimits;
pub(crate) mod rootfs;
mod setup;
mod terminal;
pub(crate) mod user_namespace;
mod users;
pub(crate) mod view;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::oci::Spec;
use crate::protocol::{Failure, Overlay};
use crate::seccomp::Filter;
use crate::sys::clone::{Side, clone};
use crate::sys::exec::exit;

pub use exec::{Exec, ExecOptions, ExecStdio, Step, Wanted, exec};

use channel::{Message, MonitorEnd, ProcessEnd};
use failure::{Doing, invalid};
use namespaces::Namespaces;
use setup::Streams;

/// What a container is made from, beside its specification.
pub struct Options<'a> {
    /// The specification. Its `linux.resources` and `linux.cgroupsPath` are not looked at here.
    pub spec: &'a Spec,
    /// The root file system; without it `spec.root.path` is taken as it is.
    pub rootfs: Option<&'a Overlay>,
    /// Docker's `User`, looked up in the container; empty: what `spec.process.user` says.
    pub user: &'a str,
    /// Docker's `GroupAdd`, looked up in the container.
    pub group_add: &'a [String],
    /// Process 1 is a reaper, and the command its child.
    pub init: bool,
    /// Standard input is a pipe; otherwise it is `/dev/null`. A terminal is always open for input.
    pub stdin: bool,
    /// `linux.seccomp` of the specification, compiled.
    pub filter: Option<&'a Filter>,
    /// The container's cgroup in each hierarchy that it has one in. Its limits are set already.
    pub cgroups: &'a [Cgroup],
    /// Go on to the command without waiting for [`Container::start`] (which must still be called, for its result).
    pub auto_start: bool,
}

/// A container's cgroup in one hierarchy.
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Name of the hierarchy's directory below `/sys/fs/cgroup` in the container, `cpu,cpuacct` or `unified` or
    /// `systemd`; empty on a host that has only cgroup v2.
    pub name: String,
    /// The container's directory in it, as the monitor sees it: absolute.
    pub path: String,
    /// It is cgroup v2.
    pub unified: bool,
}

/// The monitor's ends of the container's standard streams. All of them are close-on-exec and blocking.
#[derive(Debug)]
pub enum Stdio {
    /// A pipe for each.
    Pipes {
        /// Write end of standard input, where [`Options::stdin`] asked for it.
        stdin: Option<OwnedFd>,
        /// Read end of standard output.
        stdout: OwnedFd,
        /// Read end of standard error.
        stderr: OwnedFd,
    },
    /// The master of the container's terminal.
    Terminal(OwnedFd),
}

/// A container whose process is setting itself up. Dropping it kills and reaps that process.
pub struct Setup {
    container: Container,
    /// Another process is going to go on in the first one's place.
    moves: bool,
}

/// A container that is set up. Dropping it before [`Container::start`] has succeeded kills and reaps its process.
pub struct Container {
    /// Process 1, as the monitor's pid namespace numbers it.
    pub pid: i32,
    /// The same as a descriptor.
    pub pidfd: OwnedFd,
    /// The monitor's ends of its standard streams; take them out to keep them.
    pub stdio: Option<Stdio>,
    channel: MonitorEnd,
    stage: Stage,
}

/// How far a container's process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It sets itself up or waits.
    Waiting,
    /// It was told to go on.
    Going,
    /// It has become the command, or is gone.
    Done,
}

/// Start making a container. Returns as soon as its process exists. Only for a process with one thread.
pub fn begin(options: &Options<'_>) -> Result<Setup, Failure> {
    refusals::check(options.spec)?;
    let namespaces = Namespaces::new(&options.spec.linux.namespaces)?;
    let (ours, theirs) = channel::pair().doing(|| "make a socket")?;
    let (stdio, streams) = standard_streams(options)?;
    let unified = cgroups::open_unified(options.cgroups)?;
    let mut stage = Stage::Waiting;
    if options.auto_start {
        ours.go().doing(|| "let the container start")?;
        stage = Stage::Going;
    }
    let moves = namespaces.joined_pids().is_some();
    if moves {
        ours.expect_a_move().doing(|| "ask who sends")?;
    }
    let unified = unified.as_ref().map(AsFd::as_fd);
    match clone(namespaces.clone_flags(), unified).doing(|| "clone the container's process")? {
        Side::Parent { pid, pidfd } => {
            Ok(Setup { container: Container { pid, pidfd, stdio, channel: ours, stage }, moves })
        }
        Side::Child => {
            drop(ours);
            become_container(options, &namespaces, streams, &theirs)
        }
    }
}

/// Make a container and wait until it can be started. Only for a process with one thread.
pub fn create(options: &Options<'_>) -> Result<Container, Failure> {
    begin(options)?.finish()
}

impl Setup {
    /// The process, as the monitor's pid namespace numbers it. Where the container joins the pid namespace of another, it
    /// is not the one that the finished container has.
    pub fn pid(&self) -> i32 {
        self.container.pid
    }

    /// Becomes readable when [`Setup::finish`] will not block.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.container.channel.as_fd()
    }

    /// Wait until the container can be started, or has failed (its process is then gone).
    pub fn finish(self) -> Result<Container, Failure> {
        let mut container = self.container;
        let mut message = container.channel.receive()?;
        if let Message::Moved { pid, pidfd } = message {
            // The first one has ended, or is about to.
            let stage = std::mem::replace(&mut container.stage, Stage::Waiting);
            container.end();
            (container.pid, container.pidfd, container.stage) = (pid, pidfd, stage);
            // The other waits for that, and for leave to start as any process does.
            container.channel.go().doing(|| "let the process go on")?;
            message = container.channel.receive()?;
        } else if self.moves && matches!(message, Message::Ready(_)) {
            message = Message::Ended;
        }
        match message {
            Message::Ready(master) => {
                container.stdio = container.stdio.take().or(master.map(Stdio::Terminal));
                Ok(container)
            }
            Message::Failed(failure) => Err(failure),
            Message::Ended | Message::Moved { .. } => {
                Err(invalid("the container's process was killed while it was set up"))
            }
        }
    }
}

impl Container {
    /// Becomes readable, after [`Container::go`], when [`Container::start`] will not block.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Let the process go on to the command, without waiting for the result.
    pub fn go(&mut self) -> Result<(), Failure> {
        if self.stage == Stage::Waiting {
            self.channel.go().doing(|| "let the container start")?;
            self.stage = Stage::Going;
        }
        Ok(())
    }

    /// [`Container::go`] unless that is done, and wait until the command runs or cannot be executed (the process is then
    /// gone). From now on the caller reaps it.
    pub fn start(&mut self) -> Result<(), Failure> {
        self.go()?;
        match self.channel.receive()? {
            Message::Ended => {
                self.stage = Stage::Done;
                Ok(())
            }
            Message::Failed(failure) => {
                self.end();
                Err(failure)
            }
            Message::Ready(_) | Message::Moved { .. } => {
                Err(invalid("the container's process is out of step"))
            }
        }
    }

    /// Kill and reap the process: with process 1 the whole pid namespace ends, and with that everything that was mounted.
    fn end(&mut self) {
        if self.stage != Stage::Done {
            self.stage = Stage::Done;
            // It may be dead already; reaped it is not.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            while let Err(Errno::INTR) =
                waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED)
            {}
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.end();
    }
}

/// The child's part: never returns to what its copy of the monitor's stack holds.
fn become_container(
    options: &Options<'_>,
    namespaces: &Namespaces<'_>,
    streams: Streams,
    channel: &ProcessEnd,
) -> ! {
    let result = catch_unwind(AssertUnwindSafe(|| {
        channel.fail(&setup::set_up(options, namespaces, streams, channel));
    }));
    exit(if result.is_ok() { 125 } else { 101 })
}

fn standard_streams(options: &Options<'_>) -> Result<(Option<Stdio>, Streams), Failure> {
    if options.spec.process.terminal {
        return Ok((None, Streams { stdin: None, output: None }));
    }
    let pipe = || pipe_with(PipeFlags::CLOEXEC).doing(|| "make a pipe");
    let (stdout, their_stdout) = pipe()?;
    let (stderr, their_stderr) = pipe()?;
    let (their_stdin, stdin) = match options.stdin {
        true => pipe().map(|(read, write)| (Some(read), Some(write)))?,
        false => (None, None),
    };
    Ok((
        Some(Stdio::Pipes { stdin, stdout, stderr }),
        Streams { stdin: their_stdin, output: Some((their_stdout, their_stderr)) },
    ))
}
