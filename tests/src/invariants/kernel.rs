//! The kernel's side: processes, mounts, cgroups, locks, sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use super::Known;
use super::record::names;
use crate::Sandbox;
use crate::suite::cgroups_named;

/// Field 22 of `/proc/PID/stat`, unless the process is gone or a zombie.
pub(super) fn start_time(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    (fields.next()? != "Z").then(|| fields.nth(18)?.parse().ok())?
}

fn processes() -> impl Iterator<Item = String> {
    names(std::path::Path::new("/proc")).into_iter().filter(|name| name.parse::<u32>().is_ok())
}

/// The living monitors of this engine: those that hold a lock file below its run directory open, by container id.
pub(super) fn monitors(sandbox: &Sandbox) -> BTreeMap<String, Vec<String>> {
    let locks = run_directory(sandbox).join("locks");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pid in processes() {
        let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        // The suite may have lock files open too (an engine in this process). A monitor runs from a mount in no namespace,
        // whose files have no path.
        if exe != std::path::Path::new("/") {
            continue;
        }
        for fd in names(std::path::Path::new(&format!("/proc/{pid}/fd"))) {
            let Ok(target) = fs::read_link(format!("/proc/{pid}/fd/{fd}")) else { continue };
            if let Ok(id) = target.strip_prefix(&locks) {
                let id = id.display().to_string();
                let id = id.trim_end_matches(" (deleted)").to_owned();
                let pids = found.entry(id).or_default();
                if !pids.contains(&pid) {
                    pids.push(pid.clone());
                }
            }
        }
    }
    found
}

fn run_directory(sandbox: &Sandbox) -> PathBuf {
    sandbox.run().join(sandbox.instance())
}

/// I-11: what is said to run runs, and what runs is said to.
pub(super) fn check_states(
    sandbox: &Sandbox,
    containers: &[Known],
    monitors: &BTreeMap<String, Vec<String>>,
    wrong: &mut Vec<String>,
) {
    let mut told = None;
    for container in containers {
        let id = &container.id;
        let monitored = monitors.get(id).map_or(0, Vec::len);
        match container.running {
            Some((pid, started))
                if monitored > 0 && start_time(&pid.to_string()) != Some(started) =>
            {
                wrong.push(format!("I-11 {id} is said to run as {pid}, which does not"));
            }
            Some(_) if monitored > 0 => {}
            // The file of a monitor that was killed: nobody may believe it, and nobody may be told so.
            Some(_) => {
                let told = told
                    .get_or_insert_with(|| sandbox.barque(&["ps", "--quiet", "--no-trunc"]).stdout);
                if told.contains(id.as_str()) {
                    wrong.push(format!("I-11 {id} is said to run, and no monitor of it does"));
                }
            }
            None if monitored > 0 => {
                let state = &container.state;
                wrong.push(format!("I-10 {id} does not run, and its monitor does: {state:?}"));
            }
            None => {}
        }
    }
}

/// I-01: no mount below the engine's directories in any mount namespace, but in those of running containers.
pub(super) fn check_mounts(sandbox: &Sandbox, containers: &[Known], wrong: &mut Vec<String>) {
    let (root, run) = (sandbox.root(), sandbox.run());
    let places = [root.to_string_lossy().into_owned(), run.to_string_lossy().into_owned()];
    let mut namespaces = BTreeSet::new();
    for pid in processes() {
        let namespace = fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap_or_default();
        if !namespaces.insert(namespace) {
            continue;
        }
        let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        for line in text.lines() {
            let target = line.split(' ').nth(4).unwrap_or_default();
            let ours = places.iter().any(|place| target.starts_with(place.as_str()));
            // A test may have put the sandbox itself on a file system of its own.
            let of_a_container = containers
                .iter()
                .any(|c| c.running.is_some() && (target.contains(&c.id) || line.contains(&c.id)));
            if ours && target != places[0] && target != places[1] && !of_a_container {
                wrong.push(format!("I-01 a mount is left in the namespace of {pid}: {line}"));
            }
        }
    }
}

/// I-09: cgroups of this engine, in every hierarchy, are those of running containers.
pub(super) fn check_cgroups(sandbox: &Sandbox, containers: &[Known], wrong: &mut Vec<String>) {
    let instance = sandbox.instance();
    for path in cgroups_named(&instance) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let id = name.rsplit('-').next().unwrap_or_default();
        if !containers.iter().any(|c| c.id == id && c.running.is_some()) {
            wrong.push(format!("I-09 cgroup {} is left", path.display()));
        }
    }
}

/// I-10: each running container has one monitor; nothing else of this engine lives, and no process has a zombie child that
/// only barque could have made.
pub(super) fn check_processes(
    sandbox: &Sandbox,
    containers: &[Known],
    monitors: &BTreeMap<String, Vec<String>>,
    wrong: &mut Vec<String>,
) {
    for (id, pids) in monitors {
        let running = containers.iter().any(|c| &c.id == id && c.running.is_some());
        if !running || pids.len() != 1 {
            wrong.push(format!("I-10 monitors of {id}: {pids:?}; running: {running}"));
        }
    }
    // A process that was to become a container's and has no monitor any more still has the engine's files as its root.
    let instance = sandbox.instance();
    for pid in processes() {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let Some(line) = cgroups.lines().find(|line| line.contains(&instance)) else { continue };
        let id = line.rsplit(['/', '-']).next().unwrap_or_default();
        if start_time(&pid).is_some()
            && !containers.iter().any(|c| line.contains(&c.id) && c.running.is_some())
        {
            let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            wrong.push(format!("I-10 process {pid} {} is left of {id}", command.trim()));
        }
    }
}

/// The run directory holds nothing of containers that are gone.
pub(super) fn check_run_directory(
    sandbox: &Sandbox,
    containers: &[Known],
    wrong: &mut Vec<String>,
) {
    let directory = run_directory(sandbox);
    for name in names(&directory) {
        let an_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if an_id && !containers.iter().any(|c| c.id == name) {
            wrong.push(format!("I-08 run directory of {name} is left"));
        }
    }
    for name in names(&directory.join("locks")) {
        if !containers.iter().any(|c| c.id == name) {
            wrong.push(format!("I-13 lock file of {name} is left"));
        }
    }
}
