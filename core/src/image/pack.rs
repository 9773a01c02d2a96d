//! A directory as a tar archive: the same directory makes the same bytes.
//!
//! Entries come sorted by name, with numbers for owners and without times of access. Everything is opened below the descriptor
//! of its directory and through no symbolic link, so that whoever changes the tree meanwhile leads this nowhere else
//! (CVE-2023-0778). Other file systems that are mounted in it are left out, as are sockets.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor, openat,
    readlinkat, statat,
};
use rustix::io::Errno;
use tar::{Builder, EntryType, Header};

use super::content::Content;
use super::hashing::Hashing;
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::Lease;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Deepest tree that is packed: each level holds a descriptor.
const MAX_DEPTH: usize = 256;

/// Pack the directory `root` into the lease.
pub(super) fn directory(engine: &Engine, lease: &Lease, root: &OwnedFd) -> Result<Content> {
    let path = lease.path().join("packed");
    let file = File::create_new(&path)
        .map_err(|error| Error::system(format!("write {}", path.display()), error))?;
    let out = Hashing::new(file);
    let root = openat(root, c".", DIRECTORY, Mode::empty())
        .map_err(|errno| Error::system("open the directory", errno.into()))?;
    let stat = fstat(&root).map_err(|errno| Error::system("stat the directory", errno.into()))?;
    let mut packer =
        Packer { engine, out: Builder::new(out), device: stat.st_dev, links: BTreeMap::new() };
    let mut name = Vec::new();
    packer.tree(&root, &stat, &mut name, 0)?;
    let Hashing { hasher, count: size, .. } =
        packer.out.into_inner().map_err(|error| Error::system("write an archive", error))?;
    Ok(Content::Spooled { path, digest: hasher.finish(), size })
}

struct Packer<'a> {
    engine: &'a Engine,
    out: Builder<Hashing<File>>,
    device: u64,
    /// First names of files that have several.
    links: BTreeMap<u64, Vec<u8>>,
}

