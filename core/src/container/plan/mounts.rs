//! Mounts: what every container has, and what is hidden or fixed in it.

use barque_monitor::oci::{MOUNT_NAMESPACE, Mount, OF_CONTAINER};

use super::host::HostFacts;
use super::namespaces::{Ipc, Namespaces, Pid};
use super::security::Security;
use super::user::User;
use crate::api::HostConfig;
use crate::error::{Error, Result};
use crate::shorthand;

/// Size of `/dev/shm` when nobody says it.
const SHM_SIZE: i64 = 64 << 20;

/// Files of the host's hardware and kernel that a container has no business with (CVE-2018-10892, CVE-2017-16539,
/// CVE-2020-8694, GHSA-6fw5-f8r9-fgfm).
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files through which the kernel is configured.
const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Files of the container's directory that are mounted into it.
pub(super) const FILES: [(&str, &str); 3] =
    [("hostname", "/etc/hostname"), ("hosts", "/etc/hosts"), ("resolv.conf", "/etc/resolv.conf")];

/// All mounts, in order.
pub(super) fn list(
    host_config: &HostConfig,
    namespaces: Namespaces<'_>,
    user: &User,
    directory: &str,
    own: &[Mount],
) -> Result<Vec<Mount>> {
    if host_config.shm_size < 0 {
        return Err(Error::invalid("SHM size can not be less than 0"));
    }
    let tmpfs = host_config.tmpfs.iter().map(|(path, options)| tmpfs(path, options));
    let own = tmpfs.chain(own.iter().cloned().map(Ok)).collect::<Result<Vec<_>>>()?;
    let mut mounts = default(host_config, namespaces);
    let access = if host_config.readonly_rootfs { "ro" } else { "rw" };
    for (file, destination) in FILES {
        let mut options = vec!["rbind", "rprivate", access];
        if *user != User::Host {
            options.push("idmap");
        }
        mounts.push(mount(destination, "bind", &format!("{directory}/{file}"), &options));
    }
    let has_dev = own.iter().any(|mount| mount.destination == "/dev");
    // With another `/dev` goes what would be mounted in it.
    mounts.retain(|mount| {
        let hidden = has_dev && mount.destination.starts_with("/dev/");
        !hidden && !own.iter().any(|own| own.destination == mount.destination)
    });
    mounts.extend(own);
    // A mount hides what was mounted below its place before.
    mounts.sort_by_key(|mount| mount.destination.matches('/').count());
    Ok(mounts)
}

/// What the runtime specification asks for of every container (config-linux.md, "Default filesystems"), and cgroups.
fn default(host_config: &HostConfig, namespaces: Namespaces<'_>) -> Vec<Mount> {
    let sys_access = if host_config.privileged { "rw" } else { "ro" };
    let mut mounts = vec![
        match namespaces.pid {
            Pid::Private | Pid::Host => {
                mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])
            }
            Pid::Container(container) => {
                let of = format!("{MOUNT_NAMESPACE}={OF_CONTAINER}{container}");
                mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev", &of])
            }
        },
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", sys_access]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    match namespaces.ipc {
        Ipc::Private => {
            let size = if host_config.shm_size == 0 { SHM_SIZE } else { host_config.shm_size };
            let size = format!("size={size}");
            mounts.push(mount(
                "/dev/shm",
                "tmpfs",
                "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", &size],
            ));
        }
        Ipc::Host => mounts.push(mount(
            "/dev/shm",
            "bind",
            "/dev/shm",
            &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
        )),
        Ipc::Container(container) => {
            let of = format!("{MOUNT_NAMESPACE}={OF_CONTAINER}{container}");
            mounts.push(mount(
                "/dev/shm",
                "bind",
                "/dev/shm",
                &["bind", "rprivate", "nosuid", "noexec", "nodev", &of],
            ));
        }
        Ipc::None => {}
    }
    mounts.push(mount(
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        &["nosuid", "noexec", "nodev", "relatime", sys_access],
    ));
    mounts
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    }
}

/// A tmpfs with options as of `HostConfig.Tmpfs`.
pub(crate) fn tmpfs(path: &str, options: &str) -> Result<Mount> {
    let destination = shorthand::mount_target(path)?;
    // Mounting over these would take away what isolation and devices rest on (CVE-2019-19921).
    let is_proc = destination == "/proc" || destination.starts_with("/proc/");
    if is_proc || matches!(destination.as_str(), "/sys" | "/dev" | "/sys/fs/cgroup") {
        return Err(Error::invalid(format!(
            "{destination} cannot be a tmpfs: the container's own is mounted there"
        )));
    }
    let mut flags = vec!["noexec", "nosuid", "nodev"];
    let mut data = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let known = match option.split_once('=') {
            Some((
                "size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks" | "mpol" | "huge",
                value,
            )) => !value.is_empty(),
            Some(_) => false,
            None => FLAGS.contains(&option),
        };
        if !known || option.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(Error::invalid(format!("invalid tmpfs option {option:?}")));
        }
        if option.contains('=') {
            data.push(option);
        } else {
            let about = option.strip_prefix("no").unwrap_or(option);
            flags.retain(|flag| flag.strip_prefix("no").unwrap_or(flag) != about);
            flags.push(option);
        }
    }
    flags.extend(data);
    Ok(mount(&destination, "tmpfs", "tmpfs", &flags))
}

/// Mount flags that say something about a tmpfs.
const FLAGS: [&str; 22] = [
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "private",
    "rprivate",
    "defaults",
];

/// The paths to hide and the paths to make read-only.
pub(super) fn masks(
    host_config: &HostConfig,
    security: &Security,
    facts: &HostFacts,
) -> (Vec<String>, Vec<String>) {
    let bare = host_config.privileged || security.unmasked;
    let masked = match &host_config.masked_paths {
        Some(paths) => paths.clone(),
        None if bare => Vec::new(),
        None => {
            let cpus = facts.throttled_cpus.iter();
            let throttles =
                cpus.map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"));
            MASKED.iter().map(|path| (*path).to_owned()).chain(throttles).collect()
        }
    };
    let readonly = match &host_config.readonly_paths {
        Some(paths) => paths.clone(),
        None if bare => Vec::new(),
        None => READONLY.iter().map(|path| (*path).to_owned()).collect(),
    };
    (masked, readonly)
}
