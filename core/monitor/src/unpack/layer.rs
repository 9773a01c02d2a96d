//! A layer in the making: entries of an archive become files below one directory.
//!
//! Every name is made new and exclusively, below the descriptor of its parent: what an archive said before about the same
//! name is removed first, never written through (a symbolic link, then a file of that name: CVE-2018-20990 and all after
//! it). Attributes go to the descriptor of what was made, in the order in which the kernel does not take one back for the
//! other: owner, mode, attributes (chown(2) clears set-user-ID bits and capabilities), times last.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat,
    chownat, fchmod, fchown, fsetxattr, fstat, futimens, linkat, makedev, mkdirat, mknodat, openat,
    statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::content::Content;
use super::failure::{self, Result, invalid};
use super::name::{Name, Target};
use super::parent::{Directories, Parent};
use super::{Archive, remove, replace, xattr};
use crate::protocol::{Unpack, Unpacked};
use crate::sys::write_back;
use crate::tar::{Entry, Kind, Time, quoted};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Smallest file that the disk begins to write while the next ones come: whoever publishes the layer waits for all of it, and would wait
/// for the whole layer otherwise (docs/decisions/0013-loading.md). Smaller ones are left to the kernel, which writes many of them at once.
const WRITTEN_BACK: u64 = 128 << 10;

/// What marks a directory that hides those below it (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
/// directories").
const OPAQUE: &str = "trusted.overlay.opaque";

const MOST_WARNINGS: usize = 100;

/// A layer in the making.
pub(super) struct Layer {
    directories: Directories,
    limits: Unpack,
    done: Unpacked,
    /// Some directory hands an access control list on.
    has_default_acl: bool,
    content: Content,
    /// The directories in use that were made for the last one, each in the one before: those that an archive in the order of a walk has
    /// more for.
    made: Vec<Vec<u8>>,
}

impl Layer {
    pub(super) fn new(root: OwnedFd, limits: Unpack, is_pipe: bool) -> Layer {
        Layer {
            content: Content::new(is_pipe && limits.live.is_some()),
            directories: Directories::new(root, limits.live.is_some()),
            limits,
            done: Unpacked::default(),
            has_default_acl: false,
            made: Vec::new(),
        }
    }

    /// Unpack the archive.
    pub(super) fn fill(mut self, reader: &mut Archive) -> Result<Unpacked> {
        if self.limits.live.is_none() {
            fchmod(self.directories.root(), Mode::from_raw_mode(0o755))
                .map_err(failure::entry("chmod", b"/"))?;
        }
        while let Some(mut entry) = reader.next_entry()? {
            self.count(&entry)?;
            if let Some(live) = &self.limits.live {
                (entry.uid, entry.gid) = live.owner.unwrap_or((entry.uid, entry.gid));
                if !live.rename.is_empty() {
                    entry.path = live.rename.clone().into_bytes();
                }
            }
            match Target::parse(&entry.path, self.limits.whiteouts).map_err(invalid)? {
                Target::Root => self.root(&entry)?,
                Target::Entry(name) => self.make(&name, &entry, reader)?,
                Target::Whiteout(name) => self.hide(&name)?,
                Target::Opaque(path) => self.hide_all(&path)?,
                Target::Ignored => {}
            }
        }
        self.directories.leave()?;
        self.done.implied = self.directories.implied().map(hexadecimal).collect();
        Ok(self.done)
    }

    fn count(&mut self, entry: &Entry) -> Result<()> {
        self.done.entries += 1;
        if self.done.entries > self.limits.max_entries {
            return Err(invalid(format!("more than {} entries", self.limits.max_entries)));
        }
        let stored = match &entry.extents {
            None => entry.size,
            Some(extents) => extents.iter().map(|extent| extent.length).sum(),
        };
        self.done.bytes = self.done.bytes.saturating_add(stored);
        if self.done.bytes > self.limits.max_bytes {
            return Err(invalid(format!(
                "files of more than {} bytes, which is what is free here",
                self.limits.max_bytes
            )));
        }
        Ok(())
    }

    fn warn(&mut self, warning: String) {
        if self.done.warnings.len() < MOST_WARNINGS {
            self.done.warnings.push(warning);
        }
    }

