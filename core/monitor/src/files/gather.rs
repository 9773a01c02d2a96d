//! A build's `COPY`, both ends: what its sources lead to as an archive, and an archive where it is wanted.
//!
//! Sources are looked up as with BuildKit: links are followed, a pattern that matches nothing is no error, and what a `.dockerignore`
//! leaves out is not there.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, mkdirat, openat, statat,
};
use rustix::io::Errno;

use super::archive::{finish, packer};
use super::lookup::{Root, join};
use super::{Result, Trouble};
use crate::gather::{Chmod, Ignore, Pattern, Verdict};
use crate::pack::{self, Options, Selection};
use crate::protocol::{Failure, Gather, Live, Place, Report, Unpack};
use crate::runtime;
use crate::tar::quoted;
use crate::unpack::failure::{entry, invalid};
use crate::unpack::jail::inherited;
use crate::unpack::unpack_stream;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Most paths that one pattern may stand for.
const MOST_MATCHES: usize = 1_000_000;

/// Pack what the sources lead to.
pub(super) fn gather(root: &Root, wanted: &Gather) -> Result<Report> {
    let rules = Rc::new(Rules {
        ignore: Ignore::file(&wanted.ignore).map_err(invalid)?,
        exclude: Ignore::patterns(wanted.exclude.iter().map(String::as_str)).map_err(invalid)?,
        chmod: match wanted.chmod.as_str() {
            "" => None,
            text => Some(Chmod::parse(text).map_err(invalid)?),
        },
        plain_top: wanted.plain_top,
    });
    let options = Options { live: true, owner: wanted.owner, ..Options::default() };
    let mut packer = packer(options)?;
    let mut all = Vec::new();
    for source in &wanted.sources {
        let (above, kept) = match (wanted.parents, source.split_once("/./")) {
            (true, Some((above, kept))) => (above, kept),
            (_, _) => ("", source.as_str()),
        };
        let whole = components(format!("{above}/{kept}").as_bytes());
        let pivot = components(above.as_bytes()).len();
        if !Pattern::is_wild(source.as_bytes()) {
            all.push(Found { path: whole, pivot, named: true });
            continue;
        }
        let matches = matches(root, &whole)?.into_iter();
        all.extend(matches.map(|path| Found { path, pivot, named: false }));
    }
    if wanted.files_first {
        all.sort_by_cached_key(|found| {
            let real = root.real(&join(&found.path)).unwrap_or_default();
            root.open_raw(&real, OFlags::PATH | OFlags::DIRECTORY).is_ok()
        });
    }
    for found in &all {
        let packed = pack(&mut packer, root, &rules, found, wanted.parents)?;
        // What is left out is no match of a pattern.
        if packed.is_none() && found.named {
            let path = join(&found.path);
            return Err(Failure::not_found(format!("{}: not found", quoted(&path))).into());
        }
    }
    finish(packer)
}

struct Rules {
    ignore: Ignore,
    exclude: Ignore,
    chmod: Option<Chmod>,
    plain_top: bool,
}

/// A path that a source stands for.
struct Found {
    path: Vec<Vec<u8>>,
    /// Where what is kept of it begins.
    pivot: usize,
    /// It was named, and is no match of a pattern.
    named: bool,
}

/// The rules for what is below one source.
struct Below {
    rules: Rc<Rules>,
    /// Where it is in the tree, without a slash in front; empty: at the top.
    path: Vec<u8>,
    /// What its name in the archive begins with, to be taken away.
    name: usize,
}

impl Selection for Below {
    fn verdict(&self, name: &[u8]) -> Verdict {
        let below = name.get(self.name..).unwrap_or_default();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        if below.is_empty() {
            return Verdict::Taken;
        }
        let path = [&self.path[..], b"/", below].concat();
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        match (self.rules.ignore.verdict(path), self.rules.exclude.verdict(below)) {
            (Verdict::Taken, Verdict::Taken) => Verdict::Taken,
            (Verdict::LeftOut, _) | (_, Verdict::LeftOut) => Verdict::LeftOut,
            _ => Verdict::Passed,
        }
    }

    fn mode(&self, mode: u32, directory: bool) -> u32 {
        self.rules.chmod.as_ref().map_or(mode, |chmod| chmod.apply(mode, directory))
    }

