//! From a record to a running container: makes what it needs on disk and hands it to a new monitor.
//!
//! Nothing of this outlives a caller who is killed half way: the monitor sees its launch socket close and takes down what it
//! made, and what is on disk has the container's name.

use std::fs::Metadata;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use barque_monitor::oci;
use barque_monitor::protocol::{Event, LOG_FILE, Launch, Overlay, UpperWork, fd};
use rustix::fs::Mode;

use super::connection::{Connection, Received};
use super::lock::OperationLock;
use super::mount_point::MountPoint;
use super::plan::{self, NetworkMode, Plan, PlanInput};
use super::record::Record;
use super::settle;
use super::state::Standing;
use super::user_namespace::{self, Made};
use super::{failure, init_layer, joined, link, monitor};
use crate::Engine;
use crate::api::ContainerCreate;
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::image::ImageHandle;
use crate::stream::Deadline;
use crate::{network, sys, volume};

/// How long a monitor that has failed or was given up may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a container is started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Its output comes over the connection.
    pub(super) attach: bool,
    /// It ends when the connection is closed.
    pub(super) tied: bool,
    /// It ends when this process does.
    pub(super) owned: bool,
    /// It is killed when it still runs after so many milliseconds; 0: no limit.
    pub(super) timeout_ms: u64,
}

/// Plan the container with this id.
pub(super) fn plan(
    engine: &Engine,
    id: &str,
    create: &ContainerCreate,
    mounts: &[MountPoint],
    image: &ImageHandle,
) -> Result<Plan> {
    let directory = engine.layout().container(id);
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::unsupported(format!("the engine root {} is not UTF-8", path.display()))
        })
    };
    let directory = text(&directory)?;
    let backing = |volume: &str| engine.volumes().backing(volume);
    let mounted = mounts.iter().map(|point| {
        let mut mount = point.mount(backing)?;
        // What a container has in its volumes is its own, whatever ids it has at its next start.
        if point.volume().is_some() && mount.kind == "bind" {
            mount.options.push("ridmap".to_owned());
        }
        Ok(mount)
    });
    let mounts = mounted.collect::<Result<Vec<oci::Mount>>>()?;
    plan::plan(&PlanInput {
        id,
        create,
        image: &image.config.config.to_document(),
        image_architecture: &image.config.architecture,
        host: engine.host(),
        rootfs: Some(Overlay {
            lower: lower(engine, image),
            upper: Some(UpperWork {
                upper: format!("{directory}/upper"),
                work: format!("{directory}/work"),
                volatile: create.host_config.auto_remove,
            }),
        }),
        mounts: &mounts,
        directory: &directory,
        cgroup: &engine.layout().cgroup(&create.host_config.cgroup_parent, id),
    })
}

/// The directories below a container's writable layer, top first.
pub(super) fn lower(engine: &Engine, image: &ImageHandle) -> Vec<String> {
    let layers = image.layers.iter().map(|layer| engine.layout().layer(layer));
    std::iter::once(init_layer::path(engine.layout()))
        .chain(layers)
        .map(|path| path.to_string_lossy().into_owned())
        .collect()
}

/// Start the container. The connection is its launch socket, on which the monitor has said that the command runs.
pub(super) fn launch(
    engine: &Engine,
    record: &Record,
    plan: Plan,
    lock: &OperationLock,
    manner: Manner,
) -> Result<Connection> {
    let started = begin(engine, record, plan, lock, manner);
    if started.is_err() {
        // What cannot be undone now is found by the next command, as after a kill; the error that matters is the first.
        let _ = undo(engine, record, lock);
    }
    started
}

