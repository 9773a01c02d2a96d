//! The engine: a root directory, opened.

mod disk_usage;
mod info;
mod prune;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use barque_monitor::journal::Journal;
use rustix::fs::Mode;

use crate::api::operations::{Kind, Operation};
use crate::container::plan::ThisHost;
use crate::container::{Containers, Execs, exec};
use crate::error::{Error, Result};
use crate::image::Images;
use crate::layout::Layout;
use crate::network::Networks;
use crate::registry::Registries;
use crate::store::{Owner, Store};
use crate::stream::{Canceller, Stream};
use crate::volume::Volumes;
use crate::{monitor_image, reconcile, sys};

/// Where an engine keeps what it knows.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    root: Option<PathBuf>,
    run: Option<PathBuf>,
}

impl EngineOptions {
    /// An engine at this directory, made when it is not there.
    pub fn at(root: impl Into<PathBuf>) -> EngineOptions {
        EngineOptions { root: Some(root.into()), run: None }
    }

    /// Keep run-time state below this directory instead of `/run/barque`. It must be one that a reboot clears.
    #[must_use]
    pub fn run_directory(mut self, run: impl Into<PathBuf>) -> EngineOptions {
        self.run = Some(run.into());
        self
    }
}

/// An engine root, opened by this process. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    canceller: Canceller,
}

struct Shared {
    layout: Layout,
    store: Store,
    /// Known from the start: who writes down that it begins something does so in a transaction, which does nothing but SQL.
    this_process: Owner,
    /// What planning asks about this machine.
    host: ThisHost,
    /// The journal of events, opened when the first is told.
    journal: OnceLock<Journal>,
    /// The monitor program, opened when the first container is started.
    monitor: Mutex<Option<Arc<OwnedFd>>>,
    /// The exec that was created last, until it or another is started.
    last_exec: Mutex<Option<exec::Created>>,
}

impl Engine {
    /// Open an engine: the given root, else the environment's `BARQUE_ROOT`, else `/var/lib/barque`.
    ///
    /// What other processes left half done is finished or undone first.
    ///
    /// # Errors
    /// When the root cannot be made or read, or was written by a newer barque.
    pub fn open(options: EngineOptions) -> Result<Engine> {
        let given = |path: Option<PathBuf>, variable, default: &str| {
            path.or_else(|| sys::environment::trusted(variable).map(PathBuf::from))
                .unwrap_or_else(|| PathBuf::from(default))
        };
        let root = given(options.root, "BARQUE_ROOT", "/var/lib/barque");
        let run = given(options.run, "BARQUE_RUN", "/run/barque");
        make_private(&root)?;
        make_private(&run)?;
        let layout = Layout::of(&root, &run)?;
        make_private(layout.run())?;
        let shared = Shared {
            store: Store::open(&layout.database())?,
            layout,
            this_process: Owner::this()?,
            host: ThisHost::default(),
            journal: OnceLock::new(),
            monitor: Mutex::new(None),
            last_exec: Mutex::new(None),
        };
        let engine = Engine { shared: Arc::new(shared), canceller: Canceller::new()? };
        reconcile::run(&engine)?;
        Ok(engine)
    }

    /// The same engine, whose operations and streams `canceller` stops.
    #[must_use]
    pub fn with_canceller(&self, canceller: &Canceller) -> Engine {
        Engine { shared: Arc::clone(&self.shared), canceller: canceller.clone() }
    }

    /// Containers.
    pub fn containers(&self) -> Containers<'_> {
        Containers::new(self)
    }

    /// Further processes in containers: Docker's exec.
    pub fn execs(&self) -> Execs<'_> {
        Execs::new(self)
    }

    /// Images.
    pub fn images(&self) -> Images<'_> {
        Images::new(self)
    }

    /// Networks.
    pub fn networks(&self) -> Networks<'_> {
        Networks::new(self)
    }

    /// Volumes.
    pub fn volumes(&self) -> Volumes<'_> {
        Volumes::new(self)
    }

    /// Registries.
    pub fn registries(&self) -> Registries<'_> {
        Registries::new(self)
    }

    /// Carry out an operation by name: a request document in, the answer's document out ([`api::operations`](crate::api::operations)).
    ///
    /// # Errors
    /// What the operation fails with; [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none of that name,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it answers with a stream.
    pub fn call(&self, operation: &str, request: &str) -> Result<String> {
        match Operation::find(operation)?.kind {
            Kind::Unary(body) => body(self, request),
            Kind::Stream(_) => Err(Error::invalid(format!("{operation} answers with a stream"))),
        }
    }

    /// Open an operation's stream by name.
    ///
    /// # Errors
    /// As [`Engine::call`].
    pub fn stream(&self, operation: &str, request: &str) -> Result<Stream> {
        match Operation::find(operation)?.kind {
            Kind::Stream(body) => body(self, request),
            Kind::Unary(_) => Err(Error::invalid(format!("{operation} answers with a document"))),
        }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn canceller(&self) -> &Canceller {
        &self.canceller
    }

    /// The same engine for work that must be done even though the caller has cancelled what it belongs to.
    pub(crate) fn uncancelled(&self) -> Result<Engine> {
        Ok(self.with_canceller(&Canceller::new()?))
    }

    /// Who opened the engine: the owner of what is begun through it.
    pub(crate) fn this_process(&self) -> &Owner {
        &self.shared.this_process
    }

    /// The boot this is.
    pub(crate) fn boot_id(&self) -> &str {
        &self.shared.this_process.boot_id
    }

    /// This machine.
    pub(crate) fn host(&self) -> &ThisHost {
        &self.shared.host
    }

    /// The journal of events.
    pub(crate) fn journal(&self) -> Result<&Journal> {
        if let Some(journal) = self.shared.journal.get() {
            return Ok(journal);
        }
        let path = self.layout().journal();
        let opened = Journal::open(&path)
            .map_err(|errno| Error::system(format!("open {}", path.display()), errno.into()))?;
        Ok(self.shared.journal.get_or_init(|| opened))
    }

    /// The program that runs containers and unpacks layers, ready to be executed.
    pub(crate) fn monitor_program(&self) -> Result<Arc<OwnedFd>> {
        let mut program = self.shared.monitor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = &*program {
            return Ok(Arc::clone(program));
        }
        let opened = Arc::new(monitor_image::open(self.layout())?);
        *program = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Remember the exec that was created last. One before it that was not started is looked for when it is.
    pub(crate) fn keep_exec(&self, created: exec::Created) {
        *self.shared.last_exec.lock().unwrap_or_else(PoisonError::into_inner) = Some(created);
    }

    /// The exec that was created last, if none was started since. Not that of a process that this one was forked from, which shares the
    /// connection.
    pub(crate) fn take_exec(&self) -> Result<Option<exec::Created>> {
        self.store().check_process()?;
        Ok(self.shared.last_exec.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// Make a directory that only its owner can enter, and its parents as they come (CVE-2021-41091: local users must not reach
/// setuid programs in layers).
fn make_private(path: &Path) -> Result<()> {
    match sys::directory::make(path, Mode::RWXU) {
        Err(error) if error.errno() == Some(libc::ENOENT) => {}
        made => return made,
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| Error::system(format!("make {}", parent.display()), error))?;
    }
    sys::directory::make(path, Mode::RWXU)
}
