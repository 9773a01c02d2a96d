//! `create`: a row. The kernel hears of the network when the first container starts in it.

use std::net::Ipv4Addr;

use rusqlite::Transaction;

use super::record::{Range, Record};
use super::subnet::Subnet;
use super::{Networks, driver, endpoint, is_predefined, pool, remove};
use crate::api::{IpamConfig, NetworkCreate, NetworkCreated};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::id;
use crate::store::Durability;
use crate::sys::netlink::Socket;
use crate::sys::{clock, namespace};

/// The shortest of ranges with an address for the host and one for a container (RFC 3021), and the widest.
const NARROWEST: u8 = 31;
const WIDEST: u8 = 8;

impl Networks<'_> {
    /// Create a network.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when there is one of that name. See `docs/errors.md`.
    pub fn create(&self, request: &NetworkCreate) -> Result<NetworkCreated> {
        let name = check_name(&request.name)?;
        driver::of(&request.driver)?.validate(request)?;
        refuse_the_rest(request)?;
        let asked = match request.ipam.config.as_slice() {
            [] => None,
            [config] if config.subnet.is_empty() && *config == IpamConfig::default() => None,
            [config] => Some(range(config)?),
            _ => {
                let driver = if request.driver.is_empty() { "bridge" } else { &request.driver };
                return Err(Error::invalid(format!(
                    "{driver} driver doesn't support multiple subnets"
                ))
                .about("field", "IPAM.Config"));
            }
        };
        let mut document = request.clone();
        if document.driver.is_empty() {
            "bridge".clone_into(&mut document.driver);
        }
        let mut record = Record {
            id: id::random()?,
            name: name.to_owned(),
            driver: document.driver.clone(),
            created: clock::now(),
            document,
            range: asked,
            removing: false,
        };
        failpoint("network-create-checked")?;
        let engine = self.engine;
        // Two engines of one host choose one after the other.
        let _lock = namespace::lock_network()?;
        let used = used()?;
        let mut finished = false;
        loop {
            let written = engine.store().write(Durability::Full, |transaction| {
                record.range = Some(match asked {
                    Some(range) => free(transaction, range)?,
                    None => choose(transaction, &used, false)?,
                });
                match record.insert(transaction)? {
                    true => Ok(None),
                    false => Record::named(transaction, name).map(Some).map_err(Error::from),
                }
            })?;
            match written {
                None => break,
                // Its removal was cut short; or it went this moment.
                Some(Some(other)) if other.removing && !finished => {
                    remove::finish(engine, &other.id)?;
                    finished = true;
                }
                Some(None) if !finished => finished = true,
                Some(_) => return Err(taken(name)),
            }
        }
        failpoint("network-create-committed")?;
        events::network(engine, "create", &record.id, name, &[("type", &record.driver)]);
        Ok(NetworkCreated { id: record.id, warning: String::new() })
    }
}

fn taken(name: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("network with name {name} already exists"))
        .about("network", name)
}

/// A name that a network of one's own may have.
fn check_name(name: &str) -> Result<&str> {
    if is_predefined(name) || matches!(name, "default" | "container") {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("operation is not permitted on predefined {name} network"),
        )
        .with_reason("predefined")
        .about("network", name));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins || name.len() > 255 || !name.bytes().all(plain) {
        return Err(Error::invalid(format!(
            "invalid network name \"{name}\": only [a-zA-Z0-9][a-zA-Z0-9_.-]* are allowed"
        ))
        .about("field", "Name"));
    }
    Ok(name)
}

/// What there is no network with yet, and what there is no sense in without a swarm.
fn refuse_the_rest(request: &NetworkCreate) -> Result<()> {
    let rows = [
        ("EnableIPv6", request.enable_ipv6 == Some(true)),
        ("EnableIPv4", request.enable_ipv4 == Some(false)),
        ("ConfigOnly", request.config_only),
        ("ConfigFrom", !request.config_from.network.is_empty()),
        ("IPAM.Options", !request.ipam.options.is_empty()),
    ];
    if let Some((field, _)) = rows.into_iter().find(|(_, used)| *used) {
        return Err(Error::not_yet(format!("{field} of a network")).about("field", field));
    }
    if request.ingress {
        return Err(Error::unsupported(
            "an ingress network is part of a swarm, which barque has none of",
        )
        .about("field", "Ingress"));
    }
    if !matches!(request.scope.as_str(), "" | "local") {
        return Err(
            Error::invalid(format!("invalid scope: {}", request.scope)).about("field", "Scope")
        );
    }
    if !matches!(request.ipam.driver.as_str(), "" | "default") {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("error finding ipam plugin {}: plugin not found", request.ipam.driver),
        )
        .about("field", "IPAM.Driver"));
    }
    Ok(())
}