    fn plain_top(&self) -> bool {
        self.rules.plain_top
    }
}

/// Pack one path. `None`: there is nothing.
fn pack<W: std::io::Write>(
    packer: &mut pack::Packer<W>,
    root: &Root,
    rules: &Rc<Rules>,
    found: &Found,
    parents: bool,
) -> Result<Option<()>> {
    let real = root.real(&join(&found.path))?;
    let inside = real.strip_prefix(b"/").unwrap_or(&real);
    let opened = match root.open_raw(&real, OFlags::PATH | OFlags::NOFOLLOW) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        opened => opened.map_err(entry("open", &real))?,
    };
    let kind = FileType::from_raw_mode(fstat(&opened).map_err(entry("stat", &real))?.st_mode);
    let is_directory = kind == FileType::Directory;
    let base = found.path.last().map(Vec::as_slice).unwrap_or_default();
    let verdict = if inside.is_empty() { Verdict::Taken } else { rules.ignore.verdict(inside) };
    let excluded = !base.is_empty() && rules.exclude.verdict(base) == Verdict::LeftOut;
    if verdict == Verdict::LeftOut || excluded || (verdict == Verdict::Passed && !is_directory) {
        return Ok(None);
    }
    if real != join(&found.path) && !links_are_there(root, rules, &found.path)? {
        return Ok(None);
    }
    let name = match (parents, is_directory) {
        (true, _) => found.path[found.pivot..].join(&b'/'),
        (false, true) => Vec::new(),
        (false, false) => base.to_vec(),
    };
    packer.select(Below { rules: Rc::clone(rules), path: inside.to_vec(), name: name.len() });
    match kind {
        FileType::Directory => {
            let fd = root.open_raw(&real, DIRECTORY).map_err(entry("open", &real))?;
            packer.directory(fd, &name)?;
        }
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let fd = root.open_raw(&real, flags).map_err(entry("open", &real))?;
            packer.regular(&fd, &name)?;
        }
        _ => {
            let (above, base) =
                real.split_at(real.iter().rposition(|b| *b == b'/').unwrap_or(0) + 1);
            let above = root.open_raw(above, DIRECTORY).map_err(entry("open", &real))?;
            let base =
                std::ffi::CString::new(base).map_err(|_| invalid("a name with a NUL in it"))?;
            packer.entry(above, &base, &name)?;
        }
    }
    Ok(Some(()))
}

/// Whether no link on the way is left out: where a context is sent, such a link is not there to lead anywhere.
fn links_are_there(root: &Root, rules: &Rules, path: &[Vec<u8>]) -> Result<bool> {
    for (depth, name) in path.iter().enumerate() {
        let mut place = components(&root.real(&join(&path[..depth]))?);
        place.push(name.clone());
        let whole = join(&place);
        let opened = root.open_raw(&whole, OFlags::PATH | OFlags::NOFOLLOW);
        let opened = opened.map_err(entry("open", &whole))?;
        let mode = fstat(&opened).map_err(entry("stat", &whole))?.st_mode;
        let is_link = FileType::from_raw_mode(mode) == FileType::Symlink;
        if is_link && rules.ignore.verdict(&place.join(&b'/')) != Verdict::Taken {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The components of a path, without `.` and `..`: a path cannot climb.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part.to_vec()),
        }
    }
    parts
}

/// The paths that a pattern stands for, in order.
fn matches(root: &Root, pattern: &[Vec<u8>]) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut found: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    for part in pattern {
        let mut next = Vec::new();
        for path in found {
            if !Pattern::is_wild(part) {
                next.push([path, vec![part.clone()]].concat());
            } else if part == b"**" {
                next.push(path.clone());
                below(root, path, &mut next)?;
            } else {
                let pattern = Pattern::parse(part).map_err(invalid)?;
                let names = names(root, &path)?.into_iter().filter(|name| pattern.matches(name));
                next.extend(names.map(|name| [&path[..], &[name]].concat()));
            }
            if next.len() > MOST_MATCHES {
                return Err(invalid(format!(
                    "a pattern that stands for more than {MOST_MATCHES} paths"
                ))
                .into());
            }
        }
        found = next;
    }
    found.sort_unstable();
    found.dedup();
    // What the part behind the last star names may not be there.
    let exists = |path: &Vec<Vec<u8>>| {
        root.real(&join(path)).is_ok_and(|real| root.open_raw(&real, OFlags::PATH).is_ok())
    };
    found.retain(exists);
    Ok(found)
}

