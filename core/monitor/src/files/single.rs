//! Single files and directories, without an archive around them.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, readlinkat, statat, unlinkat,
};
use rustix::io::Errno;

use super::lookup::{Root, describe, name_of};
use super::{Reports, Result, Trouble, output};
use crate::pack::names;
use crate::protocol::Report;
use crate::runtime;
use crate::unpack::failure::{entry, invalid};
use crate::unpack::jail::inherited;
use crate::unpack::{remove_tree, replace};

const BUFFER: usize = 256 << 10;

/// Send the content of a regular file.
pub(super) fn read(
    root: &Root,
    path: &str,
    offset: u64,
    limit: u64,
    reports: &mut Reports,
) -> Result<Report> {
    let failed = |errno| Trouble::Failed(entry("read", path.as_bytes())(errno));
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match root.open(path, flags) {
        // A socket, or a device, which cannot be opened here.
        Err(Trouble::Failed(failure))
            if matches!(failure.errno, Some(libc::ENXIO | libc::EACCES)) =>
        {
            return Err(not_regular(path));
        }
        file => file?,
    };
    let stat = fstat(&file).map_err(failed)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(invalid(format!("{path} is a directory")).into()),
        _ => return Err(not_regular(path)),
    }
    reports.tell(&Report::Stat(describe(name_of(path), &stat, String::new())))?;
    let (out, mut at, mut left) = (output()?, offset, limit);
    let mut buffer = vec![0; BUFFER];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        let read = match rustix::io::pread(&file, &mut buffer[..wanted], at) {
            Err(Errno::INTR) => continue,
            read => read.map_err(failed)?,
        };
        if read == 0 {
            break;
        }
        send(&out, &buffer[..read]).map_err(failed)?;
        at += read as u64;
        left -= read as u64;
    }
    Ok(Report::Done)
}

/// A file to write.
pub(super) struct Write<'a> {
    pub(super) path: &'a str,
    pub(super) mode: Option<u32>,
    pub(super) user: &'a str,
    pub(super) parents: bool,
}

/// Make or replace a file, whole or not at all.
pub(super) fn write(root: &Root, new: &Write<'_>, reports: &mut Reports) -> Result<Report> {
    let failed = |errno| Trouble::Failed(entry("write", new.path.as_bytes())(errno));
    if new.path.ends_with('/') || matches!(name_of(new.path), "/" | "." | "..") {
        return Err(invalid(format!("{} is a directory", new.path)).into());
    }
    // Where a link leads is where the file is, as for every program that writes through it.
    let path = root.follow(new.path)?;
    let path = String::from_utf8(path)
        .map_err(|_| invalid(format!("{} leads to a name that is not UTF-8", new.path)))?;
    let slash = path.rfind('/').unwrap_or_default();
    let (above, base) = (&path[..slash], &path[slash + 1..]);
    let parent = match root.directory(above) {
        Err(Trouble::Missing) if new.parents => runtime::view::ensure_directory(&root.fd, above)?,
        parent => parent?,
    };
    root.check_writable(&parent)?;
    let there = match statat(&parent, base, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => None,
        stat => Some(stat.map_err(failed)?),
    };
    match there.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        None | Some(FileType::RegularFile) => {}
        Some(FileType::Directory) => {
            return Err(invalid(format!("{} is a directory", new.path)).into());
        }
        Some(_) => return Err(not_regular(new.path)),
    }
    let (uid, gid) = match (new.user, there) {
        ("", Some(stat)) => (stat.st_uid, stat.st_gid),
        ("", None) => (0, 0),
        (user, _) => runtime::view::owner(&root.fd, user)?,
    };
    let mode = new.mode.unwrap_or(there.map_or(0o644, |stat| stat.st_mode)) & 0o7777;

    let file = replace::New::make(parent, Mode::from_raw_mode(0o600)).map_err(failed)?;
    let mut content = File::from(inherited(0)?);
    let mut target = File::from(file.file().try_clone().map_err(|_| failed(Errno::MFILE))?);
    std::io::copy(&mut content, &mut target)
        .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    fchown(file.file(), Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(failed)?;
    fchmod(file.file(), Mode::from_raw_mode(mode)).map_err(failed)?;
    reports.tell(&Report::Ready)?;
    reports.wait()?;
    file.put(base.as_bytes()).map_err(|(_, errno)| failed(errno))?;
    Ok(Report::Done)
}

/// Everything in a directory.
pub(super) fn list(root: &Root, path: &str) -> Result<Report> {
    let failed = |errno| Trouble::Failed(entry("read", path.as_bytes())(errno));
    let found = root.open(path, OFlags::PATH)?;
    let stat = fstat(&found).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(invalid(format!("{path} is not a directory")).into());
    }
    let directory = root.directory(path)?;
    let mut entries = Vec::new();
    for name in names(&directory).map_err(failed)? {
        let stat = match statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since the directory was read.
            Err(Errno::NOENT) => continue,
            stat => stat.map_err(failed)?,
        };
        let target = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => readlinkat(&directory, &name, Vec::new()).unwrap_or_default(),
            _ => Default::default(),
        };
        let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
        entries.push(describe(&String::from_utf8_lossy(name.as_bytes()), &stat, target));
    }
    Ok(Report::Entries(entries))
}

/// Remove what is at a path.
pub(super) fn remove(root: &Root, path: &str, recursive: bool) -> Result<Report> {
    let trimmed = path.trim_end_matches('/');
    let Some(place) = root.place(trimmed)? else {
        return Err(invalid(format!("{path} cannot be removed")).into());
    };
    root.check_writable(&place.above)?;
    let failed = |errno| match errno {
        Errno::NOENT => Trouble::Missing,
        errno => Trouble::Failed(entry("remove", path.as_bytes())(errno)),
    };
    let (above, base): (&OwnedFd, _) = (&place.above, &place.base);
    match unlinkat(above, base, AtFlags::empty()) {
        // unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX.
        Err(Errno::ISDIR | Errno::PERM) if recursive => {
            remove_tree(std::os::fd::AsFd::as_fd(above), base.as_bytes()).map_err(failed)?;
        }
        Err(Errno::ISDIR | Errno::PERM) => {
            unlinkat(above, base, AtFlags::REMOVEDIR).map_err(failed)?;
        }
        result => result.map_err(failed)?,
    }
    Ok(Report::Done)
}

fn not_regular(path: &str) -> Trouble {
    invalid(format!("{path} is not a regular file")).into()
}

fn send(out: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Err(Errno::INTR) => {}
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}
