//! Paths inside a container's root, resolved by the kernel.
//!
//! An image can hold a symbolic link anywhere, and another container can change a shared volume while we look. So nothing is
//! ever decided about a path as a string: it is resolved by openat2(2) with RESOLVE_IN_ROOT (a link cannot lead out) and
//! RESOLVE_NO_MAGICLINKS (nor can `/proc/self/fd/N`, CVE-2024-21626), and what it was resolved to is held as a descriptor.
//! What is missing is made one component at a time, below a descriptor, never through a link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::fs::{fstat, mkdirat, openat, openat2, readlinkat};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use crate::sys::mount::{PROC_SUPER_MAGIC, is_of_type};

/// Links followed before giving up, as in path_resolution(7).
const MOST_LINKS: usize = 40;

/// A directory that counts as `/`.
pub(crate) struct Root {
    directory: OwnedFd,
}

/// What is done about symbolic links on the way and at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// They are followed, inside the root.
    Follow,
    /// They are an error (ELOOP).
    Refuse,
}

/// What is made where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// A directory.
    Directory,
    /// An empty file.
    File,
}

impl Root {
    /// Count this directory as `/`.
    pub(crate) fn new(directory: OwnedFd) -> Root {
        Root { directory }
    }

    /// The directory itself.
    pub(crate) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Where `path` leads to, as a descriptor that can do nothing else.
    pub(crate) fn locate(&self, path: &str, links: Links) -> Result<OwnedFd> {
        self.open(path, links, OFlags::PATH)
    }

    /// Open what `path` leads to.
    pub(crate) fn open(&self, path: &str, links: Links, flags: OFlags) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT
            | match links {
                Links::Follow => ResolveFlags::NO_MAGICLINKS,
                Links::Refuse => ResolveFlags::NO_SYMLINKS,
            };
        open_resolved(&self.directory, path, flags, resolve)
    }

    /// Where `path` leads to; what is missing of it is made: directories, and `last` at the end.
    pub(crate) fn ensure(&self, path: &str, links: Links, last: Missing) -> Result<OwnedFd> {
        match self.locate(path, links) {
            Err(Errno::NOENT) => self.make(path, links, last),
            result => result,
        }
    }

    /// Walk `path` by hand. A link that leads to nothing is followed too, to make what it names: many images have
    /// such an `/etc/resolv.conf`.
    fn make(&self, path: &str, links: Links, last: Missing) -> Result<OwnedFd> {
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut ahead: Vec<String> = components(path).rev().map(str::to_owned).collect();
        let mut links_left = MOST_LINKS;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                // Above `/` is `/`.
                above.pop();
                continue;
            }
            let parent = above.last().unwrap_or(&self.directory);
            let kind = if ahead.is_empty() { last } else { Missing::Directory };
            let found = open_or_make(parent, &name, kind)?;
            match FileType::from_raw_mode(fstat(&found)?.st_mode) {
                FileType::Symlink => {
                    // Nothing can be made in procfs, whose links may be magic: one that was not there a moment ago can be
                    // now, as this walk opens descriptors.
                    let refused = links == Links::Refuse
                        || links_left == 0
                        || is_of_type(&found, PROC_SUPER_MAGIC)?;
                    if refused {
                        return Err(Errno::LOOP);
                    }
                    links_left -= 1;
                    let target = readlinkat(&found, "", Vec::new())?;
                    let target = target.to_str().map_err(|_| Errno::INVAL)?;
                    if target.starts_with('/') {
                        above.clear();
                    }
                    ahead.extend(components(target).rev().map(str::to_owned));
                }
                FileType::Directory => above.push(found),
                _ if ahead.is_empty() => return Ok(found),
                _ => return Err(Errno::NOTDIR),
            }
        }
        above.pop().map_or_else(|| self.locate("/", links), Ok)
    }
}

/// openat2(2), again and again while it says EAGAIN: something on the system was renamed or mounted while `..` was resolved,
/// and the kernel could not be sure any more.
pub(crate) fn open_resolved(
    directory: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd> {
    let mut tries = 1000;
    loop {
        match openat2(&directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries > 0 => tries -= 1,
            result => return result,
        }
    }
}

/// An absolute path without `.`, `..` and doubled slashes: what Docker makes of a path before it looks at it. `None`: not
/// absolute.
pub(crate) fn clean(path: &str) -> Option<String> {
    if !path.starts_with('/') {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for component in components(path) {
        match component {
            ".." => drop(kept.pop()),
            component => kept.push(component),
        }
    }
    Some(format!("/{}", kept.join("/")))
}

/// `path` is `directory` or below it; both are [`clean`].
pub(crate) fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|c| !c.is_empty() && *c != ".")
}

/// One component below `parent`, not followed if it is a link.
fn open_or_make(parent: &OwnedFd, name: &str, kind: Missing) -> Result<OwnedFd> {
    const FOUND: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    const MADE: OFlags = OFlags::WRONLY
        .union(OFlags::CREATE)
        .union(OFlags::EXCL)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);
    // Somebody else may make or remove it in between; more than a few times is an attack.
    for _ in 0..100 {
        match openat(parent, name, FOUND, Mode::empty()) {
            Err(Errno::NOENT) => {}
            result => return result,
        }
        let made = match kind {
            Missing::Directory => mkdirat(parent, name, Mode::from_raw_mode(0o755)),
            Missing::File => openat(parent, name, MADE, Mode::from_raw_mode(0o644)).map(drop),
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(test)]
mod tests;
