//! Giving addresses to containers: in the transaction that writes down who has them.

use rusqlite::{OptionalExtension, Transaction, params};

use super::record::{Columns, Endpoint, Range, Record};
use super::subnet::{Address, Subnet};
use crate::error::{Error, ErrorKind, Result};

/// An address of a family, where the network has any.
pub(super) fn claim<A: Columns>(
    transaction: &Transaction<'_>,
    network: &Record,
    range: Option<Range<A>>,
    wanted: Option<A>,
) -> Result<Option<A>> {
    match (range, wanted) {
        (Some(range), wanted) => give(transaction, network, range, wanted).map(Some),
        (None, None) => Ok(None),
        (None, Some(wanted)) => Err(not_of(network, wanted)),
    }
}

/// An address of the network's that nobody has, or `wanted`.
///
/// The one behind the last that was given is taken first, as an address that was somebody's just now may still be in the tables
/// of neighbours.
fn give<A: Columns>(
    transaction: &Transaction<'_>,
    network: &Record,
    range: Range<A>,
    wanted: Option<A>,
) -> Result<A> {
    let reserved = reserved(network, range)?;
    let free = |address: A| -> Result<bool> {
        Ok(!reserved.contains(&address) && !Endpoint::has(transaction, &network.id, address)?)
    };
    if let Some(wanted) = wanted {
        if !range.subnet.contains(wanted) {
            return Err(not_of(network, wanted));
        }
        if !free(wanted)? {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("Address already in use: {wanted} in network {}", network.name),
            )
            .with_reason("address_in_use")
            .about("network", &network.name));
        }
        return Ok(wanted);
    }
    let pool = pool(network, range.subnet)?;
    let (first, last) = (pool.address().number(), pool.last().number());
    // Nobody has as many containers as there are beyond that.
    let end = i64::try_from(last - first).unwrap_or(i64::MAX);
    let column = A::LAST;
    let given: i64 = transaction
        .prepare_cached(&format!("SELECT {column} FROM networks WHERE id = ?1"))?
        .query_row([&network.id], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    for place in (given..=end).chain(0..=given.min(end)) {
        let candidate = A::of(first + u128::from(place.unsigned_abs()));
        if free(candidate)? {
            transaction
                .prepare_cached(&format!("UPDATE networks SET {column} = ?2 WHERE id = ?1"))?
                .execute(params![network.id, place.saturating_add(1)])?;
            return Ok(candidate);
        }
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!(
            "no available {} addresses on this network's address pools: {} ({}); remove containers, or create a network with \
             a larger subnet",
            A::FAMILY, network.name, &network.id[..12]
        ),
    )
    .with_reason("no_address")
    .about("network", &network.name))
}

/// What is said of an address that a network has not got.
fn not_of<A: Address>(network: &Record, address: A) -> Error {
    Error::invalid(format!(
        "invalid config for network {}: invalid endpoint settings: no configured subnet or ip-range contain the IP address {address}",
        network.name
    ))
    .about("network", &network.name)
}

/// Where addresses come from that nobody asked for.
fn pool<A: Address>(network: &Record, subnet: Subnet<A>) -> Result<Subnet<A>> {
    match network.asked::<A>().map(|config| config.ip_range.as_str()) {
        None | Some("") => Ok(subnet),
        Some(range) => Subnet::parse(range),
    }
}

/// Addresses that no container gets.
fn reserved<A: Address>(network: &Record, range: Range<A>) -> Result<Vec<A>> {
    let mut reserved = vec![range.gateway];
    // The first is the range's own name, or every router's there (RFC 4291, 2.6.1), and of IPv4 all hear the last. A link between two
    // has neither (RFC 3021).
    if range.subnet.prefix() + 1 < A::BITS {
        reserved.push(range.subnet.address());
        if A::BITS == 32 {
            reserved.push(range.subnet.last());
        }
    }
    if let Some(config) = network.asked::<A>() {
        for address in config.auxiliary_addresses.values() {
            reserved.push(super::endpoint::address(address)?);
        }
    }
    Ok(reserved)
}
