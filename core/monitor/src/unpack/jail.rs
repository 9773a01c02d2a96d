//! The jail: what the process gives up before it reads the first byte.
//!
//! The unpacker reads hostile bytes with the right to make any file of any owner. So that a mistake in it reaches nothing,
//! its root is the directory that it fills: nothing else has a name in its mount namespace, its network namespace is
//! empty, it has eight capabilities, it cannot start a program, and the kernel answers only the calls it needs.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount,
    open_tree, unmount,
};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, chroot, fchdir, pivot_root, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, umask,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs,
};

use super::failure::{Result, invalid, system};
use crate::seccomp::{Action, Filter, Rule, Seccomp};

/// The highest descriptor that is kept.
const LAST: i32 = 6;

/// Address space. What is needed at most is a PAX header, a sparse map, a buffer and the paths of implied directories.
pub(crate) const MEMORY: u64 = 256 << 20;

/// Every call of a layer's unpacking, of the allocator, and of an orderly end (a panic's message included).
pub(crate) const CALLS: &[&str] = &[
    "brk",
    "chdir",
    "clock_gettime",
    "close",
    "exit",
    "exit_group",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "fcntl",
    "fgetxattr",
    "fremovexattr",
    "fsetxattr",
    "fstat",
    "fstatfs",
    "ftruncate",
    "futex",
    "getdents64",
    "getpid",
    "getrandom",
    "gettid",
    "linkat",
    "lseek",
    "madvise",
    "mkdirat",
    "mknodat",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "newfstatat",
    "openat",
    "openat2",
    "pread64",
    "pwrite64",
    "read",
    "renameat",
    "restart_syscall",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "statx",
    "symlinkat",
    "tgkill",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// Enter it, where these are called beside [`CALLS`]. Afterwards the root directory is the one behind `target`.
pub(crate) fn enter(target: BorrowedFd<'_>, more: &[&str]) -> Result<()> {
    begin()?;
    change_root(target)?;
    confine(&[CALLS, more].concat(), MEMORY, 32)
}

/// The first step of a jail that its parent waits for: without that one there is nobody to use what it makes.
pub(crate) fn begin() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|errno| system("prctl", errno))?;
    prepare()
}

/// What comes before the root is changed: nobody looks into this process, and it holds nothing of its parent's.
pub(crate) fn prepare() -> Result<()> {
    close_others().map_err(|errno| system("close descriptors", errno))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| system("prctl", errno))?;
    umask(Mode::empty());
    Ok(())
}

/// What comes after it: so much memory, so many descriptors, and only these calls.
pub(crate) fn confine(calls: &[&str], memory: u64, descriptors: u64) -> Result<()> {
    let failed = |what: &'static str| move |errno| system(what, errno);
    limit(memory, descriptors).map_err(failed("set a resource limit"))?;
    drop_capabilities().map_err(failed("drop capabilities"))?;
    set_no_new_privs(true).map_err(failed("set no_new_privs"))?;
    filter(calls)
}

fn close_others() -> rustix::io::Result<()> {
    // SAFETY: nothing in this process has a descriptor above LAST: it has only just begun.
    let result = unsafe { libc::syscall(libc::SYS_close_range, LAST + 1, u32::MAX, 0) };
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// Enter namespaces in which nothing but the mounts is the host's.
pub(crate) fn enter_namespaces() -> Result<()> {
    let namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    // SAFETY: single-threaded; no descriptor table is unshared.
    unsafe { rustix::thread::unshare_unsafe(namespaces) }.map_err(|errno| system("unshare", errno))
}

/// Make `target` the root of a mount namespace in which there is nothing else.
pub(crate) fn change_root(target: BorrowedFd<'_>) -> Result<()> {
    let failed = |what: &'static str| move |errno| system(what, errno);
    // The copy must be made before the namespace: afterwards the mount behind the descriptor is another namespace's.
    let tree = open_tree(
        target,
        c"",
        OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH,
    )
    .map_err(failed("open_tree"))?;
    enter_namespaces()?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change(c"/", private).map_err(failed("make mounts private"))?;
    move_mount(&tree, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(failed("move_mount"))?;
    fchdir(&tree).map_err(failed("fchdir"))?;
    match pivot_root(c".", c".") {
        // The old root lies on top of the new one now (pivot_root(2), "pivot_root(".", ".")").
        Ok(()) => unmount(c".", UnmountFlags::DETACH).map_err(failed("unmount the old root"))?,
        // The old root is the initial ramfs, which cannot be put away (pivot_root(2), EINVAL). The new one lies on top of it
        // already, and moving it there is what the kernel calls a loop; who is in it with neither CAP_SYS_CHROOT nor a
        // descriptor of the old one cannot get below it.
        Err(Errno::INVAL) => chroot(c".").map_err(failed("chroot"))?,
        Err(errno) => return Err(system("pivot_root", errno)),
    }
    rustix::process::chdir(c"/").map_err(failed("chdir"))
}

/// The directory to fill, from inside.
pub(crate) fn root() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, c"/", flags, Mode::empty()).map_err(|errno| system("open the root", errno))
}

fn limit(memory: u64, descriptors: u64) -> rustix::io::Result<()> {
    let limits = [(Resource::As, memory), (Resource::Core, 0), (Resource::Nofile, descriptors)];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    let needed = CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        // To give a file without a name one: linkat(2). What else it allows, open_by_handle_at(2), is not among the calls.
        | CapabilitySet::DAC_READ_SEARCH
        | CapabilitySet::FOWNER
        | CapabilitySet::FSETID
        | CapabilitySet::MKNOD
        | CapabilitySet::SETFCAP
        // For attributes of the trusted class (xattr(7)): what marks an opaque directory.
        | CapabilitySet::SYS_ADMIN;
    set_capabilities(
        None,
        CapabilitySets {
            effective: needed,
            permitted: needed,
            inheritable: CapabilitySet::empty(),
        },
    )
}

fn filter(calls: &[&str]) -> Result<()> {
    let document = Seccomp {
        default_action: Action::KillProcess,
        syscalls: vec![Rule {
            names: calls.iter().map(|name| (*name).to_owned()).collect(),
            action: Action::Allow,
            ..Rule::default()
        }],
        ..Seccomp::default()
    };
    let filter = Filter::compile(&document).map_err(|error| invalid(error.to_string()))?;
    filter.install().map_err(|error| invalid(format!("install the system call filter: {error}")))
}

/// Take over one of the descriptors that this program was started with.
pub(crate) fn inherited(number: i32) -> Result<OwnedFd> {
    // SAFETY: called once for each number, by the one thread there is. fcntl says whether it is open at all.
    let fd = unsafe {
        if libc::fcntl(number, libc::F_GETFD) < 0 {
            return Err(invalid(format!("descriptor {number} is not open")));
        }
        OwnedFd::from_raw_fd(number)
    };
    rustix::io::fcntl_setfd(fd.as_fd(), rustix::io::FdFlags::CLOEXEC)
        .map_err(|errno| system("fcntl", errno))?;
    Ok(fd)
}
