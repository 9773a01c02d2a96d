//! Documents about containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::de;
use super::health::{Health, HealthConfig};
use super::host_config::{HostConfig, PortBinding, RestartPolicy};
use super::is_default;
use super::network::{EndpointSettings, NetworkingConfig};

/// An object without fields: Docker's way to write a set in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// What to create: the body of `POST /containers/create`, with the query's `name` and `platform` beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerCreate {
    /// The container's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]*`; empty: one is made up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `os/architecture[/variant]` of the image to use; empty: this machine's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// When to ask the image's registry: `missing` when there is no such image here, `always`; empty and `never`: do not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pull: String,
    /// Host name inside; empty: the first 12 digits of the id.
    pub hostname: String,
    /// NIS domain name inside.
    pub domainname: String,
    /// `user`, `uid`, `user:group` and so on; empty: the image's, else root.
    pub user: String,
    /// Whether the creator means to attach to standard input.
    pub attach_stdin: bool,
    /// Whether the creator means to attach to standard output.
    pub attach_stdout: bool,
    /// Whether the creator means to attach to standard error.
    pub attach_stderr: bool,
    /// Ports the container listens on: `{"80/tcp": {}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Give the container a terminal.
    pub tty: bool,
    /// Keep its standard input open for attached clients.
    pub open_stdin: bool,
    /// Close it when the first attached client leaves.
    pub stdin_once: bool,
    /// Environment, `KEY=VALUE` each, or a map.
    #[serde(deserialize_with = "de::environment")]
    pub env: Vec<String>,
    /// Arguments; without them the image's.
    #[serde(deserialize_with = "de::some_words")]
    pub cmd: Option<Vec<String>>,
    /// How its health is looked at; what this leaves out is the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// Windows only; must be false.
    #[serde(skip_serializing_if = "is_default")]
    pub args_escaped: bool,
    /// Name, tag, digest or id of the image.
    pub image: String,
    /// Anonymous volumes: `{"/data": {}}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Empty>,
    /// Working directory inside; empty: the image's, else `/`. Made when missing.
    pub working_dir: String,
    /// Program and first arguments; without it the image's. An empty list clears the image's.
    #[serde(deserialize_with = "de::some_words")]
    pub entrypoint: Option<Vec<String>>,
    /// The same as `HostConfig.NetworkMode` `none`.
    #[serde(skip_serializing_if = "is_default")]
    pub network_disabled: bool,
    /// Ethernet address on the default network.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac_address: String,
    /// Build triggers, kept for `commit`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Labels; the image's are added where they don't clash.
    pub labels: BTreeMap<String, String>,
    /// Signal that `stop` begins with; empty: the image's, else SIGTERM.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds `stop` waits before SIGKILL; without it 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Shell for the shell form, kept for `commit`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "de::words")]
    pub shell: Vec<String>,
    /// What depends on this host: limits, mounts, isolation.
    pub host_config: HostConfig,
    /// Networks to join, and what is asked for there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networking_config: Option<NetworkingConfig>,
}

/// The answer to a create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerCreated {
    /// The new container's id, 64 hexadecimal digits.
    pub id: String,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// A container and what to do with it: the request of the verbs that need nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerRef {
    /// Name, id, or a prefix of the id that no other has.
    pub id: String,
}

/// Which container to tell everything about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerInspectOptions {
    /// Name, id, or a prefix of the id that no other has.
    pub id: String,
    /// Report the size of the writable layer too.
    pub size: bool,
}

/// Start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerStart {
    /// Name, id or prefix.
    pub id: String,
    /// Kill it when the process that called dies, in whatever way; a restart policy does not start it again then.
    pub tied: bool,
}

