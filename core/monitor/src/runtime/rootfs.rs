//! The root file system: an overlay or a directory, mounted in the container's mount namespace and made its root.

use std::fmt::Write;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};

use crate::filesystem::{FIT, unfit_of};
use crate::oci::Spec;
use crate::protocol::{Failure, Overlay};
use crate::sys::mount::{Attributes, Filesystem, clone_tree, set_attributes};

use super::failure::{Doing, invalid, system};
use super::paths::Root;
use super::user_namespace::UserNamespace;

/// Options of every overlay. Layers are unpacked without overlay's own attributes, and if one got in all the same it must
/// not be obeyed: `redirect_dir=off` is not enough for that, it follows redirects on kernels built with
/// OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW (Documentation/filesystems/overlayfs.rst).
const OPTIONS: [(&str, &str); 3] =
    [("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")];

/// mount(2) takes options up to a page.
const SMALLEST_PAGE: usize = 4096;

/// A root file system that is mounted, but is not the root yet.
pub(crate) struct RootMount {
    tree: OwnedFd,
    attached: bool,
}

/// Make every mount of this namespace private: what is mounted here stays here.
pub(crate) fn isolate_mounts() -> Result<(), Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing(|| "make the mounts private")
}

/// Mount the root file system. With a user namespace, its files have the ids on disk that they have in the container.
pub(crate) fn mount(
    spec: &Spec,
    overlay: Option<&Overlay>,
    user: Option<&UserNamespace>,
) -> Result<RootMount, Failure> {
    match overlay {
        Some(overlay) => {
            if let Some(user) = user {
                map_layers(overlay, user)?;
            }
            mount_overlay(overlay)
        }
        None => {
            let path = spec.root.as_ref().map_or("", |root| &root.path);
            if !path.starts_with('/') {
                return Err(invalid(format!("root.path {path:?} is not absolute")));
            }
            let tree = clone_tree(path, true).doing(|| format!("mount the root {path}"))?;
            if let Some(user) = user {
                user.map_mount(&tree, true, || format!("map the ids of the root {path}"))?;
            }
            Ok(RootMount::detached(tree))
        }
    }
}

impl RootMount {
    fn detached(tree: OwnedFd) -> RootMount {
        RootMount { tree, attached: false }
    }

    /// Make it the root of this process, and let go of the host's.
    pub(crate) fn enter(self) -> Result<Root, Failure> {
        if !self.attached {
            move_mount(&self.tree, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
                .doing(|| "attach the root")?;
        }
        // With both arguments the same, the old root ends up on top of the new one, from where it can be taken away without
        // having had a place in it (pivot_root(2), "pivot_root(".", ".")").
        fchdir(&self.tree).doing(|| "enter the root")?;
        pivot_root(".", ".").doing(|| "pivot_root")?;
        unmount(".", UnmountFlags::DETACH).doing(|| "let go of the host's root")?;
        chdir("/").doing(|| "enter the root")?;
        Ok(Root::new(self.tree))
    }
}

/// Set the root read-only, if asked for, and its propagation. The last thing done to it.
pub(crate) fn finish(spec: &Spec, root: &Root) -> Result<(), Failure> {
    if spec.root.as_ref().is_some_and(|root| root.readonly) {
        let read_only = Attributes::setting(MountAttrFlags::MOUNT_ATTR_RDONLY);
        set_attributes(root.directory(), read_only, false).doing(|| "make the root read-only")?;
    }
    let propagation = spec.linux.rootfs_propagation.as_str();
    let (kind, recursive) = match propagation.strip_prefix('r') {
        Some(kind) => (kind, true),
        None => (propagation, false),
    };
    match kind {
        // As it is: private.
        "" => Ok(()),
        kind => {
            let kind = super::mount_options::propagation(kind)
                .ok_or_else(|| invalid(format!("unknown rootfsPropagation {propagation:?}")))?;
            set_attributes(root.directory(), Attributes::propagating(kind), recursive)
                .doing(|| format!("make the root {propagation}"))
        }
    }
}

/// Put a mount that maps ids over each directory of an overlay, in this namespace only. Overlay wants those that are written to in
/// one mount, and maps by the mounts that it finds its directories in (Linux 5.19).
fn map_layers(overlay: &Overlay, user: &UserNamespace) -> Result<(), Failure> {
    let written = overlay.upper.iter().map(|writable| {
        writable.upper.rsplit_once('/').map_or(writable.upper.as_str(), |(parent, _)| parent)
    });
    for path in overlay.lower.iter().map(String::as_str).chain(written) {
        let doing = || format!("map the ids of the layer {path}");
        let tree = clone_tree(path, false).doing(doing)?;
        user.map_mount(&tree, false, doing)?;
        move_mount(&tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).doing(doing)?;
    }
    Ok(())
}

fn mount_overlay(overlay: &Overlay) -> Result<RootMount, Failure> {
    let [first, ..] = overlay.lower.as_slice() else {
        return Err(invalid("the root has no layers"));
    };
    if overlay.upper.is_none() && overlay.lower.len() == 1 {
        // The kernel refuses an overlay of one directory.
        let tree =
            clone_tree(first.as_str(), false).doing(|| format!("mount the layer {first}"))?;
        let read_only = Attributes::setting(MountAttrFlags::MOUNT_ATTR_RDONLY);
        set_attributes(&tree, read_only, false)
            .doing(|| format!("make the layer {first} read-only"))?;
        return Ok(RootMount::detached(tree));
    }
    let layers = Layers::open(overlay)?;
    let mounted = if takes_single_layers() {
        layers.mount().map(RootMount::detached)
    } else {
        layers.mount_classic(first).map(|tree| RootMount { tree, attached: true })
    };
    mounted.map_err(|failure| layers.explained(failure))
}

/// Whether overlay takes layers one by one (`lowerdir+`). Before that, all of them had to fit into one option, which for
/// fsconfig(2) is 256 bytes long.
fn takes_single_layers() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(['.', '-', '+']).map_while(|n| n.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 8)
}

