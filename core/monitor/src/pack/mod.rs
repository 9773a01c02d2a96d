//! The packer: a tree of files as a tar archive, the mirror of [`unpack`](crate::unpack). The same tree makes the same bytes.
//!
//! One walk for everything that becomes an archive: a root file system, what `cp` takes, and the writable layer of a container
//! as a layer of an image, whose marks of overlayfs (a character device 0:0, `trusted.overlay.opaque`) become the image
//! specification's whiteouts. Entries come sorted by name, with numbers for owners and without times of access. Everything is opened
//! below the descriptor of its directory and through no symbolic link, so that whoever changes the tree meanwhile leads this nowhere
//! else (CVE-2018-15664, CVE-2023-0778).

mod attributes;
mod holes;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, major, minor, openat, readlinkat, statat,
};
use rustix::io::{Errno, pread};

use crate::gather::Verdict;
use crate::protocol::Failure;
use crate::tar::{Entry, Extent, Kind, Time, Writer, quoted};
use crate::unpack::failure::{self, invalid};

use attributes::Attributes;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Deepest tree that is packed: each level holds a descriptor.
pub const MAX_DEPTH: usize = 1024;

/// How a tree is packed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// It is the upper directory of an overlay, and becomes a layer.
    pub layer: bool,
    /// Leave out other file systems that are mounted in it.
    pub one_file_system: bool,
    /// Somebody works in it, and that is all right: a file that shrinks while it is read is filled up with NULs, as GNU tar
    /// does. Without this it is an error.
    pub live: bool,
    /// Directories have no time, so that two trees which differ only there make the same bytes.
    pub undated_directories: bool,
    /// Owner and group of all entries, instead of their own.
    pub owner: Option<(u32, u32)>,
}

/// Which entries of a tree are packed, and with which modes.
pub trait Selection {
    /// What becomes of the entry at this name in the archive.
    fn verdict(&self, name: &[u8]) -> Verdict;
    /// Its mode there.
    fn mode(&self, mode: u32, directory: bool) -> u32;
    /// Whether a tree's top, where it has no name, is a directory of no mode, owner and attributes of its own.
    fn plain_top(&self) -> bool;
}

/// Why a tree could not be packed.
#[derive(Debug)]
pub enum Error {
    /// The tree cannot be read, or not be said in an archive.
    Tree(Failure),
    /// The archive cannot be written.
    Write(io::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Tree(failure)
    }
}

type Result<T> = std::result::Result<T, Error>;

