//! One cgroup directory: made, written to, read and removed through descriptors.
//!
//! A path is walked once. cgroupfs has no symbolic links, but what a limit is written to must not depend on who renamed or
//! mounted what in the meantime, and a descriptor is also shorter than a path to the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use crate::protocol::{Failure, FailureClass, describe};

/// Length up to which a cgroup file is read. The longest we look at are lists of processes.
const READ_MAX: usize = 1 << 20;

/// A cgroup directory and the one it is in.
#[derive(Debug)]
pub(super) struct Directory {
    parent: OwnedFd,
    name: String,
    fd: OwnedFd,
    path: String,
}

/// Open a directory that need not be readable.
pub(super) fn open(at: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

impl Directory {
    /// Make `name` in `parent`, whose path is `parent_path`. What a dead monitor left there under this name goes first.
    pub(super) fn make(
        parent: OwnedFd,
        parent_path: &str,
        name: &str,
    ) -> Result<Directory, Failure> {
        let path = format!("{parent_path}/{name}");
        let failed = |errno: Errno| Failure::system(format!("mkdir {path}"), errno.raw_os_error());
        match mkdirat(&parent, name, Mode::from(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                remove_tree(parent.as_fd(), name).map_err(failed)?;
                mkdirat(&parent, name, Mode::from(0o755)).map_err(failed)?;
            }
            Err(errno) => return Err(failed(errno)),
        }
        let fd = open(parent.as_fd(), name).map_err(failed)?;
        Ok(Directory { parent, name: name.to_owned(), fd, path })
    }

    /// The existing directory `name` in `parent`.
    pub(super) fn existing(
        parent: OwnedFd,
        parent_path: &str,
        name: &str,
    ) -> Result<Directory, Errno> {
        let fd = open(parent.as_fd(), name)?;
        Ok(Directory { parent, name: name.to_owned(), fd, path: format!("{parent_path}/{name}") })
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn read(&self, file: &str) -> Result<String, Errno> {
        read(self.fd.as_fd(), file)
    }

    pub(super) fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        write(self.fd.as_fd(), file, value)
    }

    /// Write `value`, which is the limit that users know as `limit`.
    pub(super) fn set(&self, limit: &str, file: &str, value: &str) -> Result<(), Failure> {
        self.write(file, value).map_err(|errno| self.refusal(limit, file, value, errno))
    }

    /// What a failed [`Directory::set`] says: the limit, the file and the value.
    pub(super) fn refusal(&self, limit: &str, file: &str, value: &str, errno: Errno) -> Failure {
        let class = match errno {
            Errno::INVAL | Errno::RANGE => FailureClass::Invalid,
            Errno::NOENT | Errno::OPNOTSUPP => FailureClass::Unsupported,
            _ => FailureClass::System,
        };
        let path = &self.path;
        let why = match errno {
            Errno::NOENT => "this kernel has no such limit".to_owned(),
            _ => describe(errno.raw_os_error()),
        };
        let message = format!("{limit}: write {value:?} to {path}/{file}: {why}");
        Failure { class, message, errno: Some(errno.raw_os_error()) }
    }

    /// Processes in this directory and those below it.
    pub(super) fn processes(&self) -> Result<Vec<i32>, Errno> {
        let mut found = Vec::new();
        collect_processes(self.fd.as_fd(), &mut found)?;
        Ok(found)
    }

    /// Remove it and what is below it. Nothing to remove is success; processes in it are [`Errno::BUSY`].
    pub(super) fn remove(&self) -> Result<(), Errno> {
        remove_tree(self.parent.as_fd(), &self.name)
    }

    /// [`Directory::remove`], trying again while a dying process still holds it. A process leaves its cgroup in
    /// do_exit(), shortly before it becomes a zombie, but the freezer and the OOM killer can hold it up.
    pub(super) fn remove_patiently(&self, patience: Duration) -> Result<(), Failure> {
        let until = Instant::now() + patience;
        let mut pause = Duration::from_micros(200);
        loop {
            match self.remove() {
                Ok(()) => return Ok(()),
                Err(Errno::BUSY) if Instant::now() < until => {
                    sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(errno) => {
                    return Err(Failure::system(
                        format!("rmdir {}", self.path),
                        errno.raw_os_error(),
                    ));
                }
            }
        }
    }
}

pub(super) fn read(at: BorrowedFd<'_>, file: &str) -> Result<String, Errno> {
    let fd = openat(at, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while text.len() < READ_MAX {
        match rustix::io::read(&fd, &mut piece) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&piece[..n]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub(super) fn write(at: BorrowedFd<'_>, file: &str, value: &str) -> Result<(), Errno> {
    let fd = openat(at, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // One write is one command to the kernel, so there is nothing to continue after a short one.
    match rustix::io::write(&fd, value.as_bytes())? {
        n if n == value.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// Open the directory at `path`, absolute.
pub(super) fn open_absolute(path: &str) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn collect_processes(at: BorrowedFd<'_>, found: &mut Vec<i32>) -> Result<(), Errno> {
    match read(at, "cgroup.procs") {
        // A process of a pid namespace that is not below ours is shown as 0.
        Ok(text) => {
            found.extend(text.lines().filter_map(|l| l.parse().ok()).filter(|p: &i32| *p > 0))
        }
        // A threaded cgroup has no list of processes of its own; its threads belong to processes further up.
        Err(Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno),
    }
    for_each_child(at, |name| match open(at, name) {
        Ok(child) => collect_processes(child.as_fd(), found),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    })
}

fn remove_tree(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::BUSY) => {}
        Err(errno) => return Err(errno),
    }
    let fd = match open(parent, name) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    for_each_child(fd.as_fd(), |child| remove_tree(fd.as_fd(), child))?;
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Call `each` with the name of every directory in a cgroup directory.
fn for_each_child(
    at: BorrowedFd<'_>,
    mut each: impl FnMut(&str) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let readable = openat(at, ".", flags, Mode::empty())?;
    let mut names = Vec::new();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&readable, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().unwrap_or_default();
        if entry.file_type() == rustix::fs::FileType::Directory && name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.iter().try_for_each(|name| each(name))
}
