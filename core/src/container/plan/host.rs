//! What planning asks about this machine. Planning itself reads nothing, so that tests can plan for any machine.

use std::io;

/// Facts that do not change while the machine is up.
#[derive(Clone, Debug)]
pub(crate) struct HostFacts {
    /// `amd64` or `arm64`, as Docker and Go write it.
    pub(crate) architecture: &'static str,
    /// Version of the kernel, `(6, 18)`.
    pub(crate) kernel: (u32, u32),
    /// How many CPUs are online.
    pub(crate) cpus: u32,
    /// Those that a container may use, `0-3`; empty where that isn't known.
    pub(crate) cpuset_cpus: String,
    /// The memory nodes.
    pub(crate) cpuset_mems: String,
    /// Numbers of the CPUs that have a `thermal_throttle` directory in sysfs.
    pub(crate) throttled_cpus: Vec<u32>,
    /// All limits are cgroup v2's.
    pub(crate) cgroup_v2: bool,
    /// Swap can be limited.
    pub(crate) swap_limit: bool,
    /// AppArmor is on.
    pub(crate) apparmor: bool,
    /// SELinux is on.
    pub(crate) selinux: bool,
    /// Host name.
    pub(crate) hostname: String,
}

/// A device node of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceNode {
    /// Where it is.
    pub(crate) path: String,
    /// `c` or `b`.
    pub(crate) kind: char,
    /// Major number.
    pub(crate) major: u32,
    /// Minor number.
    pub(crate) minor: u32,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
}

/// This machine, as planning sees it.
pub(crate) trait Host {
    /// Capabilities that can be given: bit n is capability n, set where this process has it and the kernel knows it.
    fn capabilities(&self) -> u64;
    /// What does not change.
    fn facts(&self) -> &HostFacts;
    /// A small text file: the host's `/etc/hosts` and `/etc/resolv.conf`, a seccomp profile.
    fn read(&self, path: &str) -> io::Result<String>;
    /// The device at a path, links followed; or those in the directory at the path and below it.
    fn devices(&self, path: &str) -> io::Result<Vec<DeviceNode>>;
}
