//! A new file in a directory in use: made under another name, complete, and then put in its place.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, ftruncate, openat, renameat, unlinkat};
use rustix::io::{Errno, Result, pread, pwrite};

/// A file that has no name of its own yet. It goes when it is dropped.
pub(crate) struct New {
    parent: OwnedFd,
    name: String,
    file: OwnedFd,
    placed: bool,
}

impl New {
    /// Make one.
    pub(crate) fn make(parent: OwnedFd, mode: Mode) -> Result<New> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut random = [0; 8];
            getrandom(&mut random)?;
            let name = format!(".barque-{:016x}", u64::from_ne_bytes(random));
            match openat(&parent, name.as_str(), flags, mode) {
                Err(Errno::EXIST) => {}
                file => return Ok(New { file: file?, parent, name, placed: false }),
            }
        }
    }

    /// The file, for reading and writing.
    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Give it its name, which another file may have: that is gone then.
    pub(crate) fn put(mut self, name: &[u8]) -> std::result::Result<(), (New, Errno)> {
        match renameat(&self.parent, self.name.as_str(), &self.parent, name) {
            Ok(()) => {
                self.placed = true;
                Ok(())
            }
            // A file that is mounted here (`/etc/resolv.conf` in every container) has its name for good.
            Err(Errno::BUSY) => self.copy_into(name).map_err(|errno| (self, errno)),
            Err(errno) => Err((self, errno)),
        }
    }

    fn copy_into(&self, name: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let target = openat(&self.parent, name, flags, Mode::empty())?;
        let mut buffer = vec![0; 64 << 10];
        let mut at = 0;
        loop {
            let read = match pread(&self.file, &mut buffer[..], at) {
                Err(Errno::INTR) => continue,
                read => read?,
            };
            if read == 0 {
                return ftruncate(&target, at);
            }
            let mut written = 0;
            while written < read {
                match pwrite(&target, &buffer[written..read], at + written as u64) {
                    Err(Errno::INTR) => {}
                    count => written += count?,
                }
            }
            at += read as u64;
        }
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is a file that nobody asked for, in a directory that cannot be changed.
            let _ = unlinkat(&self.parent, self.name.as_str(), AtFlags::empty());
        }
    }
}

fn getrandom(bytes: &mut [u8]) -> Result<()> {
    // SAFETY: pointer and length are those of the slice.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if filled == bytes.len() as isize { Ok(()) } else { Err(Errno::IO) }
}
