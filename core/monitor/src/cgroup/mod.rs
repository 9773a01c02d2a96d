//! A container's cgroup: one directory of the same name in every hierarchy of the machine.
//!
//! The kernel has cgroup v1 (a hierarchy for each controller or few of them), v2 (one for all) and, on many machines, both
//! (`hierarchy`). [`Cgroup::create`] makes the directories and writes the limits (`limit`) and device rules (`device`)
//! before there is a process in them, so that no process ever runs without; the runtime's child then joins them by
//! itself. A limit that cannot be applied is an error that names the limit, the file and the value. The path is
//! derived from the container's id, so that whoever finds a dead monitor can open the same cgroup again
//! ([`Cgroup::open`]), kill what is in it and remove it.

mod below;
mod device;
mod device_program;
mod directory;
mod hierarchy;
mod limit;
mod oom;
mod signal;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, mkdirat, unlinkat};
use rustix::io::Errno;

use crate::oci::Resources;
use crate::protocol::Failure;
use crate::runtime;
use device::Rule;
use directory::Directory;
use hierarchy::Hierarchy;
use limit::Place;

pub use below::Below;
pub use oom::OomWatch;

/// The v2 controllers that a container has even without limits: statistics and the OOM count come from them.
const USUAL: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// The uppermost directory of ours has a name that begins like this. It and those below it go with the last container.
const OURS: &str = "barque";

/// A container's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    /// The names below a hierarchy's root.
    names: Vec<String>,
    members: Vec<Member>,
}

/// The cgroup in one hierarchy.
#[derive(Debug)]
struct Member {
    hierarchy: Hierarchy,
    directory: Directory,
}

impl Cgroup {
    /// Make the cgroup `path` (`linux.cgroupsPath`) in every hierarchy and apply `resources`. A directory of that name that
    /// has no process in it is made anew.
    pub fn create(path: &str, resources: &Resources) -> Result<Cgroup, Failure> {
        let names = names(path)?;
        let rules = rules(resources)?;
        let hierarchies = hierarchy::detect()?;
        let in_v1 = |controller: &str| hierarchies.iter().any(|h| h.has(controller));
        let mut wanted = limit::wanted_of_v2(resources, in_v1)?;
        let required = wanted.len();
        if hierarchies.iter().all(|h| h.unified) {
            let missing = |usual: &&str| !wanted.iter().any(|w| w == *usual);
            let usual: Vec<&str> = USUAL.into_iter().filter(missing).collect();
            wanted.extend(usual.into_iter().map(str::to_owned));
        }
        let mut cgroup = Cgroup { names, members: Vec::with_capacity(hierarchies.len()) };
        let made = cgroup.make(hierarchies, &wanted, required).and_then(|()| {
            cgroup.apply(resources)?;
            cgroup.restrict_devices(&rules)
        });
        match made {
            Ok(()) => Ok(cgroup),
            Err(failure) => {
                // The first failure is the one to tell.
                let _ = cgroup.remove(Duration::ZERO);
                Err(failure)
            }
        }
    }

    /// The cgroup as it exists, in whichever hierarchies; `None` when there is nothing of it left.
    pub fn open(path: &str) -> Result<Option<Cgroup>, Failure> {
        let names = names(path)?;
        let mut members = Vec::new();
        for hierarchy in hierarchy::detect()? {
            match existing(&hierarchy, &names) {
                Ok(directory) => members.push(Member { hierarchy, directory }),
                Err(Errno::NOENT) => {}
                Err(errno) => {
                    let what = format!("open the cgroup {path} in {}", hierarchy.mount);
                    return Err(Failure::system(what, errno.raw_os_error()));
                }
            }
        }
        Ok((!members.is_empty()).then_some(Cgroup { names, members }))
    }

    /// What the runtime has to know about it.
    pub fn in_hierarchies(&self) -> Vec<runtime::Cgroup> {
        let only_v2 = self.members.len() == 1 && self.unified().is_some();
        let of = |member: &Member| {
            let name = Path::new(&member.hierarchy.mount).file_name().unwrap_or_default();
            let name = if only_v2 { String::new() } else { name.to_string_lossy().into_owned() };
            let path = member.directory.path().to_owned();
            runtime::Cgroup { name, path, unified: member.hierarchy.unified }
        };
        self.members.iter().map(of).collect()
    }

