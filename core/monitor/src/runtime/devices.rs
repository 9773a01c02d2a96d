//! `/dev`: the default device nodes and links (config-linux.md, "Default Devices"), and the nodes the specification adds.
//!
//! Usually `/dev` is a tmpfs of the container's own. It is then filled before it is attached anywhere, so that nothing an
//! image or a volume holds can be in the way (CVE-2026-41579).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dev, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fcntl_setfl, fstat, makedev,
    mknodat, statat, symlinkat,
};
use rustix::io::Errno;

use crate::oci::{Device, Spec};
use crate::protocol::Failure;
use crate::sys::mount::{attach, clone_tree};

use super::failure::{Doing, invalid, system};
use super::mounts::Mounts;
use super::paths::{Links, Missing, Root, clean, is_within};
use super::user_namespace::UserNamespace;

/// Character devices that every container has: name, major and minor number.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that every container has.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// A container's device nodes.
pub(crate) struct Devices<'a> {
    below_dev: Vec<Node<'a>>,
    elsewhere: Vec<Node<'a>>,
    substitutes: Vec<Substitute>,
    made: bool,
}

/// A device node to be made.
struct Node<'a> {
    /// Where, below the directory that it is made in.
    path: String,
    kind: FileType,
    device: Dev,
    mode: Mode,
    owner: Option<(Uid, Gid)>,
    /// The specification's name for it.
    name: &'a str,
}

/// The host's node, to be mounted where one could not be made.
struct Substitute {
    path: String,
    tree: OwnedFd,
}

impl<'a> Devices<'a> {
    /// Sort them, and fill `/dev` if it is the container's own. While the host's paths can be seen.
    pub(crate) fn prepare(
        spec: &'a Spec,
        mounts: &Mounts<'_>,
        user: Option<&UserNamespace>,
    ) -> Result<Devices<'a>, Failure> {
        let mut devices = Devices {
            below_dev: Vec::with_capacity(DEFAULT.len() + spec.linux.devices.len()),
            elsewhere: Vec::new(),
            substitutes: Vec::new(),
            made: false,
        };
        let specified = spec.linux.devices.iter().map(|device| Node::new(device, user));
        for node in DEFAULT.into_iter().map(Node::default_one).map(Ok).chain(specified) {
            let mut node = node?;
            if is_within(&node.path, "/dev") {
                node.path = node.path["/dev".len()..].to_owned();
                devices.below_dev.push(node);
            } else {
                devices.elsewhere.push(node);
            }
        }
        if let Some(tmpfs) = mounts.fresh_at("/dev", "tmpfs") {
            let tmpfs = tmpfs.try_clone().map_err(|_| system("open /dev", Errno::MFILE))?;
            let dev = Root::new(tmpfs);
            for node in &devices.below_dev {
                match node.make(&dev, Links::Refuse) {
                    // Neither as root of a user namespace nor against the device cgroup.
                    Err(Errno::PERM) => devices.substitutes.push(node.substitute(&dev)?),
                    result => node.named(result)?,
                }
            }
            link(&dev)?;
            devices.made = true;
        } else if mounts.has_bind_at("/dev") {
            // The host's `/dev`, or whatever is wanted in its place, is left as it is.
            devices.made = true;
        }
        Ok(devices)
    }

    /// Make what could not be made before, once the mounts are in their places.
    pub(crate) fn finish(&self, root: &Root) -> Result<(), Failure> {
        if !self.made {
            let dev = root
                .ensure("/dev", Links::Refuse, Missing::Directory)
                .map(Root::new)
                .doing(|| "make /dev")?;
            for node in &self.below_dev {
                node.named(node.make(&dev, Links::Refuse))?;
            }
            link(&dev)?;
        }
        for node in &self.elsewhere {
            node.named(node.make(root, Links::Follow))?;
        }
        for Substitute { path, tree } in &self.substitutes {
            root.locate(path, Links::Refuse)
                .and_then(|target| attach(tree, target))
                .doing(|| format!("mount the device {path}"))?;
        }
        Ok(())
    }
}

