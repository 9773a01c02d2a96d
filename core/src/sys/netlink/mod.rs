//! Netlink sockets (netlink(7)): how the kernel is asked for links, addresses, routes and firewall rules.
//!
//! The few messages that the engine sends are put together here, [`route`] for rtnetlink(7) and [`nftables`] for nf_tables,
//! and no program (`ip`, `nft`) is run: one of those takes longer than everything else about a network
//! (`docs/decisions/0009-networks.md`).

pub(crate) mod message;
pub(crate) mod nftables;
pub(crate) mod route;

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::net::netlink::NETFILTER;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::error::{Error, Result};
use message::{Message, Reply, replies};

/// How long the kernel may take to answer. It does so before send(2) returns; this is only so that a bug does not hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Room for an answer. The kernel fills at most 32 KiB of a dump at once (`netlink_dump` in af_netlink.c).
const ANSWER: usize = 64 << 10;

/// Room for what is sent: a batch is one packet.
const BATCH: libc::c_int = 16 << 20;

/// A socket to one part of the kernel, in the network namespace in which it was opened, whoever uses it.
pub(crate) struct Socket(OwnedFd);

/// What the kernel said to a request.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errno: i32,
    /// Its own words for it, where it has any.
    why: String,
}

impl Refusal {
    /// The error for what was tried.
    pub(crate) fn error(self, what: impl std::fmt::Display) -> Error {
        let error = Error::system(what, std::io::Error::from_raw_os_error(self.errno));
        if self.why.is_empty() { error } else { error.because(self.why) }
    }
}

impl From<rustix::io::Errno> for Refusal {
    fn from(errno: rustix::io::Errno) -> Refusal {
        Refusal { errno: errno.raw_os_error(), why: String::new() }
    }
}

impl Socket {
    /// For links, addresses and routes.
    pub(crate) fn route() -> Result<Socket> {
        Socket::open(None).map_err(|refusal| refusal.error("open a netlink socket for links"))
    }

    /// For the firewall.
    pub(crate) fn netfilter() -> Result<Socket> {
        Socket::open(Some(NETFILTER))
            .map_err(|refusal| refusal.error("open a netlink socket for the firewall (nf_tables)"))
    }

    fn open(protocol: Option<Protocol>) -> std::result::Result<Socket, Refusal> {
        let socket =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        // Older kernels have no words of their own; and who may not have a larger buffer has a smaller firewall.
        set_option(&socket, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        set_option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, BATCH);
        Ok(Socket(socket))
    }

    /// Have something done.
    pub(crate) fn change(&self, message: Message) -> std::result::Result<(), Refusal> {
        self.send(&message.alone())?;
        self.until(1, |_| {})
    }

    /// Ask for one thing; what the kernel says about it goes to `each`, as far as it is there.
    pub(crate) fn get(
        &self,
        message: Message,
        each: impl FnMut(&[u8]),
    ) -> std::result::Result<(), Refusal> {
        self.send(&message.alone())?;
        self.until(1, each)
    }

    /// Ask for all things of a kind. A list that changed meanwhile is asked for again, so `each` may be told things twice.
    pub(crate) fn dump(
        &self,
        message: &Message,
        mut each: impl FnMut(&[u8]),
    ) -> std::result::Result<(), Refusal> {
        let mut attempts = 0..5;
        loop {
            let packet = message.clone().finish(1, libc::NLM_F_DUMP as u16);
            self.send(&packet)?;
            match self.until(1, &mut each) {
                Err(refusal) if refusal.errno == libc::EINTR && attempts.next().is_some() => {}
                done => return done,
            }
        }
    }

    /// Have many things done, all or none (nf_tables only).
    pub(crate) fn batch(&self, messages: Vec<Message>) -> std::result::Result<(), Refusal> {
        let last = messages.len() as u32;
        self.send(&batch(messages, libc::NLM_F_ACK))?;
        self.until(last, |_| {})
    }

    fn send(&self, packet: &[u8]) -> std::result::Result<(), Refusal> {
        loop {
            match send(&self.0, packet, SendFlags::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                sent => return sent.map(drop).map_err(Refusal::from),
            }
        }
    }

    /// Some of what was answered is lost (ENOBUFS). What is left of it is not the answer to the next request.
    fn forget(&self) {
        let mut room = [0; 64];
        while recv(&self.0, &mut room[..], RecvFlags::DONTWAIT).is_ok() {}
    }

    /// Read until the answer to request `last` is complete. The first refusal counts: that of an earlier part of a batch, or of
    /// the whole (0).
    fn until(&self, last: u32, mut each: impl FnMut(&[u8])) -> std::result::Result<(), Refusal> {
        let mut refusal = None;
        let mut buffer = vec![0; ANSWER];
        loop {
            let length = match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => {
                    self.forget();
                    return Err(refusal.unwrap_or_else(|| errno.into()));
                }
            };
            for (sequence, reply) in replies(&buffer[..length]) {
                match reply {
                    Reply::Payload(payload) => each(payload),
                    Reply::Interrupted => {
                        refusal = Some(Refusal { errno: libc::EINTR, why: String::new() })
                    }
                    Reply::Done => return refusal.map_or(Ok(()), Err),
                    Reply::Error(errno, why) => {
                        if errno != 0 && refusal.is_none() {
                            refusal = Some(Refusal { errno, why: why.to_owned() });
                        }
                        if sequence == last || (sequence == 0 && errno != 0) {
                            return refusal.map_or(Ok(()), Err);
                        }
                    }
                }
            }
        }
    }
}

/// A batch of messages to nf_tables, the last of them with these flags more.
pub(crate) fn batch(messages: Vec<Message>, flags: libc::c_int) -> Vec<u8> {
    let last = messages.len() as u32;
    let mut packet = nftables::batch_begin().finish(0, 0);
    for (message, number) in messages.into_iter().zip(1..) {
        packet.extend(message.finish(number, if number == last { flags as u16 } else { 0 }));
    }
    packet.extend(nftables::batch_end().finish(last + 1, 0));
    packet
}

fn set_option(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is an int, as these options want it, and outlives the call.
    unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length)
    };
}
