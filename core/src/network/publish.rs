//! Published ports: ports of this host that lead to a container while it runs.
//!
//! Each is held by a socket of this host that is bound to it, so the kernel decides who has a port, whoever else asks for one. The
//! socket never listens, and nobody reads it: packets are led past it by the firewall, and where that fails a caller is refused instead
//! of being kept waiting. All of a container's are queued in one pair of Unix sockets, one end of which its monitor has: a thousand ports cost it
//! one descriptor, and they are free when it has ended.
//!
//! What was taken stands in the container's run directory, for the firewall and for those who ask.

use std::fs;
use std::io::ErrorKind as Io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use barque_monitor::protocol::{PORTS_FILE, PUBLICATION_FILE, WITHDRAWAL_FILE};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::attach::Reached;
use super::{firewall, port_owner};
use crate::Engine;
use crate::container::plan::WantedPort;
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::sys;

/// A port of this host that leads to one of a container's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The container's.
    pub(crate) port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub(crate) protocol: String,
    /// 0.0.0.0 and ::: all of this host's, of the family.
    pub(crate) host_ip: IpAddr,
    pub(crate) host_port: u16,
}

impl Published {
    /// The key of Docker's maps of ports.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.port, self.protocol)
    }

    /// Whether both would have the same port of this host.
    pub(super) fn clashes(&self, protocol: &str, host_ip: IpAddr, host_port: u16) -> bool {
        let all = self.host_ip.is_unspecified() || host_ip.is_unspecified();
        let same = self.host_ip == host_ip || all && self.host_ip.is_ipv6() == host_ip.is_ipv6();
        self.protocol == protocol && self.host_port == host_port && same
    }
}

/// Take ports for a container, whose run directory is there, and which is reached there. They are held as long as what is returned.
pub(super) fn hold(
    engine: &Engine,
    container: &str,
    wanted: &[WantedPort],
    reached: Reached,
) -> Result<OwnedFd> {
    let (entrance, queue) = sys::socket::queue()?;
    let mut published = Vec::new();
    // Each is one socket, or two.
    for wanted in wanted.chunks(sys::socket::MOST_AT_ONCE / 2) {
        let mut held = Vec::new();
        for wanted in wanted {
            let taken = take(engine, wanted, reached)?;
            published.extend(taken.places.into_iter().map(|host_ip| Published {
                port: wanted.port,
                protocol: wanted.protocol.clone(),
                host_ip,
                host_port: taken.port,
            }));
            held.extend(taken.sockets);
        }
        sys::socket::enqueue(&entrance, &held)?;
    }
    failpoint("network-ports-held")?;
    let run = engine.layout().container_run(container);
    let text = serde_json::to_vec(&published)
        .map_err(|error| Error::internal("write down the published ports").because(error))?;
    // The last counts: when it is there, the monitor knows how to undo what follows from it.
    write_messages(engine, container, &published, reached)?;
    sys::file::replace(&run.join(PORTS_FILE), &text, 0o600)?;
    failpoint("network-ports-written")?;
    Ok(queue)
}

/// Write down what a container's monitor has to send, to have its ports lead there and nowhere.
fn write_messages(
    engine: &Engine,
    container: &str,
    published: &[Published],
    reached: Reached,
) -> Result<()> {
    let run = engine.layout().container_run(container);
    let end = firewall::withdrawal(engine, published, reached);
    sys::file::replace(&run.join(WITHDRAWAL_FILE), &end, 0o600)?;
    let begin = firewall::publication(engine, published, reached);
    sys::file::replace(&run.join(PUBLICATION_FILE), &begin, 0o600)
}

/// A container, whose operation lock the caller holds, is reached elsewhere from now on.
pub(super) fn follow(engine: &Engine, container: &str, reached: Reached) -> Result<()> {
    let published = of(engine, container)?;
    match published.is_empty() {
        true => Ok(()),
        false => write_messages(engine, container, &published, reached),
    }
}

/// What is published for a container; nothing, when it does not run.
pub(crate) fn of(engine: &Engine, container: &str) -> Result<Vec<Published>> {
    let path = engine.layout().container_run(container).join(PORTS_FILE);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| Error::internal(format!("read {}", path.display())).because(error)),
        Err(error) if error.kind() == Io::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::system(format!("read {}", path.display()), error)),
    }
}

/// What is published for all containers, with their ids.
pub(super) fn all(engine: &Engine) -> Result<Vec<(String, Vec<Published>)>> {
    let run = engine.layout().run();
    let failed = |error| Error::system(format!("read {}", run.display()), error);
    let mut all = Vec::new();
    for entry in fs::read_dir(run).map_err(failed)? {
        let Ok(container) = entry.map_err(failed)?.file_name().into_string() else { continue };
        let ports = if container.len() == 64 { of(engine, &container)? } else { Vec::new() };
        if !ports.is_empty() {
            all.push((container, ports));
        }
    }
    Ok(all)
}

