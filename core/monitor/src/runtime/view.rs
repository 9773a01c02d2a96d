//! The root of a container without the container: mounted as it would be, for a process that works on its files.

use std::os::fd::OwnedFd;

use rustix::fs::OFlags;

use crate::oci::{self, Linux, Mount, Namespace, NamespaceKind, Spec};
use crate::protocol::{Failure, Overlay};

use super::failure::Doing;
use super::mounts::Mounts;
use super::namespaces::Namespaces;
use super::paths::{Links, Root};
use super::rootfs;
use super::users::{Asked, look_up};

/// Make it the root of this process, which has a mount namespace of its own already.
pub(crate) fn enter(rootfs: &Overlay, mounts: &[Mount], read_only: bool) -> Result<(), Failure> {
    let own = Namespace { kind: NamespaceKind::Mount, path: None };
    let spec = Spec {
        root: Some(oci::Root { path: String::new(), readonly: read_only }),
        mounts: mounts.to_vec(),
        linux: Linux { namespaces: vec![own], ..Linux::default() },
        ..Spec::default()
    };
    let mounts = Mounts::prepare(&spec, &[], &Namespaces::new(&spec.linux.namespaces)?, None)?;
    let root = rootfs::mount(&spec, Some(rootfs), None)?.enter()?;
    mounts.attach(&root)?;
    mounts.finish()?;
    rootfs::finish(&spec, &root)
}

/// Owner and group that `user` stands for in the root that this process has: Docker's `User`.
pub(crate) fn owner(root: &OwnedFd, user: &str) -> Result<(u32, u32), Failure> {
    let root =
        root.try_clone().map_err(|_| super::failure::system("open /", rustix::io::Errno::MFILE))?;
    let default = oci::User::default();
    let asked = Asked { user, group_add: &[], default: &default, home: false };
    let identity = look_up(&Root::new(root), &asked)?;
    Ok((identity.uid, identity.gid))
}

/// The directory at `path`, made with all above it where it is not there.
pub(crate) fn ensure_directory(root: &OwnedFd, path: &str) -> Result<OwnedFd, Failure> {
    let doing = || format!("make the directory {path}");
    let root =
        root.try_clone().map_err(|_| super::failure::system("open /", rustix::io::Errno::MFILE))?;
    let root = Root::new(root);
    root.ensure(path, Links::Follow, super::paths::Missing::Directory).doing(doing)?;
    root.open(path, Links::Follow, OFlags::RDONLY | OFlags::DIRECTORY).doing(doing)
}
