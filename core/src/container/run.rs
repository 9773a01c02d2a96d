//! `run`: create, start and follow to the end, as one call.

use super::Containers;
use super::launch::Manner;
use super::session::{Session, Wanted};
use super::{create, start};
use crate::api::{ContainerCreate, ContainerRun};
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::stream::Stream;

impl Containers<'_> {
    /// Create and start a container. The stream is its output, from the first byte, and at last a
    /// [`ContainerExit`](crate::api::ContainerExit); it takes input when the request says `OpenStdin`.
    ///
    /// A container that was made with `AutoRemove` is gone when the stream has ended. Without `Tied` it goes on when the
    /// stream is dropped.
    ///
    /// # Errors
    /// See `docs/errors.md`. A container that cannot be started stays, as docker's does, unless it was to be removed.
    pub fn run(&self, request: &ContainerRun) -> Result<Stream> {
        let engine = self.engine;
        let manner = Manner {
            attach: true,
            tied: request.tied,
            timeout_ms: request.timeout_ms,
            ..Manner::default()
        };
        let (record, plan) = if request.id.is_empty() {
            let owner = engine.this_process().clone();
            let (record, plan) = create::create(engine, &request.create, Some(owner))?;
            failpoint("run-created")?;
            (record, Some(plan))
        } else if request.create == ContainerCreate::default() {
            (self.find(&request.id)?, None)
        } else {
            return Err(
                Error::invalid("run takes an Id or a Create, not both").about("field", "Id")
            );
        };
        let warnings = plan.as_ref().map(|plan| plan.warnings.clone()).unwrap_or_default();
        let connection = start::start(engine, &record.id, plan, manner)?;
        let wanted = Wanted { stdin: record.config.open_stdin, stdout: true, stderr: true };
        let session = Session::new(engine.clone(), record, connection, wanted, warnings)?;
        Stream::new(Box::new(session), engine.canceller().clone())
    }
}
