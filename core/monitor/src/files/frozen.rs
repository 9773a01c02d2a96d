//! A container that is held still while its files are read.
//!
//! It is this process that holds it, since it outlives a caller who is killed: the archive has no reader then, and the failing write
//! ends the packing like every other end.

use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::protocol::Failure;

/// How long it may take until all processes hold.
const PATIENCE: Duration = Duration::from_secs(5);

/// A frozen cgroup. It is thawed when this is dropped.
pub(super) struct Frozen(Cgroup);

impl Frozen {
    /// Freeze; nothing is to be done where there is no such cgroup any more, or somebody has frozen it already.
    pub(super) fn new(path: &str) -> Result<Option<Frozen>, Failure> {
        // A write without a reader must be an error, and not this process's end.
        // SAFETY: single-threaded, and SIG_IGN is no handler that could run.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
        let Some(cgroup) = Cgroup::open(path)? else { return Ok(None) };
        if cgroup.is_frozen()? {
            return Ok(None);
        }
        cgroup.freeze(PATIENCE)?;
        Ok(Some(Frozen(cgroup)))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // What is gone needs no thawing; what cannot be thawed here is by the caller, who tries too.
        let _ = self.0.thaw();
    }
}
