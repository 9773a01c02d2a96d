//! From Docker's documents to what the monitor runs: every default and every refusal of a container's configuration.
//!
//! Planning is pure. What it must know about the machine it asks of a [`Host`]; nothing is made, opened or resolved here,
//! and a path inside the container is only passed on. So `create` can plan to find out whether a request can be carried
//! out, throw the plan away, and `start` plan again.

mod host;

pub(crate) use host::{DeviceNode, Host, HostFacts};

use barque_monitor::protocol::{Launch, Overlay};

use crate::api::{ContainerConfig, ContainerCreate};
use crate::error::{Error, Result};

/// What a plan is made from.
pub(crate) struct PlanInput<'a> {
    /// The container's id, 64 hexadecimal digits.
    pub(crate) id: &'a str,
    /// The request.
    pub(crate) create: &'a ContainerCreate,
    /// The image's configuration.
    pub(crate) image: &'a ContainerConfig,
    /// The image's architecture, `amd64`; decides which 32-bit calls the seccomp profile has.
    pub(crate) image_architecture: &'a str,
    /// This machine.
    pub(crate) host: &'a dyn Host,
    /// The root file system to mount.
    pub(crate) rootfs: Option<Overlay>,
    /// The container's directory, absolute: where [`Plan::files`] will be.
    pub(crate) directory: &'a str,
    /// The container's cgroup, below the root of every hierarchy.
    pub(crate) cgroup: &'a str,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration the container has: the request's and the image's, merged. `Config` of an inspect document.
    pub(crate) config: ContainerConfig,
    /// What to send to the monitor. `attach`, `auto_start`, `tied`, `boot_id` and `failpoints` are the caller's to set.
    pub(crate) launch: Launch,
    /// Files to write into the container's directory before it starts: name and content.
    pub(crate) files: [(&'static str, String); 3],
    /// What the caller of `create` should know.
    pub(crate) warnings: Vec<String>,
}

/// Plan a container.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what cannot be,
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for what this version or machine cannot do.
pub(crate) fn plan(input: &PlanInput<'_>) -> Result<Plan> {
    Err(Error::unsupported(format!("planning {} has not landed yet", input.id)))
}
