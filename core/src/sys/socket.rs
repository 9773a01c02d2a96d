//! Unix sockets: pairs, queues of descriptors, and paths longer than an address can hold. Sockets that hold a port.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect,
    getsockname, ipproto, recvmsg, sendmsg, socket_with, socketpair, sockopt,
};

use crate::error::{Error, Result};

/// Two connected stream sockets.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::system("make a pair of sockets", errno.into()))
}

/// How many descriptors one message can hold: `SCM_MAX_FD` of linux/net/scm.h.
pub(crate) const MOST_AT_ONCE: usize = 253;

/// A pair of sockets of which the second keeps what the first was given, also when that is closed.
pub(crate) fn queue() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|errno| Error::system("make a pair of sockets", errno.into()))
}

/// Put descriptors into a queue, at most [`MOST_AT_ONCE`].
pub(crate) fn enqueue(entrance: &OwnedFd, descriptors: &[OwnedFd]) -> Result<()> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); SendAncillaryMessage::ScmRights(&borrowed).size()];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&borrowed));
    sendmsg(entrance, &[IoSlice::new(&[0])], &mut rights, SendFlags::NOSIGNAL)
        .map(drop)
        .map_err(|errno| Error::system("hand over descriptors", errno.into()))
}

/// One message from such a pair, and the descriptors that came with it where there are as many as that. Empty: the other side was
/// closed.
pub(crate) fn receive<const COUNT: usize>(
    socket: &OwnedFd,
) -> Result<(Vec<u8>, Option<[OwnedFd; COUNT]>)> {
    let mut bytes = vec![0; LONGEST];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(COUNT))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        let mut pieces = [IoSliceMut::new(&mut bytes)];
        match recvmsg(socket, &mut pieces, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::system("receive a message", errno.into())),
            Ok(message) => break message.bytes,
        }
    };
    bytes.truncate(length);
    let mut descriptors = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((bytes, descriptors.try_into().ok()))
}

/// Longest message that is received with descriptors, bytes.
const LONGEST: usize = 64 << 10;

/// A socket that has a port (0: any one) of this host, and which one. It never listens.
pub(crate) fn hold(
    protocol: &str,
    address: SocketAddr,
) -> std::result::Result<(OwnedFd, u16), Errno> {
    let (kind, number) = match protocol {
        "udp" => (SocketType::DGRAM, ipproto::UDP),
        "sctp" => (SocketType::STREAM, ipproto::SCTP),
        _ => (SocketType::STREAM, ipproto::TCP),
    };
    let open = || match address {
        SocketAddr::V4(_) => {
            socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, Some(number))
        }
        SocketAddr::V6(_) => {
            let socket =
                socket_with(AddressFamily::INET6, kind, SocketFlags::CLOEXEC, Some(number))?;
            // The same port of IPv4 is somebody else's, or a socket's of its own.
            sockopt::set_ipv6_v6only(&socket, true)?;
            Ok(socket)
        }
    };
    let mut socket = open()?;
    match bind(&socket, &address) {
        // A connection of a server that has ended keeps its port for a minute, unless one says that one does not mind (socket(7)). Then
        // nobody must be able to say so of ours: a server that binds its port all the same is refused when it listens.
        Err(Errno::ADDRINUSE) if kind == SocketType::STREAM => {
            socket = open()?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &address)?;
            sockopt::set_socket_reuseaddr(&socket, false)?;
        }
        bound => bound?,
    }
    if kind == SocketType::DGRAM {
        // What the firewall leads past it in time is not kept for nobody.
        sockopt::set_socket_recv_buffer_size(&socket, 0)?;
    }
    match SocketAddr::try_from(getsockname(&socket)?) {
        Ok(bound) => Ok((socket, bound.port())),
        Err(_) => Err(Errno::AFNOSUPPORT),
    }
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
