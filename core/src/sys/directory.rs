//! Directories by descriptor: what a container left behind is walked without ever following what it made.
//!
//! A container's writable layer is full of names that it chose. Each is opened below the descriptor of the directory it was
//! read from, with O_NOFOLLOW, so no symbolic link and no swap of names in between leads anywhere else.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, fsync,
    futimens, mkdir, openat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::error::{Error, Result};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Open a directory.
pub(crate) fn open(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, DIRECTORY, Mode::empty())
        .map_err(|errno| Error::system(format!("open {}", path.display()), errno.into()))
}

/// The names in a directory, none when it is not there; one that is not text is empty.
pub(crate) fn names(path: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::system(format!("read {}", path.display()), error);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries
        .map(|entry| Ok(entry.map_err(failed)?.file_name().into_string().unwrap_or_default()))
        .collect()
}

/// A directory that is only for what is opened or connected to below it; `None`: there is none.
pub(crate) fn base(path: &Path) -> Result<Option<OwnedFd>> {
    let flags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::system(format!("open {}", path.display()), errno.into())),
    }
}

/// Open a file below such a directory, to be read; `None`: there is none.
pub(crate) fn file_below(base: BorrowedFd<'_>, name: &str) -> Result<Option<File>> {
    match openat(base, name, OFlags::RDONLY.union(OFlags::CLOEXEC), Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(Error::system(format!("open {name}"), errno.into())),
    }
}

/// Have the names that are in a directory on disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    let failed = |errno: Errno| Error::system(format!("sync {}", path.display()), errno.into());
    fsync(&open(path)?).map_err(failed)
}

/// Make a directory with exactly this mode (the host's umask is the host's), unless it is there.
pub(crate) fn make(path: &Path, mode: Mode) -> Result<()> {
    let failed = |errno: Errno| Error::system(format!("make {}", path.display()), errno.into());
    match mkdir(path, mode) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    }
    let made = rustix::fs::open(path, DIRECTORY, Mode::empty());
    match made.and_then(|made| fchmod(made, mode)) {
        // A concurrent removal may take it away at once; whoever uses it will say so.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed(errno)),
    }
}

/// Remove a file or a directory with all that is in it; that there is none is fine. Nothing is followed.
pub(crate) fn remove_tree(parent: BorrowedFd<'_>, name: &str) -> Result<()> {
    let failed = |errno: Errno| Error::system(format!("remove {name}"), errno.into());
    let name = CString::new(name).map_err(|_| Error::invalid("a name holds a NUL"))?;
    // Another process may add names to a directory while it is emptied (a write that was under way): try again, but not
    // for ever.
    for _ in 0..64 {
        match remove_once(parent, &name) {
            Ok(()) => return Ok(()),
            Err(Errno::NOTEMPTY) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    Err(failed(Errno::NOTEMPTY))
}

/// The depth of a tree is its maker's choice, so its directories are kept on a list and not on this thread's stack, and
/// only so many of their descriptors at a time.
fn remove_once(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    // Empty directories are most of them.
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY) => {}
        Err(errno) => return Err(errno),
    }
    let mut open = vec![Level::open(parent, name)?];
    while let Some(level) = open.last_mut() {
        let Some(entry) = level.next()? else {
            let done = open.pop().map(|level| level.name).unwrap_or_default();
            let above = open.last().map_or(parent, |level| level.fd.as_fd());
            match unlinkat(above, &done, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
        };
        match unlinkat(&level.fd, &entry, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(errno) => return Err(errno),
        }
        match unlinkat(&level.fd, &entry, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::NOTEMPTY) => {}
            Err(errno) => return Err(errno),
        }
        if open.len() < MAX_OPEN {
            let next = Level::open(open[open.len() - 1].fd.as_fd(), &entry)?;
            open.push(next);
        } else {
            // Too deep to go on with a descriptor for each level: hang the rest below the top, where its depth counts
            // from one again.
            flatten(open[0].fd.as_fd(), open[open.len() - 1].fd.as_fd(), &entry)?;
            open[0].again()?;
        }
    }
    Ok(())
}

/// Directories that are open at the same time.
const MAX_OPEN: usize = 16;

fn flatten(top: BorrowedFd<'_>, from: BorrowedFd<'_>, entry: &CStr) -> rustix::io::Result<()> {
    for n in 0u32.. {
        let new = format!(".barque-removed-{n}");
        match rustix::fs::renameat_with(
            from,
            entry,
            top,
            new.as_str(),
            rustix::fs::RenameFlags::NOREPLACE,
        ) {
            Err(Errno::EXIST) => {}
            result => return result,
        }
    }
    Err(Errno::EXIST)
}

/// A directory that is being emptied.
struct Level {
    fd: OwnedFd,
    name: CString,
    entries: Dir,
}

