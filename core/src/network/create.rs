//! `create`: a row. The kernel hears of the network when the first container starts in it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::record::{Range, Record};
use super::subnet::{Address, Subnet};
use super::{Networks, driver, endpoint, is_predefined, pool, remove};
use crate::api::{IpamConfig, NetworkCreate, NetworkCreated};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::id;
use crate::store::Durability;
use crate::sys::netlink::Socket;
use crate::sys::{clock, namespace};

/// The narrowest of ranges have an address for the host and one for a container (RFC 3021); this is the widest.
const WIDEST: u8 = 8;

impl Networks<'_> {
    /// Create a network.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when there is one of that name. See `docs/errors.md`.
    pub fn create(&self, request: &NetworkCreate) -> Result<NetworkCreated> {
        let name = check_name(&request.name)?;
        let driver = driver::of(&request.driver)?;
        driver.validate(request)?;
        refuse_the_rest(request)?;
        let (asked, asked6) = asked(request)?;
        let mut document = request.clone();
        if document.driver.is_empty() {
            "bridge".clone_into(&mut document.driver);
        }
        document.internal |= driver.leads_nowhere(request);
        let mut record = Record {
            id: id::random()?,
            name: name.to_owned(),
            driver: document.driver.clone(),
            created: clock::now(),
            document,
            range: asked,
            range6: asked6,
            removing: false,
        };
        failpoint("network-create-checked")?;
        let engine = self.engine;
        // Two engines of one host choose one after the other.
        let _lock = namespace::lock_network()?;
        let routed = used()?;
        let routed6 = if request.enable_ipv6 == Some(true) { used()? } else { Vec::new() };
        let mut finished = false;
        loop {
            let written = engine.store().write(Durability::Full, |transaction| {
                let others = Record::all(transaction)?;
                record.range = match (request.enable_ipv4, asked) {
                    (Some(false), _) => None,
                    (_, Some(range)) => Some(free(&others, |other| other.range, range)?),
                    (_, None) => Some(choose(&others, &routed, false)?),
                };
                record.range6 = match (request.enable_ipv6, asked6) {
                    (Some(true), None) => Some(choose6(&others, &routed6, &record.id)?),
                    (_, Some(range)) => Some(free(&others, |other| other.range6, range)?),
                    (_, None) => None,
                };
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

/// The addresses that a request asks for, of both families.
fn asked(request: &NetworkCreate) -> Result<(Option<Range>, Option<Range<Ipv6Addr>>)> {
    let about = |error: Error| error.about("field", "IPAM.Config");
    let (mut asked, mut asked6) = (None, None);
    for config in &request.ipam.config {
        if *config == IpamConfig::default() {
            continue;
        }
        let is_second = match config.subnet.contains(':') {
            true => asked6.replace(range(config).map_err(about)?).is_some(),
            false => asked.replace(range(config).map_err(about)?).is_some(),
        };
        if is_second {
            let driver = if request.driver.is_empty() { "bridge" } else { &request.driver };
            return Err(about(Error::invalid(format!(
                "{driver} driver doesn't support multiple subnets"
            ))));
        }
    }
    let without4 = request.enable_ipv4 == Some(false);
    let without6 = request.enable_ipv6 != Some(true);
    match (asked, asked6) {
        _ if without4 && without6 => {
            Err(Error::invalid("IPv4 or IPv6 must be enabled").about("field", "EnableIPv4"))
        }
        (Some(range), _) if without4 => Err(about(Error::invalid(format!(
            "subnet {} is of IPv4, which the network has not with EnableIPv4 (--ipv4) false",
            range.subnet
        )))),
        (_, Some(range)) if without6 => Err(about(Error::invalid(format!(
            "subnet {} is of IPv6, which the network has only with EnableIPv6 (--ipv6)",
            range.subnet
        )))),
        asked => Ok(asked),
    }
}

/// The addresses that a part of a request asks for.
fn range<A: Address>(config: &IpamConfig) -> Result<Range<A>> {
    if config.subnet.is_empty() {
        return Err(Error::invalid(
            "invalid IPAM configuration: a gateway, range or address needs its subnet",
        ));
    }
    let subnet = Subnet::<A>::parse(&config.subnet)?;
    let narrowest = A::BITS - 1;
    if !(WIDEST..=narrowest).contains(&subnet.prefix()) {
        return Err(Error::invalid(format!(
            "invalid subnet {subnet}: its length must be from /{WIDEST} to /{narrowest}"
        )));
    }
    let address = subnet.address();
    if !address.is_for_machines() {
        return Err(Error::invalid(format!("invalid subnet {subnet}: no addresses for machines")));
    }
    let within = |what: &str, text: &str| -> Result<A> {
        let address = endpoint::address(text)?;
        match subnet.contains(address) {
            true => Ok(address),
            false => Err(Error::invalid(format!("no matching subnet for {what} {text}"))),
        }
    };
    let gateway = match config.gateway.as_str() {
        "" if subnet.prefix() == narrowest => address,
        "" => A::of(address.number() + 1),
        text => within("gateway", text)?,
    };
    if !config.ip_range.is_empty() {
        let part = Subnet::parse(&config.ip_range)?;
        if !subnet.includes(part) {
            return Err(Error::invalid(format!("no matching subnet for range {part}")));
        }
    }
    for text in config.auxiliary_addresses.values() {
        within("aux-address", text)?;
    }
    Ok(Range { subnet, gateway })
}

/// What this host sends somewhere already.
pub(super) fn used<A: Address>() -> Result<Vec<Subnet<A>>> {
    let destinations = Socket::route()?
        .destinations(A::NUMBER)
        .map_err(|refusal| refusal.error("look at this host's routes"))?;
    let range = |(address, prefix)| Some(Subnet::around(A::of_family(address)?, prefix));
    Ok(destinations.into_iter().filter_map(range).collect())
}

/// A range that nobody has.
pub(super) fn choose(others: &[Record], used: &[Subnet], default: bool) -> Result<Range> {
    let mut taken = used.to_vec();
    taken.extend(others.iter().filter_map(|network| network.range).map(|range| range.subnet));
    let subnet = pool::choose(&taken, default).ok_or_else(|| {
        Error::new(
            ErrorKind::ResourceExhausted,
            "all predefined address pools have been fully subnetted: give the network a subnet of its own, or remove others",
        )
        .with_reason("no_subnet")
    })?;
    Ok(Range { subnet, gateway: Ipv4Addr::from_bits(subnet.address().to_bits() + 1) })
}

/// The same of IPv6: one that nobody else in the world has, most likely (RFC 4193, 3.2.1), made of the network's id.
fn choose6(others: &[Record], used: &[Subnet<Ipv6Addr>], id: &str) -> Result<Range<Ipv6Addr>> {
    let mut taken = used.to_vec();
    taken.extend(others.iter().filter_map(|network| network.range6).map(|range| range.subnet));
    let subnet = pool::choose6(&taken, id).ok_or_else(|| {
        Error::new(
            ErrorKind::ResourceExhausted,
            "all IPv6 ranges that were tried are taken: give the network a subnet of its own",
        )
        .with_reason("no_subnet")
    })?;
    Ok(Range { subnet, gateway: Ipv6Addr::of(subnet.address().number() + 1) })
}

/// That no other network of this engine has it.
fn free<A: Address>(
    others: &[Record],
    of: impl Fn(&Record) -> Option<Range<A>>,
    range: Range<A>,
) -> Result<Range<A>> {
    let mut ranges = others.iter().filter_map(|other| Some((other, of(other)?.subnet)));
    match ranges.find(|(_, subnet)| subnet.overlaps(range.subnet)) {
        None => Ok(range),
        Some((other, subnet)) => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "invalid pool request: Pool overlaps with other one on this address space: {} and {subnet} of network {}",
                range.subnet, other.name
            ),
        )
        .with_reason("overlap")
        .about("network", &other.name)),
    }
}
