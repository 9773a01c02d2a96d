//! As whom a process makes and opens files, where that is not who it is: setfsuid(2), setfsgid(2).

use rustix::io::{Errno, Result};

/// From now on files are made and opened as this user. In the calling thread.
pub(crate) fn set_file_user(uid: u32) -> Result<()> {
    // SAFETY: takes and gives numbers only. The second call changes nothing (there is no such id) and tells what is so: the
    // first tells only what was.
    let set = unsafe {
        libc::setfsuid(uid);
        libc::setfsuid(u32::MAX)
    };
    if set.cast_unsigned() == uid { Ok(()) } else { Err(Errno::PERM) }
}

/// The same of the group.
pub(crate) fn set_file_group(gid: u32) -> Result<()> {
    // SAFETY: as above.
    let set = unsafe {
        libc::setfsgid(gid);
        libc::setfsgid(u32::MAX)
    };
    if set.cast_unsigned() == gid { Ok(()) } else { Err(Errno::PERM) }
}
