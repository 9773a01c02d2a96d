//! Network namespaces, in threads of their own: a namespace is a thread's, and the host program's threads keep theirs.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::thread::spawn_quiet;
use crate::error::{Error, Result};

/// Make a network namespace, and do something in it. It lasts as long as the descriptor.
pub(crate) fn make_network<T: Send + 'static>(
    inside: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<(OwnedFd, T)> {
    in_thread(move || {
        // SAFETY: of this thread, which has nothing of the network open and ends here; no descriptor table is unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
            .map_err(|errno| Error::system("make a network namespace", errno.into()))?;
        let namespace = this_network("/proc/thread-self/ns/net")?;
        Ok((namespace, inside()?))
    })
}

/// One more descriptor of a network namespace.
pub(crate) fn hold(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    let held = namespace.try_clone_to_owned();
    held.map_err(|error| Error::system("hold a network namespace", error))
}

/// Do something in a network namespace.
pub(crate) fn in_network<T: Send + 'static>(
    namespace: OwnedFd,
    inside: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    in_thread(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| Error::system("enter a network namespace", errno.into()))?;
        inside()
    })
}

/// Hold the network namespace that this thread is in for oneself: nobody else who asks for it has it until the lock is dropped. It is
/// a lock of the namespace, not of an engine: what is chosen or changed under it, other engines see.
pub(crate) fn lock_network() -> Result<File> {
    let namespace = File::from(this_network("/proc/thread-self/ns/net")?);
    // flock(2) is about files of every kind, and nsfs has one for each namespace.
    namespace.lock().map_err(|error| Error::system("lock the network namespace", error))?;
    Ok(namespace)
}

/// The number of the network namespace that this thread is in.
pub(crate) fn network_number() -> Result<u64> {
    let path = "/proc/thread-self/ns/net";
    std::fs::metadata(path)
        .map(|found| found.ino())
        .map_err(|error| Error::system(format!("look at {path}"), error))
}

fn this_network(path: &str) -> Result<OwnedFd> {
    File::open(path)
        .map(OwnedFd::from)
        .map_err(|error| Error::system(format!("open {path}"), error))
}

fn in_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (send, receive) = mpsc::channel();
    let thread = spawn_quiet(move || {
        // Nobody is there to receive it only when this process is ending.
        let _ = send.send(work());
    })?;
    let done = receive.recv();
    let _ = thread.join();
    done.map_err(|_| Error::internal("the thread in a network namespace panicked"))?
}