fn begin(
    engine: &Engine,
    record: &Record,
    mut plan: Plan,
    lock: &OperationLock,
    manner: Manner,
) -> Result<Connection> {
    failpoint("start-locked")?;
    joined::check(engine, &record.document.host_config)?;
    let layout = engine.layout();
    let (directory, run) = (layout.container(&record.id), layout.container_run(&record.id));
    make_under(&run, layout.run())?;
    let (ids, user, network) = match user_namespace::make(engine, &mut plan)? {
        Some(Made { namespace, network, ids }) => (ids, Some(namespace), Some(network)),
        None => (None, None, None),
    };
    let Given { namespace, ports, resolver } = give_network(engine, record, &mut plan, network)?;
    init_layer::ensure(layout)?;
    make_writable_layer(engine, record, &directory)?;
    write_files(&directory, &plan)?;
    failpoint("start-directory-made")?;
    for point in &record.mounts {
        point.ensure_source()?;
    }
    volume::ensure(engine, &record.mounts, record.auto_remove)?;
    volume::fill(engine, record, plan.launch.rootfs.as_ref())?;
    let program = engine.monitor_program()?;
    let (mut connection, theirs) = Connection::launch()?;
    let monitor_lock = lock.take_for_monitor(engine)?;
    failpoint("start-monitor-locked")?;
    let (directory, run) = (sys::directory::open(&directory)?, sys::directory::open(&run)?);
    let child = sys::spawn::spawn(
        program.as_fd(),
        &[c"barque-monitor", c"monitor"],
        &[
            (theirs.as_fd(), fd::LAUNCH),
            (monitor_lock.as_fd(), fd::LOCK),
            (directory.as_fd(), fd::CONTAINER_DIR),
            (run.as_fd(), fd::RUN_DIR),
            (engine.journal()?.as_fd(), fd::JOURNAL),
            // Something must have the numbers, or what the host left open there would.
            (namespace.as_ref().unwrap_or(&run).as_fd(), fd::NETWORK),
            (ports.as_ref().unwrap_or(&run).as_fd(), fd::PORTS),
            (resolver.as_ref().map_or(run.as_fd(), |r| r.packets.as_fd()), fd::NAMES),
            (resolver.as_ref().map_or(run.as_fd(), |r| r.connections.as_fd()), fd::NAMES_BY_TCP),
            (user.as_ref().unwrap_or(&run).as_fd(), fd::USER),
            (ids.as_ref().map_or(run.as_fd(), AsFd::as_fd), fd::IDS),
        ],
    )?;
    // The monitor has its own copies from now on. Ours must go, or its end would not be seen.
    drop((theirs, monitor_lock, namespace, ports, resolver, user, ids));
    failpoint("start-monitor-spawned")?;
    // The monitor comes to be meanwhile.
    let launch = document(engine, record, plan, manner);
    let sent = launch.and_then(|launch| connection.document(&launch));
    let followed = sent.and_then(|()| {
        failpoint("start-launch-sent")?;
        follow(engine, record, connection)
    });
    // What was spawned has forked the monitor and exited long ago. Where it could not, its code is why.
    let connection = match (child.wait(), followed) {
        (sys::spawn::Ended::Exited(errno @ 1..), Err(_)) => {
            let errno = std::io::Error::from_raw_os_error(errno);
            return Err(Error::system("become a monitor", errno));
        }
        (_, followed) => followed?,
    };
    failpoint("start-started")?;
    Ok(connection)
}

/// What a monitor is to run.
pub(super) fn document(
    engine: &Engine,
    record: &Record,
    mut plan: Plan,
    manner: Manner,
) -> Result<Launch> {
    plan.complete()?;
    Ok(Launch {
        attach: manner.attach,
        tied: manner.tied,
        owner: (manner.tied || manner.owned).then(|| std::process::id().cast_signed()),
        timeout_ms: manner.timeout_ms,
        // There is nothing to prepare in the container's namespaces between its creation and its start.
        auto_start: true,
        auto_remove: record.auto_remove,
        attributes: events::container_attributes(record),
        boot_id: engine.boot_id().to_owned(),
        failpoints: failpoints(),
        ..plan.launch
    })
}

/// What a container's monitor is given of networks.
#[derive(Default)]
struct Given {
    namespace: Option<OwnedFd>,
    ports: Option<OwnedFd>,
    resolver: Option<network::Resolver>,
}

/// Have the network that a container is to run in, and the names that hold there. `made`: the namespace, if there is one already.
fn give_network(
    engine: &Engine,
    record: &Record,
    plan: &mut Plan,
    made: Option<OwnedFd>,
) -> Result<Given> {
    match plan::network_mode(&record.document) {
        NetworkMode::None | NetworkMode::Host => Ok(Given::default()),
        NetworkMode::Container(other) => {
            let other = engine.containers().find(other)?;
            let directory = engine.layout().container(&other.id);
            for (name, content) in &mut plan.files {
                *content = std::fs::read_to_string(directory.join(*name)).map_err(|error| {
                    Error::system(format!("read {name} of container {}", other.id), error)
                })?;
            }
            Ok(Given::default())
        }
        NetworkMode::Named(_) => {
            let linked = link::in_default_network(engine, record)?;
            let attached = network::attach(engine, &record.id, &plan.ports, made)?;
            let mut name = plan.config.hostname.clone();
            if !plan.config.domainname.is_empty() {
                name = format!("{name}.{} {name}", plan.config.domainname);
            }
            if attached.has_names {
                plan.use_resolver();
            }
            plan.reach_host_at(&attached.gateway);
            link::tell(plan, &record.name, &linked);
            for address in &attached.addresses {
                plan.names(&format!("{address}\t{name}\n"));
            }
            Ok(Given {
                namespace: Some(attached.namespace),
                ports: attached.ports,
                resolver: Some(attached.resolver),
            })
        }
    }
}

