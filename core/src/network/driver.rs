//! What there is to a kind of network: the seam between records and the kernel.
//!
//! A driver checks a request ([`Driver::validate`]), has what a network and a place in it need ([`Driver::join`]), and takes it
//! away. Everything it makes has a name that follows from ids, is made again where it is missing, and may be removed twice. A network that
//! spans hosts would be one more of these.

use std::os::fd::BorrowedFd;

use super::bridge::Bridge;
use super::parented::Parented;
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::api::NetworkCreate;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::netlink::Socket;

/// A container's network namespace, before or while something runs in it.
pub(crate) struct Inside<'a> {
    pub(crate) namespace: BorrowedFd<'a>,
    /// A socket in it.
    pub(crate) socket: &'a Socket,
}

/// A kind of network.
pub(super) trait Driver: Sync {
    /// Check what is asked of a new network.
    fn validate(&self, request: &NetworkCreate) -> Result<()>;

    /// Whether such a network is an internal one, whatever it is asked to be.
    fn leads_nowhere(&self, _: &NetworkCreate) -> bool {
        false
    }

    /// Whether containers may be in this network.
    fn may_join(&self, network: &Record) -> Result<()>;

    /// Give a container its interface in the network, with everything that the network itself needs.
    fn join(
        &self,
        engine: &Engine,
        network: &Record,
        endpoint: &Endpoint,
        inside: &Inside<'_>,
    ) -> Result<()>;

    /// Take the interface away. That there is none is fine.
    fn leave(&self, engine: &Engine, endpoint: &Endpoint) -> Result<()>;

    /// Take away what the network has in the kernel. Its row is marked, and no container is in it.
    fn tear_down(&self, engine: &Engine, network: &Record) -> Result<()>;
}

/// The driver of this name.
pub(super) fn of(name: &str) -> Result<&'static dyn Driver> {
    match name {
        "" | Bridge::NAME => Ok(&Bridge),
        "host" | "null" => Ok(&Nothing),
        "macvlan" => Ok(&Parented::Macvlan),
        "ipvlan" => Ok(&Parented::Ipvlan),
        "overlay" => {
            Err(Error::not_yet(format!("network driver {name}; use bridge"))
                .about("field", "Driver"))
        }
        other => Err(Error::new(
            ErrorKind::NotFound,
            format!("could not find plugin {other} in v1 plugin registry: plugin not found"),
        )
        .about("field", "Driver")),
    }
}

/// `host` and `none`: there is one of each, which has nothing.
struct Nothing;

impl Driver for Nothing {
    fn validate(&self, request: &NetworkCreate) -> Result<()> {
        Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("only one instance of \"{}\" network is allowed", request.driver),
        ))
    }

    fn may_join(&self, network: &Record) -> Result<()> {
        Err(Error::invalid(format!(
            "container cannot be connected to network {} beside others: use it as the network mode",
            network.name
        ))
        .about("network", &network.name))
    }

    fn join(&self, _: &Engine, network: &Record, _: &Endpoint, _: &Inside<'_>) -> Result<()> {
        self.may_join(network)
    }

    fn leave(&self, _: &Engine, _: &Endpoint) -> Result<()> {
        Ok(())
    }

    fn tear_down(&self, _: &Engine, _: &Record) -> Result<()> {
        Ok(())
    }
}
