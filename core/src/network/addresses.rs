//! Giving addresses to containers: in the transaction that writes down who has them.

use std::net::Ipv4Addr;

use rusqlite::{OptionalExtension, Transaction, params};

use super::record::{Endpoint, Range, Record};
use super::subnet::Subnet;
use crate::error::{Error, ErrorKind, Result};

/// An address of the network's that nobody has, or `wanted`.
///
/// The one behind the last that was given is taken first, as an address that was somebody's just now may still be in the tables
/// of neighbours.
pub(super) fn give(
    transaction: &Transaction<'_>,
    network: &Record,
    range: Range,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr> {
    let reserved = reserved(network, range)?;
    let free = |address: Ipv4Addr| -> Result<bool> {
        Ok(!reserved.contains(&address) && !Endpoint::has(transaction, &network.id, address)?)
    };
    if let Some(wanted) = wanted {
        if !range.subnet.contains(wanted) {
            return Err(Error::invalid(format!(
                "invalid config for network {}: invalid endpoint settings: no configured subnet or ip-range contain the IP \
                 address {wanted}",
                network.name
            ))
            .about("network", &network.name));
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
    let (first, last) = (pool.address().to_bits(), pool.broadcast().to_bits());
    let given: u32 = transaction
        .prepare_cached("SELECT last FROM networks WHERE id = ?1")?
        .query_row([&network.id], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let begin = given.max(first);
    for candidate in (begin..=last).skip(1).chain(first..=begin) {
        let candidate = Ipv4Addr::from_bits(candidate);
        if free(candidate)? {
            transaction
                .prepare_cached("UPDATE networks SET last = ?2 WHERE id = ?1")?
                .execute(params![network.id, candidate.to_bits()])?;
            return Ok(candidate);
        }
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!(
            "no available IPv4 addresses on this network's address pools: {} ({}); remove containers, or create a network with \
             a larger subnet",
            network.name, &network.id[..12]
        ),
    )
    .with_reason("no_address")
    .about("network", &network.name))
}

/// Where addresses come from that nobody asked for.
fn pool(network: &Record, subnet: Subnet) -> Result<Subnet> {
    match network.document.ipam.config.first().map(|config| config.ip_range.as_str()) {
        None | Some("") => Ok(subnet),
        Some(range) => Subnet::parse(range),
    }
}

/// Addresses that no container gets.
fn reserved(network: &Record, range: Range) -> Result<Vec<Ipv4Addr>> {
    let mut reserved = vec![range.gateway];
    // A link between two has neither (RFC 3021).
    if range.subnet.prefix() < 31 {
        reserved.extend([range.subnet.address(), range.subnet.broadcast()]);
    }
    for config in &network.document.ipam.config {
        for address in config.auxiliary_addresses.values() {
            reserved.push(super::endpoint::address(address)?);
        }
    }
    Ok(reserved)
}
