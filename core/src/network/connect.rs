//! `connect` and `disconnect`: the networks of a container that is there already, and may run.
//!
//! The record and a running container's links change one after the other. Each way an intent is written first, and whoever finds
//! one whose process has died takes the container out of the network: as if it had never been connected, or as it was asked for.

use std::os::fd::{AsFd, OwnedFd};

use rusqlite::Transaction;

use super::attach::{Reached, places, set_default_route};
use super::driver::{self, Inside};
use super::endpoint::{self, connected_already};
use super::firewall;
use super::record::{Endpoint, Record};
use super::{DEFAULT, Networks, claim, links, names, publish};
use crate::Engine;
use crate::api::{NetworkConnect, NetworkDisconnect};
use crate::container::{self, OperationLock};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::{Durability, Intent};
use crate::sys::netlink::Socket;
use crate::sys::{clock, namespace};

/// That a container may have to be taken out of a network. The object is `CONTAINER NETWORK`.
pub(crate) const INTENT: &str = "network-leave";

impl Networks<'_> {
    /// Connect a container to a network: at once if it runs, else from its next start on.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it is in it. See `docs/errors.md`.
    pub fn connect(&self, request: &NetworkConnect) -> Result<()> {
        let (engine, network) = (self.engine, self.find(&request.id)?);
        let wanted = endpoint::want(engine, &request.id, &request.endpoint_config, "")?;
        let id = engine.containers().networked(&request.container)?;
        let _lock = OperationLock::take_quietly(engine, &id)?;
        let name = engine.containers().name_of(&id)?;
        failpoint("network-connect-locked")?;
        let endpoint = engine.store().write(Durability::Full, |transaction| {
            if Endpoint::of_container(transaction, &id)?.iter().any(|e| e.network == network.id) {
                return Err(connected_already(&name, &network.name));
            }
            let intent = begin(engine, transaction, &id, &network.id)?;
            let claimed = claim(transaction, &id, std::slice::from_ref(&wanted))?.pop();
            Ok(claimed.map(|endpoint| (endpoint, intent)))
        })?;
        let Some((endpoint, intent)) = endpoint else { return Ok(()) };
        failpoint("network-connect-committed")?;
        if let Some(namespace) = container::network_of(engine, &id)? {
            let joined = join(engine, &network, &endpoint, namespace);
            if let Err(error) = joined {
                // As if nothing had been asked for. What cannot be undone now the next command undoes.
                let _ = take_out(engine, &network, &endpoint, intent, false);
                return Err(error);
            }
        }
        names::publish_again(engine, &id)?;
        failpoint("network-connected")?;
        engine.store().free(Durability::Full, |t| Intent::finish(t, intent))?;
        failpoint("network-connect-finished")?;
        events::network(
            engine,
            "connect",
            &network.id,
            &network.name,
            &[("container", &id), ("type", &network.driver)],
        );
        Ok(())
    }

    /// Disconnect a container from a network.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when it is not in it. See `docs/errors.md`.
    pub fn disconnect(&self, request: &NetworkDisconnect) -> Result<()> {
        let (engine, network) = (self.engine, self.find(&request.id)?);
        let id = engine.containers().networked(&request.container)?;
        let _lock = OperationLock::take_quietly(engine, &id)?;
        let endpoints =
            engine.store().read(|connection| Endpoint::of_container(connection, &id))?;
        let Some(endpoint) = endpoints.into_iter().find(|endpoint| endpoint.network == network.id)
        else {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("container {id} is not connected to network {}", network.name),
            )
            .with_reason("not_connected")
            .about("network", &request.id));
        };
        failpoint("network-disconnect-locked")?;
        let intent =
            engine.store().free(Durability::Full, |t| begin(engine, t, &id, &network.id))?;
        take_out(engine, &network, &endpoint, intent, request.force)?;
        events::network(
            engine,
            "disconnect",
            &network.id,
            &network.name,
            &[("container", &id), ("type", &network.driver)],
        );
        Ok(())
    }
}

/// Give a running container its interface.
fn join(engine: &Engine, network: &Record, endpoint: &Endpoint, namespace: OwnedFd) -> Result<()> {
    let socket = namespace::in_network(namespace::hold(namespace.as_fd())?, Socket::route)?;
    let inside = Inside { namespace: namespace.as_fd(), socket: &socket };
    driver::of(&network.driver)?.join(engine, network, endpoint, &inside)?;
    let places = places(engine, &endpoint.container)?;
    have_places(engine, &endpoint.container, &places, &socket)?;
    links::tell(engine, &endpoint.container);
    match network.name == DEFAULT {
        true => Ok(()),
        false => container::use_resolver(engine, &endpoint.container),
    }
}

/// A running container has these places from now on, and no others: its way out, and what its monitor has to put back.
fn have_places(
    engine: &Engine,
    container: &str,
    places: &[(Record, Endpoint)],
    inside: &Socket,
) -> Result<()> {
    set_default_route(inside, places)?;
    links::write_down(engine, container, places, inside)?;
    publish::follow(engine, container, Reached::at(places))
}

fn begin(
    engine: &Engine,
    transaction: &Transaction<'_>,
    container: &str,
    network: &str,
) -> Result<i64> {
    let object = format!("{container} {network}");
    Intent::begin(transaction, INTENT, &object, engine.this_process(), clock::now())
}

/// Take a container out of a network, whose operation lock the caller holds; `force`: that the link cannot be taken away is fine.
fn take_out(
    engine: &Engine,
    network: &Record,
    endpoint: &Endpoint,
    intent: i64,
    force: bool,
) -> Result<()> {
    let id = &endpoint.container;
    links::forget(engine, id, &network.id)?;
    match driver::of(&network.driver)?.leave(engine, endpoint) {
        Err(_) if force => {}
        left => left?,
    }
    names::leave(engine, id, &endpoint.network)?;
    failpoint("network-left")?;
    if let Some(namespace) = container::network_of(engine, id)? {
        let mut places = places(engine, id)?;
        places.retain(|(_, other)| other.network != endpoint.network);
        let socket = namespace::in_network(namespace, Socket::route)?;
        have_places(engine, id, &places, &socket)?;
    }
    engine.store().free(Durability::Full, |transaction| {
        Endpoint::delete(transaction, id, &endpoint.network)?;
        Intent::finish(transaction, intent)
    })?;
    failpoint("network-leave-committed")?;
    // Its published ports lead to another place of its, or to none.
    firewall::follow(engine)
}

/// Do what a process that has died was about to do, unless somebody is busy with the container.
pub(crate) fn finish_leaving(engine: &Engine, intent: &Intent) -> Result<()> {
    let (container, network) = intent.object.split_once(' ').unwrap_or_default();
    let (network, endpoints) = engine.store().read(|connection| {
        Ok((Record::find(connection, network)?, Endpoint::of_container(connection, container)?))
    })?;
    let place = network.and_then(|network| {
        let endpoint = endpoints.into_iter().find(|endpoint| endpoint.network == network.id)?;
        Some((network, endpoint))
    });
    match place {
        Some((network, endpoint)) => match OperationLock::try_take(engine, container, "")? {
            Some(_lock) => take_out(engine, &network, &endpoint, intent.id, false),
            None => Ok(()),
        },
        // One of them was removed, and the place with it.
        None => engine.store().write(Durability::Full, |t| Intent::finish(t, intent.id)),
    }
}
