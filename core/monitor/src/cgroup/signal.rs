//! Acting on all processes of a cgroup at once: kill, freeze, thaw.
//!
//! cgroup v2 does each by one write (`cgroup.freeze` since Linux 5.2, `cgroup.kill` since 5.14), also for processes whose
//! controllers are in v1: on a hybrid machine they are in the v2 tree too. With v1 alone there is only the freezer, which
//! holds still what is to be killed: otherwise a process that forks fast enough is never caught. A process that v1 has
//! frozen dies only when it is thawed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::Cgroup;
use super::directory::Directory;
use crate::protocol::Failure;

/// How often v1's freezer is asked to freeze what has been forked meanwhile before we go on without.
const ROUNDS: u32 = 64;

impl Cgroup {
    /// Send SIGKILL to every process in it and below it. They die some time later.
    pub fn kill(&self) -> Result<(), Failure> {
        if let Some(unified) = self.unified() {
            match unified.write("cgroup.kill", "1") {
                Ok(()) => return Ok(()),
                // Linux before 5.14, or the directory is gone: the loop finds out.
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => return Err(failed("cgroup.kill", unified, errno)),
            }
        }
        for _ in 0..ROUNDS {
            // Freezing only helps; what it cannot hold is killed in a later round.
            let _ = self.freeze(Duration::from_millis(50));
            let processes = self.processes();
            for pid in processes.iter().flatten().filter_map(|pid| Pid::from_raw(*pid)) {
                // A process that is gone is what we want.
                let _ = kill_process(pid, Signal::KILL);
            }
            let thawed = self.thaw();
            if processes?.is_empty() {
                return Ok(());
            }
            thawed?;
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Stop every process in it from running, and wait until it holds.
    pub fn freeze(&self, patience: Duration) -> Result<(), Failure> {
        let until = Instant::now() + patience;
        let (directory, file, value) = self.freezer()?;
        loop {
            directory.write(file, value.0).map_err(|e| failed(file, directory, e))?;
            let frozen = match file {
                "freezer.state" => directory.read(file).map(|state| state.trim() == "FROZEN"),
                _ => directory.read("cgroup.events").map(|e| e.lines().any(|l| l == "frozen 1")),
            };
            if frozen.map_err(|e| failed(file, directory, e))? {
                return Ok(());
            }
            if Instant::now() >= until {
                // Half frozen is worse than not.
                let _ = directory.write(file, value.1);
                let message = format!("freeze {}: not all processes can be held", directory.path());
                return Err(Failure::unsupported(message));
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Whether its processes hold.
    pub fn is_frozen(&self) -> Result<bool, Failure> {
        let (directory, file, value) = self.freezer()?;
        let state = directory.read(file).map_err(|e| failed(file, directory, e))?;
        Ok(state.trim() == value.0)
    }

    /// Let its processes run again.
    pub fn thaw(&self) -> Result<(), Failure> {
        let (directory, file, value) = self.freezer()?;
        directory.write(file, value.1).map_err(|e| failed(file, directory, e))
    }

    /// The directory, the file, and what freezes and thaws.
    fn freezer(&self) -> Result<(&Directory, &'static str, (&'static str, &'static str)), Failure> {
        if let Some(unified) = self.unified()
            && unified.read("cgroup.freeze").is_ok()
        {
            return Ok((unified, "cgroup.freeze", ("1", "0")));
        }
        match self.v1("freezer") {
            Some(directory) => Ok((directory, "freezer.state", ("FROZEN", "THAWED"))),
            None => Err(Failure::unsupported("freeze: this machine has no freezer")),
        }
    }
}

fn failed(file: &str, directory: &Directory, errno: Errno) -> Failure {
    Failure::system(format!("write {}/{file}", directory.path()), errno.raw_os_error())
}
