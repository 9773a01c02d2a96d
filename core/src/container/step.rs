//! A step of a build: a container that runs one command on the files of a stage, and is gone afterwards.
//!
//! It is a container like any other (its limits, its isolation, its record, its end with its caller), but for three things: its
//! writable layer is not its own and stays, it has no log, and what its image says of ports, volumes and checks is not for it.

use barque_monitor::oci;
use barque_monitor::protocol::{Channel, Event, Overlay, UpperWork};
use barque_monitor::state::RunState;

use super::connection::Received;
use super::launch::{self, Manner};
use super::lock::OperationLock;
use super::plan::{self, PlanInput};
use super::record::Record;
use super::{init_layer, session, settle};
use crate::Engine;
use crate::api::{ContainerConfig, ContainerCreate, HostConfig, LogConfig};
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::id;
use crate::network;
use crate::store::Durability;
use crate::stream::{Deadline, Output};
use crate::sys::clock;

/// The host name of every step, which is BuildKit's: what a command writes down of it is the same each time.
const HOSTNAME: &str = "buildkitsandbox";

/// The label that says which build a container belongs to.
pub(crate) const LABEL: &str = "io.barque.build";

/// What a step runs, and on what.
pub(crate) struct Step<'a> {
    /// The image that the stage begins with: its id and architecture.
    pub(crate) image: (&'a str, &'a str),
    /// The build.
    pub(crate) build: &'a str,
    /// The layers below, top first.
    pub(crate) lower: Vec<String>,
    /// The writable one.
    pub(crate) upper: UpperWork,
    pub(crate) words: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) user: &'a str,
    pub(crate) working_dir: &'a str,
    pub(crate) host_config: HostConfig,
    pub(crate) mounts: &'a [oci::Mount],
    /// Variables that are in no record.
    pub(crate) secret_env: &'a [String],
    /// Called when all is mounted.
    pub(crate) mounted: &'a dyn Fn(),
}

/// Run it to its end; `tell` gets what it says.
pub(crate) fn run(
    engine: &Engine,
    step: Step<'_>,
    tell: &mut dyn FnMut(Output, &[u8]),
) -> Result<RunState> {
    let id = id::random()?;
    let document = ContainerCreate {
        name: format!("build-{}", &id[..12]),
        image: step.image.0.to_owned(),
        hostname: HOSTNAME.to_owned(),
        user: step.user.to_owned(),
        working_dir: step.working_dir.to_owned(),
        env: step.env,
        entrypoint: Some(Vec::new()),
        cmd: Some(step.words),
        labels: [(LABEL.to_owned(), step.build.to_owned())].into(),
        host_config: HostConfig {
            auto_remove: true,
            log_config: LogConfig { driver: "none".to_owned(), ..LogConfig::default() },
            ..step.host_config
        },
        ..ContainerCreate::default()
    };
    let networks = network::wanted(engine, &document)?;
    let layout = engine.layout();
    let init = init_layer::path(layout).to_string_lossy().into_owned();
    let mut plan = plan::plan(&PlanInput {
        id: &id,
        create: &document,
        image: &ContainerConfig::default(),
        image_architecture: step.image.1,
        host: engine.host(),
        rootfs: Some(Overlay {
            lower: std::iter::once(init).chain(step.lower).collect(),
            upper: Some(step.upper),
        }),
        mounts: step.mounts,
        directory: &layout.container(&id).to_string_lossy(),
        cgroup: &layout.cgroup(&document.host_config.cgroup_parent, &id),
    })?;
    // The record has the configuration; the monitor, which writes none down, has this.
    plan.launch.spec.process.env.extend_from_slice(step.secret_env);
    let record = Record {
        name: document.name.clone(),
        image_id: step.image.0.to_owned(),
        created: clock::now(),
        config: plan.config.clone(),
        mounts: Vec::new(),
        auto_remove: true,
        removing: false,
        with_volumes: true,
        owner: Some(engine.this_process().clone()),
        document,
        id,
    };
    engine.store().write(Durability::Crash, |transaction| {
        record.insert(transaction)?.ok_or_else(|| Error::internal("two steps with one name"))?;
        network::claim(transaction, &record.id, &networks)
    })?;
    events::container(engine, &record, "create", &[]);
    failpoint("build-step-created")?;
    let followed = follow(engine, &record, plan, step.mounted, tell);
    // Also of one that was cancelled, whose monitor has seen its connection closed.
    let gone = engine.uncancelled().and_then(|engine| settle::after_exit(&engine, &record));
    let run = followed?;
    gone?;
    Ok(run)
}

fn follow(
    engine: &Engine,
    record: &Record,
    plan: plan::Plan,
    mounted: &dyn Fn(),
    tell: &mut dyn FnMut(Output, &[u8]),
) -> Result<RunState> {
    let lock = OperationLock::take_quietly(engine, &record.id)?;
    let manner = Manner { attach: true, tied: true, ..Manner::default() };
    let mut connection = launch::launch(engine, record, plan, &lock, manner)?;
    drop(lock);
    mounted();
    failpoint("build-step-started")?;
    let mut exit = None;
    loop {
        match connection.receive(engine.canceller(), Deadline::never())? {
            Received::Output(Channel::Stderr, data) => tell(Output::Stderr, &data),
            Received::Output(_, data) => tell(Output::Stdout, &data),
            Received::Event(Event::Exited { state, .. }) => exit = Some(state),
            Received::Event(_) | Received::Nothing => {}
            Received::Closed => break,
        }
    }
    match exit {
        Some(run) => Ok(run),
        None => session::ending(engine, record),
    }
}
