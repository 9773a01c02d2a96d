//! What rustix has no names for: groups of netlink, and filters of sockets.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::net::bind;
use rustix::net::netlink::SocketAddrNetlink;

/// `NFNLGRP_NFTABLES` (linux/netfilter/nfnetlink.h): what changes in tables.
pub(crate) const NFTABLES: u32 = 7;

/// `RTNLGRP_LINK` (linux/rtnetlink.h): links that come, change and go.
pub(crate) const LINKS: u32 = 1;

/// How many links a filter tells from others.
const MOST_LINKS: usize = 200;

/// Hear what is said in a group.
pub(crate) fn join(socket: impl AsFd, group: u32) -> Result<(), Errno> {
    // One without a number of its own is taken for the kernel, which tells itself nothing (`do_one_broadcast` in af_netlink.c).
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    set(&socket, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)
}

/// Hear only messages of these types, and where they are about links, about those with these numbers (none: all): of others the kernel does
/// not so much as wake the process (socket(7), SO_ATTACH_FILTER).
pub(crate) fn hear_only(
    socket: impl AsFd,
    types: &[u16],
    links: Option<&[u32]>,
) -> Result<(), Errno> {
    let statement = |code: u32, jt: usize, jf: usize, k: u32| libc::sock_filter {
        code: code as u16,
        jt: jt as u8,
        jf: jf as u8,
        k,
    };
    let load = |size: u32, at: u32| statement(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, at);
    let equals = |value: u32, jt: usize, jf: usize| {
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, value)
    };
    let answer = |value: u32| statement(libc::BPF_RET | libc::BPF_K, 0, 0, value);
    // A jump is over less than 256 statements.
    let links = links.filter(|links| (1..=MOST_LINKS).contains(&links.len()));
    // The type is behind the length, and a link's number behind its family and type (`struct ifinfomsg`), in this machine's order; a filter
    // reads the network's.
    let mut program = vec![load(libc::BPF_H, 4)];
    for (nth, kind) in types.iter().enumerate() {
        let here = u16::from_be_bytes(kind.to_ne_bytes());
        program.push(equals(here.into(), types.len() - nth, 0));
    }
    program.push(answer(0));
    if let Some(links) = links {
        program.push(load(libc::BPF_W, 20));
        for (nth, number) in links.iter().enumerate() {
            let here = u32::from_be_bytes(number.to_ne_bytes());
            program.push(equals(here, links.len() - nth, 0));
        }
        program.push(answer(0));
    }
    program.push(answer(u32::MAX));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Have room for a batch of so many bytes, which is one packet.
pub(crate) fn have_room(socket: impl AsFd, bytes: libc::c_int) -> Result<(), Errno> {
    set(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &bytes)
}

fn set<T>(socket: &impl AsFd, level: i32, option: i32, value: &T) -> Result<(), Errno> {
    // SAFETY: the kernel reads so many bytes of the value, and what it points to, during the call; both outlive that.
    let failed = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    match failed {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}
