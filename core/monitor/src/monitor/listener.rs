//! The control socket: where other processes of the same user reach a running container.
//!
//! It is a path in a directory of ours and never an abstract name, which every process in the host's network namespace could
//! reach (CVE-2020-15257), and its peers are asked who they are all the same. A socket's path has at most 107 bytes, so it
//! is bound through the descriptor of its directory.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, fchmod, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use rustix::process::geteuid;

use crate::protocol::CONTROL_SOCKET;

/// The listening socket.
pub(super) struct Listener {
    socket: OwnedFd,
}

/// What came of looking for a connection.
pub(super) enum Accepted {
    Connection(OwnedFd),
    /// It was not one of ours.
    Stranger,
    /// There is none.
    Nobody,
    /// There is one, but no descriptor for it.
    NoDescriptor,
}

impl Listener {
    /// Listen in a run directory. What a dead monitor has left there goes.
    pub(super) fn bind(directory: BorrowedFd<'_>) -> Result<Listener, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The mode that the name gets, less the umask (unix(7)).
        fchmod(&socket, Mode::from(0o600))?;
        let path = format!("/proc/self/fd/{}/{CONTROL_SOCKET}", directory.as_raw_fd());
        let address = SocketAddrUnix::new(path)?;
        match bind(&socket, &address) {
            Err(Errno::ADDRINUSE) => {
                unlinkat(directory, CONTROL_SOCKET, AtFlags::empty())?;
                bind(&socket, &address)?;
            }
            result => result?,
        }
        listen(&socket, 128)?;
        Ok(Listener { socket })
    }

    pub(super) fn accept(&self) -> Accepted {
        match accept_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(connection) => match socket_peercred(&connection) {
                Ok(peer) if peer.uid == geteuid() || peer.uid.is_root() => {
                    Accepted::Connection(connection)
                }
                _ => Accepted::Stranger,
            },
            Err(Errno::AGAIN) => Accepted::Nobody,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                Accepted::NoDescriptor
            }
            // A connection that was given up meanwhile (accept(2), "Error handling").
            Err(_) => Accepted::Stranger,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
