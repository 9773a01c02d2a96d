//! From the launch document to a running container, or to nothing at all.
//!
//! Whatever goes wrong on the way, what was made is gone again before the caller is told. Until the caller has said `start` it
//! holds the container on a tether: end of file means that it died before it could record what it was making, and then
//! nobody would ever look for it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::client::Interests;
use super::clients::Clients;
use super::directories::Directories;
use super::doorway::{Doorway, Heard};
use super::emergency::{self, Emergency};
use super::ending::{Asked, Memory};
use super::events::Events;
use super::execs::Execs;
use super::health::Health;
use super::joined;
use super::listener::Listener;
use super::log::Log;
use super::names::Names;
use super::poller::Poller;
use super::process::{self, Given};
use super::record;
use super::restart::Restarts;
use super::streams::{clone, streams};
use super::supervisor::{SETTLE, Supervisor, Terms};
use crate::cgroup::Cgroup;
use crate::failpoint::failpoint;
use crate::oci::{NamespaceKind, Resources, Spec};
use crate::protocol::{self, Event, Failure, FailureClass, Launch, LogDriver};
use crate::runtime::{self, Container, Options};
use crate::seccomp::Filter;
use crate::state::RunState;

/// How long what was made for nothing may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was made so far. Dropping it removes it all.
struct Made<'a> {
    /// The run directory was made by the caller, for us to remove.
    directories: &'a Directories,
    cgroup: Option<Cgroup>,
    listener: Option<Listener>,
    container: Option<Container>,
    /// The container's command runs, so the runtime does not end it any more.
    started: bool,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if let Some(container) = self.container.take()
            && self.started
        {
            // A process that is dead already is what we want.
            let _ = process::send_signal(&container.pidfd, libc::SIGKILL);
            let _ = waitid(WaitId::PidFd(container.pidfd.as_fd()), WaitIdOptions::EXITED);
        }
        if let Some(cgroup) = self.cgroup.take()
            && cgroup.remove(Duration::ZERO).is_err()
        {
            // What cannot be removed now, whoever opens the engine next finds and removes.
            let _ = cgroup.kill();
            let _ = cgroup.remove(PATIENCE);
        }
        self.directories.remove_run();
    }
}

/// Launch a container. When there is none in the end, whoever could be told has been, and the process ends here.
pub(super) fn launch(given: Given) -> Supervisor {
    let Given { launch: socket, container_dir, run_dir, journal } = given;
    let doorway = Doorway(socket);
    let mut launch = match doorway.launch() {
        Heard::Word(launch) => launch,
        Heard::Nonsense(why) => {
            let failure = Failure::invalid(format!("launch document: {why}"));
            doorway.tell(&Event::Failed { failure });
            process::leave()
        }
        Heard::Gone => process::leave(),
    };
    let directories = match Directories::new(container_dir, run_dir, &launch.id) {
        Ok(directories) => directories,
        Err(failure) => {
            doorway.tell(&Event::Failed { failure });
            process::leave()
        }
    };
    let events = Events::new(journal, &launch);
    let mut made = Made {
        directories: &directories,
        cgroup: None,
        listener: None,
        container: None,
        started: false,
    };
    // Before the specification becomes that of the first run.
    let restarts = Restarts::new(&launch);
    let mut spec = std::mem::take(&mut launch.spec);
    let result = check(&launch).and_then(|()| {
        if !spec.linux.namespaces.iter().any(|namespace| namespace.kind == NamespaceKind::User) {
            process::forget_user_namespace();
        }
        let joined = joined::resolve(&directories, &launch, &mut spec)?;
        let filter = filter(&spec)?;
        make(&mut made, &launch, &spec, filter.as_ref())?;
        drop(joined);
        start(&mut made, &launch, &doorway)?;
        let state = settle(&made, &launch, &spec, &events)?;
        Ok(Settled { restarts, filter, state })
    });
    match result {
        Ok(settled) => supervise(made, &launch, &spec, settled, doorway, events),
        Err(failure) => {
            emergency::disarm();
            drop(made);
            if failure.class != FailureClass::Abandoned {
                let state = record::failed(&launch, &failure);
                // The caller is told, whatever the disk says.
                let _ = record::write(directories.container, &state, !launch.auto_remove);
                doorway.tell(&Event::Failed { failure });
            }
            process::leave()
        }
    }
}

