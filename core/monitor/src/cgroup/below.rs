//! A cgroup below a container's, for a further process and all that it starts: the one thing that finds them again when they
//! have changed parent, session and name.
//!
//! It is made in one hierarchy only, where it has no limits of its own: in that of cgroup v2, else in v1's freezer.

use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::directory::Directory;
use super::{Cgroup, Member};
use crate::protocol::Failure;
use crate::runtime;

/// How often processes are killed that were forked meanwhile, where the kernel cannot kill all at once.
const ROUNDS: u32 = 64;

/// A cgroup below a container's.
#[derive(Debug)]
pub struct Below {
    directory: Directory,
    above: String,
}

impl Cgroup {
    /// Make a cgroup of this name below it.
    pub fn make_below(&self, name: &str) -> Result<Below, Failure> {
        let frozen = |member: &&Member| member.hierarchy.has("freezer");
        let member = self
            .members
            .iter()
            .find(|member| member.hierarchy.unified)
            .or_else(|| self.members.iter().find(frozen))
            .or(self.members.first())
            .ok_or_else(|| Failure::invalid("the container has no cgroup"))?;
        let above = member.directory.path().to_owned();
        let parent: OwnedFd = member.directory.fd().try_clone_to_owned().map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::MFILE);
            Failure::system(format!("open {above}"), errno.raw_os_error())
        })?;
        Ok(Below { directory: Directory::make(parent, &above, name)?, above })
    }
}

impl Below {
    /// What the runtime has to know to put a process into it, and else into the container's own cgroups.
    pub fn in_hierarchies(&self, container: &Cgroup) -> Vec<runtime::Cgroup> {
        let mut all = container.in_hierarchies();
        for cgroup in &mut all {
            if cgroup.path == self.above {
                self.directory.path().clone_into(&mut cgroup.path);
            }
        }
        all
    }

    /// Send SIGKILL to every process in it and below it.
    pub fn kill(&self) {
        if self.directory.write("cgroup.kill", "1").is_ok() {
            return;
        }
        for _ in 0..ROUNDS {
            // Held still while they are killed, so that none forks meanwhile; where this is not v1's freezer that fails.
            let _ = self.directory.write("freezer.state", "FROZEN");
            let found = self.directory.processes().unwrap_or_default();
            for pid in found.iter().copied().filter_map(Pid::from_raw) {
                // A process that is gone is what we want.
                let _ = kill_process(pid, Signal::KILL);
            }
            let _ = self.directory.write("freezer.state", "THAWED");
            if found.is_empty() {
                return;
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Remove it, if there is no process left in it. Otherwise it goes with the container's.
    pub fn remove(&self) {
        let _ = self.directory.remove();
    }
}