    /// Apply limits, on top of those that hold. Device rules are not among them.
    pub fn apply(&self, resources: &Resources) -> Result<(), Failure> {
        limit::apply(resources, |v1, v2| self.place(v1, v2), self.unified())
    }

    /// The processes in it and below it.
    pub fn processes(&self) -> Result<Vec<i32>, Failure> {
        let mut found = Vec::new();
        for Member { directory, .. } in &self.members {
            match directory.processes() {
                Ok(processes) => found.extend(processes),
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(errno) => {
                    let what = format!("read {}/cgroup.procs", directory.path());
                    return Err(Failure::system(what, errno.raw_os_error()));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Remove it from every hierarchy, with what is below it. While there are dying processes in it, wait up to
    /// `patience` for them.
    pub fn remove(&self, patience: Duration) -> Result<(), Failure> {
        let mut result = Ok(());
        for Member { hierarchy, directory } in &self.members {
            // All that can be removed is; the first failure is told.
            let removed = directory.remove_patiently(patience);
            if removed.is_ok() {
                self.remove_parents(hierarchy);
            }
            result = result.and(removed);
        }
        result
    }

    fn remove_parents(&self, hierarchy: &Hierarchy) {
        let Some(ours) = self.names.iter().position(|n| n.starts_with(OURS)) else { return };
        for above in (ours + 1..self.names.len()).rev() {
            let path = format!("{}/{}", hierarchy.mount, self.names[..above].join("/"));
            // One that is in use stays, and so do those above it.
            if unlinkat(CWD, path, AtFlags::REMOVEDIR).is_err() {
                return;
            }
        }
    }

    fn make(
        &mut self,
        hierarchies: Vec<Hierarchy>,
        wanted: &[String],
        required: usize,
    ) -> Result<(), Failure> {
        for hierarchy in hierarchies {
            // Another container's end may remove the directory above between our making it and using it.
            let mut made = make_in(&hierarchy, &self.names, wanted, required);
            for _ in 0..16 {
                match made {
                    Err(ref failure)
                        if matches!(failure.errno, Some(libc::ENOENT | libc::ENODEV)) =>
                    {
                        made = make_in(&hierarchy, &self.names, wanted, required);
                    }
                    _ => break,
                }
            }
            self.members.push(Member { directory: made?, hierarchy });
        }
        Ok(())
    }

    fn restrict_devices(&self, rules: &[Rule]) -> Result<(), Failure> {
        if rules.is_empty() {
            return Ok(());
        }
        if let Some(directory) = self.v1("devices") {
            return device::for_v1(rules)?
                .iter()
                .try_for_each(|(file, rule)| directory.set("device rule", file, rule));
        }
        match self.unified() {
            Some(directory) => device_program::attach(directory, rules),
            None => Err(Failure::unsupported("device rules: this machine has no devices cgroup")),
        }
    }

    /// The files in which v1 keeps `controller`'s statistics; `None` where v2 has it, or nobody.
    pub fn v1_files(&self, controller: &str) -> Option<Files<'_>> {
        self.v1(controller).map(Files)
    }

    /// The files in which v2 keeps all statistics.
    pub fn v2_files(&self) -> Option<Files<'_>> {
        self.unified().map(Files)
    }

    fn unified(&self) -> Option<&Directory> {
        self.members.iter().find(|m| m.hierarchy.unified).map(|m| &m.directory)
    }

    fn v1(&self, controller: &str) -> Option<&Directory> {
        self.members.iter().find(|m| m.hierarchy.has(controller)).map(|m| &m.directory)
    }

    /// Where a controller's files are.
    fn place(&self, in_v1: &str, in_v2: &str) -> Option<Place<'_>> {
        if let Some(directory) = self.v1(in_v1) {
            return Some(Place::V1(directory));
        }
        let unified = self.unified()?;
        let has = unified.read("cgroup.controllers").ok()?.split_whitespace().any(|c| c == in_v2);
        has.then_some(Place::V2(unified))
    }
}

/// Files of a cgroup in one hierarchy, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a>(&'a Directory);

impl Files<'_> {
    /// The text of a file; `None` when there is no such file.
    pub fn read(&self, file: &str) -> Option<String> {
        self.0.read(file).ok()
    }
}

