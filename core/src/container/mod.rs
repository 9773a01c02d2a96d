//! Containers: one verb a file.

pub(crate) mod plan;

use crate::Engine;
use crate::api::*;
use crate::error::{Error, Result};
use crate::stream::Stream;

/// The containers of an engine.
#[derive(Clone, Copy)]
pub struct Containers<'a> {
    engine: &'a Engine,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        impl<'a> Containers<'a> {
            pub(crate) fn new(engine: &'a Engine) -> Containers<'a> {
                Containers { engine }
            }
            $($(#[$doc])*
            ///
            /// # Errors
            /// See `docs/errors.md`.
            pub fn $name(&self, $($arg: $type),*) -> Result<$result> {
                $(let _ = $arg;)*
                let _ = self.engine;
                Err(Error::unsupported(stringify!($name)))
            })*
        }
    };
}

verbs! {
    /// Attach to a running container.
    attach(request: &ContainerAttach) -> Stream;
    /// Create.
    create(request: &ContainerCreate) -> ContainerCreated;
    /// Inspect.
    inspect(id: &str) -> ContainerInspect;
    /// Kill.
    kill(request: &ContainerKill) -> ();
    /// List.
    list(request: &ContainerList) -> Vec<ContainerSummary>;
    /// Read the log.
    logs(request: &ContainerLogs) -> Stream;
    /// Remove.
    remove(request: &ContainerRemove) -> ();
    /// Set the terminal's size.
    resize(request: &ContainerResize) -> ();
    /// Create, start and follow to the end.
    run(request: &ContainerRun) -> Stream;
    /// Start.
    start(request: &ContainerStart) -> ();
    /// Stop.
    stop(request: &ContainerStop) -> ();
    /// Wait for the end: a stream of one document.
    wait(request: &ContainerWait) -> Stream;
}
