//! What a container has changed: its upper directory against the layers below.
//!
//! Both trees are walked side by side, from descriptor to descriptor: no path is put together and looked up.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fgetxattr, openat, statat};
use rustix::io::Errno;

use super::lookup::Root;
use super::{Result, Trouble};
use crate::pack::{MAX_DEPTH, names};
use crate::protocol::{Change, Report};
use crate::tar::quoted;
use crate::unpack::failure::{entry, invalid};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Docker's numbers.
const CHANGED: u8 = 0;
const ADDED: u8 = 1;
const DELETED: u8 = 2;

/// Compare.
pub(super) fn of(lower: &Root, upper: &OwnedFd) -> Result<Report> {
    let mut changes = Changes::default();
    let upper = openat(upper, c".", DIRECTORY, Mode::empty())
        .map_err(|errno| Trouble::Failed(entry("open", b"/")(errno)))?;
    changes.directory(&Pair { upper: &upper, lower: Some(&lower.fd), hides: false, depth: 0 })?;
    Ok(Report::Changes(changes.found))
}

/// A directory of the upper tree with what is at the same path below.
struct Pair<'a> {
    upper: &'a OwnedFd,
    lower: Option<&'a OwnedFd>,
    /// Nothing of the lower one is seen but what the upper one has too: it is opaque, or one above it is.
    hides: bool,
    depth: usize,
}

#[derive(Default)]
struct Changes {
    found: Vec<Change>,
    /// Where the walk is, with a slash in front.
    path: Vec<u8>,
}

impl Changes {
    /// Go over a directory.
    fn directory(&mut self, pair: &Pair<'_>) -> Result<()> {
        let Pair { upper, lower, hides, depth } = *pair;
        if depth > MAX_DEPTH {
            return Err(invalid(format!("more than {MAX_DEPTH} levels deep")).into());
        }
        let mut all: BTreeSet<_> = names(upper).map_err(self.failed("read"))?.into_iter().collect();
        if let Some(lower) = lower.filter(|_| hides) {
            all.extend(names(lower).map_err(self.failed("read"))?);
        }
        for name in all {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name.as_bytes());
            let below = match lower.map(|lower| statat(lower, &name, AtFlags::SYMLINK_NOFOLLOW)) {
                None | Some(Err(Errno::NOENT)) => None,
                Some(stat) => Some(stat.map_err(self.failed("stat"))?),
            };
            match statat(upper, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if !is_whiteout(&stat) => {
                    self.name(pair, &name, &stat, below.as_ref())?;
                }
                Ok(_) | Err(Errno::NOENT) => {
                    if below.is_some() {
                        self.note(DELETED);
                    }
                }
                Err(errno) => return Err(self.failed("stat")(errno)),
            }
            self.path.truncate(length);
        }
        Ok(())
    }

    /// Go over what a name in a directory stands for; `below`: what it stands for in the lower tree.
    fn name(
        &mut self,
        pair: &Pair<'_>,
        name: &CStr,
        stat: &Stat,
        below: Option<&Stat>,
    ) -> Result<()> {
        if !is_directory(stat) {
            self.note(if below.is_some() { CHANGED } else { ADDED });
            return Ok(());
        }
        let at = self.found.len();
        self.note(if below.is_some() { CHANGED } else { ADDED });
        let inner =
            openat(pair.upper, name, DIRECTORY, Mode::empty()).map_err(self.failed("open"))?;
        let under = match (pair.lower, below) {
            (Some(lower), Some(below)) if is_directory(below) => {
                Some(openat(lower, name, DIRECTORY, Mode::empty()).map_err(self.failed("open"))?)
            }
            _ => None,
        };
        let hides = pair.hides || is_opaque(&inner);
        let depth = pair.depth + 1;
        self.directory(&Pair { upper: &inner, lower: under.as_ref(), hides, depth })?;
        // A directory that is only on the way to something, and to nothing that has changed, has not changed itself.
        if self.found.len() == at + 1 && below.is_some_and(|below| is_same(stat, below)) {
            self.found.pop();
        }
        Ok(())
    }

    fn note(&mut self, kind: u8) {
        self.found.push(Change { path: String::from_utf8_lossy(&self.path).into_owned(), kind });
    }

    fn failed(&self, verb: &'static str) -> impl Fn(Errno) -> Trouble + use<> {
        let path = self.path.clone();
        move |errno| Trouble::Failed(entry(&format!("{verb} {}:", quoted(&path)), b"")(errno))
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0u8; 2];
    fgetxattr(directory, c"trusted.overlay.opaque", &mut value[..])
        .is_ok_and(|length| value[..length] == *b"y")
}

fn is_same(a: &Stat, b: &Stat) -> bool {
    (a.st_mode, a.st_uid, a.st_gid, a.st_mtime, a.st_mtime_nsec)
        == (b.st_mode, b.st_uid, b.st_gid, b.st_mtime, b.st_mtime_nsec)
}
