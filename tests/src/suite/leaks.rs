//! What a suite could leave behind, as lists of lines that are compared before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names of the engine instances that sandboxes used: their cgroups are looked for at the end.
static INSTANCES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Have the leak check look for kernel objects of this engine instance.
pub fn register_instance(name: String) {
    INSTANCES.lock().unwrap_or_else(PoisonError::into_inner).push(name);
}

/// A picture of everything that could be left.
pub(super) struct Baseline(BTreeSet<String>);

impl Baseline {
    pub(super) fn take() -> Baseline {
        let mut seen = BTreeSet::new();
        // Whatever is about to end may do so.
        let until = Instant::now() + Duration::from_secs(30);
        while !processes().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        seen.extend(processes().into_iter().map(|process| format!("process {process}")));
        seen.extend(lines("/proc/self/mountinfo").map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            format!("mount {}", fields.get(4).copied().unwrap_or_default())
        }));
        seen.extend(names("/proc/self/fd").map(|fd| {
            let target = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            format!("descriptor {fd} {}", target.display())
        }));
        seen.extend(names("/sys/class/net").map(|name| format!("link {name}")));
        seen.extend(names("/dev/shm").map(|name| format!("shared memory {name}")));
        seen.extend(names("/run/barque").map(|name| format!("run directory /run/barque/{name}")));
        seen.extend(names("/tmp").map(|name| format!("file /tmp/{name}")));
        seen.extend(names("/var/tmp").map(|name| format!("file /var/tmp/{name}")));
        seen.extend(
            lines("/proc/keys")
                .map(|line| format!("key {}", line.split_whitespace().last().unwrap_or_default())),
        );
        for instance in INSTANCES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            seen.extend(
                cgroups_named(instance)
                    .into_iter()
                    .map(|path| format!("cgroup {}", path.display())),
            );
        }
        for device in names("/sys/block").filter(|name| name.starts_with("loop")) {
            if let Ok(file) = fs::read_to_string(format!("/sys/block/{device}/loop/backing_file")) {
                seen.insert(format!("loop device {device} {}", file.trim()));
            }
        }
        Baseline(seen)
    }

    /// What is here and was not there.
    pub(super) fn since(&self, before: &Baseline) -> Vec<String> {
        // Reading a directory opens it: the descriptors that the picture itself had differ by number only, and are closed (and
        // so without a target) when they are looked at.
        let own = |line: &&String| {
            line.contains(" /proc/") || line.starts_with("descriptor ") && line.ends_with(' ')
        };
        let fresh = self.0.difference(&before.0).filter(|line| !own(line));
        fresh.cloned().collect()
    }
}

/// This process's open descriptors, but for the one that reads their list.
pub(super) fn descriptors() -> BTreeSet<String> {
    names("/proc/self/fd")
        .map(|fd| {
            let target = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            format!("{fd} {}", target.display())
        })
        .filter(|line| !line.contains("/proc/") && !line.ends_with(' '))
        .collect()
}

/// Every process in this pid namespace but its init and this one, as `PID COMMAND`.
pub(super) fn processes() -> Vec<String> {
    let this = std::process::id();
    let mut found = Vec::new();
    for name in names("/proc") {
        let Ok(pid) = name.parse::<u32>() else { continue };
        if pid == 1 || pid == this {
            continue;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() {
            continue;
        }
        let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
        let comm = stat.split(['(', ')']).nth(1).unwrap_or_default();
        let text: String = command.chars().take(200).collect();
        found.push(format!("{pid} {} [{comm}] {text}", state.unwrap_or('?')));
    }
    found
}

/// The same, and below each where in the kernel its threads are (proc(5), `/proc/PID/stack`).
pub(super) fn processes_and_stacks() -> Vec<String> {
    let mut told = Vec::new();
    for process in processes() {
        let pid = process.split(' ').next().unwrap_or_default().to_owned();
        told.push(process);
        for thread in names(&format!("/proc/{pid}/task")) {
            let stack = lines(&format!("/proc/{pid}/task/{thread}/stack"));
            let places = stack.filter_map(|line| Some(line.split(' ').nth(1)?.to_owned()));
            told.push(format!("  {thread}: {}", places.take(4).collect::<Vec<_>>().join(" < ")));
        }
    }
    told
}

/// The cgroup directories of the engine instance `name`, in every hierarchy that is mounted here.
pub(crate) fn cgroups_named(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in lines("/proc/self/mountinfo") {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        if right.starts_with("cgroup")
            && let Some(place) = left.split(' ').nth(4)
        {
            // barque's groups are /barque-INSTANCE-ID below each hierarchy's root.
            let ours = format!("barque-{name}-");
            let entries = fs::read_dir(Path::new(place)).into_iter().flatten().flatten();
            found.extend(
                entries
                    .filter(|e| e.file_name().to_string_lossy().starts_with(&ours))
                    .map(|e| e.path()),
            );
        }
    }
    found
}

/// Whether processes of this container of the engine instance `name` are held still.
pub fn is_frozen(name: &str, id: &str) -> bool {
    cgroups_named(name).iter().filter(|path| path.ends_with(format!("barque-{name}-{id}"))).any(
        |path| {
            let is = |file: &str, word: &str| {
                fs::read_to_string(path.join(file))
                    .is_ok_and(|text| text.lines().any(|l| l == word))
            };
            is("freezer.state", "FROZEN") || is("cgroup.events", "frozen 1")
        },
    )
}

fn lines(path: &str) -> impl Iterator<Item = String> + use<> {
    fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

fn names(directory: &str) -> impl Iterator<Item = String> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .into_iter()
}