impl<'a> Node<'a> {
    fn default_one((path, major, minor): (&'a str, u32, u32)) -> Node<'a> {
        Node {
            path: path.to_owned(),
            kind: FileType::CharacterDevice,
            device: makedev(major, minor),
            mode: Mode::from_raw_mode(0o666),
            owner: None,
            name: path,
        }
    }

    fn new(device: &'a Device, user: Option<&UserNamespace>) -> Result<Node<'a>, Failure> {
        let name = device.path.as_str();
        let path = clean(name).filter(|path| path != "/" && path != "/dev");
        let kind = match device.kind.as_str() {
            "c" | "u" => FileType::CharacterDevice,
            "b" => FileType::BlockDevice,
            "p" => FileType::Fifo,
            kind => return Err(invalid(format!("device {name}: unknown type {kind:?}"))),
        };
        Ok(Node {
            path: path.ok_or_else(|| invalid(format!("device {name:?}: not a place for one")))?,
            kind,
            device: match kind {
                FileType::Fifo => 0,
                _ => makedev(device.major, device.minor),
            },
            mode: Mode::from_raw_mode(device.file_mode.unwrap_or(0o666) & 0o7777),
            owner: match user {
                _ if device.uid == 0 && device.gid == 0 => None,
                None => Some((device.uid, device.gid)),
                Some(user) => Some((user.uid(device.uid)?, user.gid(device.gid)?)),
            }
            .map(|(uid, gid)| (Uid::from_raw(uid), Gid::from_raw(gid))),
            name,
        })
    }

    /// Do something in the directory it is in, which is made if it is missing, with its name there.
    fn in_place<T>(
        &self,
        root: &Root,
        links: Links,
        act: impl FnOnce(BorrowedFd<'_>, &str) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<T> {
        match self.path.rsplit_once('/') {
            None | Some(("", _)) => act(root.directory(), self.path.trim_start_matches('/')),
            Some((directory, name)) => {
                act(root.ensure(directory, links, Missing::Directory)?.as_fd(), name)
            }
        }
    }

    /// The creation mask is 0 while a container is set up.
    fn make(&self, root: &Root, links: Links) -> rustix::io::Result<()> {
        self.in_place(root, links, |directory, name| {
            match mknodat(directory, name, self.kind, self.mode, self.device) {
                Err(Errno::EXIST) => {
                    let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.is(&found).then_some(()).ok_or(Errno::EXIST)
                }
                Ok(()) => self.owner.map_or(Ok(()), |(uid, gid)| {
                    chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
                }),
                result => result,
            }
        })
    }

    fn is(&self, found: &Stat) -> bool {
        FileType::from_raw_mode(found.st_mode) == self.kind
            && (self.kind == FileType::Fifo || found.st_rdev == self.device)
    }

    fn named<T>(&self, result: rustix::io::Result<T>) -> Result<T, Failure> {
        result.doing(|| format!("make the device {}", self.name))
    }

    fn substitute(&self, dev: &Root) -> Result<Substitute, Failure> {
        let doing = || format!("use the host's device {}", self.name);
        let path = format!("/dev{}", self.path);
        let tree = clone_tree(path.as_str(), false).doing(doing)?;
        if !self.is(&fstat(&tree).doing(doing)?) {
            return Err(invalid(format!("{}: it is another one", doing())));
        }
        dev.ensure(&self.path, Links::Refuse, Missing::File).doing(doing)?;
        Ok(Substitute { path, tree })
    }
}

/// Make the links. Where there is something already, it is left.
fn link(dev: &Root) -> Result<(), Failure> {
    for (name, target) in LINKS {
        match symlinkat(target, dev.directory(), name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(system(format!("make the link /dev/{name}"), error)),
        }
    }
    Ok(())
}

/// The container's `/dev/null` as a path, sure that it is one: what stands in for files that are masked must not be a file
/// that an image or a volume has put there (CVE-2025-31133).
pub(crate) fn locate_null(root: &Root) -> Result<OwnedFd, Failure> {
    let file = root.locate("/dev/null", Links::Refuse).doing(|| "look at /dev/null")?;
    check_null(file)
}

/// The same, open for reading.
pub(crate) fn open_null(root: &Root, access: OFlags) -> Result<OwnedFd, Failure> {
    // Opening is not harmless with every device, so look first, and again at what was opened.
    locate_null(root)?;
    let flags = access | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = root.open("/dev/null", Links::Refuse, flags).doing(|| "open /dev/null")?;
    fcntl_setfl(&file, OFlags::empty()).doing(|| "open /dev/null")?;
    check_null(file)
}

fn check_null(file: OwnedFd) -> Result<OwnedFd, Failure> {
    let found = fstat(&file).doing(|| "look at /dev/null")?;
    let null = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && found.st_rdev == makedev(1, 3);
    null.then_some(file).ok_or_else(|| invalid("/dev/null in the container is not the null device"))
}