/// The addresses that a request asks for.
fn range(config: &IpamConfig) -> Result<Range> {
    if config.subnet.is_empty() {
        return Err(Error::invalid(
            "invalid IPAM configuration: a gateway, range or address needs its subnet",
        )
        .about("field", "IPAM.Config"));
    }
    let subnet = Subnet::parse(&config.subnet)?;
    let about = |error: Error| error.about("field", "IPAM.Config");
    if !(WIDEST..=NARROWEST).contains(&subnet.prefix()) {
        return Err(about(Error::invalid(format!(
            "invalid subnet {subnet}: its length must be from /{WIDEST} to /{NARROWEST}"
        ))));
    }
    let address = subnet.address();
    if address.is_loopback()
        || address.is_multicast()
        || address.is_unspecified()
        || address.octets()[0] >= 240
    {
        return Err(about(Error::invalid(format!(
            "invalid subnet {subnet}: no addresses for machines"
        ))));
    }
    let within = |what: &str, text: &str| -> Result<Ipv4Addr> {
        let address = endpoint::address(text).map_err(about)?;
        match subnet.contains(address) {
            true => Ok(address),
            false => Err(about(Error::invalid(format!("no matching subnet for {what} {text}")))),
        }
    };
    let gateway = match config.gateway.as_str() {
        "" if subnet.prefix() == 31 => address,
        "" => Ipv4Addr::from_bits(address.to_bits() + 1),
        text => within("gateway", text)?,
    };
    if !config.ip_range.is_empty() {
        let part = Subnet::parse(&config.ip_range).map_err(about)?;
        if !subnet.includes(part) {
            return Err(about(Error::invalid(format!("no matching subnet for range {part}"))));
        }
    }
    for text in config.auxiliary_addresses.values() {
        within("aux-address", text)?;
    }
    Ok(Range { subnet, gateway })
}

/// What this host sends somewhere already.
pub(super) fn used() -> Result<Vec<Subnet>> {
    let destinations = Socket::route()?
        .destinations()
        .map_err(|refusal| refusal.error("look at this host's routes"))?;
    Ok(destinations.into_iter().map(|(first, prefix)| Subnet::around(first, prefix)).collect())
}

/// A range that nobody has.
pub(super) fn choose(
    transaction: &Transaction<'_>,
    used: &[Subnet],
    default: bool,
) -> Result<Range> {
    let mut taken = used.to_vec();
    taken
        .extend(Record::all(transaction)?.iter().filter_map(|n| n.range).map(|range| range.subnet));
    let subnet = pool::choose(&taken, default).ok_or_else(|| {
        Error::new(
            ErrorKind::ResourceExhausted,
            "all predefined address pools have been fully subnetted: give the network a subnet of its own, or remove others",
        )
        .with_reason("no_subnet")
    })?;
    Ok(Range { subnet, gateway: Ipv4Addr::from_bits(subnet.address().to_bits() + 1) })
}

/// That no other network of this engine has it.
fn free(transaction: &Transaction<'_>, range: Range) -> Result<Range> {
    let all = Record::all(transaction)?;
    let other =
        all.iter().find(|n| n.range.is_some_and(|other| other.subnet.overlaps(range.subnet)));
    match other {
        None => Ok(range),
        Some(other) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "invalid pool request: Pool overlaps with other one on this address space: {} and {} of network {}",
                range.subnet,
                other.range.map_or_else(String::new, |range| range.subnet.to_string()),
                other.name
            ),
        )
        .with_reason("overlap")
        .about("network", &other.name)),
    }
}
