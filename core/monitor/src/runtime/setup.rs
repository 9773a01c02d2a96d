//! What the container's process does to itself, in order, from its first instruction to the command.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, fchdir, getcwd, set_dumpable_behavior, umask};
use rustix::system::{setdomainname, sethostname};

use crate::oci::{NamespaceKind, Spec};
use crate::protocol::Failure;
use crate::sys::keyring::join_new_session_keyring;
use crate::sys::link::set_loopback_up;

use super::channel::ProcessEnd;
use super::devices::{Devices, open_null};
use super::failure::{Doing, invalid, system};
use super::mounts::Mounts;
use super::namespaces::Namespaces;
use super::paths::{Links, Missing, Root, clean};
use super::process::{Process, die_with_parent};
use super::rlimits::Limits;
use super::terminal::Terminal;
use super::user_namespace::UserNamespace;
use super::users::{Asked, look_up};
use super::{Options, cgroups, masks, procfs, rootfs};

/// The container's ends of its standard streams.
pub(crate) struct Streams {
    /// `None`: the null device.
    pub(crate) stdin: Option<OwnedFd>,
    /// Standard output and standard error; `None`: a terminal is to be opened for all three.
    pub(crate) output: Option<(OwnedFd, OwnedFd)>,
}

/// Set up the container and become its command. Returns only with what went wrong.
pub(crate) fn set_up(
    options: &Options<'_>,
    namespaces: &Namespaces<'_>,
    streams: Streams,
    channel: &ProcessEnd,
) -> Failure {
    let prepared = prepare(options, namespaces, streams);
    match prepared {
        Err(failure) => failure,
        Ok((mut process, streams, master)) => {
            if namespaces.joined_pids().is_some()
                && let Err(failure) = process.move_into_pid_namespace(channel)
            {
                return failure;
            }
            if let Err(error) = channel.ready(master) {
                return system("tell the monitor that the container is set up", error);
            }
            if !channel.wait() {
                return invalid("the container was not started");
            }
            process.run(streams, channel, options.init)
        }
    }
}

fn prepare(
    options: &Options<'_>,
    namespaces: &Namespaces<'_>,
    streams: Streams,
) -> Result<(Process, [OwnedFd; 3], Option<OwnedFd>), Failure> {
    let spec = options.spec;
    die_with_parent()?;
    // Whoever shares the pid namespace cannot look at our descriptors or memory (CVE-2016-9962).
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "hide the process")?;
    umask(Mode::empty());
    let mut limits = Limits::new(&spec.process.rlimits)?;
    let layers = options.rootfs.map_or(0, |overlay| overlay.lower.len());
    limits.make_room(64 + 2 * spec.mounts.len() + layers + options.cgroups.len());

    cgroups::join(options.cgroups)?;
    namespaces.enter()?;
    if namespaces.has_new(NamespaceKind::Network) {
        set_loopback_up().doing(|| "set the link lo up")?;
    }
    join_new_session_keyring().doing(|| "make a session keyring")?;
    set_names(spec, namespaces)?;
    set_oom_score(spec.process.oom_score_adj)?;

    let user = UserNamespace::of(namespaces, &spec.linux)?;
    if let Some(user) = &user {
        user.act()?;
    }
    let mounts = Mounts::prepare(spec, options.cgroups, namespaces, user.as_ref())?;
    let devices = Devices::prepare(spec, &mounts, user.as_ref())?;
    procfs::set_parameters(&spec.linux.sysctl, namespaces, &mounts)?;
    let root = rootfs::mount(spec, options.rootfs, user.as_ref())?.enter()?;
    mounts.attach(&root)?;
    devices.finish(&root)?;

    let (streams, terminal) = match (streams.output, streams.stdin) {
        (None, _) => {
            let terminal = Terminal::open(&root, spec.process.console_size)?;
            terminal.become_console(&root)?;
            (Opened::Terminal(terminal.slave), Some(terminal.master))
        }
        (Some((stdout, stderr)), Some(stdin)) => (Opened::Pipes([stdin, stdout, stderr]), None),
        (Some((stdout, stderr)), None) => {
            (Opened::Output(open_null(&root, OFlags::RDONLY)?, [stdout, stderr]), None)
        }
    };
    let identity = look_up(
        &root,
        &Asked {
            user: options.user,
            group_add: options.group_add,
            default: &spec.process.user,
            home: !spec.process.env.iter().any(|variable| variable.starts_with("HOME=")),
        },
    )?;
    masks::apply(&spec.linux, &root)?;
    enter_directory(&root, &spec.process.cwd, true)?;
    mounts.finish()?;
    rootfs::finish(spec, &root)?;
    let process = Process::prepare(&spec.process, identity, limits, options.filter, user)?;
    let streams = streams.hand_over(&process)?;
    Ok((process, streams, terminal))
}

