//! The layer between a container's own and its image: empty places for what is mounted into every container.
//!
//! Without it the runtime would make them in the writable layer, where they would be what the container has changed. They are
//! Docker's places. One directory serves all containers; it is made once and then never written, like any layer.

use std::path::PathBuf;

use rustix::fs::Mode;

use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::store::lease::Lease;
use crate::sys;

/// Where it is. The number goes up when the places change: containers that were made before keep theirs.
pub(super) fn path(layout: &Layout) -> PathBuf {
    layout.layers().join("init-1")
}

const DIRECTORIES: [&str; 6] = ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"];
const FILES: [&str; 5] =
    ["dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv"];

/// Make it, if it is not there.
pub(super) fn ensure(layout: &Layout) -> Result<()> {
    let path = path(layout);
    if path.is_dir() {
        return Ok(());
    }
    let failed = |error| Error::system(format!("make the init layer {}", path.display()), error);
    sys::directory::make(&layout.layers(), Mode::RWXU)?;
    let lease = Lease::take(layout)?;
    let made = lease.path().join("init");
    let mode = Mode::from(0o755);
    sys::directory::make(&made, mode)?;
    for directory in DIRECTORIES {
        sys::directory::make(&made.join(directory), mode)?;
    }
    for file in FILES {
        sys::file::create(&made.join(file), 0o755)?;
    }
    std::os::unix::fs::symlink("/proc/mounts", made.join("etc/mtab")).map_err(failed)?;
    match std::fs::rename(&made, &path) {
        // Whoever comes first makes it visible; what others made at the same time is the same.
        Err(_) if path.is_dir() => Ok(()),
        renamed => renamed.map_err(failed),
    }
}
