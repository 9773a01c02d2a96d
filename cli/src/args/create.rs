//! The flags of `create` and `run`: all of docker's, those for other systems included. Whether an engine can do what a flag
//! asks for is core's to say.

use barque::api::{DeviceMapping, Mount, RestartPolicy, ThrottleDevice, Ulimit, WeightDevice};
use barque::shorthand;
use clap::Args;

use super::values;

#[derive(Args)]
pub(crate) struct CreateFlags {
    /// Add a custom host-to-IP mapping (host:ip)
    #[arg(long, value_name = "list", value_parser = shorthand::extra_host)]
    pub(super) add_host: Vec<(String, String)>,
    /// Add an annotation to the container (passed through to the OCI runtime)
    #[arg(long, value_name = "map", value_parser = values::pair)]
    pub(super) annotation: Vec<(String, String)>,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "list", value_parser = values::channel)]
    pub(super) attach: Vec<String>,
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)
    #[arg(long, value_name = "uint16", default_value = "0", hide_default_value = true)]
    pub(super) blkio_weight: u16,
    /// Block IO weight (relative device weight)
    #[arg(long, value_name = "list", value_parser = shorthand::blkio_weight)]
    pub(super) blkio_weight_device: Vec<WeightDevice>,
    /// Add Linux capabilities
    #[arg(long, value_name = "list")]
    pub(super) cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "list")]
    pub(super) cap_drop: Vec<String>,
    /// Optional parent cgroup for the container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) cgroup_parent: String,
    /// Cgroup namespace to use (host|private)
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) cgroupns: String,
    /// Write the container ID to the file
    #[arg(long, value_name = "string")]
    pub(crate) cidfile: Option<String>,
    /// CPU count (Windows only)
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_count: i64,
    /// CPU percent (Windows only)
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_percent: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_period: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_quota: i64,
    /// Limit CPU real-time period in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_rt_period: i64,
    /// Limit CPU real-time runtime in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) cpu_rt_runtime: i64,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int", default_value = "0")]
    pub(super) cpu_shares: i64,
    /// Number of CPUs
    #[arg(long, value_name = "decimal", value_parser = shorthand::cpus)]
    pub(super) cpus: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) cpuset_mems: String,
    /// Add a host device to the container
    #[arg(long, value_name = "list", value_parser = shorthand::device)]
    pub(super) device: Vec<DeviceMapping>,
    /// Add a rule to the cgroup allowed devices list
    #[arg(long, value_name = "list")]
    pub(super) device_cgroup_rule: Vec<String>,
    /// Limit read rate (bytes per second) from a device
    #[arg(long, value_name = "list", value_parser = shorthand::blkio_bps)]
    pub(super) device_read_bps: Vec<ThrottleDevice>,
    /// Limit read rate (IO per second) from a device
    #[arg(long, value_name = "list", value_parser = shorthand::blkio_iops)]
    pub(super) device_read_iops: Vec<ThrottleDevice>,
    /// Limit write rate (bytes per second) to a device
    #[arg(long, value_name = "list", value_parser = shorthand::blkio_bps)]
    pub(super) device_write_bps: Vec<ThrottleDevice>,
    /// Limit write rate (IO per second) to a device
    #[arg(long, value_name = "list", value_parser = shorthand::blkio_iops)]
    pub(super) device_write_iops: Vec<ThrottleDevice>,
    /// Skip image verification (default true)
    #[arg(long, hide = true)]
    pub(super) disable_content_trust: bool,
    /// Set custom DNS servers
    #[arg(long, value_name = "list", value_parser = shorthand::dns)]
    pub(super) dns: Vec<String>,
    /// Set DNS options
    #[arg(long, alias = "dns-opt", value_name = "list", value_parser = shorthand::dns_option)]
    pub(super) dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list", value_parser = shorthand::dns_search)]
    pub(super) dns_search: Vec<String>,
    /// Container NIS domain name
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) domainname: String,
    /// Overwrite the default ENTRYPOINT of the image
    #[arg(long, value_name = "string")]
    pub(super) entrypoint: Option<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list")]
    pub(super) env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub(super) env_file: Vec<String>,
    /// Expose a port or a range of ports
    #[arg(long, value_name = "list", value_parser = shorthand::port)]
    pub(super) expose: Vec<Vec<shorthand::Port>>,
    /// GPU devices to add to the container ('all' to pass all GPUs)
    #[arg(long, value_name = "gpu-request", value_parser = shorthand::gpus)]
    pub(super) gpus: Vec<serde_json::Value>,
    /// Add additional groups to join
    #[arg(long, value_name = "list")]
    pub(super) group_add: Vec<String>,
    #[command(flatten)]
    pub(super) health: super::health::HealthFlags,
    /// Container host name
    #[arg(short = 'h', long, value_name = "string", default_value = "")]
    pub(super) hostname: String,
    /// Run an init inside the container that forwards signals and reaps processes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::truth, value_name = "bool")]
    pub(super) init: Option<bool>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Maximum IO bandwidth limit for the system drive (Windows only)
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    pub(super) io_maxbandwidth: i64,
    /// Maximum IOps limit for the system drive (Windows only)
    #[arg(long, value_name = "uint", default_value = "0")]
    pub(super) io_maxiops: u64,
    #[command(flatten)]
    pub(super) network: super::network::NetworkFlags,
    /// IPC mode to use
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) ipc: String,
    /// Container isolation technology
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) isolation: String,
    /// Kernel memory limit
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    pub(super) kernel_memory: i64,
    /// Set meta data on a container
    #[arg(short, long, value_name = "list", value_parser = shorthand::label)]
    pub(super) label: Vec<(String, String)>,
    /// Read in a line delimited file of labels
    #[arg(long, value_name = "list")]
    pub(super) label_file: Vec<String>,
    /// Logging driver for the container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) log_driver: String,
    /// Log driver options
    #[arg(long, value_name = "list", value_parser = shorthand::log_option)]
    pub(super) log_opt: Vec<(String, String)>,
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    pub(super) memory: i64,
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    pub(super) memory_reservation: i64,
    /// Swap limit equal to memory plus swap: '-1' to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = shorthand::size_or_unlimited, default_value = "0")]
    pub(super) memory_swap: i64,
    /// Tune container memory swappiness (0 to 100) (default -1)
    #[arg(long, value_name = "int", default_value = "-1")]
    pub(super) memory_swappiness: i64,
    /// Attach a filesystem mount to the container
    #[arg(long, value_name = "mount", value_parser = shorthand::mount)]
    pub(super) mount: Vec<Mount>,
    /// Assign a name to the container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) name: String,
    /// Disable OOM Killer
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = values::truth, value_name = "bool")]
    pub(super) oom_kill_disable: Option<bool>,
    /// Tune host's OOM preferences (-1000 to 1000)
    #[arg(long, value_name = "int", default_value = "0")]
    pub(super) oom_score_adj: i32,
    /// PID namespace to use
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) pid: String,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int")]
    pub(super) pids_limit: Option<i64>,
    /// Set platform if server is multi-platform capable
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) platform: String,
    /// Give extended privileges to this container
    #[arg(long)]
    pub(super) privileged: bool,
    /// Publish a container's port(s) to the host
    #[arg(short, long, value_name = "list", value_parser = shorthand::port)]
    pub(super) publish: Vec<Vec<shorthand::Port>>,
    /// Publish all exposed ports to random ports
    #[arg(short = 'P', long)]
    pub(super) publish_all: bool,
    /// Pull image before running ("always", "missing", "never") (default "missing")
    #[arg(long, value_name = "string", value_parser = values::pull, default_value = "missing")]
    pub(crate) pull: String,
    /// Suppress the pull output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Mount the container's root filesystem as read only
    #[arg(long)]
    pub(super) read_only: bool,
    /// Restart policy to apply when a container exits (default "no")
    #[arg(long, value_name = "string", value_parser = shorthand::restart_policy)]
    pub(super) restart: Option<RestartPolicy>,
    /// Automatically remove the container and its associated anonymous volumes when it exits
    #[arg(long)]
    pub(super) rm: bool,
    /// Runtime to use for this container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) runtime: String,
    /// Security Options
    #[arg(long, value_name = "list")]
    pub(super) security_opt: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    pub(super) shm_size: i64,
    /// Signal to stop the container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) stop_signal: String,
    /// Timeout (in seconds) to stop a container
    #[arg(long, value_name = "int")]
    pub(super) stop_timeout: Option<i64>,
    /// Storage driver options for the container
    #[arg(long, value_name = "list", value_parser = values::pair)]
    pub(super) storage_opt: Vec<(String, String)>,
    /// Sysctl options
    #[arg(long, value_name = "map", value_parser = shorthand::sysctl)]
    pub(super) sysctl: Vec<(String, String)>,
    /// Mount a tmpfs directory
    #[arg(long, value_name = "list", value_parser = shorthand::tmpfs)]
    pub(super) tmpfs: Vec<(String, String)>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Ulimit options
    #[arg(long, value_name = "ulimit", value_parser = shorthand::ulimit)]
    pub(super) ulimit: Vec<Ulimit>,
    /// Username or UID (format: <name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string", default_value = "")]
    pub(super) user: String,
    /// UID map to use for the user namespace (container:host[:size])
    #[arg(long, value_name = "list")]
    pub(super) uidmap: Vec<String>,
    /// GID map to use for the user namespace (container:host[:size])
    #[arg(long, value_name = "list")]
    pub(super) gidmap: Vec<String>,
    /// User namespace to use
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) userns: String,
    /// UTS namespace to use
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) uts: String,
    /// Bind mount a volume
    #[arg(short, long, value_name = "list")]
    pub(super) volume: Vec<String>,
    /// Optional volume driver for the container
    #[arg(long, value_name = "string", default_value = "")]
    pub(super) volume_driver: String,
    /// Mount volumes from the specified container(s)
    #[arg(long, value_name = "list")]
    pub(super) volumes_from: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string", default_value = "")]
    pub(super) workdir: String,
}