/// How a part of a file gets into the archive without its bytes passing through this process: from an offset on, at most so many; how
/// many did. None: it does not go this way.
pub type Splice<W> = fn(&mut W, BorrowedFd<'_>, u64, usize) -> io::Result<usize>;

/// Smallest part of a file that is worth it, and what is asked for at once.
pub(crate) const SPLICED: u64 = 64 << 10;
pub(crate) const AT_ONCE: u64 = 1 << 20;

/// Packs trees into one archive.
pub struct Packer<W: Write> {
    out: Writer<W>,
    options: Options,
    /// The file system that [`Options::one_file_system`] is about.
    device: Option<u64>,
    /// First names of files that have several.
    links: HashMap<(u64, u64), Vec<u8>>,
    attributes: Attributes,
    buffer: Vec<u8>,
    splice: Option<Splice<W>>,
    selection: Option<Box<dyn Selection>>,
    /// Directories that are packed only when something in them is, outermost first.
    passed: Vec<Entry>,
}

impl<W: Write> Packer<W> {
    /// Pack into `out`, which should take small pieces well.
    pub fn new(out: W, options: Options) -> Packer<W> {
        Packer {
            out: Writer::new(out),
            options,
            device: None,
            links: HashMap::new(),
            attributes: Attributes::new(options.layer),
            buffer: vec![0; 256 << 10],
            splice: None,
            selection: None,
            passed: Vec::new(),
        }
    }

    /// Let large files go this way.
    pub fn splice_with(&mut self, splice: Splice<W>) {
        self.splice = Some(splice);
    }

    /// Pack only what `selection` takes, from now on.
    pub fn select(&mut self, selection: impl Selection + 'static) {
        self.selection = Some(Box::new(selection));
    }

    /// Pack the file behind `fd` under `name`.
    pub fn regular(&mut self, fd: &OwnedFd, name: &[u8]) -> Result<()> {
        self.file(fd, name)
    }

    /// Pack the directory behind `fd` with all that is in it; its entries are below `name`, or the archive's root when that is
    /// empty.
    pub fn directory(&mut self, fd: impl AsFd, name: &[u8]) -> Result<()> {
        let failed = failure::entry("open", name);
        let fd = openat(fd, c".", DIRECTORY, Mode::empty()).map_err(failed)?;
        let stat = fstat(&fd).map_err(failure::entry("stat", name))?;
        self.device.get_or_insert(stat.st_dev);
        self.tree(&fd, &stat, &mut name.to_vec(), 0)
    }

    /// Pack `base` in the directory `above`, whatever it is, under `name`.
    pub fn entry(&mut self, above: impl AsFd, base: &CStr, name: &[u8]) -> Result<()> {
        self.one(&above, base, &mut name.to_vec(), 0)
    }

    /// End the archive.
    pub fn finish(self) -> Result<W> {
        self.out.finish().map_err(Error::Write)
    }

    fn tree(&mut self, fd: &OwnedFd, stat: &Stat, name: &mut Vec<u8>, depth: usize) -> Result<()> {
        let length = name.len();
        let shown = if name.is_empty() { b"./".to_vec() } else { [&name[..], b"/"].concat() };
        let found = self.attributes.of(fd, &shown)?;
        let mut entry =
            Entry { xattrs: found.xattrs, ..self.describe(stat, Kind::Directory, shown) };
        if length == 0 && self.selection.as_ref().is_some_and(|selection| selection.plain_top()) {
            let (uid, gid) = self.options.owner.unwrap_or_default();
            entry = Entry { mode: 0o755, uid, gid, xattrs: Default::default(), ..entry };
        }
        let passed = self.passed.len();
        if length > 0 && self.verdict(name) == Verdict::Passed {
            self.passed.push(entry.clone());
        } else {
            self.begin(&entry)?;
        }
        if depth >= MAX_DEPTH {
            return Err(
                invalid(format!("{}: more than {MAX_DEPTH} levels deep", quoted(name))).into()
            );
        }
        if found.opaque {
            let path = [if length > 0 { &entry.path[..] } else { b"" }, b".wh..wh..opq"].concat();
            self.begin(&whiteout(path))?;
        }
        for base in names(fd).map_err(failure::entry("read", name))? {
            if length > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(base.as_bytes());
            self.one(fd, &base, name, depth + 1)?;
            name.truncate(length);
        }
        self.passed.truncate(passed);
        Ok(())
    }

    fn verdict(&self, name: &[u8]) -> Verdict {
        self.selection.as_ref().map_or(Verdict::Taken, |selection| selection.verdict(name))
    }

    fn one(
        &mut self,
        above: &impl AsFd,
        base: &CStr,
        name: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        let stat = match statat(above, base, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since the directory was read.
            Err(Errno::NOENT) if depth > 0 || self.options.live => return Ok(()),
            stat => stat.map_err(failure::entry("stat", name))?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        match self.verdict(name) {
            Verdict::Taken => {}
            Verdict::Passed if kind == FileType::Directory => {}
            Verdict::Passed | Verdict::LeftOut => return Ok(()),
        }
        if self.options.layer {
            if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
                let above = &name[..name.len() - base.count_bytes()];
                return self.begin(&whiteout([above, b".wh.", base.to_bytes()].concat()));
            }
            if base.to_bytes().starts_with(b".wh.") {
                let why = "a name that would mean a deleted one in a layer";
                return Err(invalid(format!("{}: {why}", quoted(name))).into());
            }
        }
        if kind != FileType::Directory && stat.st_nlink > 1 && kind != FileType::Socket {
            let file = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&file).cloned() {
                let entry = self.describe(&stat, Kind::HardLink, name.clone());
                return self.begin(&Entry { link: first, ..entry });
            }
            self.links.insert(file, name.clone());
        }
        match kind {
            FileType::Directory => {
                let fd = match openat(above, base, DIRECTORY, Mode::empty()) {
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if self.options.live => {
                        return Ok(());
                    }
                    fd => fd.map_err(failure::entry("open", name))?,
                };
                let stat = fstat(&fd).map_err(failure::entry("stat", name))?;
                if self.options.one_file_system && self.device.is_some_and(|d| d != stat.st_dev) {
                    // The place where another file system is mounted, empty.
                    let path = [&name[..], b"/"].concat();
                    return self.begin(&self.describe(&stat, Kind::Directory, path));
                }
                self.tree(&fd, &stat, name, depth)
            }
            FileType::RegularFile => {
                let fd = match openat(above, base, FILE, Mode::empty()) {
                    Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) if self.options.live => {
                        return Ok(());
                    }
                    fd => fd.map_err(failure::entry("open", name))?,
                };
                self.file(&fd, name)
            }
            FileType::Symlink => {
                let link = match readlinkat(above, base, Vec::new()) {
                    Err(Errno::NOENT | Errno::INVAL) if self.options.live => return Ok(()),
                    link => link.map_err(failure::entry("read", name))?,
                };
                let entry = self.describe(&stat, Kind::SymbolicLink, name.clone());
                self.begin(&Entry { link: link.into_bytes(), ..entry })
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                let kind = match kind {
                    FileType::BlockDevice => Kind::BlockDevice,
                    _ => Kind::CharacterDevice,
                };
                let device = (major(stat.st_rdev), minor(stat.st_rdev));
                self.begin(&Entry { device, ..self.describe(&stat, kind, name.clone()) })
            }
            FileType::Fifo => self.begin(&self.describe(&stat, Kind::Fifo, name.clone())),
            // A socket is its process's; an archive has no word for it.
            _ => Ok(()),
        }
    }

    fn file(&mut self, fd: &OwnedFd, name: &[u8]) -> Result<()> {
        let stat = fstat(fd).map_err(failure::entry("stat", name))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return if self.options.live { Ok(()) } else { Err(changed(name)) };
        }
        let size = stat.st_size as u64;
        let extents = holes::extents(fd, &stat).map_err(failure::entry("read", name))?;
        let entry = Entry {
            xattrs: self.attributes.of(fd, name)?.xattrs,
            size,
            extents: extents.clone(),
            ..self.describe(&stat, Kind::File, name.to_vec())
        };
        self.begin(&entry)?;
        for extent in extents.unwrap_or_else(|| vec![Extent { offset: 0, length: size }]) {
            self.content(fd, name, extent)?;
        }
        Ok(())
    }

    fn content(&mut self, fd: &OwnedFd, name: &[u8], extent: Extent) -> Result<()> {
        let (mut at, mut left) = (extent.offset, extent.length);
        while let Some(splice) = self.splice.filter(|_| left >= SPLICED) {
            let most = left.min(AT_ONCE) as usize;
            let spliced = self.out.data_by(|out| splice(out, fd.as_fd(), at, most));
            match spliced.map_err(Error::Write)? {
                0 => break,
                spliced => {
                    at += spliced as u64;
                    left -= spliced as u64;
                }
            }
        }
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let mut read = match pread(fd, &mut self.buffer[..wanted], at) {
                Err(Errno::INTR) => continue,
                read => read.map_err(failure::entry("read", name))?,
            };
            if read == 0 {
                if !self.options.live {
                    return Err(changed(name));
                }
                self.buffer[..wanted].fill(0);
                read = wanted;
            }
            self.out.data(&self.buffer[..read]).map_err(Error::Write)?;
            at += read as u64;
            left -= read as u64;
        }
        Ok(())
    }

    fn begin(&mut self, entry: &Entry) -> Result<()> {
        for directory in self.passed.drain(..) {
            self.out.begin(&directory).map_err(Error::Write)?;
        }
        self.out.begin(entry).map_err(Error::Write)
    }

    fn describe(&self, stat: &Stat, kind: Kind, path: Vec<u8>) -> Entry {
        let (uid, gid) = self.options.owner.unwrap_or((stat.st_uid, stat.st_gid));
        let mtime = match kind {
            Kind::Directory if self.options.undated_directories => Time::default(),
            _ => Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 },
        };
        let mode = stat.st_mode & 0o7777;
        let mode = match &self.selection {
            Some(selection) if kind != Kind::SymbolicLink => {
                selection.mode(mode, kind == Kind::Directory)
            }
            _ => mode,
        };
        Entry { path, kind, mode, uid, gid, mtime, ..Entry::default() }
    }
}

/// What says in a layer that a name, or with the opaque one's all names of a directory, are hidden (image-spec, layer.md).
fn whiteout(path: Vec<u8>) -> Entry {
    Entry { path, ..Entry::default() }
}

/// The names in a directory, sorted.
pub(crate) fn names(fd: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn changed(name: &[u8]) -> Error {
    invalid(format!("{} changed while it was read", quoted(name))).into()
}
