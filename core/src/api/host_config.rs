//! `HostConfig`: what a container is given or denied on this host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{de, is_default};

/// What depends on this host: limits, mounts, isolation. Docker's defaults are the zero values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct HostConfig {
    /// `source:target[:options]` each.
    pub binds: Vec<String>,
    /// File to write the id to; the command line's business.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// How output is kept.
    pub log_config: LogConfig,
    /// `none`, `host`, `bridge`, `container:ID` or a network's name; empty or `default`: the default.
    pub network_mode: String,
    /// Published ports by container port.
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    /// When to start again.
    pub restart_policy: RestartPolicy,
    /// Remove it when it has ended.
    pub auto_remove: bool,
    /// Volume driver; `local` or empty.
    pub volume_driver: String,
    /// Take over these containers' mounts.
    pub volumes_from: Vec<String>,
    /// Mounts in the long form.
    pub mounts: Vec<Mount>,
    /// Terminal size at the start: rows, columns.
    pub console_size: [u16; 2],
    /// Free annotations.
    pub annotations: BTreeMap<String, String>,
    /// Capabilities to add to the default ones, with or without `CAP_`; `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities to take away.
    pub cap_drop: Vec<String>,
    /// Cgroup namespace: `private` (also when empty) or `host`.
    pub cgroupns_mode: String,
    /// Name servers.
    pub dns: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// `name:address` for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// More groups for the process, names or numbers.
    pub group_add: Vec<String>,
    /// `private`, `shareable`, `host`, `none`, `container:ID`; empty: private.
    pub ipc_mode: String,
    /// A cgroup of another container.
    pub cgroup: String,
    /// Deprecated links, `container:alias`.
    pub links: Vec<String>,
    /// How ready the OOM killer is to take it, -1000 to 1000.
    pub oom_score_adj: i32,
    /// `host`, `container:ID`; empty: its own.
    pub pid_mode: String,
    /// All capabilities and devices, nothing masked.
    pub privileged: bool,
    /// Publish all exposed ports.
    pub publish_all_ports: bool,
    /// The root file system cannot be written.
    pub readonly_rootfs: bool,
    /// `no-new-privileges`, `seccomp=PATH` (read when the container is created), `seccomp=unconfined`, …
    pub security_opt: Vec<String>,
    /// Storage driver options.
    pub storage_opt: BTreeMap<String, String>,
    /// In-memory file systems: `{"/run": "size=64m"}`.
    pub tmpfs: BTreeMap<String, String>,
    /// `host`; empty: its own.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// User namespace: `host` (also when empty and there are no maps), `private` or `auto` (65,536 ids that no other container has
    /// while it runs), `auto:size=N`, `container:ID`.
    pub userns_mode: String,
    /// Whose user ids those of its user namespace are on the host: `container:host[:size]` each. Empty: as the group ids.
    pub uid_map: Vec<String>,
    /// The same of group ids. Empty: as the user ids.
    pub gid_map: Vec<String>,
    /// Size of `/dev/shm`, bytes; 0: 64 MiB.
    #[serde(deserialize_with = "de::size")]
    pub shm_size: i64,
    /// Kernel parameters of its namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// OCI runtime; empty or `barque`.
    pub runtime: String,
    /// Windows only.
    pub isolation: String,
    /// Paths to hide; without it the default list.
    pub masked_paths: Option<Vec<String>>,
    /// Paths that cannot be written; without it the default list.
    pub readonly_paths: Option<Vec<String>>,
    /// Run a reaper as process 1.
    pub init: Option<bool>,

    /// Relative weight of CPU time; 0: 1,024.
    pub cpu_shares: i64,
    /// Most memory, bytes; 0: no limit.
    #[serde(deserialize_with = "de::size")]
    pub memory: i64,
    /// CPU limit in billionths of a CPU; 0: no limit.
    #[serde(rename = "NanoCpus")]
    pub nano_cpus: i64,
    /// Parent cgroup.
    pub cgroup_parent: String,
    /// Relative weight of block I/O, 10 to 1,000; 0: the default.
    pub blkio_weight: u16,
    /// The same per device.
    pub blkio_weight_device: Vec<WeightDevice>,
    /// Most bytes a second read from devices.
    pub blkio_device_read_bps: Vec<ThrottleDevice>,
    /// Most bytes a second written to devices.
    pub blkio_device_write_bps: Vec<ThrottleDevice>,
    /// Most reads a second.
    #[serde(rename = "BlkioDeviceReadIOps")]
    pub blkio_device_read_iops: Vec<ThrottleDevice>,
    /// Most writes a second.
    #[serde(rename = "BlkioDeviceWriteIOps")]
    pub blkio_device_write_iops: Vec<ThrottleDevice>,
    /// Length of a CPU quota period, microseconds.
    pub cpu_period: i64,
    /// CPU time in a period, microseconds.
    pub cpu_quota: i64,
    /// Real-time period, microseconds.
    #[serde(rename = "CpuRealtimePeriod")]
    pub cpu_realtime_period: i64,
    /// Real-time run time, microseconds.
    #[serde(rename = "CpuRealtimeRuntime")]
    pub cpu_realtime_runtime: i64,
    /// CPUs it may use: `0-2,7`.
    pub cpuset_cpus: String,
    /// Memory nodes it may use.
    pub cpuset_mems: String,
    /// Host devices to give it.
    pub devices: Vec<DeviceMapping>,
    /// Rules of the device cgroup: `c 1:3 rwm`.
    pub device_cgroup_rules: Vec<String>,
    /// GPUs and the like.
    pub device_requests: Vec<Value>,
    /// Most kernel TCP memory, bytes; deprecated.
    #[serde(rename = "KernelMemoryTCP")]
    pub kernel_memory_tcp: i64,
    /// Most kernel memory, bytes; deprecated, refused.
    pub kernel_memory: i64,
    /// Soft memory limit, bytes.
    #[serde(deserialize_with = "de::size")]
    pub memory_reservation: i64,
    /// Memory and swap together, bytes; -1: unlimited swap; 0: twice the memory.
    #[serde(deserialize_with = "de::size")]
    pub memory_swap: i64,
    /// How readily memory is swapped, 0 to 100; without it the kernel's own.
    pub memory_swappiness: Option<i64>,
    /// Don't let the OOM killer take it.
    pub oom_kill_disable: Option<bool>,
    /// Most processes; 0 or -1: no limit.
    pub pids_limit: Option<i64>,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Windows only.
    pub cpu_count: i64,
    /// Windows only.
    pub cpu_percent: i64,
    /// Windows only.
    #[serde(rename = "IOMaximumIOps")]
    pub io_maximum_iops: u64,
    /// Windows only.
    #[serde(rename = "IOMaximumBandwidth")]
    pub io_maximum_bandwidth: u64,
}

