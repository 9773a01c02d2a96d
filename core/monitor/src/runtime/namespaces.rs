//! Which namespaces a container has of its own, joins, or shares with the host.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{chroot, fchdir};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::oci::{Namespace, NamespaceKind};
use crate::protocol::Failure;

use super::failure::{Doing, invalid, unsupported};

/// A container's namespaces.
pub(crate) struct Namespaces<'a> {
    listed: &'a [Namespace],
}

impl<'a> Namespaces<'a> {
    /// Check the list.
    pub(crate) fn new(listed: &'a [Namespace]) -> Result<Namespaces<'a>, Failure> {
        for (i, namespace) in listed.iter().enumerate() {
            let kind = namespace.kind;
            if listed[..i].iter().any(|other| other.kind == kind) {
                return Err(invalid(format!("the {} namespace is listed twice", name(kind))));
            }
            if kind == NamespaceKind::Time {
                return Err(unsupported("a time namespace is not supported"));
            }
            // What it maps must be known before anything is mounted for the container.
            if kind == NamespaceKind::User && namespace.path.is_none() {
                return Err(unsupported("a user namespace must be there already, to be joined"));
            }
        }
        let namespaces = Namespaces { listed };
        // Everything that is mounted for a container is mounted in a namespace that ends with it.
        if !namespaces.has_new(NamespaceKind::Mount) {
            return Err(invalid("a container needs a new mount namespace"));
        }
        Ok(namespaces)
    }

    /// The container has a new one of this kind.
    pub(crate) fn has_new(&self, kind: NamespaceKind) -> bool {
        self.listed.iter().any(|n| n.kind == kind && n.path.is_none())
    }

    /// The container shares the host's.
    pub(crate) fn shares_host(&self, kind: NamespaceKind) -> bool {
        !self.listed.iter().any(|n| n.kind == kind)
    }

    /// Flags of clone(2) for the new ones. That of cgroups is not among them: its root is where the process is when it is
    /// made, so the process must be in its cgroups first.
    pub(crate) fn clone_flags(&self) -> u64 {
        self.listed
            .iter()
            .filter(|n| n.path.is_none() && n.kind != NamespaceKind::Cgroup)
            .fold(0, |flags, n| flags | u64::from(flag(n.kind).bits()))
    }

    /// The pid namespace of another container, if this one joins it.
    pub(crate) fn joined_pids(&self) -> Option<&str> {
        self.listed.iter().find(|n| n.kind == NamespaceKind::Pid)?.path.as_deref()
    }

    /// The user namespace that the container joins, if it does not share the host's.
    pub(crate) fn user(&self) -> Option<&str> {
        self.listed.iter().find(|n| n.kind == NamespaceKind::User)?.path.as_deref()
    }

    /// Join those that exist already, and make the cgroup namespace. In the child, in its cgroups. A pid namespace that is
    /// joined holds only for processes made from now on (setns(2)); that of users is joined last of all, by [`UserNamespace::enter`].
    ///
    /// [`UserNamespace::enter`]: super::user_namespace::UserNamespace::enter
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        for namespace in self.listed {
            match (&namespace.path, namespace.kind) {
                (_, NamespaceKind::User) => {}
                (Some(path), kind) => {
                    let fd = open(kind, path)?;
                    join(kind, &fd)
                        .doing(|| format!("join the {} namespace {path}", name(kind)))?;
                }
                (None, NamespaceKind::Cgroup) => {
                    // SAFETY: it is about cgroups only; no descriptor is concerned.
                    unsafe { unshare_unsafe(UnshareFlags::NEWCGROUP) }
                        .doing(|| "make a cgroup namespace")?;
                }
                (None, _) => {}
            }
        }
        Ok(())
    }
}

