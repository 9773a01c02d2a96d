//! Paths in the container, looked up by the kernel, whose idea of `/` is the container's.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags, fstat, fstatvfs,
    openat2, readlinkat, statat,
};
use rustix::io::Errno;

use super::{Result, Trouble};
use crate::protocol::PathStat;
use crate::unpack::failure::{entry, invalid};

/// Links followed before giving up, as in path_resolution(7).
const MOST_LINKS: usize = 40;

/// The root directory.
pub(super) struct Root {
    pub(super) fd: OwnedFd,
}

/// A name in a directory.
pub(super) struct Place {
    /// The directory.
    pub(super) above: OwnedFd,
    /// The name in it.
    pub(super) base: CString,
}

impl Root {
    pub(super) fn new(fd: OwnedFd) -> Root {
        Root { fd }
    }

    /// Open what a path leads to. That it leads nowhere is [`Trouble::Missing`].
    pub(super) fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd> {
        self.open_raw(path.as_bytes(), flags).map_err(|errno| trouble(path, errno))
    }

    pub(super) fn open_raw(&self, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { b"." } else { path };
        let mut tries = 1000;
        loop {
            match openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // Something was renamed while `..` was resolved, and the kernel is not sure any more.
                Err(Errno::AGAIN) if tries > 0 => tries -= 1,
                result => return result,
            }
        }
    }

    /// The directory at a path.
    pub(super) fn directory(&self, path: &str) -> Result<OwnedFd> {
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The last component of a path and the directory it is in, which is looked up: the name itself is not. `None` for the root,
    /// and where the path ends with `/` or `.`, which stands for what the name leads to.
    pub(super) fn place(&self, path: &str) -> Result<Option<Place>> {
        let (above, base) = match path.rfind('/') {
            Some(slash) => (&path[..=slash], &path[slash + 1..]),
            None => ("", path),
        };
        if matches!(base, "" | "." | "..") {
            return Ok(None);
        }
        let above = self.directory(above)?;
        let base = CString::new(base).map_err(|_| invalid("a path with a NUL in it"))?;
        Ok(Some(Place { above, base }))
    }

    /// What is at a path.
    pub(super) fn stat(&self, path: &str) -> Result<PathStat> {
        let stat = match self.place(path)? {
            Some(place) => {
                let stat = statat(&place.above, &place.base, AtFlags::SYMLINK_NOFOLLOW);
                stat.map_err(|errno| trouble(path, errno))?
            }
            None => {
                let found = self.open(path, OFlags::PATH)?;
                fstat(&found).map_err(|errno| trouble(path, errno))?
            }
        };
        let link_target = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => String::from_utf8_lossy(&self.follow(path)?).into_owned(),
            _ => String::new(),
        };
        Ok(describe(name_of(path), &stat, link_target))
    }

    /// The path that a path leads to in the end, every link followed as far as there is something: absolute and clean.
    pub(super) fn follow(&self, path: &str) -> Result<Vec<u8>> {
        self.real(path.as_bytes())
    }

    /// The same for a path of any bytes.
    pub(super) fn real(&self, path: &[u8]) -> Result<Vec<u8>> {
        let failed = |errno| trouble(&String::from_utf8_lossy(path), errno);
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut ahead: Vec<Vec<u8>> = components(path);
        let mut links = MOST_LINKS;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                done.pop();
                continue;
            }
            done.push(name);
            let here = join(&done);
            let flags = OFlags::PATH | OFlags::NOFOLLOW;
            let target = match self.open_raw(&here, flags) {
                Ok(found) => readlinkat(&found, c"", Vec::new()).ok(),
                // Nothing is there: the rest of the path is as it stands.
                Err(Errno::NOENT | Errno::NOTDIR) => None,
                Err(errno) => return Err(failed(errno)),
            };
            let Some(target) = target else { continue };
            links = links.checked_sub(1).ok_or_else(|| failed(Errno::LOOP))?;
            let target = target.as_bytes();
            done.pop();
            if target.starts_with(b"/") {
                done.clear();
            }
            ahead.extend(components(target));
        }
        Ok(join(&done))
    }

    /// Fail, in docker's words, where nothing can be written in a directory.
    pub(super) fn check_writable(&self, directory: &OwnedFd) -> Result<()> {
        let failed = |errno| Trouble::Failed(entry("stat", b"a directory")(errno));
        if !fstatvfs(directory).map_err(failed)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Ok(());
        }
        let (root, here) = (fstat(&self.fd).map_err(failed)?, fstat(directory).map_err(failed)?);
        let what = if root.st_dev == here.st_dev { "container rootfs" } else { "mounted volume" };
        Err(invalid(format!("{what} is marked read-only")).into())
    }
}

/// The components of a path, the last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts.rev().map(<[u8]>::to_vec).collect()
}

pub(super) fn join(components: &[Vec<u8>]) -> Vec<u8> {
    [b"/", &components.join(&b'/')[..]].concat()
}

/// The last component of a path, as Go's `filepath.Base` has it.
pub(super) fn name_of(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        _ if trimmed.is_empty() => "/",
        Some(slash) => &trimmed[slash + 1..],
        None => trimmed,
    }
}

pub(super) fn describe(name: &str, stat: &Stat, link_target: String) -> PathStat {
    let nanoseconds = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    PathStat {
        name: name.to_owned(),
        size: stat.st_size,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: i64::try_from(nanoseconds).unwrap_or_default(),
        link_target,
    }
}

/// What an error number says about a path.
pub(super) fn trouble(path: &str, errno: Errno) -> Trouble {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Trouble::Missing,
        errno => Trouble::Failed(entry("open", path.as_bytes())(errno)),
    }
}
