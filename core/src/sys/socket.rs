//! Unix sockets: pairs, and paths longer than an address can hold.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, socketpair,
};

use crate::error::{Error, Result};

/// Two connected stream sockets.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::system("make a pair of sockets", errno.into()))
}

/// Connect to the socket `name` in `directory`; `None` when nobody listens there.
///
/// `sun_path` holds 108 bytes (`man 7 unix`), an engine root may have any length: so the path goes through the
/// directory's descriptor.
pub(crate) fn connect_in(directory: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>> {
    let failed = |errno: rustix::io::Errno| Error::system(format!("connect {name}"), errno.into());
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(failed)?;
    let path = format!("/proc/self/fd/{}/{name}", directory.as_fd().as_raw_fd());
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    loop {
        return match connect(&socket, &address) {
            Ok(()) => Ok(Some(socket)),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Ok(None),
            // An interrupted connect to a Unix socket has not begun (the backlog was full).
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => Err(failed(errno)),
        };
    }
}
