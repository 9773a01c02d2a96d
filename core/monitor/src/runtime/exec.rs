//! A further process in a container that runs: Docker's `exec`.
//!
//! The process is made in the container's cgroups, joins the namespaces of its process 1 through that one's pidfd (a pid could
//! be another's by then), and gives up everything before it enters the pid namespace, where the container's processes can
//! see it ([`Process::move_into_pid_namespace`], CVE-2016-9962). Of the monitor's descriptors it closes all but its own
//! first of all, so that there is none that leads to the host (CVE-2024-21626).
//!
//! Nothing here waits: a container can stop a process of its own at any moment, and its monitor must not stop with it. So
//! the monitor polls [`Exec::status`] and calls [`Exec::advance`] for each thing that the process has to say.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    DumpableBehavior, Signal, WaitId, WaitIdOptions, pidfd_send_signal, set_dumpable_behavior,
    umask, waitid,
};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::oci;
use crate::protocol::Failure;
use crate::seccomp::Filter;
use crate::sys::clone::{Side, clone};
use crate::sys::exec::{close_all_but, exit};
use crate::sys::keyring::join_new_session_keyring;

use super::channel::{self, Message, MonitorEnd, ProcessEnd};
use super::devices::open_null;
use super::failure::{Doing, invalid, system};
use super::paths::Root;
use super::process::{Process, die_with_parent};
use super::rlimits::Limits;
use super::setup::{enter_directory, set_oom_score};
use super::terminal::Terminal;
use super::user_namespace::UserNamespace;
use super::users::{Asked, look_up};
use super::{Cgroup, cgroups};

/// What a process is made from.
pub struct ExecOptions<'a> {
    /// Command, user, capabilities and so on.
    pub process: &'a oci::Process,
    /// The container's system call filter.
    pub filter: Option<&'a Filter>,
    /// Docker's `User`, looked up in the container; empty: what `process.user` says.
    pub user: &'a str,
    /// Docker's `GroupAdd`, looked up in the container.
    pub group_add: &'a [String],
    /// The container's process 1.
    pub container: BorrowedFd<'a>,
    /// The same as this pid namespace numbers it. It is not reaped.
    pub pid: i32,
    /// The cgroup to put it into, in each hierarchy.
    pub cgroups: &'a [Cgroup],
    /// Which of its standard streams are pipes to the monitor; the others are `/dev/null`. A terminal is always all three.
    pub wanted: Wanted,
}

/// Standard streams.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

/// The monitor's ends of the standard streams. All of them are close-on-exec and blocking.
#[derive(Debug, Default)]
pub struct ExecStdio {
    /// Write end of standard input.
    pub stdin: Option<OwnedFd>,
    /// Read end of standard output.
    pub stdout: Option<OwnedFd>,
    /// Read end of standard error.
    pub stderr: Option<OwnedFd>,
    /// The master of its terminal, once the process is set up.
    pub terminal: Option<OwnedFd>,
}

/// A process on its way into a container. Dropping it before it is [`Step::Running`] kills and reaps it.
pub struct Exec {
    /// The process, as the monitor's pid namespace numbers it. It may become another while it is set up.
    pub pid: i32,
    /// The same as a descriptor.
    pub pidfd: OwnedFd,
    /// The monitor's ends of its standard streams; take them out to keep them.
    pub stdio: ExecStdio,
    channel: MonitorEnd,
    ready: bool,
    done: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is still being set up.
    Waiting,
    /// It has become the command, and is the caller's to reap.
    Running,
}

/// Start a process in a container. Only for a process with one thread.
pub fn exec(options: &ExecOptions<'_>) -> Result<Exec, Failure> {
    let (ours, theirs) = channel::pair().doing(|| "make a socket")?;
    ours.expect_a_move().doing(|| "ask who sends")?;
    let (stdio, streams) = standard_streams(options)?;
    let unified = cgroups::open_unified(options.cgroups)?;
    let user = UserNamespace::of_process(options.pid)?;
    let unified = unified.as_ref().map(AsFd::as_fd);
    match clone(0, unified).doing(|| "clone the process")? {
        Side::Parent { pid, pidfd } => {
            Ok(Exec { pid, pidfd, stdio, channel: ours, ready: false, done: false })
        }
        Side::Child => become_command(options, user, streams, &theirs),
    }
}

impl Exec {
    /// Becomes readable when [`Exec::advance`] has something to do.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Hear one thing from the process. Waits when there is none.
    ///
    /// # Errors
    /// Why there is no process: it is gone then.
    pub fn advance(&mut self) -> Result<Step, Failure> {
        match self.channel.receive()? {
            Message::Moved { pid, pidfd } => {
                // The first one has ended, or is about to. Until it is reaped it counts for the container's limit of processes, so the
                // command has to wait for that.
                self.end();
                (self.pid, self.pidfd, self.done) = (pid, pidfd, false);
                self.channel.go().doing(|| "let the process start")?;
                Ok(Step::Waiting)
            }
            Message::Ready(master) => {
                self.stdio.terminal = master;
                self.ready = true;
                Ok(Step::Waiting)
            }
            Message::Ended if self.ready => {
                self.done = true;
                Ok(Step::Running)
            }
            Message::Ended => {
                self.end();
                Err(invalid("the process was killed while it was set up"))
            }
            Message::Failed(failure) => {
                self.end();
                Err(failure)
            }
        }
    }

