//! Documents about the engine as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::build::BuildCache;
use super::container::ContainerSummary;
use super::image::{ImageRemoved, ImageSummary};
use super::volume::Volume;

/// A request without fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nothing {}

/// The engine and this host, in the words of `GET /info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemInfo {
    /// Identity of the engine root: made when the root was.
    #[serde(rename = "ID")]
    pub id: String,
    /// All containers.
    pub containers: u64,
    /// Those that run.
    pub containers_running: u64,
    /// Those that are paused.
    pub containers_paused: u64,
    /// Those that don't run.
    pub containers_stopped: u64,
    /// Images.
    pub images: u64,
    /// Storage driver, `overlay2`.
    pub driver: String,
    /// The engine root.
    #[serde(rename = "DockerRootDir")]
    pub root_dir: String,
    /// Default log driver.
    pub logging_driver: String,
    /// `cgroupfs`.
    pub cgroup_driver: String,
    /// `1` or `2`; hybrid hosts are `1`, since that's where their controllers are.
    pub cgroup_version: String,
    /// Memory limits can be applied.
    pub memory_limit: bool,
    /// Swap limits can be applied.
    pub swap_limit: bool,
    /// CPU quotas can be applied.
    #[serde(rename = "CpuCfsQuota")]
    pub cpu_cfs_quota: bool,
    /// CPU shares can be applied.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// CPU sets can be applied.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Process limits can be applied.
    pub pids_limit: bool,
    /// The OOM killer can be turned off for a container.
    pub oom_kill_disable: bool,
    /// CPUs.
    #[serde(rename = "NCPU")]
    pub ncpu: u32,
    /// Memory, bytes.
    pub mem_total: i64,
    /// Host name.
    pub name: String,
    /// Kernel release.
    pub kernel_version: String,
    /// Distribution.
    pub operating_system: String,
    /// `linux`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// `x86_64`, `aarch64`, …
    pub architecture: String,
    /// barque's version.
    pub server_version: String,
    /// `name=seccomp,profile=builtin`, …
    pub security_options: Vec<String>,
    /// Default runtime, `barque`.
    pub default_runtime: String,
    /// What is missing or degraded on this host.
    pub warnings: Vec<String>,
}

/// Versions, in the words of `GET /version`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemVersion {
    /// barque's version.
    pub version: String,
    /// Version of the Docker Engine API that the documents follow.
    pub api_version: String,
    /// `linux`.
    pub os: String,
    /// `amd64`, `arm64`, …
    pub arch: String,
    /// Kernel release.
    pub kernel_version: String,
}

/// Compare everything that is stored with its digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct SystemCheck {
    /// Put right what can be: layers from their blobs, files that nothing refers to, the index for other programs.
    pub repair: bool,
}

/// What was compared, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemChecked {
    /// Blobs that were read and hashed.
    pub blobs: u64,
    /// Layers that were unpacked again and compared.
    pub layers: u64,
    /// Images whose documents were read.
    pub images: u64,
    /// What is wrong. Empty: nothing.
    pub problems: Vec<CheckProblem>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CheckProblem {
    /// `record`, `blob`, `layer`, `image`, `stray` or `index`.
    pub kind: String,
    /// Which one: a digest, or a path in the engine root.
    pub id: String,
    /// What is wrong with it, and the remedy.
    pub problem: String,
    /// Ids of the images that it belongs to.
    pub images: Vec<String>,
    /// It was put right.
    pub repaired: bool,
}

/// What the engine keeps on disk, in the words of `GET /system/df`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all layers that images have.
    pub layers_size: i64,
    /// Images, with shared sizes and counts of containers.
    pub images: Vec<ImageSummary>,
    /// Containers, with sizes.
    pub containers: Vec<ContainerSummary>,
    /// Volumes, with sizes and counts of containers.
    pub volumes: Vec<Volume>,
    /// What builds have left for the next.
    pub build_cache: Vec<BuildCache>,
    /// Bytes of the blobs that images have (compressed layers, manifests, configurations). Not in Docker's document.
    pub blobs_size: i64,
}

/// Remove what nothing needs: containers that do not run, networks, images, and what builds have left. Not in Docker's API: its command asks for each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct SystemPrune {
    /// All images that no container stands on, not only those without a tag.
    pub all: bool,
    /// The volumes too that nobody gave a name and no container has.
    pub volumes: bool,
    /// `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`, of everything.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemPruned {
    /// Ids.
    pub containers_deleted: Vec<String>,
    /// Names.
    pub networks_deleted: Vec<String>,
    /// Names.
    pub volumes_deleted: Vec<String>,
    /// Names, images and layers.
    pub images_deleted: Vec<ImageRemoved>,
    /// Ids of records of the build cache.
    pub caches_deleted: Vec<String>,
    /// Bytes of all.
    pub space_reclaimed: i64,
}
