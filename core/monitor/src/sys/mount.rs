//! The mount system calls of Linux 5.2 and later: a mount is made as a descriptor, and then put in its place.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::CWD;
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use rustix::path::Arg;

use super::clone::last_errno;

/// Magic numbers of `linux/magic.h`.
pub(crate) const PROC_SUPER_MAGIC: u64 = 0x9fa0;
pub(crate) const SYSFS_MAGIC: u64 = 0x6265_6572;
pub(crate) const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;

/// `linux/mount.h`.
const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

/// Changes of a mount's attributes: `struct mount_attr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `MOUNT_ATTR_*` to set.
    pub(crate) set: u64,
    /// `MOUNT_ATTR_*` to clear first.
    pub(crate) clear: u64,
    /// `MS_PRIVATE` and so on; 0: as it is.
    pub(crate) propagation: u64,
    user_namespace: u64,
}

impl Attributes {
    /// Set these.
    pub(crate) const fn setting(flags: MountAttrFlags) -> Attributes {
        Attributes { set: flags.bits() as u64, clear: 0, propagation: 0, user_namespace: 0 }
    }

    /// Have these of read-only, nosuid, nodev and noexec, and not the others.
    pub(crate) fn replacing(flags: MountAttrFlags) -> Attributes {
        let all = MountAttrFlags::MOUNT_ATTR_RDONLY
            | MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        Attributes { clear: all.bits().into(), ..Attributes::setting(flags) }
    }

    /// Set the propagation type.
    pub(crate) const fn propagating(propagation: u64) -> Attributes {
        Attributes { set: 0, clear: 0, propagation, user_namespace: 0 }
    }

    /// Have ids of this user namespace stored as they are there, not as the host has them (Linux 5.12).
    pub(crate) fn mapping(user_namespace: BorrowedFd<'_>) -> Attributes {
        Attributes {
            set: MOUNT_ATTR_IDMAP,
            clear: 0,
            propagation: 0,
            user_namespace: user_namespace.as_raw_fd() as u64,
        }
    }

    /// Nothing would change.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Attributes::default()
    }
}

/// mount_setattr(2) of the mount that `mount` is the root of, and with `recursive` of those below it.
pub(crate) fn set_attributes(
    mount: impl AsFd,
    attributes: Attributes,
    recursive: bool,
) -> Result<()> {
    const AT_RECURSIVE: libc::c_int = 0x8000;
    let flags = libc::AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is null-terminated, and the structure has the layout and the size of its first version.
    match unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            std::mem::size_of::<Attributes>(),
        )
    } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// A mount of what is at `path` on this namespace's tree, attached nowhere yet.
pub(crate) fn clone_tree(path: impl Arg, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(CWD, path, flags)
}

/// The same of what `fd` is open on.
pub(crate) fn clone_tree_at(fd: impl AsFd, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    open_tree(fd, "", flags)
}

/// Put a mount on what `target` is open on.
pub(crate) fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// A file system that is being configured.
pub(crate) struct Filesystem {
    context: OwnedFd,
}

/// Why a file system could not be made.
pub(crate) struct Refusal {
    /// The error number.
    pub(crate) errno: Errno,
    /// What the file system says about it; often nothing.
    pub(crate) reason: String,
}

impl Filesystem {
    /// Begin with one of this type.
    pub(crate) fn open(kind: &str) -> std::result::Result<Filesystem, Refusal> {
        match fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC) {
            Ok(context) => Ok(Filesystem { context }),
            Err(errno) => Err(Refusal { errno, reason: String::new() }),
        }
    }

    /// Set an option with a value.
    pub(crate) fn set(&self, key: &str, value: &str) -> std::result::Result<(), Refusal> {
        fsconfig_set_string(&self.context, key, value).map_err(|errno| self.refusal(errno))
    }

    /// Set an option without one.
    pub(crate) fn flag(&self, key: &str) -> std::result::Result<(), Refusal> {
        fsconfig_set_flag(&self.context, key).map_err(|errno| self.refusal(errno))
    }

    /// Make it: a mount that is attached nowhere yet.
    pub(crate) fn mount(self, flags: MountAttrFlags) -> std::result::Result<OwnedFd, Refusal> {
        fsconfig_create(&self.context)
            .and_then(|()| fsmount(&self.context, FsMountFlags::FSMOUNT_CLOEXEC, flags))
            .map_err(|errno| self.refusal(errno))
    }

    /// The messages that the context has collected, each of which begins with its level and a space.
    fn refusal(&self, errno: Errno) -> Refusal {
        let mut messages = Vec::new();
        let mut buffer = [0; 512];
        while let Ok(length) = rustix::io::read(&self.context, &mut buffer) {
            let line = String::from_utf8_lossy(&buffer[..length]);
            messages.push(line.get(2..).unwrap_or_default().trim().to_owned());
        }
        Refusal { errno, reason: messages.join("; ") }
    }
}

/// Whether the mount is of a file system of this type, by its magic number.
pub(crate) fn is_of_type(fd: impl AsFd, magic: u64) -> Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type as u64 == magic)
}
