//! `connect`: a socket into a container's network, without a port of this host's for it.
//!
//! A socket belongs to the network namespace that it was made in, whoever uses it. So one that is made in the container's reaches what
//! listens there, on its loopback too, whatever networks the container has or has not, and nobody else gains a way in.

use std::io::ErrorKind as Io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Containers;
use super::record::Record;
use super::{joined, monitor};
use crate::api::ContainerConnect;
use crate::error::{Error, ErrorKind, Result};
use crate::network;
use crate::stream::Deadline;
use crate::sys::namespace;

/// How long one attempt may take: a server whose queue is full lets callers wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time between attempts.
const PAUSE: Duration = Duration::from_millis(10);

impl Containers<'_> {
    /// Connect to a TCP port of a running container: a connected socket, which blocks and is closed on exec. It needs neither a published
    /// port nor a network. With `TimeoutMs` it is waited for until somebody listens.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the container does not run, [`ErrorKind::Unavailable`] when nobody listens. See `docs/errors.md`.
    pub fn connect(&self, request: &ContainerConnect) -> Result<OwnedFd> {
        let (engine, record) = (self.engine, self.find(&request.id)?);
        if request.port == 0 {
            return Err(Error::invalid("invalid port: 0").about("field", "Port"));
        }
        let deadline = Deadline::after(Duration::from_millis(request.timeout_ms));
        loop {
            // Anew each time, as it may have been started again.
            let Some(inside) = joined::network_of(engine, &record.id)? else {
                return Err(monitor::not_running(&record.id));
            };
            let addresses = self.addresses(&record)?;
            let port = request.port;
            match namespace::in_network(inside, move || dial(&addresses, port))? {
                Some(socket) => return Ok(socket),
                None if deadline.remaining().is_some_and(|left| left.is_zero()) => {
                    return Err(nobody(&record, port));
                }
                None => engine.canceller().sleep(PAUSE)?,
            }
        }
    }

    /// Where a container may listen: its loopback, and then its addresses.
    fn addresses(&self, record: &Record) -> Result<Vec<IpAddr>> {
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let networks = network::documents(self.engine, &record.into(), true)?;
        let addresses = networks.values().flat_map(|e| [&e.ip_address, &e.global_ipv6_address]);
        let own = addresses.filter_map(|address| address.parse().ok());
        Ok(loopback.into_iter().chain(own).collect())
    }
}

/// Connect to the first of these addresses at which somebody listens.
fn dial(addresses: &[IpAddr], port: u16) -> Result<Option<OwnedFd>> {
    for address in addresses {
        match TcpStream::connect_timeout(&(*address, port).into(), PATIENCE) {
            Ok(socket) => return Ok(Some(socket.into())),
            // A container without IPv6, or without any link that is up.
            Err(error)
                if matches!(
                    error.kind(),
                    Io::ConnectionRefused
                        | Io::AddrNotAvailable
                        | Io::NetworkUnreachable
                        | Io::HostUnreachable
                ) => {}
            Err(error) => return Err(Error::system(format!("connect to {address}:{port}"), error)),
        }
    }
    Ok(None)
}

fn nobody(record: &Record, port: u16) -> Error {
    let message = format!("nobody listens on port {port} of container {}", record.name);
    Error::new(ErrorKind::Unavailable, message)
        .with_reason("connection_refused")
        .about("container", &record.id)
}
