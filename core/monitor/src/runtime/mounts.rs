//! The mounts of a container.
//!
//! They are made in two steps. Before the change of root, while the host's paths can still be seen, each is made as a
//! descriptor that is attached nowhere ([`Mounts::prepare`]). After it, each is put onto its target, which is resolved
//! inside the new root to a descriptor too ([`Mounts::attach`]): so no path of the container's is ever resolved where it
//! could lead to the host (CVE-2021-30465, CVE-2025-54867, CVE-2026-41579).

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chmodat, fstat, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::oci::{MOUNT_NAMESPACE, Mount, NamespaceKind, SUBDIRECTORY, Spec};
use crate::protocol::Failure;
use crate::sys::mount::{
    Attributes, Filesystem, PROC_SUPER_MAGIC, SYSFS_MAGIC, attach, clone_tree, clone_tree_at,
    is_of_type, set_attributes,
};

use super::Cgroup;
use super::cgroups::CgroupMount;
use super::failure::{Doing, invalid, system, unsupported};
use super::mount_options::MountOptions;
use super::namespaces::{self, Namespaces};
use super::paths::{Links, Missing, Root, clean, is_within};
use super::procfs;
use super::rootfs::isolate_mounts;
use super::user_namespace::UserNamespace;

/// Files of `/proc` that may be mounted over: what lxcfs and the like replace. Any other would let an image or a volume
/// stand in for a file that programs, and the runtime, trust (CVE-2019-16884, CVE-2019-19921).
const REPLACEABLE: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// A container's mounts, made but not attached.
pub(crate) struct Mounts<'a> {
    pending: Vec<Pending<'a>>,
}

struct Pending<'a> {
    mount: &'a Mount,
    destination: String,
    options: MountOptions<'a>,
    content: Content,
}

enum Content {
    /// Part of the host's tree.
    Bind(OwnedFd),
    /// A file system of its own.
    Fresh(OwnedFd),
    /// The container's cgroups.
    Cgroups(CgroupMount),
}

impl<'a> Mounts<'a> {
    /// Make them, and this namespace's mounts private. In the child, in its namespaces.
    pub(crate) fn prepare(
        spec: &'a Spec,
        cgroups: &[Cgroup],
        namespaces: &Namespaces<'_>,
        user: Option<&UserNamespace>,
    ) -> Result<Mounts<'a>, Failure> {
        let sorted: Vec<_> =
            spec.mounts.iter().map(|mount| (mount, MountOptions::new(&mount.options))).collect();
        // A mount that follows the host's must be cloned from one that still does.
        let peers = sorted.iter().any(|(_, options)| options.has_peers());
        if !peers {
            isolate_mounts()?;
        }
        let host_view = namespaces.shares_host(NamespaceKind::Cgroup);
        let mut pending = Vec::with_capacity(sorted.len());
        for (mount, options) in sorted {
            let destination = destination(mount)?;
            let content = match mount.kind.as_str() {
                _ if options.bind.is_some() => Content::Bind(bind(mount, &options, peers, user)?),
                "" | "none" | "bind" => {
                    return Err(invalid(format!(
                        "mount {destination}: a bind mount needs the option bind or rbind"
                    )));
                }
                "cgroup" | "cgroup2" => {
                    let mut flags = flags(&options);
                    // Read-only unless the opposite is said, which the specification does not ask to be said.
                    flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !options.writable());
                    Content::Cgroups(CgroupMount::prepare(cgroups, host_view, flags)?)
                }
                kind => Content::Fresh(match namespaces.joined_pids().filter(|_| kind == "proc") {
                    Some(namespace) => joined_proc(namespace, &destination, &options)?,
                    None => fresh(mount, &destination, &options, user)?,
                }),
            };
            let pending_mount = Pending { mount, destination, options, content };
            pending_mount.check_place()?;
            pending.push(pending_mount);
        }
        if peers {
            isolate_mounts()?;
        }
        Ok(Mounts { pending })
    }

    /// The file system that will be at `destination`, if it is one made for this container and writable.
    pub(crate) fn fresh_at(&self, destination: &str, kind: &str) -> Option<&OwnedFd> {
        let last = self.pending.iter().rfind(|pending| pending.destination == destination)?;
        match &last.content {
            Content::Fresh(tree) if last.mount.kind == kind && last.is_writable() => Some(tree),
            _ => None,
        }
    }

    /// Something of the host's will be at `destination`.
    pub(crate) fn has_bind_at(&self, destination: &str) -> bool {
        self.pending.iter().any(|pending| {
            pending.destination == destination && matches!(pending.content, Content::Bind(_))
        })
    }

    /// Put each in its place.
    pub(crate) fn attach(&self, root: &Root) -> Result<(), Failure> {
        self.pending.iter().try_for_each(|pending| pending.attach(root))
    }

    /// Make those read-only that had to be written to until now.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        for pending in self.pending.iter().filter(|pending| pending.is_late_read_only()) {
            let read_only = Attributes::setting(MountAttrFlags::MOUNT_ATTR_RDONLY);
            set_attributes(pending.tree(), read_only, false)
                .doing(|| format!("make {} read-only", pending.destination))?;
        }
        Ok(())
    }
}

