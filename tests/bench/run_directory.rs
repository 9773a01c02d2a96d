//! Our run directory as a host has it: `/run` is a tmpfs (file-hierarchy(7)). The others' are below `/tmp`, which is one in a suite's
//! namespaces.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A tmpfs on a directory, until this is dropped.
pub(crate) struct RunDirectory(CString);

impl RunDirectory {
    pub(crate) fn on(path: &Path) -> io::Result<RunDirectory> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let kind = c"tmpfs".as_ptr();
        // SAFETY: strings that end with a NUL, and no data.
        match unsafe { libc::mount(kind, path.as_ptr(), kind, 0, std::ptr::null()) } {
            0 => Ok(RunDirectory(path)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // SAFETY: a string that ends with a NUL.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}
