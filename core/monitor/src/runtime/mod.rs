//! The OCI runtime: makes a container's process 1 from a specification.
//!
//! [`begin`] clones the process into its namespaces; everything else it does to itself (joins its cgroups, mounts its root
//! file system, gives up privileges) while the monitor goes on, and then waits for [`Container::start`]. The two are
//! connected by a socket: the child tells how far it is or what went wrong, the parent tells it to go on, and the end of
//! either is seen by the other. All of it stands on the monitor being single-threaded: the child of a bare clone(2)
//! may then do whatever the parent could.
//!
//! Cgroup directories, limits and the device filter are made before, and removed after, by the caller.

mod failure;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::oci::Spec;
use crate::protocol::{Failure, Overlay};

/// What a container is made from, beside its specification.
pub struct Options<'a> {
    /// The specification. Its `linux.resources` and `linux.cgroupsPath` are not looked at here.
    pub spec: &'a Spec,
    /// The root file system; without it `spec.root.path` is taken as it is.
    pub rootfs: Option<&'a Overlay>,
    /// Docker's `User`, looked up in the container; empty: what `spec.process.user` says.
    pub user: &'a str,
    /// Docker's `GroupAdd`, looked up in the container.
    pub group_add: &'a [String],
    /// Process 1 is a reaper, and the command its child.
    pub init: bool,
    /// Standard input is a pipe; otherwise it is `/dev/null`. A terminal is always open for input.
    pub stdin: bool,
    /// The container's cgroup in each hierarchy that it has one in. Its limits are set already.
    pub cgroups: &'a [Cgroup],
    /// Go on to the command without waiting for [`Container::start`] (which must still be called, for its result).
    pub auto_start: bool,
}

/// A container's cgroup in one hierarchy.
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Name of the hierarchy's directory below `/sys/fs/cgroup` in the container, `cpu,cpuacct` or `unified` or
    /// `systemd`; empty on a host that has only cgroup v2.
    pub name: String,
    /// The container's directory in it, as the monitor sees it: absolute.
    pub path: String,
    /// It is cgroup v2.
    pub unified: bool,
}

/// The monitor's ends of the container's standard streams. All of them are close-on-exec and blocking.
#[derive(Debug)]
pub enum Stdio {
    /// A pipe for each.
    Pipes {
        /// Write end of standard input, where [`Options::stdin`] asked for it.
        stdin: Option<OwnedFd>,
        /// Read end of standard output.
        stdout: OwnedFd,
        /// Read end of standard error.
        stderr: OwnedFd,
    },
    /// The master of the container's terminal.
    Terminal(OwnedFd),
}

/// A container whose process is setting itself up. Dropping it kills and reaps that process.
pub struct Setup {
    channel: OwnedFd,
}

/// A container that is set up. Dropping it before [`Container::start`] has succeeded kills and reaps its process.
pub struct Container {
    /// Process 1, as the monitor's pid namespace numbers it.
    pub pid: i32,
    /// The same as a descriptor.
    pub pidfd: OwnedFd,
    /// The monitor's ends of its standard streams; take them out to keep them.
    pub stdio: Option<Stdio>,
    channel: OwnedFd,
}

/// Start making a container. Returns as soon as its process exists.
pub fn begin(_options: &Options<'_>) -> Result<Setup, Failure> {
    Err(failure::unsupported("the runtime has not landed yet"))
}

/// Make a container and wait until it can be started.
pub fn create(options: &Options<'_>) -> Result<Container, Failure> {
    begin(options)?.finish()
}

impl Setup {
    /// Becomes readable when [`Setup::finish`] will not block.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Wait until the container can be started, or has failed (its process is then gone).
    pub fn finish(self) -> Result<Container, Failure> {
        Err(failure::unsupported("the runtime has not landed yet"))
    }
}

impl Container {
    /// Becomes readable, after [`Container::go`], when [`Container::start`] will not block.
    pub fn status(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    /// Let the process go on to the command, without waiting for the result.
    pub fn go(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// [`Container::go`] unless that is done, and wait until the command runs or cannot be executed (the process is then
    /// gone). From now on the caller reaps it.
    pub fn start(&mut self) -> Result<(), Failure> {
        self.go()
    }
}
