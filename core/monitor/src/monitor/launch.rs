//! From the launch document to a running container, or to nothing at all.
//!
//! Whatever goes wrong on the way, what was made is gone again before the caller is told. Until the caller has said `start` it
//! holds the container on a tether: end of file means that it died before it could record what it was making, and then
//! nobody would ever look for it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

use super::client::Interests;
use super::clients::Clients;
use super::doorway::{Doorway, Heard};
use super::emergency::{self, Emergency};
use super::ending::{Asked, Memory};
use super::listener::Listener;
use super::log::Log;
use super::output::Output;
use super::poller::Poller;
use super::process::{self, Given};
use super::stdin::Stdin;
use super::supervisor::{Supervisor, Terms};
use super::{record, timestamp};
use crate::cgroup::Cgroup;
use crate::failpoint::failpoint;
use crate::oci::{NamespaceKind, Resources, Spec};
use crate::protocol::{self, Event, Failure, FailureClass, Launch, LogDriver};
use crate::runtime::{self, Container, Options, Stdio};
use crate::state::{Reason, RunState, Status};

/// How long what was made for nothing may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was made so far. Dropping it removes it all.
struct Made {
    cgroup: Option<Cgroup>,
    listener: Option<Listener>,
    /// Dropped first: that kills the process.
    container: Option<Container>,
}

impl Drop for Made {
    fn drop(&mut self) {
        self.container = None;
        self.listener = None;
        if let Some(cgroup) = self.cgroup.take()
            && cgroup.remove(Duration::ZERO).is_err()
        {
            // What cannot be removed now, whoever opens the engine next finds and removes.
            let _ = cgroup.kill();
            let _ = cgroup.remove(PATIENCE);
        }
    }
}

/// Launch a container; `None` when there is none, and whoever could be told has been.
pub(super) fn launch(given: Given) -> Option<Supervisor> {
    let Given { launch: socket, container_dir, run_dir } = given;
    let doorway = Doorway(socket);
    let launch = match doorway.launch() {
        Heard::Word(launch) => launch,
        Heard::Nonsense(why) => {
            let failure = Failure::invalid(format!("launch document: {why}"));
            doorway.tell(&Event::Failed { failure });
            return None;
        }
        Heard::Gone => return None,
    };
    let mut made = Made { cgroup: None, listener: None, container: None };
    let result = read(&launch).and_then(|spec| {
        make(&mut made, &launch, &spec, run_dir)?;
        start(&mut made, &launch, &doorway)?;
        Ok(spec)
    });
    let result = result.and_then(|spec| {
        let state = running(&launch, made.container.as_ref());
        record::write(container_dir, &state, false)
            .map_err(|errno| Failure::system("write the state", errno.raw_os_error()))?;
        Ok((spec, state))
    });
    match result {
        Ok((spec, state)) => {
            let _ = failpoint("state-written");
            supervise(made, &launch, &spec, state, doorway, container_dir)
        }
        Err(failure) => {
            drop(made);
            if failure.class != FailureClass::Abandoned {
                let state = failed(&launch, &failure);
                // The caller is told, whatever the disk says.
                let _ = record::write(container_dir, &state, !launch.auto_remove);
                doorway.tell(&Event::Failed { failure });
            }
            None
        }
    }
}

fn read(launch: &Launch) -> Result<Spec, Failure> {
    if launch.version != protocol::VERSION {
        let (theirs, ours) = (launch.version, protocol::VERSION);
        let message = format!("launch document of version {theirs}, this monitor reads {ours}");
        return Err(Failure::unsupported(message));
    }
    #[cfg(feature = "failpoints")]
    if let Some(list) = &launch.failpoints {
        crate::failpoint::configure(list).map_err(Failure::invalid)?;
    }
    passed("launch-read")?;
    serde::Deserialize::deserialize(&launch.spec)
        .map_err(|error| Failure::invalid(format!("runtime specification: {error}")))
}

