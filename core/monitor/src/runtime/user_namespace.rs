//! A container's user namespace: its root is nobody on the host.
//!
//! The ids that the container's files have on disk are those that it has itself: its layers and volumes are mounted with the
//! namespace's map (mount_setattr(2), `MOUNT_ATTR_IDMAP`), so nothing is ever chowned, an image's layers serve every map, and a
//! container may have another range at its next start (reliability SEC-032).
//!
//! The container is set up with the rights of the host's root, but what is made for it, it makes as the namespace's root
//! ([`UserNamespace::act`]). The namespace itself is joined when there is nothing left to do for which it takes the host's rights
//! ([`UserNamespace::enter`]).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_groups};

use crate::oci::{IdMapping, Linux};
use crate::protocol::Failure;
use crate::sys::identity::{set_file_group, set_file_user};
use crate::sys::mount::{Attributes, set_attributes};

use super::capabilities;
use super::failure::{Doing, invalid, system, unsupported};
use super::namespaces::Namespaces;

/// Most bytes of a map: 340 lines (user_namespaces(7)) of three numbers.
const LONGEST: u64 = 340 * 34;

/// A user namespace and what it maps.
pub(crate) struct UserNamespace {
    namespace: OwnedFd,
    uids: Vec<IdMapping>,
    gids: Vec<IdMapping>,
}

impl UserNamespace {
    /// The one that a specification says that its container joins.
    pub(crate) fn of(
        namespaces: &Namespaces<'_>,
        linux: &Linux,
    ) -> Result<Option<UserNamespace>, Failure> {
        let Some(path) = namespaces.user() else { return Ok(None) };
        let namespace = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .doing(|| format!("open the user namespace {path}"))?;
        let (uids, gids) = (linux.uid_mappings.clone(), linux.gid_mappings.clone());
        Ok(Some(UserNamespace { namespace, uids, gids }))
    }

    /// That of a process, which must not be reaped meanwhile; `None`: it is this one's.
    pub(crate) fn of_process(pid: i32) -> Result<Option<UserNamespace>, Failure> {
        let path = format!("/proc/{pid}/ns/user");
        let doing = || format!("open {path}");
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (there, namespace) = opened.map_err(|error| failed(&doing(), &error))?;
        let own = std::fs::metadata("/proc/self/ns/user");
        let own = own.map_err(|error| failed("look at the user namespace", &error))?;
        if (there.dev(), there.ino()) == (own.dev(), own.ino()) {
            return Ok(None);
        }
        let (uids, gids) = maps(pid)?;
        Ok(Some(UserNamespace { namespace: namespace.into(), uids, gids }))
    }

    /// What it maps: its user ids, and its group ids.
    pub(crate) fn into_maps(self) -> (Vec<IdMapping>, Vec<IdMapping>) {
        (self.uids, self.gids)
    }

    /// The host's id of a user of the container's.
    pub(crate) fn uid(&self, id: u32) -> Result<u32, Failure> {
        map(&self.uids, id)
            .ok_or_else(|| invalid(format!("user id {id} is not in the user namespace's map")))
    }

    /// The host's id of a group of the container's.
    pub(crate) fn gid(&self, id: u32) -> Result<u32, Failure> {
        map(&self.gids, id)
            .ok_or_else(|| invalid(format!("group id {id} is not in the user namespace's map")))
    }

    /// From now on, make files as the container's root, with all rights that this process has.
    pub(crate) fn act(&self) -> Result<(), Failure> {
        let (uid, gid) = (self.uid(0)?, self.gid(0)?);
        set_file_group(gid).doing(|| format!("make files as group {gid}"))?;
        set_file_user(uid).doing(|| format!("make files as user {uid}"))?;
        // Those about files went with the user (capabilities(7)).
        capabilities::raise()
    }

    /// Have a mount that is attached nowhere yet keep ids as the container has them.
    pub(crate) fn map_mount(
        &self,
        tree: impl AsFd,
        recursive: bool,
        doing: impl Fn() -> String,
    ) -> Result<(), Failure> {
        let mapping = Attributes::mapping(self.namespace.as_fd());
        set_attributes(tree, mapping, recursive).map_err(|errno| match errno {
            Errno::INVAL => unsupported(format!(
                "{}: its file system or this kernel does not map ids, which --userns needs",
                doing()
            )),
            errno => system(doing(), errno),
        })
    }

    /// Join it. This process has all capabilities there, and none outside.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        let doing = || "join the user namespace";
        // The host's groups would be nobody's there, but give rights all the same.
        set_thread_groups(&[]).doing(doing)?;
        move_into_link_name_space(self.namespace.as_fd(), Some(LinkNameSpaceType::User))
            .doing(doing)
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &OwnedFd {
        &self.namespace
    }
}

/// What the user namespace of a process maps: its user ids, and its group ids.
fn maps(pid: i32) -> Result<(Vec<IdMapping>, Vec<IdMapping>), Failure> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        let mut text = String::new();
        File::open(&path)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .map_err(|error| failed(&format!("read {path}"), &error))?;
        parse(&text).ok_or_else(|| invalid(format!("read {path}: it is not a map")))
    };
    Ok((read("uid_map")?, read("gid_map")?))
}

fn failed(what: &str, error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => invalid(format!("{what}: the process is gone")),
        _ => system(what, Errno::from_io_error(error).unwrap_or(Errno::IO)),
    }
}

/// Lines of three numbers: the first id in the namespace, the first outside, how many.
fn parse(text: &str) -> Option<Vec<IdMapping>> {
    text.lines()
        .map(|line| {
            let numbers: Vec<u32> =
                line.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
            let [container_id, host_id, size] = numbers.try_into().ok()?;
            Some(IdMapping { container_id, host_id, size })
        })
        .collect()
}

fn map(ranges: &[IdMapping], id: u32) -> Option<u32> {
    let holds = |range: &&IdMapping| {
        id.checked_sub(range.container_id).is_some_and(|offset| offset < range.size)
    };
    let range = ranges.iter().find(holds)?;
    range.host_id.checked_add(id - range.container_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_the_range_that_holds_them() {
        let ranges = parse("         0     100000       1000\n 2000 5 1\n").unwrap();
        let found = |id| map(&ranges, id);
        assert_eq!([0, 999, 2000].map(found), [Some(100_000), Some(100_999), Some(5)]);
        assert_eq!([1000, 1999, 2001, u32::MAX].map(found), [None; 4]);
        assert_eq!(parse("0 1\n"), None);
        assert_eq!(parse("0 1 x\n"), None);
    }

    #[test]
    fn a_process_of_this_namespace_has_no_other() {
        let pid = std::process::id().cast_signed();
        assert!(UserNamespace::of_process(pid).unwrap().is_none());
    }
}
