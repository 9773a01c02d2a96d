//! Copying a tree as it is: owners, modes, times, extended attributes, hard links, holes, device nodes.
//!
//! The source is read-only and nobody else's to change, the target is a directory that nobody else knows; all the same
//! every name is one component below a descriptor, and no link is followed.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps,
    XattrFlags, chownat, fchmod, fchown, fgetxattr, flistxattr, fsetxattr, fstat, ftruncate,
    futimens, linkat, mkdirat, mknodat, openat, readlinkat, seek, statat, symlinkat, utimensat,
};
use rustix::fs::{Gid, Uid};
use rustix::io::{Errno, pread, pwrite};

use crate::runtime::paths::open_resolved;
use crate::unpack::failure::{Result, system};
use crate::unpack::xattr::is_copied;

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// A copy that is being made.
pub(super) struct Copy {
    source: OwnedFd,
    target: OwnedFd,
    /// Where a file with several names has its first one, by device and inode.
    names: HashMap<(u64, u64), CString>,
    buffer: Vec<u8>,
    entries: u64,
}

impl Copy {
    /// From one directory to another, which is empty.
    pub(super) fn new(source: OwnedFd, target: OwnedFd) -> Copy {
        Copy { source, target, names: HashMap::new(), buffer: vec![0; BUFFER], entries: 0 }
    }

    /// Copy everything. How many entries there were.
    pub(super) fn run(mut self) -> Result<u64> {
        // Directories are kept by path and opened one at a time: a tree may be deeper than descriptors go.
        let mut directories = vec![c".".to_owned()];
        let mut next = 0;
        while let Some(path) = directories.get(next).cloned() {
            next += 1;
            let below = self.directory(&path)?;
            directories.extend(below);
        }
        // A directory's times change when something is made in it, so theirs are set last, the inner ones first.
        for path in directories.iter().rev() {
            attributes(open(&self.source, path)?.as_fd(), open(&self.target, path)?.as_fd())?;
        }
        Ok(self.entries)
    }

    /// Copy what is in the directory `path`. Its own directories are made, and returned.
    fn directory(&mut self, path: &CStr) -> Result<Vec<CString>> {
        let (source, target) = (open(&self.source, path)?, open(&self.target, path)?);
        let mut directories = Vec::new();
        let failed = |errno| system(&format!("read {}", path.to_string_lossy()), errno);
        for entry in Dir::read_from(&source).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entries += 1;
            let inside = join(path, name);
            let made = self.entry(source.as_fd(), target.as_fd(), name, &inside);
            let is_directory =
                made.map_err(|errno| system(&format!("copy {}", inside.to_string_lossy()), errno))?;
            if is_directory {
                directories.push(inside);
            }
        }
        Ok(directories)
    }

    /// Copy one entry, of a directory only itself. Whether it is one.
    fn entry(
        &mut self,
        source: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        name: &CStr,
        path: &CStr,
    ) -> rustix::io::Result<bool> {
        let stat = statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            mkdirat(target, name, Mode::RWXU)?;
            return Ok(true);
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.names.get(&(stat.st_dev, stat.st_ino)) {
                linkat(&self.target, first, target, name, AtFlags::empty())?;
                return Ok(false);
            }
            self.names.insert((stat.st_dev, stat.st_ino), path.to_owned());
        }
        if kind == FileType::RegularFile {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let from = openat(source, name, flags, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let to = openat(target, name, flags, Mode::RUSR | Mode::WUSR)?;
            self.content(from.as_fd(), to.as_fd(), stat.st_size as u64)?;
            copy_attributes(from.as_fd(), to.as_fd(), &stat)?;
            return Ok(false);
        }
        if kind == FileType::Symlink {
            symlinkat(readlinkat(source, name, Vec::new())?.as_c_str(), target, name)?;
        } else {
            mknodat(target, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?;
        }
        let (uid, gid) = owner(&stat);
        chownat(target, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(target, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(false)
    }

    /// The content of a file; where it has holes, so does the copy.
    fn content(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        size: u64,
    ) -> rustix::io::Result<()> {
        let mut offset = 0;
        while offset < size {
            let begin = match seek(from, SeekFrom::Data(offset)) {
                Ok(begin) => begin,
                // A hole to the end.
                Err(Errno::NXIO) => break,
                Err(errno) => return Err(errno),
            };
            let end = seek(from, SeekFrom::Hole(begin))?;
            offset = begin;
            while offset < end {
                let most = self.buffer.len().min((end - offset) as usize);
                let read = pread(from, &mut self.buffer[..most], offset)?;
                if read == 0 {
                    break;
                }
                let mut written = 0;
                while written < read {
                    written += pwrite(to, &self.buffer[written..read], offset + written as u64)?;
                }
                offset += read as u64;
            }
            offset = end;
        }
        ftruncate(to, size)
    }
}

/// Give `to` the owner, mode, extended attributes and times of `from`.
pub(super) fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    fstat(from)
        .and_then(|stat| copy_attributes(from, to, &stat))
        .map_err(|errno| system("copy the attributes of a directory", errno))
}

fn copy_attributes(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    stat: &Stat,
) -> rustix::io::Result<()> {
    let (uid, gid) = owner(stat);
    // In this order: a change of the owner takes away the set-id bits and the capabilities.
    fchown(to, Some(uid), Some(gid))?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    extended_attributes(from, to)?;
    futimens(to, &times(stat))
}

fn extended_attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> rustix::io::Result<()> {
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    let mut value = vec![0; 64 << 10];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| is_copied(name)) {
        let length = fgetxattr(from, name, &mut value[..])?;
        match fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            // The volume's file system has no such attributes.
            Err(Errno::OPNOTSUPP) => {}
            set => set?,
        }
    }
    Ok(())
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}

fn times(stat: &Stat) -> Timestamps {
    let time =
        |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn open(root: &OwnedFd, path: &CStr) -> Result<OwnedFd> {
    let text = path.to_bytes();
    let failed = |errno| system(&format!("open {}", String::from_utf8_lossy(text)), errno);
    open_resolved(
        root,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY,
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )
    .map_err(failed)
}

fn join(path: &CStr, name: &CStr) -> CString {
    let mut joined = path.to_bytes().to_vec();
    joined.push(b'/');
    joined.extend_from_slice(name.to_bytes());
    // Neither of them has a zero byte.
    CString::new(joined).unwrap_or_default()
}