fn passed(point: &str) -> Result<(), Failure> {
    failpoint(point).map_err(|error| Failure {
        class: FailureClass::System,
        message: error.to_string(),
        errno: None,
    })
}

fn make(
    made: &mut Made,
    launch: &Launch,
    spec: &Spec,
    run_dir: std::os::fd::BorrowedFd<'static>,
) -> Result<(), Failure> {
    let none = Resources::default();
    let resources = spec.linux.resources.as_ref().unwrap_or(&none);
    let cgroup = made.cgroup.insert(Cgroup::create(&spec.linux.cgroups_path, resources)?);
    passed("cgroup-made")?;
    if !has_pids_of_its_own(spec) {
        process::adopt_orphans();
    }
    let setup = runtime::begin(&Options {
        spec,
        rootfs: launch.rootfs.as_ref(),
        user: &launch.user,
        group_add: &launch.group_add,
        init: launch.init,
        stdin: launch.stdin != protocol::Stdin::Null,
        cgroups: &cgroup.in_hierarchies(),
        auto_start: launch.auto_start,
    })?;
    // While the container's process sets itself up.
    let listener = Listener::bind(run_dir, &launch.id)
        .map_err(|errno| Failure::system("make the control socket", errno.raw_os_error()))?;
    made.listener = Some(listener);
    made.container = Some(setup.finish()?);
    passed("created")
}

fn start(made: &mut Made, launch: &Launch, doorway: &Doorway) -> Result<(), Failure> {
    let Some(container) = &mut made.container else { return Ok(()) };
    if !launch.auto_start {
        if !doorway.tell(&Event::Created { pid: container.pid }) {
            return Err(abandoned());
        }
        wait_for_permission(container, doorway)?;
    }
    container.start()?;
    passed("started")
}

fn wait_for_permission(container: &Container, doorway: &Doorway) -> Result<(), Failure> {
    let mut fds =
        [PollFd::new(&doorway.0, PollFlags::IN), PollFd::new(&container.pidfd, PollFlags::IN)];
    loop {
        match poll(&mut fds, None) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::system("poll", errno.raw_os_error())),
        }
    }
    if fds[0].revents().is_empty() {
        let message = "the container's process was killed before it was started";
        return Err(Failure {
            class: FailureClass::System,
            message: message.to_owned(),
            errno: None,
        });
    }
    match doorway.start() {
        Heard::Word(()) => Ok(()),
        Heard::Nonsense(why) => Err(Failure::invalid(why)),
        Heard::Gone => Err(abandoned()),
    }
}

fn abandoned() -> Failure {
    let message = "the caller went away before the container was started".to_owned();
    Failure { class: FailureClass::Abandoned, message, errno: None }
}

fn has_pids_of_its_own(spec: &Spec) -> bool {
    let mut namespaces = spec.linux.namespaces.iter();
    namespaces.any(|n| n.kind == NamespaceKind::Pid && n.path.is_none())
}

fn joins_pids_of_another(spec: &Spec) -> bool {
    spec.linux.namespaces.iter().any(|n| n.kind == NamespaceKind::Pid && n.path.is_some())
}

fn running(launch: &Launch, container: Option<&Container>) -> RunState {
    let pid = container.map_or(0, |c| c.pid);
    RunState {
        status: Status::Running,
        pid,
        pid_start_time: start_time(pid).unwrap_or(0),
        monitor_pid: std::process::id().cast_signed(),
        boot_id: launch.boot_id.clone(),
        started_at: timestamp::now(),
        finished_at: 0,
        exit_code: 0,
        reason: Reason::None,
        oom_killed: false,
        error: String::new(),
    }
}

/// Field 22 of `/proc/PID/stat`. The name before it may hold anything, a closing parenthesis too.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

fn failed(launch: &Launch, failure: &Failure) -> RunState {
    let now = timestamp::now();
    RunState {
        status: Status::Exited,
        pid: 0,
        started_at: now,
        finished_at: now,
        // Docker's exit codes of a container that could not be started.
        exit_code: match failure.class {
            FailureClass::CommandNotFound => 127,
            FailureClass::CommandNotExecutable => 126,
            _ => 128,
        },
        reason: Reason::StartFailed,
        error: failure.message.clone(),
        ..running(launch, None)
    }
}

