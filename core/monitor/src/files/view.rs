//! What the jail sees, and the way in.
//!
//! A running container's mount namespace is entered and left for a copy of it in one go, before anything is looked at: what the
//! container mounts from then on is not seen, and nothing done here is seen by it except what is written into its files. Into
//! the copy goes no procfs (nor `/dev` and `/sys`, as with docker), so there are no magic links; devices cannot be opened and nothing
//! is written where a job only reads, whatever happens to a path in between.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, openat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{Signal, chdir, set_parent_process_death_signal};
use rustix::thread::{
    LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use crate::protocol::{Failure, Files, Job, View};
use crate::runtime;
use crate::sys::mount::{Attributes, set_attributes};
use crate::unpack::failure::system;
use crate::unpack::jail::{self, inherited};

use super::lookup::Root;

/// Address space: the first names of hard links, a list of a directory.
const MEMORY: u64 = 1 << 30;

/// A descriptor for each level of a tree.
const DESCRIPTORS: u64 = crate::pack::MAX_DEPTH as u64 + 64;

/// What is called beside what unpacking takes.
const MORE_CALLS: &[&str] = &["dup", "flistxattr", "readlinkat", "splice", "statfs"];

/// What comes before everything else.
pub(super) fn prepare(options: &Files) -> Result<(), Failure> {
    if options.tied {
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|errno| system("prctl", errno))?;
    }
    jail::prepare()
}

/// Enter it.
pub(super) fn enter(options: &Files) -> Result<Root, Failure> {
    let failed = |what: &'static str| move |errno| system(what, errno);
    match &options.view {
        View::Directory => jail::change_root(as_fd(&inherited(3)?))?,
        View::Running { root_only, .. } => {
            let namespace = inherited(3)?;
            move_into_link_name_space(as_fd(&namespace), Some(LinkNameSpaceType::Mount))
                .map_err(failed("enter the container's mount namespace"))?;
            drop(namespace);
            if *root_only { jail::change_root(as_fd(&slash()?))? } else { copy_mounts()? }
        }
        View::Stopped { rootfs, mounts, read_only } => {
            unshare()?;
            runtime::view::enter(rootfs, mounts, *read_only)?;
        }
    }
    let root = slash()?;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let writes = matches!(
        options.job,
        Job::Extract { .. } | Job::Place(_) | Job::Write { .. } | Job::Remove { .. }
    );
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !writes);
    set_attributes(&root, Attributes::setting(attributes), true)
        .map_err(failed("set the mounts' attributes"))?;
    if matches!(options.view, View::Running { mapped: true, .. }) {
        enter_user_namespace().map_err(failed("enter the container's user namespace"))?;
    }
    jail::confine(&[jail::CALLS, MORE_CALLS].concat(), MEMORY, DESCRIPTORS)?;
    Ok(Root::new(root))
}

/// As its root, so that files are the container's, and have the ids that they have there.
fn enter_user_namespace() -> rustix::io::Result<()> {
    let namespace = inherited(6).map_err(|_| Errno::BADF)?;
    set_thread_groups(&[])?;
    move_into_link_name_space(as_fd(&namespace), Some(LinkNameSpaceType::User))?;
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

fn unshare() -> Result<(), Failure> {
    let namespaces = UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWIPC;
    // SAFETY: single-threaded; no descriptor table is unshared.
    unsafe { unshare_unsafe(namespaces) }.map_err(|errno| system("unshare", errno))
}

fn copy_mounts() -> Result<(), Failure> {
    unshare()?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|errno| system("make the mounts private", errno))?;
    for place in [c"/dev", c"/proc", c"/sys"] {
        // Until there is nothing mounted there any more: EINVAL, or the place is gone. Mounts on top of each other are few.
        for _ in 0..64 {
            if unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_err() {
                break;
            }
        }
    }
    chdir(c"/").map_err(|errno| system("enter the root", errno))
}

fn slash() -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, c"/", flags, Mode::empty()).map_err(|errno| system("open the root", errno))
}

fn as_fd(fd: &OwnedFd) -> std::os::fd::BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}