/// All directories below a path, links not followed.
fn below(root: &Root, path: Vec<Vec<u8>>, out: &mut Vec<Vec<Vec<u8>>>) -> Result<()> {
    let mut ahead = vec![path];
    while let Some(path) = ahead.pop() {
        for name in names(root, &path)? {
            let inner = [&path[..], &[name]].concat();
            let flags = OFlags::PATH | OFlags::NOFOLLOW;
            let is_directory = root
                .open_raw(&join(&inner), flags)
                .and_then(fstat)
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
            if is_directory && out.len() <= MOST_MATCHES {
                out.push(inner.clone());
                ahead.push(inner);
            }
        }
    }
    Ok(())
}

/// The names in a directory; none where there is none.
fn names(root: &Root, path: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let path = join(path);
    let fd = match root.open_raw(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        fd => fd.map_err(entry("open", &path))?,
    };
    let names = pack::names(&fd).map_err(entry("read", &path))?;
    Ok(names.into_iter().map(std::ffi::CString::into_bytes).collect())
}

/// Unpack where it is wanted.
pub(super) fn place(root: &Root, wanted: &Place) -> Result<Report> {
    let owner = match wanted.user.as_str() {
        "" => None,
        user => Some(runtime::view::owner(&root.fd, user)?),
    };
    let mut path = components(&root.real(wanted.path.as_bytes())?);
    let mut rename = String::new();
    if !wanted.directory && !is_directory(root, &path)? {
        // The name that was asked for, and not what a link of that name leads to.
        path = components(wanted.path.as_bytes());
        let base = path.pop().ok_or_else(|| invalid("a file cannot be the root"))?;
        rename = String::from_utf8(base).map_err(|_| invalid("a name that is not UTF-8"))?;
        path = components(&root.real(&join(&path))?);
    }
    let (directory, made) = make(root, &path, owner)?;
    let options = Unpack {
        max_bytes: u64::MAX,
        max_entries: u64::MAX,
        whiteouts: false,
        end_marker: true,
        live: Some(Live { no_overwrite_dir_non_dir: true, owner, own_root: made, rename }),
    };
    let unpacked = unpack_stream(File::from(inherited(0)?), directory, options)?;
    match unpacked.warnings.into_iter().next() {
        None => Ok(Report::Done),
        Some(warning) => Err(Trouble::Failed(invalid(warning))),
    }
}

fn is_directory(root: &Root, path: &[Vec<u8>]) -> Result<bool> {
    match root.open_raw(&join(path), OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(entry("open", &join(path))(errno).into()),
    }
}

/// The directory at a path without links, made with all above it; whether it had to be.
fn make(root: &Root, path: &[Vec<u8>], owner: Option<(u32, u32)>) -> Result<(OwnedFd, bool)> {
    let mut directory = root.open_raw(b"/", DIRECTORY).map_err(entry("open", b"/"))?;
    let mut made = false;
    for (depth, name) in path.iter().enumerate() {
        let shown = join(&path[..=depth]);
        let failed = entry("make", &shown);
        made = match mkdirat(&directory, &name[..], Mode::from_raw_mode(0o755)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(failed(errno).into()),
        };
        if !made {
            let stat = statat(&directory, &name[..], AtFlags::SYMLINK_NOFOLLOW).map_err(&failed)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                return Err(
                    invalid(format!("cannot copy to non-directory: {}", quoted(&shown))).into()
                );
            }
        }
        let inner = openat(&directory, &name[..], DIRECTORY, Mode::empty()).map_err(&failed)?;
        if made {
            let (uid, gid) = owner.unwrap_or((0, 0));
            fchown(&inner, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).map_err(&failed)?;
            fchmod(&inner, Mode::from_raw_mode(0o755)).map_err(&failed)?;
        }
        directory = inner;
    }
    Ok((directory, made))
}