/// Wait until the command runs.
fn follow(engine: &Engine, record: &Record, mut connection: Connection) -> Result<Connection> {
    loop {
        match connection.receive(engine.canceller(), Deadline::never())? {
            Received::Event(Event::Started { .. }) => return Ok(connection),
            Received::Event(Event::Failed { failure }) => {
                return Err(failure::error(&failure, &record.id));
            }
            Received::Closed => {
                return Err(Error::internal("the monitor died while it started the container")
                    .with_reason("monitor_died")
                    .about("container", &record.id));
            }
            Received::Event(_) | Received::Output(..) | Received::Nothing => {}
        }
    }
}

/// Nothing of a start that failed goes on.
fn undo(engine: &Engine, record: &Record, lock: &OperationLock) -> Result<()> {
    // Also of one that was cancelled.
    let engine = &engine.uncancelled()?;
    if lock.has_monitor()? {
        // One that has failed is about to go. One whose caller was cancelled may have gone on to the command.
        if !lock.wait_for_monitor(engine, Duration::from_millis(200))? {
            monitor::end(engine, record)?;
        }
        if !lock.wait_for_monitor(engine, PATIENCE)? {
            return Ok(());
        }
    }
    let standing = Standing::of(engine, &record.id)?;
    if standing.unsettled || engine.layout().container_run(&record.id).exists() {
        settle::settle(engine, record, &standing)?;
    }
    Ok(())
}

/// Make the container's directory and its writable layer, as far as they are not there already.
pub(super) fn make_writable_layer(
    engine: &Engine,
    record: &Record,
    directory: &Path,
) -> Result<()> {
    let mode = match record.auto_remove {
        true => Mode::RWXU | GOES_WITH_ITS_RUN,
        false => Mode::RWXU,
    };
    match sys::directory::make(directory, mode) {
        Err(error) if error.errno() == Some(libc::ENOENT) => {
            sys::directory::make(&engine.layout().containers(), Mode::RWXU)?;
            sys::directory::make(directory, mode)?;
        }
        made => made?,
    }
    // The upper directory's mode is that of the container's root.
    sys::directory::make(&directory.join("upper"), Mode::from(0o755))?;
    sys::directory::make(&directory.join("work"), Mode::RWXU)
}

/// Write what else is in it.
fn write_files(directory: &Path, plan: &Plan) -> Result<()> {
    for (name, content) in &plan.files {
        std::io::Write::write_all(
            &mut sys::file::create(&directory.join(name), 0o644)?,
            content.as_bytes(),
        )
        .map_err(|error| {
            Error::system(format!("write {}", directory.join(name).display()), error)
        })?;
    }
    // The log is there before anything is in it, so that whoever follows has it open before a container that goes with
    // its run has taken it away.
    sys::file::append(&directory.join(LOG_FILE), 0o600)?;
    Ok(())
}

/// The sticky bit of a container's directory says that it goes with its run. If such a container loses its record (it is
/// not made durable) its directory may be removed; any other is somebody's.
const GOES_WITH_ITS_RUN: Mode = Mode::SVTX;

/// Whether this is the directory of a container that goes with its run.
pub(super) fn goes_with_its_run(metadata: &Metadata) -> bool {
    metadata.is_dir() && metadata.mode() & GOES_WITH_ITS_RUN.bits() != 0
}

/// Make a directory in one that a clean-up of `/run` may have removed.
fn make_under(path: &Path, parent: &Path) -> Result<()> {
    match sys::directory::make(path, Mode::RWXU) {
        Err(error) if error.errno() == Some(libc::ENOENT) => {
            sys::directory::make(parent, Mode::RWXU)?;
            sys::directory::make(path, Mode::RWXU)
        }
        made => made,
    }
}

#[cfg(feature = "failpoints")]
fn failpoints() -> Option<String> {
    std::env::var("BARQUE_FAILPOINTS").ok()
}

#[cfg(not(feature = "failpoints"))]
fn failpoints() -> Option<String> {
    None
}