impl Pending<'_> {
    fn tree(&self) -> &OwnedFd {
        match &self.content {
            Content::Bind(tree) | Content::Fresh(tree) => tree,
            Content::Cgroups(mount) => &mount.tree,
        }
    }

    /// An own tmpfs takes devices and the targets of other mounts first.
    fn is_late_read_only(&self) -> bool {
        is_late_read_only(self.mount, &self.options)
    }

    fn is_writable(&self) -> bool {
        !self.options.read_only() || self.is_late_read_only()
    }

    /// `/proc` and `/sys` are what the rest of the set-up and the programs inside rely on: nothing else may be there.
    fn check_place(&self) -> Result<(), Failure> {
        let destination = self.destination.as_str();
        let refuse = |why: &str| Err(invalid(format!("mount {destination}: {why}")));
        let has_type = |magic| {
            is_of_type(self.tree(), magic).doing(|| format!("look at the mount {destination}"))
        };
        match destination {
            "/" => refuse("the root cannot be mounted over"),
            "/proc" if !has_type(PROC_SUPER_MAGIC)? => refuse("only proc can be mounted there"),
            "/sys" if !has_type(SYSFS_MAGIC)? => refuse("only sysfs can be mounted there"),
            "/proc" | "/sys" => Ok(()),
            _ if is_within(destination, "/proc") && !REPLACEABLE.contains(&destination) => {
                refuse("nothing can be mounted inside /proc")
            }
            _ => Ok(()),
        }
    }

    fn attach(&self, root: &Root) -> Result<(), Failure> {
        let destination = self.destination.as_str();
        let tree = self.tree();
        let doing = || match &self.content {
            Content::Bind(_) => format!("mount {} on {destination}", self.mount.source),
            _ => format!("mount {destination}"),
        };
        let links = links(destination);
        if matches!(self.content, Content::Fresh(_)) {
            self.adopt_mode(root, links).doing(doing)?;
        }
        let node = match &self.content {
            Content::Bind(tree) => node(tree).doing(doing)?,
            _ => Missing::Directory,
        };
        let target = match root.ensure(destination, links, node) {
            Err(Errno::LOOP) if links == Links::Refuse => {
                return Err(invalid(format!(
                    "{}: there is a symbolic link on the way, which is refused for /proc, /sys and \
                     /dev",
                    doing()
                )));
            }
            result => result.doing(doing)?,
        };
        if let Err(error) = attach(tree, &target) {
            return Err(match self::node(&target) {
                Ok(found) if found != node => invalid(format!(
                    "{}: are you trying to mount a directory onto a file (or the other way round)?",
                    doing()
                )),
                _ => system(doing(), error),
            });
        }
        match &self.content {
            Content::Cgroups(mount) => mount.fill(),
            _ => Ok(()),
        }
    }

    /// A tmpfs without a mode of its own has that of the directory it hides.
    fn adopt_mode(&self, root: &Root, links: Links) -> rustix::io::Result<()> {
        if self.mount.kind == "tmpfs"
            && self.options.value("mode").is_none()
            && let Ok(hidden) = root.locate(&self.destination, links)
        {
            let mode = Mode::from_raw_mode(fstat(&hidden)?.st_mode & 0o7777);
            chmodat(self.tree(), ".", mode, AtFlags::empty())?;
        }
        Ok(())
    }
}

fn destination(mount: &Mount) -> Result<String, Failure> {
    clean(&mount.destination)
        .ok_or_else(|| invalid(format!("mount {:?}: not an absolute path", mount.destination)))
}

fn links(destination: &str) -> Links {
    let special = ["/proc", "/sys", "/dev"];
    if special.iter().any(|directory| is_within(destination, directory)) {
        Links::Refuse
    } else {
        Links::Follow
    }
}

fn node(tree: impl AsFd) -> rustix::io::Result<Missing> {
    Ok(match FileType::from_raw_mode(fstat(tree)?.st_mode) {
        FileType::Directory => Missing::Directory,
        _ => Missing::File,
    })
}

fn flags(options: &MountOptions<'_>) -> MountAttrFlags {
    MountAttrFlags::from_bits_retain(options.attributes.set as u32)
}

fn is_late_read_only(mount: &Mount, options: &MountOptions<'_>) -> bool {
    mount.kind == "tmpfs" && options.bind.is_none() && options.read_only()
}

