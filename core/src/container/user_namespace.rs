//! The user namespace of a container that has ids of its own: made before it starts, by a process that the library carries, with the
//! network namespace over which its root is to have rights.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use barque_monitor::oci::IdMapping;
use barque_monitor::protocol::{UserNamespace, UserNamespaceResult};

use super::plan::{Plan, User};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::lock::LockFile;
use crate::sys::socket;
use crate::sys::spawn::spawn;

/// Where the ids begin that containers are given: beyond those of accounts, of subuid(5) as distributions fill it, and of systemd's
/// services and containers (systemd's UIDS-GIDS.md), where podman's `--userns=auto` takes its own from too.
const FIRST: u32 = 1 << 31;

/// How many ids lie between one container's and the next's.
const STRIDE: u32 = super::plan::RANGE;

/// As many containers can have ids of their own at once: the last id is nobody's.
const MOST: u32 = (u32::MAX - FIRST) / STRIDE;

/// A user namespace for a container.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) namespace: OwnedFd,
    pub(super) network: OwnedFd,
    /// What keeps its ids its own, as long as it is open.
    pub(super) ids: Option<LockFile>,
}

/// Make one, if a container is to have its own, and write its maps into the specification.
pub(super) fn make(engine: &Engine, plan: &mut Plan) -> Result<Option<Made>> {
    let (uids, gids, ids) = match &plan.user {
        User::Host | User::Container(_) => return Ok(None),
        User::Mapped { uids, gids } => (uids.clone(), gids.clone(), None),
        User::Own(size) => {
            let (host_id, lock) = take_ids(engine)?;
            let map = vec![IdMapping { container_id: 0, host_id, size: *size }];
            (map.clone(), map, Some(lock))
        }
    };
    let linux = &mut plan.launch.spec.linux;
    (linux.uid_mappings, linux.gid_mappings) = (uids.clone(), gids.clone());
    let [namespace, network] = spawned(engine, UserNamespace { uids, gids })?;
    Ok(Some(Made { namespace, network, ids }))
}

/// The first of a range of ids that no other container on this machine has, and what holds it.
fn take_ids(engine: &Engine) -> Result<(u32, LockFile)> {
    let run = engine.layout().run();
    // That of all engines: ids are the machine's.
    let lock = LockFile::make(&run.parent().unwrap_or(run).join("ids.lock"))?;
    for number in 0..MOST {
        if lock.try_lock(i64::from(number))? {
            return Ok((FIRST + number * STRIDE, lock));
        }
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!("{MOST} containers have user namespaces of their own: there are no more ids"),
    ))
}

fn spawned(engine: &Engine, wanted: UserNamespace) -> Result<[OwnedFd; 2]> {
    let options = serde_json::to_vec(&wanted)
        .ok()
        .and_then(|text| CString::new(text).ok())
        .ok_or_else(|| Error::internal("write the options of a user namespace"))?;
    let (ours, theirs) = socket::queue()?;
    let program = engine.monitor_program()?;
    let arguments = [c"barque-monitor", c"userns", &options];
    let child = spawn(program.as_fd(), &arguments, &[(theirs.as_fd(), 3)])?;
    drop(theirs);
    let (answer, made) = socket::receive::<2>(&ours)?;
    let ended = child.wait();
    match (serde_json::from_slice(&answer), made) {
        (Ok(UserNamespaceResult::Made), Some(made)) => Ok(made),
        (Ok(UserNamespaceResult::Failed { failure }), _) => {
            let kind = failure.errno.map_or(ErrorKind::InvalidArgument, ErrorKind::of_errno);
            Err(Error::new(kind, failure.message).about("field", "HostConfig.UsernsMode"))
        }
        _ => Err(Error::internal(format!("make a user namespace: no result ({ended:?})"))),
    }
}
