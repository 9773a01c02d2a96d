//! A new file in a directory in use: made without a name, complete, and then put in its place.
//!
//! A process that is killed leaves nothing then, but where the file system has no files without a name (`O_TMPFILE`; overlayfs has them
//! since Linux 6.2), and between the two calls by which a file takes the place of another one.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, ftruncate, linkat, openat, renameat, unlinkat};
use rustix::io::{Errno, Result, pread, pwrite};

/// A file that has not the name it is for yet. It goes when it is dropped.
pub(crate) struct New {
    parent: OwnedFd,
    file: OwnedFd,
    /// What it is called meanwhile, if it has to be.
    name: Option<String>,
}

impl New {
    /// Make one, with this mode if nobody can see it before it has its name.
    pub(crate) fn make(parent: OwnedFd, mode: Mode) -> Result<New> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&parent, c".", flags | OFlags::TMPFILE, mode) {
            Ok(file) => return Ok(New { parent, file, name: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
        let own = Mode::RUSR | Mode::WUSR;
        loop {
            let name = random_name()?;
            match openat(&parent, name.as_str(), flags | OFlags::CREATE | OFlags::EXCL, own) {
                Err(Errno::EXIST) => {}
                file => return Ok(New { file: file?, parent, name: Some(name) }),
            }
        }
    }

    /// The file, for reading and writing.
    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Give it its name, which another file may have: that is gone then.
    pub(crate) fn put(mut self, name: &[u8]) -> std::result::Result<(), (New, Errno)> {
        if self.name.is_none() {
            match linkat(&self.file, c"", &self.parent, name, AtFlags::EMPTY_PATH) {
                Ok(()) => return Ok(()),
                // A link takes nobody's place: only what has a name can.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err((self, errno)),
            }
        }
        let own = match self.named() {
            Ok(own) => own,
            Err(errno) => return Err((self, errno)),
        };
        match renameat(&self.parent, own.as_str(), &self.parent, name) {
            Ok(()) => {
                self.name = None;
                Ok(())
            }
            // A file that is mounted here (`/etc/resolv.conf` in every container) has its name for good.
            Err(Errno::BUSY) => self.copy_into(name).map_err(|errno| (self, errno)),
            Err(errno) => Err((self, errno)),
        }
    }

    /// The name it has meanwhile.
    fn named(&mut self) -> Result<String> {
        loop {
            if let Some(name) = &self.name {
                return Ok(name.clone());
            }
            let name = random_name()?;
            match linkat(&self.file, c"", &self.parent, name.as_str(), AtFlags::EMPTY_PATH) {
                Err(Errno::EXIST) => {}
                linked => {
                    linked?;
                    self.name = Some(name);
                }
            }
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
        if let Some(name) = &self.name {
            // What cannot be removed now is a file that nobody asked for, in a directory that cannot be changed.
            let _ = unlinkat(&self.parent, name.as_str(), AtFlags::empty());
        }
    }
}

fn random_name() -> Result<String> {
    let mut random = [0; 8];
    getrandom(&mut random)?;
    Ok(format!(".barque-{:016x}", u64::from_ne_bytes(random)))
}

fn getrandom(bytes: &mut [u8]) -> Result<()> {
    // SAFETY: pointer and length are those of the slice.
    let filled = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if filled == bytes.len() as isize { Ok(()) } else { Err(Errno::IO) }
}
