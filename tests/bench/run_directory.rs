//! Our run directory as a host has it: `/run` is a tmpfs (file-hierarchy(7)). The others' are below `/tmp`, which is one in a suite's
//! namespaces.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs on a directory, until this is dropped.
pub(crate) struct RunDirectory(PathBuf);

impl RunDirectory {
    /// `None` where there can be none.
    pub(crate) fn on(path: &Path) -> Option<RunDirectory> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then(|| RunDirectory(path.to_owned()))
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