impl Packer<'_> {
    fn tree(&mut self, fd: &OwnedFd, stat: &Stat, name: &mut Vec<u8>, depth: usize) -> Result<()> {
        self.engine.canceller().check()?;
        let length = name.len();
        let shown = if name.is_empty() { b"./".to_vec() } else { [&name[..], b"/"].concat() };
        self.attributes(fd, stat, &shown)?;
        let mut header = header(stat, EntryType::Directory, 0);
        self.append(&mut header, &shown, io::empty())?;
        if depth >= MAX_DEPTH {
            return Err(Error::invalid(format!(
                "{}: more than {MAX_DEPTH} levels deep",
                show(name)
            )));
        }
        for entry in entries(fd).map_err(|errno| failed("read", name, errno))? {
            if length > 0 {
                name.push(b'/');
            }
            name.extend_from_slice(entry.as_bytes());
            self.entry(fd, &entry, name, depth)?;
            name.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        above: &OwnedFd,
        entry: &CString,
        name: &mut Vec<u8>,
        depth: usize,
    ) -> Result<()> {
        let stat = match statat(above, entry, AtFlags::SYMLINK_NOFOLLOW) {
            // Gone since the directory was read.
            Err(Errno::NOENT) => return Ok(()),
            stat => stat.map_err(|errno| failed("stat", name, errno))?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino).cloned() {
                let mut header = header(&stat, EntryType::Link, 0);
                return self.append_link(&mut header, name, &first);
            }
            self.links.insert(stat.st_ino, name.clone());
        }
        match kind {
            FileType::Directory => {
                let fd = openat(above, entry, DIRECTORY, Mode::empty())
                    .map_err(|errno| failed("open", name, errno))?;
                let stat = fstat(&fd).map_err(|errno| failed("stat", name, errno))?;
                if stat.st_dev != self.device {
                    // The place where another file system is mounted, empty.
                    let mut header = header(&stat, EntryType::Directory, 0);
                    return self.append(&mut header, &[&name[..], b"/"].concat(), io::empty());
                }
                self.tree(&fd, &stat, name, depth + 1)
            }
            FileType::RegularFile => {
                let fd = openat(above, entry, FILE, Mode::empty())
                    .map_err(|errno| failed("open", name, errno))?;
                let stat = fstat(&fd).map_err(|errno| failed("stat", name, errno))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(changed(name));
                }
                self.attributes(&fd, &stat, name)?;
                let size = stat.st_size as u64;
                let mut header = header(&stat, EntryType::Regular, size);
                let mut content = Exactly { file: File::from(fd).take(size), left: size };
                self.append(&mut header, name, &mut content)?;
                if content.left > 0 { Err(changed(name)) } else { Ok(()) }
            }
            FileType::Symlink => {
                let target = readlinkat(above, entry, Vec::new())
                    .map_err(|errno| failed("read", name, errno))?;
                self.times(&stat, name)?;
                let mut header = header(&stat, EntryType::Symlink, 0);
                self.append_link(&mut header, name, target.as_bytes())
            }
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo => {
                self.times(&stat, name)?;
                let entry_type = match kind {
                    FileType::CharacterDevice => EntryType::Char,
                    FileType::BlockDevice => EntryType::Block,
                    _ => EntryType::Fifo,
                };
                let mut header = header(&stat, entry_type, 0);
                if kind != FileType::Fifo {
                    let written = |error| Error::system(format!("pack {}", show(name)), error);
                    header.set_device_major(major(stat.st_rdev)).map_err(written)?;
                    header.set_device_minor(minor(stat.st_rdev)).map_err(written)?;
                }
                self.append(&mut header, name, io::empty())
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, header: &mut Header, name: &[u8], content: impl Read) -> Result<()> {
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name));
        self.out
            .append_data(header, path, content)
            .map_err(|error| Error::system(format!("pack {}", show(name)), error))
    }

    fn append_link(&mut self, header: &mut Header, name: &[u8], target: &[u8]) -> Result<()> {
        let path = |bytes| std::path::Path::new(std::ffi::OsStr::from_bytes(bytes));
        self.out
            .append_link(header, path(name), path(target))
            .map_err(|error| Error::system(format!("pack {}", show(name)), error))
    }

    fn times(&mut self, stat: &Stat, name: &[u8]) -> Result<()> {
        self.extensions(name, &mtime(stat))
    }

    /// What a plain header cannot say: nanoseconds and extended attributes.
    fn attributes(&mut self, fd: &OwnedFd, stat: &Stat, name: &[u8]) -> Result<()> {
        let mut records = mtime(stat);
        let mut names = vec![0; 64 << 10];
        let length = match flistxattr(fd, &mut names[..]) {
            Err(Errno::OPNOTSUPP) => 0,
            length => length.map_err(|errno| failed("list the attributes of", name, errno))?,
        };
        let mut sorted: Vec<&[u8]> =
            names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
        sorted.sort_unstable();
        for attribute in sorted {
            // How overlayfs and this host's security module steer themselves is no part of a file system's content.
            let is_foreign = [&b"trusted.overlay."[..], b"user.overlay.", b"security.selinux"]
                .iter()
                .any(|prefix| attribute.starts_with(prefix));
            let Some(shown) = std::str::from_utf8(attribute).ok().filter(|_| !is_foreign) else {
                continue;
            };
            let mut value = vec![0; 64 << 10];
            let length = fgetxattr(fd, attribute, &mut value[..])
                .map_err(|errno| failed("read an attribute of", name, errno))?;
            value.truncate(length);
            records.push((format!("SCHILY.xattr.{shown}"), value));
        }
        self.extensions(name, &records)
    }

    fn extensions(&mut self, name: &[u8], records: &[(String, Vec<u8>)]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        let records = records.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
        self.out
            .append_pax_extensions(records)
            .map_err(|error| Error::system(format!("pack {}", show(name)), error))
    }
}

fn mtime(stat: &Stat) -> Vec<(String, Vec<u8>)> {
    if stat.st_mtime_nsec == 0 || stat.st_mtime < 0 {
        return Vec::new();
    }
    vec![("mtime".to_owned(), format!("{}.{:09}", stat.st_mtime, stat.st_mtime_nsec).into_bytes())]
}

fn entries(fd: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
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

fn header(stat: &Stat, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header.set_size(size);
    header
}

fn failed(verb: &str, name: &[u8], errno: Errno) -> Error {
    Error::system(format!("{verb} {}", show(name)), errno.into())
}

fn changed(name: &[u8]) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} changed while it was read", show(name)))
}

fn show(name: &[u8]) -> String {
    barque_monitor::tar::quoted(name)
}

/// As many bytes as were announced: what is missing at the end is made up for, and told.
struct Exactly {
    file: io::Take<File>,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left -= read as u64;
        Ok(read)
    }
}