fn bind(
    mount: &Mount,
    options: &MountOptions<'_>,
    peers: bool,
    user: Option<&UserNamespace>,
) -> Result<OwnedFd, Failure> {
    let doing = || format!("mount {} on {}", mount.source, mount.destination);
    if !mount.source.starts_with('/') {
        return Err(invalid(format!("{}: the source is not an absolute path", doing())));
    }
    let known = |key: &str| matches!(key, SUBDIRECTORY | MOUNT_NAMESPACE);
    let unknown = options.data.iter().find(|(key, value)| !known(key) || value.is_none());
    if let Some((key, _)) = unknown {
        return Err(invalid(format!("{}: a bind mount has no option {key}", doing())));
    }
    let recursive = options.bind == Some(true);
    let tree = match (options.value(MOUNT_NAMESPACE), options.value(SUBDIRECTORY)) {
        (Some(namespace), _) => {
            namespaces::within(namespace, || clone_tree(mount.source.as_str(), recursive))
                .doing(doing)?
        }
        (None, None) => clone_tree(mount.source.as_str(), recursive).doing(doing)?,
        (None, Some(path)) => {
            let inside = subdirectory(&mount.source, path)
                .doing(|| format!("{}: find {path} in it", doing()))?;
            clone_tree_at(inside, recursive).doing(doing)?
        }
    };
    let change = |attributes: Attributes, recursive: bool| match attributes.is_empty() {
        true => Ok(()),
        false => set_attributes(&tree, attributes, recursive).doing(doing),
    };
    match options.propagation {
        Some((propagation, _)) => change(Attributes::propagating(propagation), recursive)?,
        // What did not ask to follow the host must not.
        None if peers => change(Attributes::propagating(libc::MS_PRIVATE), true)?,
        None => {}
    }
    change(options.recursive, true)?;
    change(options.attributes, false)?;
    // Where the container has the host's ids there is nothing to map.
    if let (Some(recursive), Some(user)) = (options.id_map, user) {
        user.map_mount(&tree, recursive, doing)?;
    }
    Ok(tree)
}

/// A path inside what is mounted. The source may be a volume that another container has and changes meanwhile, so the
/// kernel looks, and links must stay in it (as Kubernetes learnt of its subPath: CVE-2017-1002101, CVE-2021-25741).
fn subdirectory(source: &str, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Root::new(openat(CWD, source, flags, Mode::empty())?).locate(path, Links::Follow)
}

fn fresh(
    mount: &Mount,
    destination: &str,
    options: &MountOptions<'_>,
    user: Option<&UserNamespace>,
) -> Result<OwnedFd, Failure> {
    let doing = || format!("mount {destination}");
    let filesystem = Filesystem::open(&mount.kind).doing(doing)?;
    let source = match mount.source.as_str() {
        "" => mount.kind.as_str(),
        source => source,
    };
    filesystem.set("source", source).doing(doing)?;
    for (key, value) in &options.data {
        match (value, user) {
            (Some(value), Some(user)) if matches!(*key, "uid" | "gid") => {
                filesystem.set(key, &mapped(user, key, value, destination)?)
            }
            (Some(value), _) => filesystem.set(key, value),
            (None, _) => filesystem.flag(key),
        }
        .doing(doing)?;
    }
    let mut flags = flags(options);
    if is_late_read_only(mount, options) {
        flags.remove(MountAttrFlags::MOUNT_ATTR_RDONLY);
    } else if options.read_only() && !is_virtual(&mount.kind) {
        // One with a device behind it must not be written to by the kernel either (replaying a journal).
        filesystem.flag("ro").doing(doing)?;
    }
    let tree = filesystem.mount(flags).doing(doing)?;
    if let Some((propagation, _)) = options.propagation.filter(|_| options.has_peers()) {
        let propagation = Attributes::propagating(propagation);
        set_attributes(&tree, propagation, false).doing(doing)?;
    }
    Ok(tree)
}

/// An owner that a file system is to have, which the kernel is told as the host's.
fn mapped(
    user: &UserNamespace,
    key: &str,
    value: &str,
    destination: &str,
) -> Result<String, Failure> {
    let id = value
        .parse()
        .map_err(|_| invalid(format!("mount {destination}: {key}={value} is not a number")))?;
    Ok(if key == "uid" { user.uid(id)? } else { user.gid(id)? }.to_string())
}

/// The file system itself is another container's, so only what is of the mount can be asked for.
fn joined_proc(
    namespace: &str,
    destination: &str,
    options: &MountOptions<'_>,
) -> Result<OwnedFd, Failure> {
    let mounts = options.value(MOUNT_NAMESPACE).ok_or_else(|| {
        invalid(format!(
            "mount {destination}: in a pid namespace that is joined it needs {MOUNT_NAMESPACE}"
        ))
    })?;
    if let Some((key, _)) = options.data.iter().find(|(key, _)| *key != MOUNT_NAMESPACE) {
        return Err(unsupported(format!(
            "mount {destination}: {key} cannot be set in a pid namespace that is joined"
        )));
    }
    let tree = procfs::of_joined(namespace, mounts)?;
    set_attributes(&tree, Attributes::replacing(flags(options)), false)
        .doing(|| format!("mount {destination}"))?;
    Ok(tree)
}

fn is_virtual(kind: &str) -> bool {
    matches!(kind, "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue" | "ramfs")
}