/// Create, start and follow to the end: `docker run` as one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerRun {
    /// What to run. `HostConfig.AutoRemove` is Docker's `--rm`.
    pub create: ContainerCreate,
    /// Run this container, which exists and does not run, instead of creating one: name, id or prefix. The output is then
    /// complete from its first byte, which an attach after a start cannot promise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// End it (SIGKILL, reason `timeout`) when it still runs after so many milliseconds; 0: no limit.
    pub timeout_ms: u64,
    /// Kill it when the process that called dies or closes the stream.
    pub tied: bool,
}

/// The last document of a run or attach stream, and the answer to a wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerExit {
    /// The container's id.
    pub id: String,
    /// Its exit code: the process's own, or 128 + the signal that killed it; 125 when it is not known.
    pub status_code: i32,
    /// Why it ended: `exited`, `signaled`, `killed`, `stopped`, `stop-timeout`, `oom-killed`, `owner-gone`, `timeout`,
    /// `start-failed` or `monitor-died`.
    pub reason: String,
    /// The kernel's OOM killer killed a process in it.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// What went wrong, where something did: Docker's `{"Message": …}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WaitError>,
}

/// Docker's error inside the answer to a wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WaitError {
    /// For a person.
    pub message: String,
}

/// Stop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerStop {
    /// Name, id or prefix.
    pub id: String,
    /// Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Signal to begin with; empty: the container's own.
    pub signal: String,
}

/// Stop and start again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerRestart {
    /// Name, id or prefix.
    pub id: String,
    /// Seconds before SIGKILL; without it the container's own, else 10; negative: wait for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Signal to begin with; empty: the container's own.
    pub signal: String,
}

/// Give another name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerRename {
    /// Name, id or prefix.
    pub id: String,
    /// The new name.
    pub name: String,
}

/// Change limits and restart policy: the body of `POST /containers/{id}/update`. What is not named, or 0, stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerUpdate {
    /// Name, id or prefix.
    pub id: String,
    /// Most memory, bytes.
    #[serde(deserialize_with = "de::size")]
    pub memory: i64,
    /// Memory and swap together, bytes; -1: unlimited swap.
    #[serde(deserialize_with = "de::size")]
    pub memory_swap: i64,
    /// Soft memory limit, bytes.
    #[serde(deserialize_with = "de::size")]
    pub memory_reservation: i64,
    /// Relative weight of CPU time.
    pub cpu_shares: i64,
    /// Length of a CPU quota period, microseconds.
    pub cpu_period: i64,
    /// CPU time in a period, microseconds.
    pub cpu_quota: i64,
    /// Real-time period, microseconds.
    pub cpu_realtime_period: i64,
    /// Real-time run time, microseconds.
    pub cpu_realtime_runtime: i64,
    /// CPUs it may use: `0-2,7`.
    pub cpuset_cpus: String,
    /// Memory nodes it may use.
    pub cpuset_mems: String,
    /// CPU limit in billionths of a CPU.
    pub nano_cpus: i64,
    /// Most processes; -1: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids_limit: Option<i64>,
    /// Relative weight of block I/O, 10 to 1,000.
    pub blkio_weight: u16,
    /// When to start it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
}

/// What `container.update` has done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerUpdated {
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Kill.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerKill {
    /// Name, id or prefix.
    pub id: String,
    /// `KILL`, `SIGKILL`, `9`; empty: SIGKILL.
    pub signal: String,
}

/// Connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerConnect {
    /// Name, id or prefix.
    pub id: String,
    /// TCP port in the container.
    pub port: u16,
    /// How long to wait until somebody listens, milliseconds; 0: not at all.
    pub timeout_ms: u64,
}

/// What connecting gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConnected {
    /// The connected socket, a descriptor of this process: whoever asked has to close it.
    pub descriptor: i32,
}

/// Wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerWait {
    /// Name, id or prefix.
    pub id: String,
    /// `not-running` (also when empty), `next-exit` or `removed`.
    pub condition: String,
}

/// Remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerRemove {
    /// Name, id or prefix.
    pub id: String,
    /// Kill it first when it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
}

