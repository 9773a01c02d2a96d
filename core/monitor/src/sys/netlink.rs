//! What rustix has no names for: groups of netlink, and filters of sockets.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::net::bind;
use rustix::net::netlink::SocketAddrNetlink;

/// `NFNLGRP_NFTABLES` (linux/netfilter/nfnetlink.h): what changes in tables.
pub(crate) const NFTABLES: u32 = 7;

/// `RTNLGRP_LINK` (linux/rtnetlink.h): links that come, change and go.
pub(crate) const LINKS: u32 = 1;

/// `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR`: their addresses.
pub(crate) const ADDRESSES: u32 = 5;
pub(crate) const ADDRESSES6: u32 = 9;

/// How many links a filter tells from others.
const MOST_LINKS: usize = 200;

/// Hear what is said in these groups. To be called once for a socket.
pub(crate) fn join(socket: impl AsFd, groups: &[u32]) -> Result<(), Errno> {
    // One without a number of its own is taken for the kernel, which tells itself nothing (`do_one_broadcast` in af_netlink.c).
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    groups
        .iter()
        .try_for_each(|group| set(&socket, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, group))
}

/// Hear only messages of these types: of others the kernel does not so much as wake the process (socket(7), SO_ATTACH_FILTER).
pub(crate) fn hear_only(socket: impl AsFd, types: &[u16]) -> Result<(), Errno> {
    let mut program = vec![load(libc::BPF_H, TYPE)];
    program.extend(one_of(types.iter().map(|kind| u16::from_be_bytes(kind.to_ne_bytes()).into())));
    program.push(answer(u32::MAX));
    attach(socket, program)
}

/// Hear only that a link with one of these numbers is removed or down, or that an address of it is removed.
pub(crate) fn hear_of_links(socket: impl AsFd, numbers: &[u32]) -> Result<(), Errno> {
    let kind = |kind: u16| u32::from(u16::from_be_bytes(kind.to_ne_bytes()));
    let up = u32::from_be_bytes((libc::IFF_UP as u32).to_ne_bytes());
    let mut program = vec![
        load(libc::BPF_H, TYPE),
        jump(libc::BPF_JEQ, kind(libc::RTM_DELLINK), 6, 0),
        jump(libc::BPF_JEQ, kind(libc::RTM_DELADDR), 5, 0),
        // A change of a link: it matters what it is like now.
        jump(libc::BPF_JEQ, kind(libc::RTM_NEWLINK), 1, 0),
        answer(0),
        load(libc::BPF_W, FLAGS),
        jump(libc::BPF_JSET, up, 0, 1),
        answer(0),
        load(libc::BPF_W, NUMBER),
    ];
    // A jump is over less than 256 statements.
    if (1..=MOST_LINKS).contains(&numbers.len()) {
        program
            .extend(one_of(numbers.iter().map(|number| u32::from_be_bytes(number.to_ne_bytes()))));
    }
    program.push(answer(u32::MAX));
    attach(socket, program)
}

/// Where something stands in a message: behind its length the type; behind the header a link's number, and its flags (`struct ifinfomsg`;
/// `struct ifaddrmsg` has the number in the same place). All are in this machine's order, and a filter reads the network's.
const TYPE: u32 = 4;
const NUMBER: u32 = 20;
const FLAGS: u32 = 24;

/// Statements that let go on what is one of these values.
fn one_of(values: impl ExactSizeIterator<Item = u32>) -> Vec<libc::sock_filter> {
    let count = values.len();
    let tests = values.enumerate().map(|(nth, value)| jump(libc::BPF_JEQ, value, count - nth, 0));
    tests.chain([answer(0)]).collect()
}

fn load(size: u32, at: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | size | libc::BPF_ABS, 0, 0, at)
}

/// Go on so many statements further where it is so, and so many where it is not.
fn jump(test: u32, value: u32, so: usize, not: usize) -> libc::sock_filter {
    statement(libc::BPF_JMP | test | libc::BPF_K, so, not, value)
}

fn answer(value: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, 0, 0, value)
}

fn statement(code: u32, jt: usize, jf: usize, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: jt as u8, jf: jf as u8, k }
}

fn attach(socket: impl AsFd, mut program: Vec<libc::sock_filter>) -> Result<(), Errno> {
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
