//! The drivers `macvlan` and `ipvlan`: a container's interface is one more on a link of this host's, its parent, beside the host.
//!
//! Containers are machines of the network that the parent is on. Nothing of ours stands between: no bridge, no rules, no published ports; and
//! the host itself does not reach them by the parent, as the kernel keeps the two apart.

use super::bridge::is_link_name;
use super::driver::{Driver, Inside};
use super::interface::{self, without_ipv6};
use super::record::{Endpoint, Record};
use crate::Engine;
use crate::api::NetworkCreate;
use crate::container;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::sys::namespace;
use crate::sys::netlink::route::{self, Child, Kind};
use crate::sys::netlink::{Refusal, Socket};

/// Docker's names of the options.
const PARENT: &str = "parent";
const MACVLAN_MODE: &str = "macvlan_mode";
const IPVLAN_MODE: &str = "ipvlan_mode";

/// One of the two.
pub(super) enum Parented {
    Macvlan,
    Ipvlan,
}

impl Parented {
    fn name(&self) -> &'static str {
        match self {
            Parented::Macvlan => "macvlan",
            Parented::Ipvlan => "ipvlan",
        }
    }

    /// What the option of the mode is called.
    fn mode_option(&self) -> &'static str {
        match self {
            Parented::Macvlan => MACVLAN_MODE,
            Parented::Ipvlan => IPVLAN_MODE,
        }
    }

    /// The parent that a network has which was given none, as docker's has: a link that leads nowhere, and only containers are on it.
    fn own_parent(&self, network: &Record) -> Option<String> {
        let prefix = match self {
            Parented::Macvlan => "dm-",
            Parented::Ipvlan => "di-",
        };
        let given = network.document.options.contains_key(PARENT);
        (!given).then(|| format!("{prefix}{}", &network.id[..12]))
    }

    /// The kernel's number of a mode (linux/if_link.h); of none, that of docker's default.
    fn kind(&self, mode: Option<&str>) -> Option<Kind> {
        Some(match self {
            Parented::Macvlan => Kind::Macvlan(match mode {
                Some("private") => 1,
                Some("vepa") => 2,
                None | Some("bridge") => 4,
                Some("passthru") => 8,
                Some(_) => return None,
            }),
            Parented::Ipvlan => Kind::Ipvlan(match mode {
                None | Some("l2") => 0,
                Some("l3") => 1,
                Some("l3s") => 2,
                Some(_) => return None,
            }),
        })
    }
}

impl Driver for Parented {
    fn validate(&self, request: &NetworkCreate) -> Result<()> {
        let wrong = |error: Error| Err(error.about("field", "Options"));
        for (option, value) in &request.options {
            let fits = match option.as_str() {
                PARENT => is_link_name(value),
                option if option == self.mode_option() => self.kind(Some(value)).is_some(),
                _ => {
                    let name = self.name();
                    return wrong(Error::invalid(format!(
                        "unknown option of {name} networks: {option}"
                    )));
                }
            };
            if !fits {
                return wrong(Error::invalid(format!("invalid value of {option}: \"{value}\"")));
            }
        }
        Ok(())
    }

    fn leads_nowhere(&self, request: &NetworkCreate) -> bool {
        !request.options.contains_key(PARENT)
    }

    fn may_join(&self, _: &Record) -> Result<()> {
        Ok(())
    }

    fn join(
        &self,
        _: &Engine,
        network: &Record,
        endpoint: &Endpoint,
        inside: &Inside<'_>,
    ) -> Result<()> {
        let option = |name: &str| network.document.options.get(name).map(String::as_str);
        let own = self.own_parent(network);
        let parent = own.as_deref().or(option(PARENT)).unwrap_or_default();
        let failed = |refusal: Refusal| match refusal.errno {
            libc::EPERM => refusal
                .error(format!("connect the container to network {}", network.name))
                .because("it needs CAP_NET_ADMIN"),
            libc::EOPNOTSUPP => {
                Error::unsupported(format!("this kernel has no {} (module)", self.name()))
                    .about("network", &network.name)
            }
            _ => refusal.error(format!("connect the container to network {}", network.name)),
        };
        let outside = Socket::route()?;
        let mut found = outside.link(parent).map_err(failed)?;
        if found.is_none() && own.is_some() {
            let _lock = namespace::lock_network()?;
            match outside.change(route::dummy(parent)) {
                Err(refusal) if refusal.errno == libc::EOPNOTSUPP => {
                    return Err(Error::unsupported(format!(
                        "this kernel has no dummy (module): name a link of this host's when the network is created, {}",
                        "-o parent=eth0"
                    ))
                    .about("network", &network.name));
                }
                // Another start was first.
                Err(refusal) if refusal.errno == libc::EEXIST => {}
                made => made.map_err(failed)?,
            }
            found = outside.link(parent).map_err(failed)?;
            if let Some(index) = found {
                without_ipv6(parent)?;
                outside.set_up(index).map_err(failed)?;
            }
        }
        let found = found.ok_or_else(|| {
            Error::not_found("link", parent)
                .because(format!("it is the parent of network {}", network.name))
        })?;
        let interface = interface::name(endpoint);
        let kind = self.kind(option(self.mode_option()));
        let child = Child {
            name: &interface,
            namespace: inside.namespace,
            parent: found,
            kind: kind.ok_or_else(|| Error::internal("a mode that was checked"))?,
            // Those of ipvlan have their parent's.
            mac: match self {
                Parented::Macvlan => Some(endpoint.mac()?),
                Parented::Ipvlan => None,
            },
        };
        outside.add_child(&child).map_err(failed)?;
        failpoint("network-child-made")?;
        interface::furnish(inside, network, endpoint)
    }

    fn leave(&self, engine: &Engine, endpoint: &Endpoint) -> Result<()> {
        // Where it does not run, the link went with the namespace that it was in.
        let Some(namespace) = container::network_of(engine, &endpoint.container)? else {
            return Ok(());
        };
        let name = interface::name(endpoint);
        namespace::in_network(namespace, Socket::route)?
            .delete_link(&name)
            .map_err(|refusal| refusal.error(format!("remove the link {name}")))
    }

    fn tear_down(&self, _: &Engine, network: &Record) -> Result<()> {
        let Some(name) = self.own_parent(network) else { return Ok(()) };
        Socket::route()?
            .delete_link(&name)
            .map_err(|refusal| refusal.error(format!("remove the link {name}")))
    }
}