/// What is known of a run that goes on.
struct Settled {
    restarts: Restarts,
    filter: Option<Filter>,
    state: RunState,
}

/// It is ours to run.
fn check(launch: &Launch) -> Result<(), Failure> {
    if launch.version != protocol::VERSION {
        let (theirs, ours) = (launch.version, protocol::VERSION);
        let message = format!("launch document of version {theirs}, this monitor reads {ours}");
        return Err(Failure::unsupported(message));
    }
    #[cfg(feature = "failpoints")]
    if let Some(list) = &launch.failpoints {
        crate::failpoint::configure(list).map_err(Failure::invalid)?;
    }
    passed("launch-read")
}

fn passed(point: &str) -> Result<(), Failure> {
    failpoint(point).map_err(|error| Failure {
        class: FailureClass::System,
        message: error.to_string(),
        errno: None,
    })
}

/// The system call filter. It is made once: the container's process and its further ones have copies.
fn filter(spec: &Spec) -> Result<Option<Filter>, Failure> {
    let compiled = spec.linux.seccomp.as_ref().map(Filter::compile);
    compiled.transpose().map_err(|error| Failure::invalid(error.to_string()))
}

fn make(
    made: &mut Made<'_>,
    launch: &Launch,
    spec: &Spec,
    filter: Option<&Filter>,
) -> Result<(), Failure> {
    let none = Resources::default();
    let resources = spec.linux.resources.as_ref().unwrap_or(&none);
    let cgroup = made.cgroup.insert(Cgroup::create(&spec.linux.cgroups_path, resources)?);
    passed("cgroup-made")?;
    if !has_pids_of_its_own(spec) {
        process::adopt_orphans();
    }
    let setup = begin(launch, spec, filter, cgroup)?;
    // While the container's process sets itself up.
    let listener = Listener::bind(made.directories.run)
        .map_err(|errno| Failure::system("make the control socket", errno.raw_os_error()))?;
    made.listener = Some(listener);
    made.container = Some(setup.finish()?);
    passed("created")
}

fn begin(
    launch: &Launch,
    spec: &Spec,
    filter: Option<&Filter>,
    cgroup: &Cgroup,
) -> Result<runtime::Setup, Failure> {
    runtime::begin(&Options {
        spec,
        rootfs: launch.rootfs.as_ref(),
        user: &launch.user,
        group_add: &launch.group_add,
        init: launch.init,
        stdin: launch.stdin != protocol::Stdin::Null,
        filter,
        cgroups: &cgroup.in_hierarchies(),
        auto_start: launch.auto_start,
    })
}

/// A further run.
pub(super) struct Again {
    pub(super) container: Container,
    pub(super) cgroup: Cgroup,
    pub(super) filter: Option<Filter>,
    pub(super) state: RunState,
    pub(super) health: Option<Health>,
}

/// Run a container once more whose last run has left nothing but its directory.
pub(super) fn again(
    launch: &Launch,
    directories: &Directories,
    events: &Events,
) -> Result<Again, Failure> {
    check(launch)?;
    let mut spec = launch.spec.clone();
    let filter = filter(&spec)?;
    let _joined = joined::resolve(directories, launch, &mut spec)?;
    directories.forget_volatile_mount();
    let resources = spec.linux.resources.clone().unwrap_or_default();
    let cgroup = Cgroup::create(&spec.linux.cgroups_path, &resources)?;
    let run = || -> Result<_, Failure> {
        let mut container = begin(launch, &spec, filter.as_ref(), &cgroup)?.finish()?;
        passed("restart-created")?;
        container.start()?;
        let failed = |what: &str, errno: Errno| Failure::system(what, errno.raw_os_error());
        let state = record::running(launch, container.pid);
        emergency::arm(Emergency {
            pidfd: clone(&container.pidfd).map_err(|e| failed("watch the container", e))?,
            cgroup: spec.linux.cgroups_path.clone(),
            directories: directories.clone(),
            state: state.clone(),
            events: events.clone(),
        });
        Ok((container, state))
    };
    match run() {
        Ok((container, state)) => {
            Ok(Again { container, cgroup, filter, state, health: Health::new(launch) })
        }
        Err(failure) => {
            emergency::disarm();
            let _ = cgroup.kill();
            let _ = cgroup.remove(PATIENCE);
            Err(failure)
        }
    }
}

