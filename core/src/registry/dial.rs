//! Connections that can be cancelled.
//!
//! ureq speaks HTTP and rustls TLS over whatever moves bytes ([`Transport`]); this moves them over a socket that does not block, so
//! that every wait is one for the socket, a time limit, *or* the canceller. (ureq's own sockets block in `recv` and cannot be
//! waited for with anything else.)

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::patience;
use crate::stream::{Canceller, Deadline};

/// Opens connections.
pub(super) struct Dial {
    pub(super) canceller: Canceller,
}

impl std::fmt::Debug for Dial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dial")
    }
}

impl<In: Transport> Connector<In> for Dial {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &details.addrs {
            match self.open(*address) {
                Ok(fd) => {
                    let config = details.config;
                    let buffers =
                        LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                    let canceller = self.canceller.clone();
                    return Ok(Some(Either::B(Socket { fd, buffers, canceller })));
                }
                Err(error) if error.get_ref().is_some() => return Err(error.into()),
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}

impl Dial {
    fn open(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&fd, &address) {
            Ok(()) => {}
            // Begun, and going on by itself (`man 2 connect`).
            Err(Errno::INPROGRESS | Errno::INTR) => {
                let deadline = Deadline::after(patience::connect());
                let ready = self.canceller.wait_for(fd.as_fd(), PollFlags::OUT, deadline);
                if ready.map_err(io::Error::other)?.is_empty() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                socket_error(&fd)??;
            }
            Err(errno) => return Err(errno.into()),
        }
        set_tcp_nodelay(&fd, true)?;
        Ok(fd)
    }
}

/// A connected socket.
pub(super) struct Socket {
    fd: OwnedFd,
    buffers: LazyBuffers,
    canceller: Canceller,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    /// Wait until the socket is ready: not longer than ureq has time, nor than a silence is endured.
    fn wait(&self, wanted: PollFlags, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let left = timeout.not_zero().map_or(Duration::MAX, |left| *left);
        let deadline = Deadline::after(left.min(patience::silence()));
        match self.canceller.wait_for(self.fd.as_fd(), wanted, deadline) {
            Ok(ready) if ready.is_empty() => Err(ureq::Error::Timeout(timeout.reason)),
            Ok(_) => Ok(()),
            // The engine's own error goes through ureq inside an `io::Error` and is taken out again (`http.rs`).
            Err(error) => Err(io::Error::other(error).into()),
        }
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let mut sent = 0;
        while sent < amount {
            let output = &self.buffers.output()[sent..amount];
            // Without the flag a connection that was closed would raise SIGPIPE in the host program.
            match send(&self.fd, output, SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, timeout)?,
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        loop {
            // Looked at first, so that a peer which always has data to send cannot keep the cancellation from being seen.
            self.canceller.check().map_err(|error| ureq::Error::Io(io::Error::other(error)))?;
            match recv(&self.fd, self.buffers.input_append_buf(), RecvFlags::empty()) {
                Ok((_, count)) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, timeout)?,
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Between two answers nothing may come: data would belong to none, and an end is one.
        let mut byte = [0u8; 1];
        recv(&self.fd, &mut byte[..], RecvFlags::PEEK).err() == Some(Errno::AGAIN)
    }
}

/// Asks the system for addresses, in the calling thread: ureq's own resolver starts one for each question and leaves it behind
/// when it takes too long. The limit is the system's (`timeout` and `attempts` in `man 5 resolv.conf`).
#[derive(Debug)]
pub(super) struct System;

impl Resolver for System {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = (host, port).to_socket_addrs().map_err(|_| ureq::Error::HostNotFound)?;
        let mut addresses = self.empty();
        // As many as the array holds.
        found.take(16).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}