    /// An entry for the layer's root.
    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(invalid(format!("{} is the root and no directory", quoted(&entry.path))));
        }
        if self.limits.live.as_ref().is_some_and(|live| !live.own_root) {
            // It is there, and it is not the archive's to change.
            return Ok(());
        }
        self.directories.leave()?;
        let root = openat(self.directories.root(), c".", DIRECTORY, Mode::empty())
            .map_err(failure::entry("open", b"/"))?;
        self.dress(root.as_fd(), entry, true)
    }

    fn make(&mut self, name: &Name, entry: &Entry, reader: &mut Archive) -> Result<()> {
        while self.made.last().is_some_and(|made| !is_in(name.parent(), made)) {
            self.made.pop();
        }
        match entry.kind {
            Kind::File if self.limits.live.is_some() => self.replace_file(name, entry, reader),
            Kind::File => self.file(name, entry, reader),
            Kind::Directory => self.directory(name, entry),
            Kind::HardLink => self.hard_link(name, entry),
            Kind::SymbolicLink => {
                let link = &entry.link[..];
                if link.is_empty() || link.len() > 4095 {
                    let why = "a symbolic link to a name that cannot be";
                    return Err(invalid(format!("{}: {why}", quoted(&entry.path))));
                }
                let base = name.base();
                self.place(name, entry, |parent| symlinkat(link, parent, base))?;
                self.dress_name(name, entry)
            }
            Kind::CharacterDevice if entry.device == (0, 0) => Err(invalid(format!(
                "{}: the device 0:0, which is how overlayfs marks a deleted name",
                quoted(&entry.path)
            ))),
            Kind::CharacterDevice => self.node(name, entry, FileType::CharacterDevice),
            Kind::BlockDevice => self.node(name, entry, FileType::BlockDevice),
            Kind::Fifo => self.node(name, entry, FileType::Fifo),
        }
    }

    /// Make a name. What this archive put there before goes first.
    fn place<T>(
        &mut self,
        name: &Name,
        entry: &Entry,
        make: impl Fn(&Parent) -> rustix::io::Result<T>,
    ) -> Result<T> {
        let failed = failure::entry("make", &entry.path);
        let parent = self.directories.enter(name.parent())?;
        match make(parent) {
            Err(Errno::EXIST) => {}
            result => return result.map_err(failed),
        }
        self.clear(name, entry)?;
        let parent = self.directories.enter(name.parent())?;
        make(parent).map_err(failed)
    }

    fn clear(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let failed = failure::entry("replace", &entry.path);
        let parent = self.directories.enter(name.parent())?;
        let stat = stat(parent, name.base()).map_err(&failed)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        self.may_replace(kind == FileType::Directory, entry)?;
        let parent = self.directories.enter(name.parent())?;
        match kind {
            FileType::Directory => remove::tree(parent.as_fd(), name.base()),
            _ => unlinkat(parent, name.base(), AtFlags::empty()),
        }
        .map_err(&failed)?;
        if matches!(kind, FileType::Directory | FileType::Symlink) {
            // Paths may have led through it, even that of the directory it was in.
            self.directories.leave()?;
        }
        Ok(())
    }

    /// Whether an entry may take the place of what is there: a directory, or something else.
    fn may_replace(&self, directory: bool, entry: &Entry) -> Result<()> {
        let strict = self.limits.live.as_ref().is_some_and(|live| live.no_overwrite_dir_non_dir);
        let words = match (strict, directory, entry.kind == Kind::Directory) {
            (true, true, false) => ("directory", "non-directory"),
            (true, false, true) => ("non-directory", "directory"),
            _ => return Ok(()),
        };
        Err(invalid(format!(
            "cannot overwrite {} with {} {}",
            words.0,
            words.1,
            quoted(&entry.path)
        )))
    }

    /// A file in a directory in use: whoever looks sees what was there, or all of the new one. In a directory that this archive has made
    /// there was nothing to see, and it is made in its place, which is half the work for the file system.
    fn replace_file(&mut self, name: &Name, entry: &Entry, reader: &mut Archive) -> Result<()> {
        let failed = failure::entry("make", &entry.path);
        let made_here = self.made.last().is_some_and(|made| made == name.parent());
        let parent = self.directories.enter(name.parent())?;
        if made_here {
            match openat(parent, name.base(), NEW_FILE, new_mode(entry)) {
                Ok(file) => {
                    let filled = self.content.fill(&file, entry, reader);
                    let dressed = filled.and_then(|()| self.dress(file.as_fd(), entry, true));
                    if dressed.is_err() {
                        // What is left of it is worth nothing; the error says why.
                        let parent = self.directories.enter(name.parent())?;
                        let _ = unlinkat(parent, name.base(), AtFlags::empty());
                    }
                    return dressed;
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        let parent = parent
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::MFILE)))?;
        let new = replace::New::make(parent, new_mode(entry)).map_err(&failed)?;
        self.content.fill(new.file(), entry, reader)?;
        self.dress(new.file().as_fd(), entry, true)?;
        match new.put(name.base()) {
            Ok(()) => Ok(()),
            Err((new, Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST)) => {
                self.clear(name, entry)?;
                new.put(name.base()).map_err(|(_, errno)| failed(errno))
            }
            Err((_, errno)) => Err(failed(errno)),
        }
    }

    fn file(&mut self, name: &Name, entry: &Entry, reader: &mut Archive) -> Result<()> {
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let base = name.base();
        let file = self.place(name, entry, |parent| openat(parent, base, NEW_FILE, mode))?;
        self.content.fill(&file, entry, reader)?;
        if entry.size >= WRITTEN_BACK {
            write_back::begin(file.as_fd());
        }
        self.inherit_nothing(name, file.as_fd(), entry)?;
        let set_group_id = self.directories.enter(name.parent())?.set_group_id;
        self.dress(file.as_fd(), entry, set_group_id)
    }

    fn directory(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let failed = failure::entry("make", &entry.path);
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let parent = self.directories.enter(name.parent())?;
        let (mut made, mut hides) = (true, false);
        match mkdirat(parent, name.base(), mode) {
            Err(Errno::EXIST) => {
                let stat = stat(parent, name.base()).map_err(&failed)?;
                made = FileType::from_raw_mode(stat.st_mode) != FileType::Directory;
                if made {
                    self.may_replace(false, entry)?;
                }
                // A directory where a whiteout was: the name is back, what is below it is not.
                hides = is_whiteout(&stat);
                if made {
                    self.clear(name, entry)?;
                    let parent = self.directories.enter(name.parent())?;
                    mkdirat(parent, name.base(), mode).map_err(&failed)?;
                }
            }
            result => result.map_err(&failed)?,
        }
        let parent = self.directories.enter(name.parent())?;
        let set_group_id = parent.set_group_id;
        let directory = openat(parent, name.base(), DIRECTORY, Mode::empty()).map_err(&failed)?;
        if hides {
            mark_opaque(&directory, &entry.path)?;
        }
        if made {
            self.inherit_nothing(name, directory.as_fd(), entry)?;
        }
        let path = [name.parent(), name.base()].join(&b'/');
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        self.directories.has_entry(path);
        if made && self.limits.live.is_some() {
            self.made.push(path.to_vec());
        }
        self.dress(directory.as_fd(), entry, set_group_id || !made || self.limits.live.is_some())
    }

    fn hard_link(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let wrong = |why: &str| {
            Err(invalid(format!(
                "{}: hard link to {}, {why}",
                quoted(&entry.path),
                quoted(&entry.link)
            )))
        };
        let Some(old) = Name::parse(&entry.link).map_err(invalid)? else {
            return wrong("which is the root");
        };
        // Made first, since looking up comes after: the two may be in one directory.
        self.directories.enter(name.parent())?;
        let above = self.directories.look(old.parent())?;
        let target = match stat(&above, old.base()) {
            Ok(stat) if is_whiteout(&stat) => return wrong("which this layer deletes"),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return wrong("which is a directory");
            }
            Ok(stat) => stat,
            Err(Errno::NOENT) => return wrong("which is not in this layer"),
            Err(errno) => return Err(failure::entry("stat", &entry.link)(errno)),
        };
        let parent = self.directories.enter(name.parent())?;
        match stat(parent, name.base()) {
            Ok(there) if (there.st_dev, there.st_ino) == (target.st_dev, target.st_ino) => {
                return Ok(());
            }
            _ => {}
        }
        let base = name.base();
        // Without AT_SYMLINK_FOLLOW: a link to a symbolic link is a second name of it.
        self.place(name, entry, |parent| linkat(&above, old.base(), parent, base, AtFlags::empty()))
    }

    fn node(&mut self, name: &Name, entry: &Entry, kind: FileType) -> Result<()> {
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let device = makedev(entry.device.0, entry.device.1);
        let (base, mut allowed) = (name.base(), true);
        self.place(name, entry, |parent| match mknodat(parent, base, kind, mode, device) {
            // A device, and no CAP_MKNOD in the first user namespace (mknod(2)).
            Err(Errno::PERM) if kind != FileType::Fifo => Ok(false),
            result => result.map(|()| true),
        })
        .map(|made| allowed = made)?;
        if !allowed {
            self.warn(format!("{}: no permission to make a device", quoted(&entry.path)));
            return Ok(());
        }
        self.dress_name(name, entry)
    }

    /// Hide a name of the layers below.
    fn hide(&mut self, name: &Name) -> Result<()> {
        let failed = failure::entry("delete", name.base());
        let parent = self.directories.enter(name.parent())?;
        match stat(parent, name.base()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                // Whiteouts are for the layers below (image-spec, layer.md): what this layer has of that name stays, alone.
                let directory =
                    openat(parent, name.base(), DIRECTORY, Mode::empty()).map_err(failed)?;
                mark_opaque(&directory, name.base())
            }
            Ok(_) => Ok(()),
            Err(Errno::NOENT) => {
                let nothing = Mode::empty();
                mknodat(parent, name.base(), FileType::CharacterDevice, nothing, makedev(0, 0))
                    .map_err(failed)
            }
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Hide all that the layers below have in a directory.
    fn hide_all(&mut self, path: &[u8]) -> Result<()> {
        if path.is_empty() {
            self.done.opaque = true;
            return Ok(());
        }
        let directory = self.directories.enter(path)?;
        mark_opaque(directory, path)
    }

    fn inherit_nothing(&mut self, name: &Name, fd: BorrowedFd<'_>, entry: &Entry) -> Result<()> {
        if !self.has_default_acl {
            return Ok(());
        }
        let parent = self.directories.enter(name.parent())?;
        if xattr::has_default_acl(parent.as_fd()) {
            xattr::drop_inherited_acl(fd).map_err(failure::entry("make", &entry.path))?;
            // The list had replaced the mode's bits.
            let mode = Mode::from_raw_mode(entry.mode & 0o777);
            fchmod(fd, mode).map_err(failure::entry("chmod", &entry.path))?;
        }
        Ok(())
    }

    /// Give an open file or directory its owner, mode, attributes and times; `all`: it may have others than a new one of root. What is
    /// right already stays: to look is cheaper than to write an inode.
    fn dress(&mut self, fd: BorrowedFd<'_>, entry: &Entry, all: bool) -> Result<()> {
        let (has_owner, has_mode) = match all {
            true => {
                let stat = fstat(fd).map_err(failure::entry("stat", &entry.path))?;
                let has_owner = (stat.st_uid, stat.st_gid) == (entry.uid, entry.gid);
                (has_owner, has_owner && stat.st_mode & 0o7777 == entry.mode & 0o7777)
            }
            false => ((entry.uid, entry.gid) == (0, 0), entry.mode & 0o7000 == 0),
        };
        if !has_owner {
            let (uid, gid) = owner(entry);
            fchown(fd, uid, gid).map_err(failure::entry("chown", &entry.path))?;
        }
        if !has_mode {
            fchmod(fd, Mode::from_raw_mode(entry.mode))
                .map_err(failure::entry("chmod", &entry.path))?;
        }
        if !entry.xattrs.is_empty() {
            let (refused, has_default_acl) = xattr::set(fd, entry)?;
            self.has_default_acl |= has_default_acl;
            for name in refused {
                self.warn(format!("{}: attribute {name} was left out", quoted(&entry.path)));
            }
        }
        futimens(fd, &times(entry)).map_err(failure::entry("set the times of", &entry.path))
    }

    /// The same for what cannot be opened: links, devices, pipes.
    fn dress_name(&mut self, name: &Name, entry: &Entry) -> Result<()> {
        let parent = self.directories.enter(name.parent())?;
        let base = name.base();
        if parent.set_group_id || (entry.uid, entry.gid) != (0, 0) || self.limits.live.is_some() {
            let (uid, gid) = owner(entry);
            chownat(parent, base, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(failure::entry("chown", &entry.path))?;
        }
        // fchmodat(2) follows links; what was just made here is none, except where it should be one. In a directory in use
        // somebody may have put one there since (CVE-2021-41089), and the bits mean nothing for what this is about.
        let special = entry.mode & 0o7000 != 0 && self.limits.live.is_none();
        if entry.kind != Kind::SymbolicLink && special {
            chmodat(parent, base, Mode::from_raw_mode(entry.mode), AtFlags::empty())
                .map_err(failure::entry("chmod", &entry.path))?;
        }
        utimensat(parent, base, &times(entry), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failure::entry("set the times of", &entry.path))
    }
}

/// The mode to make a file in a directory in use with: nobody else is to open it while it is not yet its owner's.
fn new_mode(entry: &Entry) -> Mode {
    let others = (entry.uid, entry.gid) != (0, 0);
    Mode::from_raw_mode(if others { 0o600 } else { entry.mode & 0o777 })
}

/// Whether a path is this directory's or one below it.
fn is_in(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn stat(parent: impl AsFd, base: &[u8]) -> rustix::io::Result<Stat> {
    statat(parent, base, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn mark_opaque(directory: impl AsFd, path: &[u8]) -> Result<()> {
    fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
        .map_err(failure::entry("mark as opaque", path))
}

fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
}

fn times(entry: &Entry) -> Timestamps {
    let time = |time: Time| Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanoseconds) };
    Timestamps {
        last_access: time(entry.atime.unwrap_or(entry.mtime)),
        last_modification: time(entry.mtime),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
