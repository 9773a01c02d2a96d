//! clone3(2): a new process in new namespaces, with a descriptor that names it without the races of a pid.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::process::Pid;

/// As in `linux/sched.h`; libc declares these as `c_int`, in which they do not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_PIDFD: u64 = libc::CLONE_PIDFD as u64;

/// `struct clone_args` up to the field that Linux 5.7 added.
#[repr(C, align(8))]
#[derive(Default)]
struct Arguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// In which of the two processes [`clone`] has returned.
pub(crate) enum Side {
    /// The one that called.
    Parent {
        /// The child, as this process's pid namespace numbers it.
        pid: i32,
        /// The child. Close-on-exec.
        pidfd: OwnedFd,
    },
    /// The new one.
    Child,
}

/// Go on in two processes. The child has its own copy of the memory, its caught signals are back at their defaults, and
/// it starts in `cgroup` (a cgroup v2 directory) if there is one. The parent gets SIGCHLD when it ends.
///
/// In a process with threads this is EINVAL: the locks that others hold would stay locked for ever in the child.
pub(crate) fn clone(namespaces: u64, cgroup: Option<BorrowedFd<'_>>) -> Result<Side> {
    require_one_thread()?;
    let mut pidfd: i32 = -1;
    let mut arguments = Arguments {
        flags: namespaces | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..Arguments::default()
    };
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the structure is as the kernel expects it and lives until the call returns. Without CLONE_VM and with no
    // stack given, the child goes on with a copy of this one, which is all there is, as there are no other threads.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, std::mem::size_of::<Arguments>())
    };
    match pid {
        -1 => Err(last_errno()),
        0 => Ok(Side::Child),
        // SAFETY: the kernel has stored a new descriptor that nothing else owns.
        pid => Ok(Side::Parent { pid: pid as i32, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// Go on in two processes of the same kind, by the older call: a system call filter may forbid clone3(2), whose flags it
/// cannot look at, and Docker's does. As `sibling`, the new process is a child of this one's parent. Returns the new process, and
/// `None` in it.
///
/// Only for a process that [`clone`] has made, and which therefore has one thread.
pub(crate) fn fork(sibling: bool) -> Result<Option<Pid>> {
    let parent = if sibling { libc::CLONE_PARENT } else { 0 };
    let flags = parent | libc::SIGCHLD;
    let (stack, none) = (std::ptr::null_mut::<u8>(), 0_usize);
    // SAFETY: nothing is stored anywhere. Without CLONE_VM the child goes on with a copy of this stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags as usize, stack, none, none, none) };
    match pid {
        -1 => Err(last_errno()),
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}

/// unshare(2) with CLONE_THREAD does nothing in a process with one thread, and is EINVAL in others.
fn require_one_thread() -> Result<()> {
    // SAFETY: it changes nothing.
    match unsafe { libc::unshare(libc::CLONE_THREAD) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// The error of a call that libc has made.
pub(crate) fn last_errno() -> Errno {
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_cloned() {
        // This test runs in a thread beside the one that waits for it.
        assert_eq!(clone(0, None).err(), Some(Errno::INVAL));
    }
}