/// The names in a cgroup path. It is absolute, below each hierarchy's root, and has no ways around.
fn names(path: &str) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = path.split('/').filter(|n| !n.is_empty()).map(str::to_owned).collect();
    let strange = |name: &String| name == "." || name == ".." || name.len() > 255;
    if names.is_empty() || names.iter().any(strange) || path.contains(['\n', '\0']) {
        return Err(Failure::invalid(format!("not a cgroup path: {path:?}")));
    }
    Ok(names)
}

fn rules(resources: &Resources) -> Result<Vec<Rule>, Failure> {
    resources.devices.iter().map(Rule::parse).collect()
}

fn existing(hierarchy: &Hierarchy, names: &[String]) -> Result<Directory, Errno> {
    let (leaf, above) = names.split_last().ok_or(Errno::INVAL)?;
    let mut at = directory::open_absolute(&hierarchy.mount)?;
    let mut path = hierarchy.mount.clone();
    for name in above {
        at = directory::open(at.as_fd(), name)?;
        path = format!("{path}/{name}");
    }
    Directory::existing(at, &path, leaf)
}

/// Make the directories of one hierarchy. Of the v2 controllers `wanted`, the first `required` must be there.
fn make_in(
    hierarchy: &Hierarchy,
    names: &[String],
    wanted: &[String],
    required: usize,
) -> Result<Directory, Failure> {
    let mut path = hierarchy.mount.clone();
    let failed = |what: &str, path: &str, errno: Errno| {
        Failure::system(format!("{what} {path}"), errno.raw_os_error())
    };
    let mut at = directory::open_absolute(&path).map_err(|e| failed("open", &path, e))?;
    let (leaf, above) = names.split_last().ok_or_else(|| Failure::invalid("no cgroup path"))?;
    for name in above {
        if hierarchy.unified {
            delegate(&at, &path, wanted, required)?;
        }
        path = format!("{path}/{name}");
        match mkdirat(&at, name, Mode::from(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed("mkdir", &path, errno)),
        }
        let below = directory::open(at.as_fd(), name).map_err(|e| failed("open", &path, e))?;
        if hierarchy.has("cpuset") {
            inherit_cpuset(&at, &below, false)
                .map_err(|e| failed("set the processors of", &path, e))?;
        }
        at = below;
    }
    if hierarchy.unified {
        delegate(&at, &path, wanted, required)?;
    }
    if !hierarchy.has("cpuset") {
        return Directory::make(at, &path, leaf);
    }
    let parent = at
        .try_clone()
        .map_err(|e| failed("open", &path, Errno::from_io_error(&e).unwrap_or(Errno::IO)))?;
    let directory = Directory::make(at, &path, leaf)?;
    inherit_cpuset(&parent, &directory.fd(), true)
        .map_err(|e| failed("set the processors of", directory.path(), e))?;
    Ok(directory)
}

/// A new directory of v1's cpuset has no processors and no memory, and takes no process until it has
/// (Documentation/admin-guide/cgroup-v1/cpusets.rst).
fn inherit_cpuset(parent: &OwnedFd, child: &impl AsFd, is_new: bool) -> Result<(), Errno> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if is_new || directory::read(child.as_fd(), file)?.trim().is_empty() {
            let value = directory::read(parent.as_fd(), file)?;
            directory::write(child.as_fd(), file, value.trim())?;
        }
    }
    Ok(())
}

/// Let the directories in `at` have the v2 controllers `wanted`, where `at` itself has them. That a required one cannot
/// be handed down is told; that it is not there at all, whoever writes its limit will find.
fn delegate(at: &OwnedFd, path: &str, wanted: &[String], required: usize) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    let file = "cgroup.subtree_control";
    let read = |file| directory::read(at.as_fd(), file).unwrap_or_default();
    let (available, enabled) = (read("cgroup.controllers"), read(file));
    let has = |list: &str, name: &String| list.split_whitespace().any(|c| c == name);
    for (n, name) in wanted.iter().enumerate() {
        if !has(&available, name) || has(&enabled, name) {
            continue;
        }
        if let Err(errno) = directory::write(at.as_fd(), file, &format!("+{name}"))
            && n < required
        {
            // "No internal process constraint" of cgroup-v2.rst.
            let remedy = match errno {
                Errno::BUSY => {
                    "; it has processes of its own, which must move to a cgroup below it"
                }
                _ => "",
            };
            let mut failure = Failure::system(
                format!("enable the {name} controller in {path}/{file}"),
                errno.raw_os_error(),
            );
            failure.message.push_str(remedy);
            return Err(failure);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