/// Remove those that do not run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerPrune {
    /// `{"until": ["24h"], "label": ["a=b"], "label!": ["keep"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainersPruned {
    /// Ids.
    pub containers_deleted: Vec<String>,
    /// Bytes of what they had written.
    pub space_reclaimed: i64,
}

/// Read the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerLogs {
    /// Name, id or prefix.
    pub id: String,
    /// Go on until the container ends.
    pub follow: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Only what was written at or after: RFC 3339, seconds since 1970, or a duration ago (`10m`).
    pub since: String,
    /// Only what was written before; the same forms.
    pub until: String,
    /// Begin every line with its time.
    pub timestamps: bool,
    /// Only the last so many lines; empty or `all`: all.
    pub tail: String,
    /// Begin every line (behind its time) with the labels and variables that the log options `labels` and `env` name.
    pub details: bool,
}

impl Default for ContainerLogs {
    fn default() -> Self {
        ContainerLogs {
            id: String::new(),
            follow: false,
            stdout: true,
            stderr: true,
            since: String::new(),
            until: String::new(),
            timestamps: false,
            tail: String::new(),
            details: false,
        }
    }
}

/// Attach to a running container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerAttach {
    /// Name, id or prefix.
    pub id: String,
    /// Send standard input.
    pub stdin: bool,
    /// Receive standard output.
    pub stdout: bool,
    /// Receive standard error.
    pub stderr: bool,
}

impl Default for ContainerAttach {
    fn default() -> Self {
        ContainerAttach { id: String::new(), stdin: false, stdout: true, stderr: true }
    }
}

/// Set the size of a container's terminal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerResize {
    /// Name, id or prefix.
    pub id: String,
    /// Rows.
    pub h: u16,
    /// Columns.
    pub w: u16,
}

/// List.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerList {
    /// Those that don't run too.
    pub all: bool,
    /// At most so many, the newest; 0: all. Implies `All`.
    pub limit: u32,
    /// `{"status": ["exited"], "label": ["a=b"], "name": ["web"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Report the size of the writable layer too.
    pub size: bool,
}

/// A port in a list of containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortSummary {
    /// Address on the host; absent when it is not published.
    #[serde(rename = "IP", skip_serializing_if = "String::is_empty")]
    pub ip: String,
    /// Port in the container.
    pub private_port: u16,
    /// Port on the host; absent when it is not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_port: Option<u16>,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type")]
    pub kind: String,
}

/// A row of a list, as `GET /containers/json` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSummary {
    /// Id.
    pub id: String,
    /// Names, each with a slash in front.
    pub names: Vec<String>,
    /// The image as it was asked for.
    pub image: String,
    /// Its id.
    #[serde(rename = "ImageID")]
    pub image_id: String,
    /// The command as one line.
    pub command: String,
    /// When it was created, seconds since 1970.
    pub created: i64,
    /// Ports that it listens on or that are published, the published ones while it runs.
    pub ports: Vec<PortSummary>,
    /// Bytes in the writable layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `created`, `running`, `exited`, …
    pub state: String,
    /// The same for people: `Up 5 seconds`, `Exited (0) 2 minutes ago`.
    pub status: String,
    /// Its network mode.
    pub host_config: SummaryHostConfig,
    /// Its networks.
    pub network_settings: SummaryNetworks,
    /// Its mounts.
    pub mounts: Vec<MountPoint>,
}

/// The part of the host configuration that a list shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryHostConfig {
    /// `none`, `host`, a network's name.
    pub network_mode: String,
}