/// Nothing leads to a container any more whose monitor is gone, and did not see to that.
pub(crate) fn withdraw(engine: &Engine, container: &str) -> Result<()> {
    let run = engine.layout().container_run(container);
    let (ports, withdrawn) = (run.join(PORTS_FILE), run.join("ports-withdrawn"));
    match fs::rename(&ports, &withdrawn) {
        Ok(()) => {}
        // Whoever began it before was killed, or there are none: there may be anything where the directory should be.
        Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => {
            if !withdrawn.exists() {
                return Ok(());
            }
        }
        Err(error) => return Err(Error::system(format!("rename {}", ports.display()), error)),
    }
    failpoint("network-ports-withdrawn")?;
    firewall::follow(engine)
}

/// A port of this host, at one address or two.
struct Taken {
    port: u16,
    places: Vec<IpAddr>,
    sockets: Vec<OwnedFd>,
}

/// How often a port of the kernel's choice may be somebody's at the other family's address.
const TRIES: usize = 32;

/// Take a port, where the container is reached.
fn take(engine: &Engine, wanted: &WantedPort, reached: Reached) -> Result<Taken> {
    let WantedPort { port, protocol, host_ip, host_ports: (first, last) } = wanted;
    let all = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let places: Vec<IpAddr> = match host_ip {
        Some(address) if reached.from(*address).is_some() => vec![*address],
        Some(address) => {
            return Err(Error::invalid(format!(
                "port {port} cannot be published at {address}: the container is in no network with addresses of that kind"
            ))
            .about("port", format!("{port}/{protocol}")));
        }
        None => all.into_iter().filter(|place| reached.from(*place).is_some()).collect(),
    };
    for port in *first..=*last {
        let tries = if port == 0 { TRIES } else { 1 };
        for _ in 0..tries {
            match take_at(protocol, &places, port) {
                Ok((port, sockets)) => return Ok(Taken { port, places, sockets }),
                Err((_, Errno::ADDRINUSE)) => {}
                Err((place, errno)) => return Err(refused(protocol, place, port, errno)),
            }
        }
    }
    Err(taken(engine, wanted, &places))
}

/// Take a port at these addresses; 0: any one, the same at all. With an error, the address where it happened.
fn take_at(
    protocol: &str,
    places: &[IpAddr],
    mut port: u16,
) -> std::result::Result<(u16, Vec<OwnedFd>), (IpAddr, Errno)> {
    let mut sockets = Vec::new();
    for place in places {
        let held = sys::socket::hold(protocol, SocketAddr::new(*place, port));
        let (socket, number) = held.map_err(|errno| (*place, errno))?;
        port = number;
        sockets.push(socket);
    }
    Ok((port, sockets))
}

fn refused(protocol: &str, host_ip: IpAddr, port: u16, errno: Errno) -> Error {
    let place = SocketAddr::new(host_ip, port);
    match errno {
        Errno::PROTONOSUPPORT => Error::unsupported(format!(
            "this kernel has no {protocol}: port {port} cannot be published"
        )),
        Errno::ADDRNOTAVAIL => {
            Error::invalid(format!("Bind for {place} failed: this host has no address {host_ip}"))
        }
        _ => Error::system(format!("Bind for {place} failed"), errno.into()),
    }
    .about("port", format!("{port}/{protocol}"))
}

/// The error for ports that others have.
fn taken(engine: &Engine, wanted: &WantedPort, places: &[IpAddr]) -> Error {
    let WantedPort { protocol, host_ports: (first, last), .. } = wanted;
    let owner = |place: &IpAddr| {
        let owner = port_owner::find(engine, protocol, *place, *first)?;
        Some((*place, format!(" by {owner}")))
    };
    // At the one or the other of two addresses it is somebody's.
    let owned = if *first == 0 { None } else { places.iter().find_map(owner) };
    let (host_ip, by) = owned.unwrap_or((places[0], String::new()));
    let place = SocketAddr::new(host_ip, *first);
    let message = match (first, last) {
        (0, _) => format!("Bind for {host_ip} failed: all ports are allocated"),
        (first, last) if first == last => {
            format!("Bind for {place} failed: port is already allocated{by}")
        }
        (_, last) => {
            format!("Bind for {place}-{last} failed: all ports are already allocated")
        }
    };
    Error::new(ErrorKind::Conflict, message)
        .with_reason("port_in_use")
        .about("port", format!("{first}/{protocol}"))
}