fn start(made: &mut Made<'_>, launch: &Launch, doorway: &Doorway) -> Result<(), Failure> {
    let Some(container) = &mut made.container else { return Ok(()) };
    if !launch.auto_start {
        if !doorway.tell(&Event::Created { pid: container.pid }) {
            return Err(abandoned());
        }
        wait_for_permission(container, doorway)?;
    }
    container.start()?;
    made.started = true;
    passed("started")
}

/// The command runs: from now on a failure of ours must not leave it to itself, and others can see it.
fn settle(
    made: &Made<'_>,
    launch: &Launch,
    spec: &Spec,
    events: &Events,
) -> Result<RunState, Failure> {
    let failed = |what: &str, errno: Errno| Failure::system(what, errno.raw_os_error());
    let Some(container) = &made.container else { return Err(abandoned()) };
    let state = record::running(launch, container.pid);
    emergency::arm(Emergency {
        pidfd: clone(&container.pidfd).map_err(|e| failed("watch the container", e))?,
        cgroup: spec.linux.cgroups_path.clone(),
        directories: made.directories.clone(),
        state: state.clone(),
        events: events.clone(),
    });
    record::write(made.directories.container, &state, false)
        .map_err(|e| failed("write the state", e))?;
    passed("state-written")?;
    events.tell("start", &[]);
    Ok(state)
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

/// What answers its questions about names.
fn names(launch: &Launch, run: BorrowedFd<'static>) -> Option<Names> {
    let resolver = launch.resolver.as_ref()?;
    let (packets, connections) = process::take_resolver();
    Some(Names::new(packets, connections, run, &launch.id, &resolver.servers))
}

/// From here on the container runs, and only its end or ours ends it.
fn supervise(
    mut made: Made<'_>,
    launch: &Launch,
    spec: &Spec,
    settled: Settled,
    doorway: Doorway,
    events: Events,
) -> Supervisor {
    let Settled { restarts, filter, state } = settled;
    let shares_pids = !has_pids_of_its_own(spec);
    let fail = |why: &str| -> ! {
        emergency::end(&format!("set up the monitor: {why}"));
        process::leave()
    };
    let (Some(mut container), Some(cgroup), Some(listener)) =
        (made.container.take(), made.cgroup.take(), made.listener.take())
    else {
        fail("nothing was made")
    };
    let mut take = || -> Result<_, Errno> {
        let signals = process::take_signals(shares_pids && !joins_pids_of_another(spec))?;
        let streams = streams(container.stdio.take(), launch.stdin)?;
        Ok((Poller::new()?, signals, streams))
    };
    let (poller, signals, (output, stdin, terminal)) = match take() {
        Ok(taken) => taken,
        Err(errno) => fail(&protocol::describe(errno.raw_os_error())),
    };
    let directories = made.directories.clone();
    let run = directories.run;
    // What it held is the supervisor's now.
    std::mem::forget(made);
    let log = match launch.log.driver {
        LogDriver::JsonFile => Some(Log::new(directories.container, &launch.log)),
        LogDriver::None => None,
    };
    let pid = container.pid;
    let mut supervisor = Supervisor {
        poller,
        container,
        cgroup,
        filter,
        terms: Terms {
            tied: launch.tied,
            auto_remove: launch.auto_remove,
            limit: Some(launch.timeout_ms)
                .filter(|limit| *limit > 0)
                .and_then(|limit| Instant::now().checked_add(Duration::from_millis(limit))),
            stdin_once: launch.stdin == protocol::Stdin::Once,
            shares_pids,
        },
        directories,
        terminal,
        output,
        stdin,
        log,
        clients: Clients::default(),
        execs: Execs::default(),
        health: Health::new(launch),
        names: names(launch, run),
        mending: None,
        launch: None,
        listener,
        listen_again: None,
        settle_at: Some(Instant::now() + SETTLE),
        signals,
        memory: Memory::new(None),
        asked: Asked::default(),
        ending: None,
        restarts,
        over: false,
        state,
        events,
        owner: None,
    };
    if let Some(pid) = launch.owner {
        match doorway.owner(pid) {
            Some(owner) => supervisor.owner = Some(owner),
            None => supervisor.owner_ended(),
        }
    }
    let interests = Interests {
        stdin: launch.attach && launch.stdin != protocol::Stdin::Null,
        stdout: launch.attach,
        stderr: launch.attach,
        log: false,
        exit: true,
    };
    supervisor.take_in_caller(doorway.0, interests, &Event::Started { pid });
    supervisor
}