    fn end(&mut self) {
        if !self.done {
            self.done = true;
            // It may be dead already; reaped it is not.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            while let Err(Errno::INTR) =
                waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED)
            {}
        }
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        self.end();
    }
}

/// The process's ends of its standard streams; `None`: the null device.
struct Streams([Option<OwnedFd>; 3]);

fn standard_streams(options: &ExecOptions<'_>) -> Result<(ExecStdio, Streams), Failure> {
    let Wanted { stdin, stdout, stderr } = options.wanted;
    if options.process.terminal {
        return Ok((ExecStdio::default(), Streams([None, None, None])));
    }
    let pipe = |wanted: bool| {
        wanted.then(|| pipe_with(PipeFlags::CLOEXEC).doing(|| "make a pipe")).transpose()
    };
    let (their_stdin, stdin) = pipe(stdin)?.unzip();
    let (stdout, their_stdout) = pipe(stdout)?.unzip();
    let (stderr, their_stderr) = pipe(stderr)?.unzip();
    let stdio = ExecStdio { stdin, stdout, stderr, terminal: None };
    Ok((stdio, Streams([their_stdin, their_stdout, their_stderr])))
}

/// The child's part: never returns to what its copy of the monitor's stack holds.
fn become_command(
    options: &ExecOptions<'_>,
    user: Option<UserNamespace>,
    streams: Streams,
    channel: &ProcessEnd,
) -> ! {
    let result = catch_unwind(AssertUnwindSafe(|| {
        channel.fail(&set_up(options, user, streams, channel));
    }));
    exit(if result.is_ok() { 125 } else { 101 })
}

/// Join the container and become the command. Returns only with what went wrong.
fn set_up(
    options: &ExecOptions<'_>,
    user: Option<UserNamespace>,
    streams: Streams,
    channel: &ProcessEnd,
) -> Failure {
    match prepare(options, user, streams, channel) {
        Err(failure) => failure,
        Ok((mut process, streams, master)) => {
            if let Err(failure) = process.move_into_pid_namespace(channel) {
                return failure;
            }
            if let Err(error) = channel.ready(master) {
                return system("tell the monitor that the process is set up", error);
            }
            process.run(streams, channel, false)
        }
    }
}

fn prepare(
    options: &ExecOptions<'_>,
    user: Option<UserNamespace>,
    streams: Streams,
    channel: &ProcessEnd,
) -> Result<(Process, [OwnedFd; 3], Option<OwnedFd>), Failure> {
    let Streams(streams) = streams;
    let kept: Vec<BorrowedFd<'_>> = [channel.as_fd(), options.container]
        .into_iter()
        .chain(streams.iter().flatten().map(AsFd::as_fd))
        .chain(user.iter().map(|user| user.namespace().as_fd()))
        .collect();
    // SAFETY: what else the monitor has open is never used or closed by this process, which ends without going back to
    // its code.
    unsafe { close_all_but(&kept) }.doing(|| "let go of the monitor's descriptors")?;
    die_with_parent()?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "hide the process")?;
    umask(Mode::empty());
    let limits = Limits::new(&options.process.rlimits)?;
    cgroups::join(options.cgroups)?;
    set_oom_score(options.process.oom_score_adj)?;
    join_new_session_keyring().doing(|| "make a session keyring")?;
    join_namespaces(options.container)?;
    if let Some(user) = &user {
        user.act()?;
    }
    // The root of a mount namespace that was joined is that of who made it: the container's.
    let root = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map(Root::new)
        .doing(|| "open the container's root")?;

    let terminal = match options.process.terminal {
        true => Some(Terminal::open(&root, options.process.console_size)?),
        false => None,
    };
    let identity = look_up(
        &root,
        &Asked {
            user: options.user,
            group_add: options.group_add,
            default: &options.process.user,
            home: !options.process.env.iter().any(|variable| variable.starts_with("HOME=")),
        },
    )?;
    enter_directory(&root, &options.process.cwd, false)?;
    let process = Process::prepare(options.process, identity, limits, options.filter, user)?;
    let (streams, master) = match terminal {
        None => (pipes(&root, &process, streams)?, None),
        Some(Terminal { master, slave }) => {
            process.own(&[&slave])?;
            let copy = || slave.try_clone().map_err(|_| system("open the terminal", Errno::MFILE));
            ([copy()?, copy()?, slave], Some(master))
        }
    };
    Ok((process, streams, master))
}

/// The pipes, which become the user's, and the null device where there is none.
fn pipes(
    root: &Root,
    process: &Process,
    streams: [Option<OwnedFd>; 3],
) -> Result<[OwnedFd; 3], Failure> {
    let made: Vec<&OwnedFd> = streams.iter().flatten().collect();
    process.own(&made)?;
    let [stdin, stdout, stderr] = streams;
    let or_null = |stream: Option<OwnedFd>, access| match stream {
        Some(stream) => Ok(stream),
        None => open_null(root, access),
    };
    Ok([
        or_null(stdin, OFlags::RDONLY)?,
        or_null(stdout, OFlags::WRONLY)?,
        or_null(stderr, OFlags::WRONLY)?,
    ])
}

/// All of them: where the container shares one with the host, this changes nothing. The pid namespace holds for processes made
/// from now on.
fn join_namespaces(container: BorrowedFd<'_>) -> Result<(), Failure> {
    let all = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::CONTROL_GROUP
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::NETWORK;
    move_into_thread_name_spaces(container, all).map_err(|errno| match errno {
        Errno::SRCH => invalid("the container is not running"),
        errno => system("join the container's namespaces", errno),
    })
}
