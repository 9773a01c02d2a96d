//! The container's process in its cgroups, and what it sees of them.
//!
//! On cgroup v2 clone(2) has put it there (CLONE_INTO_CGROUP). On v1 it goes there itself, and writes to `tasks` instead of
//! `cgroup.procs`: for a process with one thread they do the same, but the latter takes a lock that waits out an RCU grace
//! period (measured: 5 to 8 ms against about 1 ms for eight hierarchies).

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
use rustix::mount::MountAttrFlags;

use crate::protocol::Failure;
use crate::sys::mount::{Attributes, Filesystem, attach, clone_tree, set_attributes};

use super::Cgroup;
use super::failure::{Doing, invalid, unsupported};

/// Where a host keeps its hierarchies (cgroups(7)).
const HOST: &str = "/sys/fs/cgroup";

/// The cgroup v2 directory that the process is cloned into.
pub(crate) fn open_unified(cgroups: &[Cgroup]) -> Result<Option<OwnedFd>, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    cgroups
        .iter()
        .find(|cgroup| cgroup.unified)
        .map(|cgroup| {
            openat(CWD, &cgroup.path, flags, Mode::empty())
                .doing(|| format!("open the cgroup {}", cgroup.path))
        })
        .transpose()
}

/// Put this process, which has one thread, into its cgroup v1 directories.
pub(crate) fn join(cgroups: &[Cgroup]) -> Result<(), Failure> {
    for cgroup in cgroups.iter().filter(|cgroup| !cgroup.unified) {
        let tasks = format!("{}/tasks", cgroup.path);
        openat(CWD, &tasks, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| rustix::io::write(file, b"0"))
            .doing(|| format!("join the cgroup {}", cgroup.path))?;
    }
    Ok(())
}

/// A mount of type `cgroup` or `cgroup2`: the container's own cgroups.
pub(crate) struct CgroupMount {
    /// The mount itself.
    pub(crate) tree: OwnedFd,
    /// With cgroup v1, the mounts of the hierarchies, by their directories in it.
    hierarchies: Vec<(String, OwnedFd)>,
    flags: MountAttrFlags,
}

impl CgroupMount {
    /// Make the mounts. In the child, in its cgroups and its cgroup namespace: mounts of the container's own directories
    /// then show them as the root, like a mount made afresh.
    ///
    /// Without a cgroup namespace (`host_view`) there is a difference between the versions, which is Docker's: a cgroup v2
    /// hierarchy is then shown as a whole, and of v1 hierarchies only the container's directories.
    pub(crate) fn prepare(
        cgroups: &[Cgroup],
        host_view: bool,
        flags: MountAttrFlags,
    ) -> Result<CgroupMount, Failure> {
        if host_view && !flags.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
            return Err(invalid("cgroups can be written to only in a cgroup namespace"));
        }
        let subtree = |path: &str| {
            clone_tree(path, false)
                .and_then(|tree| {
                    set_attributes(&tree, Attributes::setting(flags), false).map(|()| tree)
                })
                .doing(|| format!("mount the cgroup {path}"))
        };
        match cgroups {
            [] => Err(unsupported("a cgroup mount in a container without cgroups")),
            [only] if only.name.is_empty() => {
                let tree = subtree(if host_view { HOST } else { &only.path })?;
                Ok(CgroupMount { tree, hierarchies: Vec::new(), flags })
            }
            many => {
                let tree = directories(many, flags)?;
                let hierarchies = many
                    .iter()
                    .map(|cgroup| Ok((cgroup.name.clone(), subtree(&cgroup.path)?)))
                    .collect::<Result<_, Failure>>()?;
                Ok(CgroupMount { tree, hierarchies, flags })
            }
        }
    }

    /// Once the mount itself is in its place: put those of the hierarchies into theirs.
    pub(crate) fn fill(&self) -> Result<(), Failure> {
        if self.hierarchies.is_empty() {
            return Ok(());
        }
        let found = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for (name, hierarchy) in &self.hierarchies {
            openat(&self.tree, name.as_str(), found, Mode::empty())
                .and_then(|target| attach(hierarchy, target))
                .doing(|| format!("mount the cgroup hierarchy {name}"))?;
        }
        set_attributes(&self.tree, Attributes::setting(self.flags), false)
            .doing(|| "finish the cgroup mount")
    }
}

/// A directory for each hierarchy, and for those of several controllers a link from the name of each.
fn directories(cgroups: &[Cgroup], flags: MountAttrFlags) -> Result<OwnedFd, Failure> {
    let doing = || "mount the cgroup directory";
    let tmpfs = Filesystem::open("tmpfs").doing(doing)?;
    tmpfs.set("source", "cgroup").doing(doing)?;
    tmpfs.set("mode", "755").doing(doing)?;
    let tree = tmpfs.mount(flags.difference(MountAttrFlags::MOUNT_ATTR_RDONLY)).doing(doing)?;
    for name in cgroups.iter().map(|cgroup| cgroup.name.as_str()) {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(invalid(format!("{name:?} is not a name of a cgroup hierarchy")));
        }
        mkdirat(&tree, name, Mode::from_raw_mode(0o755)).doing(doing)?;
        if name.contains(',') {
            for controller in name.split(',') {
                symlinkat(name, &tree, controller).doing(doing)?;
            }
        }
    }
    Ok(tree)
}
