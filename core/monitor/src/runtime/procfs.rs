//! The `/proc` of a pid namespace that is joined, and writes to `/proc`: kernel parameters of the container's namespaces.
//!
//! The writes go through a mount of procfs that is attached nowhere, with no link followed and no mount crossed: whatever an image
//! or a volume puts into the container's `/proc`, nothing is written but what was meant (CVE-2025-52881, CVE-2025-62596).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, OFlags, ResolveFlags, readlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::oci::NamespaceKind;
use crate::protocol::Failure;
use crate::sys::mount::{Filesystem, PROC_SUPER_MAGIC, clone_tree, is_of_type};

use super::failure::{Doing, invalid, system};
use super::mounts::Mounts;
use super::namespaces::{Namespaces, within};
use super::paths::open_resolved;

/// Parameters of the ipc namespace, beside those below `fs.mqueue.` (ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shm_rmid_forced",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
];

/// A mount of the procfs of a pid namespace that is joined, attached nowhere: what the container that it belongs to has at
/// `/proc` in its mount namespace, without what is mounted there.
///
/// procfs shows the namespace of whoever opens it (`proc_init_fs_context` in fs/proc/root.c; the option `pidns` came with Linux
/// 6.17). But a process that opened it from in there would have the host's root and all that is open here, for the
/// other container to look through meanwhile (CVE-2016-9962).
pub(crate) fn of_joined(namespace: &str, mounts: &str) -> Result<OwnedFd, Failure> {
    let doing = || format!("mount /proc of the pid namespace {namespace}");
    let tree = within(mounts, || clone_tree("/proc", false)).doing(doing)?;
    // The other container may have mounted something else there, or be gone and its pid another's.
    let shown = match is_of_type(&tree, PROC_SUPER_MAGIC).doing(doing)? {
        true => readlinkat(&tree, "1/ns/pid", Vec::new()).doing(doing)?,
        false => CString::default(),
    };
    match shown == readlinkat(CWD, namespace, Vec::new()).doing(doing)? {
        true => Ok(tree),
        false => Err(invalid(format!("{}: the /proc there is of another", doing()))),
    }
}

/// Set kernel parameters. In the child, in its namespaces.
pub(crate) fn set_parameters(
    parameters: &BTreeMap<String, String>,
    namespaces: &Namespaces<'_>,
    mounts: &Mounts<'_>,
) -> Result<(), Failure> {
    if parameters.is_empty() {
        return Ok(());
    }
    let own;
    let proc = match mounts.fresh_at("/proc", "proc") {
        Some(proc) => proc,
        None => {
            let doing = || "mount a private /proc";
            own = Filesystem::open("proc")
                .and_then(|proc| proc.mount(MountAttrFlags::empty()))
                .doing(doing)?;
            &own
        }
    };
    for (name, value) in parameters {
        let path = path(name).ok_or_else(|| invalid(format!("sysctl {name:?} is not a name")))?;
        let Some(kind) = namespace(&path) else {
            return Err(invalid(format!("sysctl {name:?} is not of a namespace of its own")));
        };
        if namespaces.shares_host(kind) {
            return Err(invalid(format!(
                "sysctl {name:?} is not allowed: the container shares the host's namespace"
            )));
        }
        write(proc, &path, value).map_err(|error| match error {
            Errno::NOENT => invalid(format!("sysctl {name:?} does not exist on this kernel")),
            error => system(format!("sysctl {name}={value}"), error),
        })?;
    }
    Ok(())
}

fn write(proc: impl AsFd, path: &str, value: &str) -> rustix::io::Result<()> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let file = open_resolved(proc, &format!("sys/{path}"), OFlags::WRONLY, resolve)?;
    match rustix::io::write(&file, value.as_bytes())? {
        written if written == value.len() => Ok(()),
        _ => Err(Errno::INVAL),
    }
}

/// The path of a parameter below `/proc/sys`. As in sysctl(8), the separator is whichever of dot and slash comes first, and
/// the other then stands for a dot inside a component (`net/ipv4/conf/eth0.1/forwarding`).
fn path(name: &str) -> Option<Cow<'_, str>> {
    let first = name.find(['.', '/'])?;
    let path: Cow<'_, str> = match name.as_bytes().get(first) {
        Some(b'.') => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
        _ => Cow::Borrowed(name),
    };
    let sound = |c: &str| {
        !matches!(c, "" | "." | "..")
            && c.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:@".contains(&b))
    };
    path.split('/').all(sound).then_some(path)
}

/// The namespace that a parameter belongs to; `None`: all of the host.
fn namespace(path: &str) -> Option<NamespaceKind> {
    match path {
        "kernel/domainname" | "kernel/hostname" => Some(NamespaceKind::Uts),
        _ if IPC.contains(&path) || path.starts_with("fs/mqueue/") => Some(NamespaceKind::Ipc),
        _ if path.starts_with("net/") => Some(NamespaceKind::Network),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_as_sysctl_does_it() {
        for (name, expected) in [
            ("net.ipv4.ip_forward", Some("net/ipv4/ip_forward")),
            ("net/ipv4/ip_forward", Some("net/ipv4/ip_forward")),
            ("net.ipv4.conf.eth0/1.forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("net/ipv4/conf/eth0.1/forwarding", Some("net/ipv4/conf/eth0.1/forwarding")),
            ("kernel", None),
            ("", None),
        ] {
            assert_eq!(path(name).as_deref(), expected, "{name}");
        }
    }

    /// CVE-2022-0811: a value or a name that smuggles in a second parameter.
    #[test]
    fn a_name_cannot_leave_its_directory_or_hold_another() {
        for name in [
            "net.ipv4.../../kernel.core_pattern",
            "net/../kernel/core_pattern",
            "net/./ipv4",
            "/net/ipv4",
            "net//ipv4",
            "net.ipv4.ip_forward=1+kernel.core_pattern",
            "net.ipv4.ip_forward\nkernel.core_pattern",
            "net.ipv4.ip forward",
            "net.ipv4.ip_fоrward",
            "net.\0",
        ] {
            assert_eq!(path(name), None, "{name:?}");
        }
    }

    #[test]
    fn only_parameters_of_namespaces_have_one() {
        for (path, kind) in [
            ("kernel/shmmax", Some(NamespaceKind::Ipc)),
            ("fs/mqueue/msg_max", Some(NamespaceKind::Ipc)),
            ("net/core/somaxconn", Some(NamespaceKind::Network)),
            ("kernel/hostname", Some(NamespaceKind::Uts)),
            ("kernel/core_pattern", None),
            ("kernel/shmmax2", None),
            ("fs/mqueue", None),
            ("vm/overcommit_memory", None),
        ] {
            assert_eq!(namespace(path), kind, "{path}");
        }
    }
}
