//! `export`: the root file system of a container as one archive.

use barque_monitor::protocol::Job;

use super::Containers;
use super::files::Content;
use crate::error::Result;
use crate::stream::Stream;

impl Containers<'_> {
    /// The root file system of a container as a tar archive, without what is mounted in it.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn export(&self, id: &str) -> Result<Stream> {
        Content::stream(self.engine, id, Job::Export, false)
    }
}