/// How output is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct LogConfig {
    /// `json-file` (also when empty), `local` or `none`.
    #[serde(rename = "Type")]
    pub driver: String,
    /// `max-size`, `max-file`; `labels` and `env`: what `Details` of the log shows.
    pub config: BTreeMap<String, String>,
}

/// Where a published port listens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct PortBinding {
    /// Address; empty: all.
    pub host_ip: String,
    /// Port or range; empty: a free one.
    pub host_port: String,
}

/// When to start a container again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct RestartPolicy {
    /// `no` (also when empty), `always`, `unless-stopped`, `on-failure`.
    pub name: String,
    /// How often, for `on-failure`; 0: without end.
    pub maximum_retry_count: i64,
}

/// A mount in the long form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct Mount {
    /// Path inside.
    pub target: String,
    /// Path on the host, or a volume's name.
    pub source: String,
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// It cannot be written.
    pub read_only: bool,
    /// Docker Desktop's; ignored.
    pub consistency: String,
    /// Options of a bind mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// Options of a volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// Options of a tmpfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// Options of a bind mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct BindOptions {
    /// `private`, `rprivate` (also when empty), `slave`, `rslave`, `shared` or `rshared`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Without what is mounted below the source.
    #[serde(skip_serializing_if = "is_default")]
    pub non_recursive: bool,
    /// Make the source, a directory, when it is missing.
    #[serde(skip_serializing_if = "is_default")]
    pub create_mountpoint: bool,
    /// `ReadOnly` holds for the mount itself and not for those below.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_non_recursive: bool,
    /// `ReadOnly` holds for those below too, or else it is an error.
    #[serde(skip_serializing_if = "is_default")]
    pub read_only_force_recursive: bool,
}

/// Options of a volume in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeOptions {
    /// Don't fill it with what the image has in its place.
    #[serde(skip_serializing_if = "is_default")]
    pub no_copy: bool,
    /// Labels of the volume, if it is made.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Driver of the volume, if it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<DriverConfig>,
    /// Path inside the volume to mount instead of the whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// The driver of a volume that a mount makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct DriverConfig {
    /// `local` (also when empty).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// Options of a tmpfs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct TmpfsOptions {
    /// Most bytes; 0: half of the memory.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "de::size")]
    pub size_bytes: i64,
    /// Permissions of its root; 0: those of the directory in its place, or 1777.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: u32,
    /// More options, `["exec"]` or `["uid", "1000"]` each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Vec<String>>,
}

/// Block I/O weight of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct WeightDevice {
    /// Path of the device.
    pub path: String,
    /// 10 to 1,000.
    pub weight: u16,
}

/// Block I/O limit of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ThrottleDevice {
    /// Path of the device.
    pub path: String,
    /// Bytes or operations a second.
    pub rate: u64,
}

/// A host device in the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeviceMapping {
    /// Path on the host.
    pub path_on_host: String,
    /// Path inside; empty: the same.
    pub path_in_container: String,
    /// `r`, `w`, `m`; empty: `rwm`.
    pub cgroup_permissions: String,
}

/// A resource limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ulimit {
    /// `nofile`, `nproc`, …
    pub name: String,
    /// Soft limit; -1: unlimited.
    pub soft: i64,
    /// Hard limit; -1: unlimited.
    pub hard: i64,
}
