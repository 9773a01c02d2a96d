//! The one mount that the library makes: a read-only view of a file, attached to no namespace.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::mount::{OpenTreeFlags, open_tree};

use crate::error::{Error, Result};

/// A detached mount of the file behind `fd` through which nobody can write it, whatever its mode: opening it for writing
/// fails with EROFS, also through `/proc/PID/exe` of a process that runs it (CVE-2019-5736).
///
/// `open_tree(2)` and `mount_setattr(2)`; rustix has no wrapper for the second.
pub(crate) fn read_only_view(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    let failed = |what| move |error| Error::system(format!("{what} of the monitor"), error);
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(fd, c"", flags).map_err(|errno| failed("open_tree")(errno.into()))?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    // SAFETY: pointer and size describe the structure, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &attributes,
            std::mem::size_of_val(&attributes),
        )
    };
    if result < 0 {
        return Err(failed("mount_setattr")(std::io::Error::last_os_error()));
    }
    Ok(tree)
}
