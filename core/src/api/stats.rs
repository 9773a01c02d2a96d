//! Documents about what containers use, and the processes in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::Empty;

/// What a container uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerStats {
    /// Name, id or prefix.
    pub id: String,
    /// Go on, once a second, until the container ends.
    pub stream: bool,
    /// One sample, at once. Without it and `Stream` there is one that has another, a second older, in `precpu_stats`.
    pub one_shot: bool,
}

impl Default for ContainerStats {
    fn default() -> Self {
        ContainerStats { id: String::new(), stream: true, one_shot: false }
    }
}

/// A sample, as `GET /containers/{id}/stats` gives it. Of a container that does not run all is zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsResponse {
    /// The container's id.
    pub id: String,
    /// Its name, with a slash in front.
    pub name: String,
    /// When it was taken, RFC 3339; `0001-01-01T00:00:00Z` when nothing ran.
    pub read: String,
    /// When the sample in `precpu_stats` was.
    pub preread: String,
    /// Processes.
    pub pids_stats: PidsStats,
    /// Disks.
    pub blkio_stats: BlkioStats,
    /// Windows only.
    pub num_procs: u32,
    /// Windows only.
    pub storage_stats: Empty,
    /// Processors.
    pub cpu_stats: CpuStats,
    /// Processors in the sample before: the difference of the two is what was used in between.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Network interfaces by name, without the loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<BTreeMap<String, NetworkStats>>,
}

/// Processes and threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// How many there are.
    pub current: u64,
    /// How many there may be; 0: no limit.
    pub limit: u64,
}

/// Use of processors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// Of the container.
    pub cpu_usage: CpuUsage,
    /// Of the whole machine, nanoseconds of all processors, idle ones too.
    pub system_cpu_usage: u64,
    /// Processors.
    pub online_cpus: u32,
    /// How it was held back.
    pub throttling_data: ThrottlingData,
}

/// Use of processors by a container, nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// All.
    pub total_usage: u64,
    /// By processor, where the kernel counts that (cgroup v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percpu_usage: Option<Vec<u64>>,
    /// In the kernel.
    pub usage_in_kernelmode: u64,
    /// In programs.
    pub usage_in_usermode: u64,
}

/// How a CPU quota held a container back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ThrottlingData {
    /// Periods in which it ran.
    pub periods: u64,
    /// Periods in which it used up its quota.
    pub throttled_periods: u64,
    /// Time for which it was held back, nanoseconds.
    pub throttled_time: u64,
}

/// Use of memory, bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// What it has, page cache included.
    pub usage: u64,
    /// The most it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_usage: Option<u64>,
    /// The kernel's `memory.stat`.
    pub stats: BTreeMap<String, u64>,
    /// How often it ran into its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failcnt: Option<u64>,
    /// What it may have; without a limit what the machine has.
    pub limit: u64,
}

/// Use of disks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStats {
    /// Bytes.
    pub io_service_bytes_recursive: Vec<BlkioStatEntry>,
    /// Operations.
    pub io_serviced_recursive: Vec<BlkioStatEntry>,
}

/// A number about a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BlkioStatEntry {
    /// The device's major number.
    pub major: u64,
    /// Its minor number.
    pub minor: u64,
    /// `read`, `write`.
    pub op: String,
    /// The number.
    pub value: u64,
}

/// What went through a network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Errors while receiving.
    pub rx_errors: u64,
    /// Packets dropped on the way in.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Errors while sending.
    pub tx_errors: u64,
    /// Packets dropped on the way out.
    pub tx_dropped: u64,
}

/// List a container's processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerTop {
    /// Name, id or prefix.
    pub id: String,
    /// What to show, as options of `ps`: `-ef` (also when empty), `aux`, `-eo pid,comm`.
    pub ps_args: String,
}

/// A container's processes, as `GET /containers/{id}/top` gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerTopResponse {
    /// Titles of the columns.
    pub titles: Vec<String>,
    /// A row for each process, its texts in the order of the titles. Process ids are this machine's.
    pub processes: Vec<Vec<String>>,
}
