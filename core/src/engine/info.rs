//! `info` and `version`: the engine, and what this machine can do for containers.

use std::path::Path;

use barque_monitor::filesystem::{FIT, unfit};
use libcgroups::common::{CgroupSetup, get_cgroup_setup};
use libcgroups::v2::controller_type::ControllerType as V2;

use super::Engine;
use crate::api::{ContainerList, SystemInfo, SystemVersion};
use crate::container::plan::Host;
use crate::error::Result;
use crate::sys;

/// The version of the Docker Engine API that the documents follow.
const API_VERSION: &str = "1.45";

impl Engine {
    /// The engine and this host.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn info(&self) -> Result<SystemInfo> {
        let containers =
            self.containers().list(&ContainerList { all: true, ..Default::default() })?;
        let in_state = |state: &str| containers.iter().filter(|row| row.state == state).count();
        let (id, images) = self.store().read(|connection| {
            let id =
                connection
                    .query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| row.get(0))?;
            let images: i64 = connection.query_row(
                "SELECT count(*) FROM images WHERE hidden = 0",
                [],
                |row| row.get(0),
            )?;
            Ok((id, images))
        })?;
        let cgroups = Cgroups::detect();
        let host = self.host().facts();
        let names = rustix::system::uname();
        Ok(SystemInfo {
            id,
            containers: containers.len() as u64,
            containers_running: in_state("running") as u64,
            containers_paused: in_state("paused") as u64,
            containers_stopped: (containers.len() - in_state("running") - in_state("paused"))
                as u64,
            images: images.unsigned_abs(),
            driver: "overlay2".to_owned(),
            root_dir: self.layout().root().to_string_lossy().into_owned(),
            logging_driver: "json-file".to_owned(),
            cgroup_driver: "cgroupfs".to_owned(),
            cgroup_version: if host.cgroup_v2 { "2" } else { "1" }.to_owned(),
            memory_limit: cgroups.memory,
            swap_limit: cgroups.memory && host.swap_limit,
            cpu_cfs_quota: cgroups.cpu,
            cpu_shares: cgroups.cpu,
            cpu_set: cgroups.cpuset,
            pids_limit: cgroups.pids,
            // cgroup v2 has no such switch.
            oom_kill_disable: cgroups.memory && !host.cgroup_v2,
            ncpu: host.cpus,
            mem_total: memory(),
            name: names.nodename().to_string_lossy().into_owned(),
            kernel_version: names.release().to_string_lossy().into_owned(),
            operating_system: operating_system(),
            os_type: "linux".to_owned(),
            architecture: names.machine().to_string_lossy().into_owned(),
            server_version: crate::VERSION.to_owned(),
            security_options: vec![
                "name=seccomp,profile=builtin".to_owned(),
                "name=cgroupns".to_owned(),
            ],
            default_runtime: "barque".to_owned(),
            warnings: warnings(
                &cgroups,
                self.host().capabilities(),
                host.swap_limit,
                unfit(self.layout().root()),
            ),
        })
    }

    /// Versions.
    ///
    /// # Errors
    /// None today.
    pub fn version(&self) -> Result<SystemVersion> {
        Ok(SystemVersion {
            version: crate::VERSION.to_owned(),
            api_version: API_VERSION.to_owned(),
            os: "linux".to_owned(),
            arch: self.host().facts().architecture.to_owned(),
            kernel_version: rustix::system::uname().release().to_string_lossy().into_owned(),
        })
    }
}

/// Which limits this machine can apply.
#[derive(Clone, Copy, Debug, Default)]
struct Cgroups {
    memory: bool,
    cpu: bool,
    cpuset: bool,
    pids: bool,
}