/// The directories of an overlay. Opened, and named to the kernel as descriptors, because of the lengths of paths and
/// because a colon, a comma or a backslash would mean something else to it.
struct Layers {
    lower: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
    volatile: bool,
}

impl Layers {
    fn open(overlay: &Overlay) -> Result<Layers, Failure> {
        let open = |path: &str| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            openat(CWD, path, flags, Mode::empty()).doing(|| format!("open the layer {path}"))
        };
        Ok(Layers {
            lower: overlay.lower.iter().map(|path| open(path)).collect::<Result<_, _>>()?,
            upper: match &overlay.upper {
                Some(writable) => Some((open(&writable.upper)?, open(&writable.work)?)),
                None => None,
            },
            volatile: overlay.upper.as_ref().is_some_and(|writable| writable.volatile),
        })
    }

    fn mount(&self) -> Result<OwnedFd, Failure> {
        let doing = || "mount the overlay";
        let overlay = Filesystem::open("overlay").doing(doing)?;
        overlay.set("source", "overlay").doing(doing)?;
        let mut path = String::new();
        let mut set = |key: &str, fd: &OwnedFd| {
            path.clear();
            // Writing to a string cannot fail.
            let _ = write!(path, "/proc/self/fd/{}", fd.as_raw_fd());
            overlay.set(key, &path).doing(doing)
        };
        for layer in &self.lower {
            set("lowerdir+", layer)?;
        }
        if let Some((upper, work)) = &self.upper {
            set("upperdir", upper)?;
            set("workdir", work)?;
        }
        for (key, value) in OPTIONS {
            overlay.set(key, value).doing(doing)?;
        }
        if self.volatile {
            overlay.flag("volatile").doing(doing)?;
        }
        overlay.mount(MountAttrFlags::empty()).doing(doing)
    }

    /// The kernel has one number for everything that it does not like about an overlay.
    fn explained(&self, mut failure: Failure) -> Failure {
        if let Some(name) = self.upper.as_ref().and_then(|(upper, _)| unfit_of(upper)) {
            let _ = write!(failure.message, ": the engine's root is on {name}; have it on {FIT}");
        }
        failure
    }

    /// With mount(2), on `place`: any directory of the host's, which is hidden by it in this namespace only. The options of
    /// mount(2) are limited to a page, so the descriptors are named by their bare numbers, from `/proc/self/fd`.
    fn mount_classic(&self, place: &str) -> Result<OwnedFd, Failure> {
        let doing = || "mount the overlay";
        let number = |fd: &OwnedFd| fd.as_raw_fd().to_string();
        let lower: Vec<String> = self.lower.iter().map(number).collect();
        let mut options = format!("lowerdir={}", lower.join(":"));
        if let Some((upper, work)) = &self.upper {
            // Writing to a string cannot fail.
            let _ = write!(options, ",upperdir={},workdir={}", number(upper), number(work));
        }
        for (key, value) in OPTIONS {
            let _ = write!(options, ",{key}={value}");
        }
        if self.volatile {
            options.push_str(",volatile");
        }
        if options.len() >= SMALLEST_PAGE {
            return Err(system(doing(), Errno::TOOBIG));
        }
        let options = super::failure::c_string("an overlay option", &options)?;
        chdir("/proc/self/fd").doing(doing)?;
        rustix::mount::mount("overlay", place, "overlay", MountFlags::empty(), options.as_c_str())
            .doing(doing)?;
        open_tree(CWD, place, OpenTreeFlags::OPEN_TREE_CLOEXEC).doing(doing)
    }
}