/// The standard streams, of which those that were made for this container are given to its user.
enum Opened {
    Terminal(OwnedFd),
    Pipes([OwnedFd; 3]),
    Output(OwnedFd, [OwnedFd; 2]),
}

impl Opened {
    fn hand_over(self, process: &Process) -> Result<[OwnedFd; 3], Failure> {
        match self {
            Opened::Terminal(slave) => {
                process.own(&[&slave])?;
                let copy =
                    || slave.try_clone().map_err(|_| system("open the terminal", Errno::MFILE));
                Ok([copy()?, copy()?, slave])
            }
            Opened::Pipes(pipes) => {
                process.own(&pipes)?;
                Ok(pipes)
            }
            Opened::Output(null, pipes) => {
                process.own(&pipes)?;
                let [stdout, stderr] = pipes;
                Ok([null, stdout, stderr])
            }
        }
    }
}

fn set_names(spec: &Spec, namespaces: &Namespaces<'_>) -> Result<(), Failure> {
    if spec.hostname.is_empty() && spec.domainname.is_empty() {
        return Ok(());
    }
    if namespaces.shares_host(NamespaceKind::Uts) {
        return Err(invalid("a host name needs a uts namespace that is not the host's"));
    }
    if !spec.hostname.is_empty() {
        sethostname(spec.hostname.as_bytes())
            .doing(|| format!("set the host name {:?}", spec.hostname))?;
    }
    if !spec.domainname.is_empty() {
        setdomainname(spec.domainname.as_bytes())
            .doing(|| format!("set the domain name {:?}", spec.domainname))?;
    }
    Ok(())
}

/// While the host's `/proc` can be seen.
pub(super) fn set_oom_score(score: Option<i32>) -> Result<(), Failure> {
    let Some(score) = score else { return Ok(()) };
    openat(CWD, "/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::write(file, score.to_string().as_bytes()))
        .map(drop)
        .map_err(|error| match error {
            Errno::ACCESS | Errno::PERM => system(
                format!("set oom_score_adj {score}: lowering it needs CAP_SYS_RESOURCE"),
                error,
            ),
            error => system(format!("set oom_score_adj {score}"), error),
        })
}

/// The working directory, made if it is missing and `make`. What it was resolved to is inside the root, and to be sure the
/// kernel is asked: it gives a directory outside a name that does not begin with a slash (CVE-2024-21626).
pub(super) fn enter_directory(root: &Root, path: &str, make: bool) -> Result<(), Failure> {
    let doing = || format!("change to the working directory {path}");
    let clean = clean(path)
        .ok_or_else(|| invalid(format!("the working directory {path:?} is not absolute")))?;
    let directory = match make {
        true => root.ensure(&clean, Links::Follow, Missing::Directory),
        false => root.locate(&clean, Links::Follow),
    };
    let directory = directory.doing(doing)?;
    fchdir(&directory).doing(doing)?;
    let reached = getcwd(Vec::new()).doing(doing)?;
    match reached.as_bytes() {
        [b'/', ..] => Ok(()),
        _ => Err(invalid(format!("{}: it is outside the container", doing()))),
    }
}