impl Cgroups {
    fn detect() -> Cgroups {
        // No cgroup file system is an answer too: then there are no limits.
        match get_cgroup_setup() {
            Ok(CgroupSetup::Unified) => {
                let found = libcgroups::v2::util::get_available_controllers("/sys/fs/cgroup");
                let found = found.unwrap_or_default();
                let has = |wanted: fn(&V2) -> bool| found.iter().any(wanted);
                Cgroups {
                    memory: has(|c| matches!(c, V2::Memory)),
                    cpu: has(|c| matches!(c, V2::Cpu)),
                    cpuset: has(|c| matches!(c, V2::CpuSet)),
                    pids: has(|c| matches!(c, V2::Pids)),
                }
            }
            Ok(CgroupSetup::Hybrid | CgroupSetup::Legacy) => {
                // Not by libcgroups: it opens a procfs of its own there and keeps it, in the host program, for good.
                let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
                let has = |name: &str| v1_controllers(&mounts).any(|found| found == name);
                Cgroups {
                    memory: has("memory"),
                    cpu: has("cpu"),
                    cpuset: has("cpuset"),
                    pids: has("pids"),
                }
            }
            Err(_) => Cgroups::default(),
        }
    }
}

/// The options of every cgroup v1 mount, among which its controllers are (proc_pid_mountinfo(5), after the dash).
fn v1_controllers(mountinfo: &str) -> impl Iterator<Item = &str> {
    mountinfo
        .lines()
        .filter_map(|line| line.split_once(" - cgroup ")?.1.split_ascii_whitespace().nth(1))
        .flat_map(|options| options.split(','))
}

/// Capabilities without which something that is asked for often cannot be had, and what.
const WANTED: [(u32, &str, &str); 4] = [
    (21, "CAP_SYS_ADMIN", "containers cannot be started"),
    (27, "CAP_MKNOD", "images with device nodes are unpacked without them"),
    (
        24,
        "CAP_SYS_RESOURCE",
        "ulimits cannot be above those of this process, nor OOM scores below its own",
    ),
    (12, "CAP_NET_ADMIN", "networks cannot be set up"),
];

fn warnings(
    cgroups: &Cgroups,
    capabilities: u64,
    swap_limit: bool,
    unfit: Option<&str>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut missing = |can: bool, what: &str| {
        if !can {
            warnings.push(format!("No {what} support"));
        }
    };
    missing(cgroups.memory, "memory limit");
    missing(!cgroups.memory || swap_limit, "swap limit");
    missing(cgroups.cpu, "cpu cfs quota");
    missing(cgroups.cpu, "cpu shares");
    missing(cgroups.cpuset, "cpuset");
    missing(cgroups.pids, "pids limit");
    for (number, name, consequence) in WANTED {
        if capabilities & (1 << number) == 0 {
            warnings.push(format!("No {name}: {consequence}"));
        }
    }
    if let Some(name) = unfit {
        warnings.push(format!(
            "The root is on {name}: containers may not be able to write; have it on {FIT}"
        ));
    }
    warnings
}

/// Memory of this machine, bytes; 0 when it does not say.
fn memory() -> i64 {
    i64::try_from(sys::memory::total().unwrap_or(0)).unwrap_or(i64::MAX)
}

/// `PRETTY_NAME` of os-release(5).
fn operating_system() -> String {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let text = read("/etc/os-release").or_else(|| read("/usr/lib/os-release")).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    match name.map(|name| name.trim_matches(['"', '\''])) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "Linux".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cgroups, warnings};

    #[test]
    fn what_a_machine_lacks_is_said_with_its_consequence() {
        let all = Cgroups { memory: true, cpu: true, cpuset: true, pids: true };
        assert_eq!(warnings(&all, u64::MAX, true, None), [""; 0]);
        let few = warnings(&Cgroups { pids: false, ..all }, !(1 << 24), false, Some("nfs"));
        assert_eq!(
            few,
            [
                "No swap limit support",
                "No pids limit support",
                "No CAP_SYS_RESOURCE: ulimits cannot be above those of this process, nor OOM scores below its own",
                "The root is on nfs: containers may not be able to write; have it on ext4, xfs, btrfs or tmpfs",
            ]
        );
    }
}