/// From here on the container runs, and only its end or ours ends it.
fn supervise(
    mut made: Made,
    launch: &Launch,
    spec: &Spec,
    state: RunState,
    doorway: Doorway,
    directory: std::os::fd::BorrowedFd<'static>,
) -> Option<Supervisor> {
    let (mut container, cgroup, listener) =
        (made.container.take()?, made.cgroup.take()?, made.listener.take()?);
    drop(made);
    let shares_pids = !has_pids_of_its_own(spec);
    let take = |container: &mut Container| -> Result<_, Errno> {
        emergency::arm(Emergency {
            pidfd: clone(&container.pidfd)?,
            cgroup: spec.linux.cgroups_path.clone(),
            directory,
            state: state.clone(),
        });
        let signals = process::take_signals(shares_pids && !joins_pids_of_another(spec))?;
        let (output, stdin, terminal) = streams(container.stdio.take(), launch.stdin)?;
        Ok((Poller::new()?, signals, output, stdin, terminal))
    };
    let (poller, signals, output, stdin, terminal) = match take(&mut container) {
        Ok(taken) => taken,
        Err(errno) => {
            let what = format!("set up the monitor: {}", protocol::describe(errno.raw_os_error()));
            emergency::end(&what);
            return None;
        }
    };
    let log = match launch.log.driver {
        LogDriver::JsonFile => Some(Log::new(directory, &launch.log)),
        LogDriver::None => None,
    };
    let pid = container.pid;
    let mut supervisor = Supervisor {
        id: launch.id.clone(),
        poller,
        container,
        cgroup,
        terms: Terms {
            tied: launch.tied,
            auto_remove: launch.auto_remove,
            limit: Some(launch.timeout_ms)
                .filter(|limit| *limit > 0)
                .and_then(|limit| Instant::now().checked_add(Duration::from_millis(limit))),
            stdin_once: launch.stdin == protocol::Stdin::Once,
            shares_pids,
        },
        directory,
        terminal,
        output,
        stdin,
        log,
        clients: Clients::default(),
        launch: None,
        listener,
        listen_again: None,
        signals,
        memory: Memory::new(None),
        asked: Asked::default(),
        ending: None,
        state,
    };
    let interests = Interests {
        stdin: launch.attach && launch.stdin != protocol::Stdin::Null,
        stdout: launch.attach,
        stderr: launch.attach,
        log: false,
        exit: true,
    };
    supervisor.take_in_caller(doorway.0, interests, &Event::Started { pid });
    Some(supervisor)
}

type Streams = (Output, Stdin, Option<OwnedFd>);

fn streams(stdio: Option<Stdio>, stdin: protocol::Stdin) -> Result<Streams, Errno> {
    let wanted = stdin != protocol::Stdin::Null;
    match stdio {
        Some(Stdio::Pipes { stdin, stdout, stderr }) => {
            let stdin = stdin.filter(|_| wanted);
            for fd in [Some(&stdout), Some(&stderr), stdin.as_ref()].into_iter().flatten() {
                ioctl_fionbio(fd, true)?;
            }
            Ok((Output::new(stdout, Some(stderr), None), Stdin::new(stdin, false), None))
        }
        Some(Stdio::Terminal(master)) => {
            ioctl_fionbio(&master, true)?;
            let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let keep_open = ioctl_tiocgptpeer(&master, peer)?;
            let input = if wanted { Some(clone(&master)?) } else { None };
            let output = Output::new(clone(&master)?, None, Some(keep_open));
            Ok((output, Stdin::new(input, true), Some(master)))
        }
        None => Err(Errno::BADF),
    }
}

fn clone(fd: &impl AsFd) -> Result<OwnedFd, Errno> {
    fd.as_fd().try_clone_to_owned().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::MFILE))
}