/// Do something in the mount namespace that `path` leads to, and come back to this one, its root and working directory. In a
/// child, which shares neither with its parent.
pub(crate) fn within<T>(
    path: &str,
    work: impl FnOnce() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let there = openat(CWD, path, flags, Mode::empty())?;
    let here = openat(CWD, "/proc/self/ns/mnt", flags, Mode::empty())?;
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, "/", directory, Mode::empty())?;
    join(NamespaceKind::Mount, &there)?;
    let done = work();
    join(NamespaceKind::Mount, &here)?;
    fchdir(&root)?;
    chroot(".")?;
    done
}

/// setns(2). Fails with EINVAL when `fd` is a namespace of another kind.
fn join(kind: NamespaceKind, fd: &OwnedFd) -> rustix::io::Result<()> {
    let kind = match kind {
        NamespaceKind::Mount => LinkNameSpaceType::Mount,
        NamespaceKind::Pid => LinkNameSpaceType::ProcessID,
        NamespaceKind::Ipc => LinkNameSpaceType::InterProcessCommunication,
        NamespaceKind::Uts => LinkNameSpaceType::HostNameAndNISDomainName,
        NamespaceKind::Network => LinkNameSpaceType::Network,
        NamespaceKind::Cgroup => LinkNameSpaceType::ControlGroup,
        NamespaceKind::User => LinkNameSpaceType::User,
        NamespaceKind::Time => LinkNameSpaceType::Time,
    };
    move_into_link_name_space(fd.as_fd(), Some(kind))
}

fn open(kind: NamespaceKind, path: &str) -> Result<OwnedFd, Failure> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .doing(|| format!("open the {} namespace {path}", name(kind)))
}

fn flag(kind: NamespaceKind) -> UnshareFlags {
    match kind {
        NamespaceKind::Mount => UnshareFlags::NEWNS,
        NamespaceKind::Pid => UnshareFlags::NEWPID,
        NamespaceKind::Ipc => UnshareFlags::NEWIPC,
        NamespaceKind::Uts => UnshareFlags::NEWUTS,
        NamespaceKind::Network => UnshareFlags::NEWNET,
        NamespaceKind::Cgroup => UnshareFlags::NEWCGROUP,
        NamespaceKind::User => UnshareFlags::NEWUSER,
        NamespaceKind::Time => UnshareFlags::NEWTIME,
    }
}

fn name(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Mount => "mount",
        NamespaceKind::Pid => "pid",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::Network => "network",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::User => "user",
        NamespaceKind::Time => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(kind: NamespaceKind) -> Namespace {
        Namespace { kind, path: None }
    }

    #[test]
    fn the_hosts_mount_namespace_is_never_used() {
        assert!(Namespaces::new(&[new(NamespaceKind::Pid)]).is_err());
        let joined = Namespace { kind: NamespaceKind::Mount, path: Some("/proc/1/ns/mnt".into()) };
        assert!(Namespaces::new(&[joined]).is_err());
        assert!(Namespaces::new(&[new(NamespaceKind::Mount)]).is_ok());
    }

    #[test]
    fn a_namespace_listed_twice_is_refused() {
        let twice = [NamespaceKind::Mount, NamespaceKind::Ipc, NamespaceKind::Ipc].map(new);
        assert!(Namespaces::new(&twice).is_err());
    }

    #[test]
    fn user_namespaces_to_be_made_and_time_namespaces_are_refused_rather_than_ignored() {
        for kind in [NamespaceKind::User, NamespaceKind::Time] {
            assert!(Namespaces::new(&[new(NamespaceKind::Mount), new(kind)]).is_err());
        }
    }

    #[test]
    fn the_cgroup_namespace_is_not_made_by_clone() {
        let listed = [NamespaceKind::Mount, NamespaceKind::Cgroup, NamespaceKind::Pid].map(new);
        let flags = Namespaces::new(&listed).unwrap().clone_flags();
        assert_eq!(flags, (libc::CLONE_NEWNS | libc::CLONE_NEWPID) as u64);
    }
}
