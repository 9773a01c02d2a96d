//! `diff`: what a container has changed of its image.

use barque_monitor::protocol::Report;

use super::Containers;
use super::files::Jail;
use super::state::Standing;
use crate::api::FilesystemChange;
use crate::error::{Error, Result};
use crate::sys::directory;

impl Containers<'_> {
    /// The paths that are not as in the image, by name; what is mounted in the container is not looked at.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn diff(&self, id: &str) -> Result<Vec<FilesystemChange>> {
        let engine = self.engine;
        let record = self.find(id)?;
        if Standing::of(engine, &record.id)?.is_over(record.auto_remove) {
            return Err(Error::not_found("container", id));
        }
        let upper = match directory::open(&engine.layout().container(&record.id).join("upper")) {
            // It was never started.
            Err(error) if error.errno() == Some(libc::ENOENT) => return Ok(Vec::new()),
            upper => upper?,
        };
        match Jail::changes(engine, &record, &upper)?.report(engine.canceller())? {
            Report::Changes(changes) => Ok(changes
                .into_iter()
                .map(|change| FilesystemChange { path: change.path, kind: change.kind })
                .collect()),
            _ => Err(Error::internal("the jail does not say what it sees")),
        }
    }
}
