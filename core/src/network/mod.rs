//! Networks: what containers reach each other and the world by.
//!
//! A network is a row of the record, a container's place in it another one, with the address that it has there ([`record`],
//! [`addresses`]). What a row stands for in the kernel its driver makes when the first container starts in it ([`driver`],
//! [`bridge`]), with names that follow from ids, and makes again where it is missing. A container's namespace is made and
//! furnished before its monitor is started ([`attach`]): its command never runs without its network, nor without the rules about it
//! ([`firewall`]). Ports of this host that lead to it are taken before that ([`publish`]).

mod addresses;
mod attach;
mod bridge;
mod connect;
mod create;
mod driver;
mod endpoint;
mod filter;
mod firewall;
mod inspect;
mod interface;
mod links;
mod list;
pub(crate) mod names;
mod parented;
mod pool;
mod port_owner;
mod prune;
mod publish;
mod record;
mod remove;
mod resolver;
mod subnet;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::Engine;
use crate::api::NetworkCreate;
use crate::container::Look;
use crate::error::{Error, ErrorKind, Result};
use crate::id;
use crate::store::Durability;
use crate::sys::{clock, namespace};

pub(crate) use attach::{address_in_default, attach};
pub(crate) use connect::{INTENT, finish_leaving};
pub(crate) use endpoint::{Called, Places, Wanted, claim, documents, wanted};
pub(crate) use firewall::heal;
pub(crate) use names::is_name;
pub(crate) use publish::{of as published, withdraw};
pub(crate) use remove::finish_removals;
pub(crate) use resolver::{ADDRESS as RESOLVER, Sockets as Resolver};

use record::{Endpoint, Record};

/// The networks that every engine has, and their drivers.
const PREDEFINED: [(&str, &str); 3] = [(DEFAULT, "bridge"), ("host", "host"), ("none", "null")];

/// The one that docker's containers are in unless they say otherwise.
pub(crate) const DEFAULT: &str = "bridge";

/// The networks of an engine.
#[derive(Clone, Copy)]
pub struct Networks<'a> {
    engine: &'a Engine,
}

impl<'a> Networks<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Networks<'a> {
        Networks { engine }
    }

    /// The record of the network that `text` names: its name, its id, or a beginning of it that no other has. A name counts first.
    fn find(&self, text: &str) -> Result<Record> {
        if is_predefined(text) {
            self.ensure_predefined()?;
        }
        let found = self.engine.store().read(|connection| {
            if let Some(named) = Record::named(connection, text)? {
                return Ok(vec![named]);
            }
            if id::is_beginning(text) {
                Record::beginning(connection, text)
            } else {
                Ok(Vec::new())
            }
        })?;
        let mut found = found.into_iter().filter(|network| !network.removing);
        match (found.next(), found.next()) {
            (Some(network), None) => Ok(network),
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "network {text} is ambiguous (2 or more matches found based on ID prefix)"
            ))
            .with_reason("ambiguous_id")
            .about("network", text)),
            (None, _) => Err(not_found(text)),
        }
    }

    /// Have those that every engine has. The default one's addresses are chosen with that.
    fn ensure_predefined(&self) -> Result<()> {
        let known = |connection: &rusqlite::Connection| {
            let mut names = PREDEFINED.iter().map(|(name, _)| name);
            names.try_fold(true, |all, name| Ok(all && Record::named(connection, name)?.is_some()))
        };
        if self.engine.store().read(known)? {
            return Ok(());
        }
        let lock = namespace::lock_network()?;
        for (name, driver) in PREDEFINED {
            let document = NetworkCreate {
                name: name.to_owned(),
                driver: driver.to_owned(),
                ..NetworkCreate::default()
            };
            let used = match name {
                DEFAULT => create::used()?,
                _ => Vec::new(),
            };
            let id = id::random()?;
            self.engine.store().write(Durability::Full, |transaction| {
                let range = match name {
                    DEFAULT => Some(create::choose(&Record::all(transaction)?, &used, true)?),
                    _ => None,
                };
                Record {
                    id,
                    name: name.to_owned(),
                    driver: driver.to_owned(),
                    created: clock::now(),
                    document,
                    range,
                    range6: None,
                    removing: false,
                }
                .insert(transaction)
            })?;
        }
        drop(lock);
        Ok(())
    }

    /// Those of these containers that run, or are being started.
    fn running(&self, endpoints: Vec<(Endpoint, String)>) -> Result<Vec<(Endpoint, String)>> {
        let mut running = Vec::new();
        for (endpoint, name) in endpoints {
            let look = Look::at(self.engine, &endpoint.container)?;
            if look.monitor || look.operation {
                running.push((endpoint, name));
            }
        }
        Ok(running)
    }
}

/// The names of the networks that each container is in.
pub(crate) fn names(engine: &Engine) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let (networks, endpoints) = engine
        .store()
        .read(|connection| Ok((Record::all(connection)?, Endpoint::networks(connection)?)))?;
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (container, id) in endpoints {
        let name =
            networks.iter().find(|network| network.id == id).map(|network| network.name.clone());
        names.entry(container).or_default().extend([id].into_iter().chain(name));
    }
    Ok(names)
}

/// Whether every engine has a network of this name.
fn is_predefined(name: &str) -> bool {
    PREDEFINED.iter().any(|(known, _)| *known == name)
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("network {name} not found")).about("network", name)
}
