//! A container's two directories: its own, below the engine root, and its run directory, which holds the control socket.
//!
//! Both are named by the container's id in a directory that the engine keeps. A run directory that is still there under a lock
//! that nobody holds is how others know that a monitor has not come to its end, so it goes last.

use std::fs::File;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

use super::{removal, withdrawal};
use crate::protocol::{CONTROL_SOCKET, Failure, LINKS_FILE};
use crate::state::{FILE, RunState};

/// The directories of one container.
#[derive(Clone)]
pub(super) struct Directories {
    pub(super) container: BorrowedFd<'static>,
    pub(super) run: BorrowedFd<'static>,
    id: String,
}

impl Directories {
    pub(super) fn new(
        container: BorrowedFd<'static>,
        run: BorrowedFd<'static>,
        id: &str,
    ) -> Result<Directories, Failure> {
        check(id)?;
        Ok(Directories { container, run, id: id.to_owned() })
    }

    /// The state of another container of this engine; `None` where it has never run.
    pub(super) fn state_of(&self, id: &str) -> Result<Option<RunState>, Failure> {
        check(id)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = match openat(self.container, format!("../{id}/{FILE}"), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => {
                let what = format!("read the state of container {id}");
                return Err(Failure::system(what, errno.raw_os_error()));
            }
        };
        // One that is not whole is of a run that a power cut has ended.
        Ok(serde_json::from_reader(file).ok())
    }

    /// Remove the container's own directory and all that is in it. What cannot be removed, whoever opens the engine next
    /// finds and removes.
    pub(super) fn remove_container(&self) {
        if removal::empty(self.container).is_ok() {
            self.remove_by_name(self.container);
        }
    }

    /// A volatile overlay may be mounted once: what says that it was goes (overlayfs.rst, "Volatile mount"). Only a crash of
    /// the machine would make that wrong, and the container does not outlive one.
    pub(super) fn forget_volatile_mount(&self) {
        for (name, flags) in [
            ("work/work/incompat/volatile/dirty", AtFlags::empty()),
            ("work/work/incompat/volatile", AtFlags::REMOVEDIR),
            ("work/work/incompat", AtFlags::REMOVEDIR),
        ] {
            // There is none where the overlay is not volatile.
            let _ = unlinkat(self.container, name, flags);
        }
    }

    /// Remove the run directory. Nobody can connect from then on, and nothing leads to the container's ports.
    pub(super) fn remove_run(&self) {
        withdrawal::withdraw(self.run);
        // One that somebody has removed with all in it is as good.
        for name in [LINKS_FILE, CONTROL_SOCKET] {
            let _ = unlinkat(self.run, name, AtFlags::empty());
        }
        self.remove_by_name(self.run);
    }

    /// An open directory cannot be removed by the name that it has by itself, `.` (rmdir(2)).
    fn remove_by_name(&self, directory: BorrowedFd<'_>) {
        let _ = unlinkat(directory, format!("../{}", self.id), AtFlags::REMOVEDIR);
    }
}

fn check(id: &str) -> Result<(), Failure> {
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::invalid(format!("not a container id: {id:?}")));
    }
    Ok(())
}
