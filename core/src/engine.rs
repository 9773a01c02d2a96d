//! The engine: a root directory, opened.

use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Mode, mkdir};

use crate::api::operations::{Kind, Operation};
use crate::api::{DiskUsage, SystemInfo, SystemVersion};
use crate::container::Containers;
use crate::error::{Error, Result};
use crate::image::Images;
use crate::layout::Layout;
use crate::store::Store;
use crate::stream::{Canceller, Stream};

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

pub(crate) struct Shared {
    pub(crate) layout: Layout,
    pub(crate) store: Store,
}

impl Engine {
    /// Open an engine: the given root, else the environment's `BARQUE_ROOT`, else `/var/lib/barque`.
    ///
    /// # Errors
    /// When the root cannot be made or read, or was written by a newer barque.
    pub fn open(options: EngineOptions) -> Result<Engine> {
        let root = options
            .root
            .or_else(|| {
                std::env::var_os("BARQUE_ROOT").filter(|v| !v.is_empty()).map(PathBuf::from)
            })
            .unwrap_or_else(|| PathBuf::from("/var/lib/barque"));
        let run = options
            .run
            .or_else(|| std::env::var_os("BARQUE_RUN").filter(|v| !v.is_empty()).map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("/run/barque"));
        make_private(&root)?;
        make_private(&run)?;
        let layout = Layout::of(&root, &run)?;
        make_private(layout.run())?;
        let store = Store::open(&layout.database())?;
        let engine =
            Engine { shared: Arc::new(Shared { layout, store }), canceller: Canceller::new()? };
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

    /// Images.
    pub fn images(&self) -> Images<'_> {
        Images::new(self)
    }

    /// The engine and this host.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn info(&self) -> Result<SystemInfo> {
        Err(Error::unsupported("info"))
    }

    /// Versions.
    ///
    /// # Errors
    /// None today.
    pub fn version(&self) -> Result<SystemVersion> {
        Err(Error::unsupported("version"))
    }

    /// What the engine keeps on disk.
    ///
    /// # Errors
    /// When the record or a directory cannot be read.
    pub fn disk_usage(&self) -> Result<DiskUsage> {
        Err(Error::unsupported("df"))
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
}

/// Make a directory that only its owner can enter, and its parents as they come (CVE-2021-41091: local users must not reach
/// setuid programs in layers).
fn make_private(path: &std::path::Path) -> Result<()> {
    let failed = |error: std::io::Error| Error::system(format!("make {}", path.display()), error);
    match mkdir(path, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(rustix::io::Errno::NOENT) => {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(failed)?;
            }
            mkdir(path, Mode::RWXU).map_err(|errno| failed(errno.into()))
        }
        Err(errno) => Err(failed(errno.into())),
    }
}