impl Level {
    fn open(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<Level> {
        let fd = openat(parent, name, DIRECTORY, Mode::empty())?;
        let entries = Dir::read_from(&fd)?;
        Ok(Level { fd, name: name.to_owned(), entries })
    }

    fn again(&mut self) -> rustix::io::Result<()> {
        self.entries = Dir::read_from(&self.fd)?;
        Ok(())
    }

    fn next(&mut self) -> rustix::io::Result<Option<CString>> {
        for entry in self.entries.by_ref() {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Ok(Some(entry.file_name().to_owned()));
            }
        }
        Ok(None)
    }
}

/// Make a directory and all that is in it as old as `seconds` since 1970, where it is younger. Nothing is followed.
pub(crate) fn age(path: &Path, seconds: i64) -> Result<()> {
    let failed = |errno: Errno| Error::system(format!("date {}", path.display()), errno.into());
    let keep = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps {
        last_access: keep,
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    };
    let is_younger = |stat: &rustix::fs::Stat| (stat.st_mtime, stat.st_mtime_nsec) > (seconds, 0);
    let mut waiting = vec![open(path)?];
    while let Some(fd) = waiting.pop() {
        if is_younger(&fstat(&fd).map_err(failed)?) {
            futimens(&fd, &times).map_err(failed)?;
        }
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                waiting.push(openat(&fd, name, DIRECTORY, Mode::empty()).map_err(failed)?);
            } else if is_younger(&stat) {
                utimensat(&fd, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// Bytes of the files below a directory, as `docker ps --size` counts them; 0 when there is none. Files that vanish while
/// it looks are not counted.
pub(crate) fn content_size(path: &Path) -> Result<i64> {
    let failed = |errno: Errno| Error::system(format!("read {}", path.display()), errno.into());
    let mut waiting = match rustix::fs::open(path, DIRECTORY, Mode::empty()) {
        Ok(fd) => vec![fd],
        Err(Errno::NOENT) => return Ok(0),
        Err(errno) => return Err(failed(errno)),
    };
    let mut total = 0i64;
    // Hard links are one file.
    let mut seen = std::collections::HashSet::new();
    while let Some(fd) = waiting.pop() {
        for entry in Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    if let Ok(inner) = openat(&fd, name, DIRECTORY, Mode::empty()) {
                        waiting.push(inner);
                    }
                }
                FileType::RegularFile | FileType::Symlink
                    if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) =>
                {
                    total = total.saturating_add(stat.st_size);
                }
                _ => {}
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use super::{content_size, open, remove_tree};

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("barque-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_tree_is_removed_and_what_its_links_point_to_is_not() {
        let top = scratch("remove");
        std::fs::create_dir_all(top.join("victim")).unwrap();
        std::fs::write(top.join("victim/file"), "kept").unwrap();
        std::fs::create_dir_all(top.join("tree/a/b")).unwrap();
        std::fs::write(top.join("tree/a/b/c"), "gone").unwrap();
        std::os::unix::fs::symlink("../victim", top.join("tree/link")).unwrap();
        std::os::unix::fs::symlink("/", top.join("tree/a/root")).unwrap();
        let fd = open(&top).unwrap();
        remove_tree(fd.as_fd(), "tree").unwrap();
        assert!(!top.join("tree").exists());
        assert_eq!(std::fs::read(top.join("victim/file")).unwrap(), b"kept");
        remove_tree(fd.as_fd(), "tree").unwrap();
        // A link in the place of the tree is removed itself.
        std::os::unix::fs::symlink("victim", top.join("tree")).unwrap();
        remove_tree(fd.as_fd(), "tree").unwrap();
        assert_eq!(std::fs::read(top.join("victim/file")).unwrap(), b"kept");
        std::fs::remove_dir_all(&top).unwrap();
    }

    #[test]
    fn a_tree_far_deeper_than_descriptors_or_path_names_go_is_removed() {
        let top = scratch("deep");
        let mut fd = open(&top).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&fd, "d", rustix::fs::Mode::RWXU).unwrap();
            fd = rustix::fs::openat(&fd, "d", super::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
            rustix::fs::mkdirat(&fd, "sibling", rustix::fs::Mode::RWXU).unwrap();
        }
        let fd = open(&top).unwrap();
        remove_tree(fd.as_fd(), "d").unwrap();
        std::fs::remove_dir(&top).unwrap();
    }

    #[test]
    fn the_size_of_a_tree_counts_a_file_with_two_names_once() {
        let top = scratch("size");
        std::fs::create_dir(top.join("d")).unwrap();
        std::fs::write(top.join("d/a"), [0; 1000]).unwrap();
        std::fs::hard_link(top.join("d/a"), top.join("b")).unwrap();
        std::fs::write(top.join("c"), [0; 10]).unwrap();
        assert_eq!(content_size(&top).unwrap(), 1010);
        assert_eq!(content_size(&top.join("none")).unwrap(), 0);
        std::fs::remove_dir_all(&top).unwrap();
    }
}