/// The networks in a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SummaryNetworks {
    /// By name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// Everything about a container, as `GET /containers/{id}/json` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerInspect {
    /// Id.
    pub id: String,
    /// When it was created, RFC 3339.
    pub created: String,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// How it is.
    pub state: ContainerState,
    /// The image's id.
    pub image: String,
    /// Where its `resolv.conf` is kept.
    pub resolv_conf_path: String,
    /// Where its `hostname` is kept.
    pub hostname_path: String,
    /// Where its `hosts` is kept.
    pub hosts_path: String,
    /// Where its log is kept.
    pub log_path: String,
    /// Its name, with a slash in front.
    pub name: String,
    /// How often its restart policy has restarted it.
    pub restart_count: u32,
    /// Storage driver.
    pub driver: String,
    /// `linux`.
    pub platform: String,
    /// SELinux label of its mounts.
    pub mount_label: String,
    /// SELinux label of its processes.
    pub process_label: String,
    /// AppArmor profile.
    pub app_armor_profile: String,
    /// Running execs.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// What depends on this host.
    pub host_config: HostConfig,
    /// Where its layers are.
    pub graph_driver: GraphDriver,
    /// Bytes in the writable layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Its mounts.
    pub mounts: Vec<MountPoint>,
    /// The configuration it runs with: the image's and the caller's, merged.
    pub config: ContainerConfig,
    /// Its networks.
    pub network_settings: NetworkSettings,
}

/// Something mounted into a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path on the host; of a volume, where its files are.
    pub source: String,
    /// Path inside.
    pub destination: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Mode as of the short form: `ro`, `z`.
    pub mode: String,
    /// It can be written.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// Propagation of a bind mount.
    pub propagation: String,
}

/// How a container is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerState {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub status: String,
    /// Its process runs.
    pub running: bool,
    /// It is frozen.
    pub paused: bool,
    /// Its restart policy is about to start it again.
    pub restarting: bool,
    /// The kernel's OOM killer killed a process in it.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Its removal failed half way.
    pub dead: bool,
    /// Its process 1 as this process's pid namespace numbers it; 0 when it doesn't run.
    pub pid: i32,
    /// Exit code of the last run.
    pub exit_code: i32,
    /// What went wrong in the last run.
    pub error: String,
    /// Why the last run ended, as in [`ContainerExit::reason`]; empty before that. Not in Docker's document.
    pub exit_reason: String,
    /// When the last run began, RFC 3339; `0001-01-01T00:00:00Z` before that.
    pub started_at: String,
    /// When it ended; the same.
    pub finished_at: String,
    /// How healthy it is, where there is a health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

/// Where a container's layers are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GraphDriver {
    /// `overlay2`, Docker's name for what this is.
    pub name: String,
    /// `LowerDir`, `UpperDir`, `WorkDir`, `MergedDir`.
    pub data: BTreeMap<String, String>,
}

/// A container's networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// Its ports by `80/tcp`, and where on this host each is published while it runs; `null`: nowhere.
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    /// Path of its network namespace while it runs.
    pub sandbox_key: String,
    /// What it has in the default network, said again; empty when it is not in that, or does not run.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The same.
    pub gateway: String,
    /// The same.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The same.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: i64,
    /// The same.
    pub mac_address: String,
    /// Networks by name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// The configuration a container runs with, as `Config` in an inspect document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// Host name.
    pub hostname: String,
    /// NIS domain name.
    pub domainname: String,
    /// User.
    pub user: String,
    /// As in [`ContainerCreate`].
    pub attach_stdin: bool,
    /// As in [`ContainerCreate`].
    pub attach_stdout: bool,
    /// As in [`ContainerCreate`].
    pub attach_stderr: bool,
    /// Ports.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// Terminal.
    pub tty: bool,
    /// Standard input is kept open.
    pub open_stdin: bool,
    /// … for one client.
    pub stdin_once: bool,
    /// Environment.
    pub env: Vec<String>,
    /// Arguments.
    pub cmd: Option<Vec<String>>,
    /// Health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthConfig>,
    /// The image as it was asked for.
    pub image: String,
    /// Anonymous volumes.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// Working directory.
    pub working_dir: String,
    /// Program and first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Build triggers.
    pub on_build: Option<Vec<String>>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Stop signal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds before SIGKILL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}
