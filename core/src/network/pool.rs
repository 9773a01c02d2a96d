//! Which ranges networks get that did not ask for one.
//!
//! Docker gives 31 networks that many addresses that the 32nd gets none (moby#23971). A bridge has 1,023 ports at most, and
//! hardly one has more than a handful: so networks of one's own get a range of 254 addresses, of which there are 3,840, and only
//! the default one is as wide as docker's.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::subnet::Subnet;

/// The default network's length.
const DEFAULT_PREFIX: u8 = 16;

/// What the others are parts of. Both are for private use (RFC 1918), and what docker takes.
const POOLS: [Subnet; 2] =
    [Subnet::new(Ipv4Addr::new(172, 16, 0, 0), 12), Subnet::new(Ipv4Addr::new(192, 168, 0, 0), 16)];

/// The length of a part.
const PREFIX: u8 = 24;

/// A range that overlaps none of these; `default`: for the default network.
pub(super) fn choose(taken: &[Subnet], default: bool) -> Option<Subnet> {
    let free = |candidate: &Subnet| !taken.iter().any(|taken| taken.overlaps(*candidate));
    // 172.16 is left to those whose network at home or at work it is, and 172.17 to the default network, docker's or ours.
    let (first, below) =
        (Ipv4Addr::new(172, 16, 0, 0), Subnet::new(Ipv4Addr::new(172, 16, 0, 0), 15));
    if default {
        let mut wide = POOLS[0].parts(DEFAULT_PREFIX).filter(|part| part.address() != first);
        if let Some(found) = wide.find(free) {
            return Some(found);
        }
    }
    POOLS
        .into_iter()
        .flat_map(|pool| pool.parts(PREFIX))
        .filter(|part| !below.includes(*part))
        .find(free)
}

/// A range of IPv6 that overlaps none of these: for private use (RFC 4193), with 40 bits of `id`, which are by chance.
pub(super) fn choose6(taken: &[Subnet<Ipv6Addr>], id: &str) -> Option<Subnet<Ipv6Addr>> {
    const PRIVATE: u128 = 0xfd << 120;
    let parts = (0..id.len() / 10).filter_map(|nth| {
        let digits = u128::from_str_radix(id.get(nth * 10..)?.get(..10)?, 16).ok()?;
        Some(Subnet::new(Ipv6Addr::from_bits(PRIVATE | digits << 80), 64))
    });
    parts.into_iter().find(|part| !taken.iter().any(|taken| taken.overlaps(*part)))
}

#[cfg(test)]
mod tests {
    use super::{super::subnet::Subnet, choose, choose6};

    #[test]
    fn ranges_of_ipv6_are_made_of_ids() {
        let id = "0123456789abcdef".repeat(4);
        let first = choose6(&[], &id).unwrap();
        assert_eq!(first.to_string(), "fd01:2345:6789::/64");
        assert_eq!(choose6(&[first], &id).unwrap().to_string(), "fdab:cdef:123::/64");
        assert!(choose6(&[Subnet::parse("fd00::/8").unwrap()], &id).is_none());
    }

    #[test]
    fn ranges_are_given_until_there_is_none() {
        let mut taken = vec![choose(&[], true).unwrap()];
        assert_eq!(taken[0].to_string(), "172.17.0.0/16");
        while let Some(subnet) = choose(&taken, false) {
            assert!(!taken.iter().any(|other| other.overlaps(subnet)));
            taken.push(subnet);
            // The first half of the work is as good as all of it.
            if taken.len() == 300 {
                taken.extend(Subnet::parse("172.16.0.0/12"));
            }
        }
        assert_eq!(taken[1].to_string(), "172.18.0.0/24");
        assert_eq!(taken.last().unwrap().to_string(), "192.168.255.0/24");
        assert!(choose(&taken, true).is_none());
    }

    #[test]
    fn what_others_have_is_left_to_them() {
        let taken =
            [Subnet::parse("172.17.5.0/24").unwrap(), Subnet::parse("172.18.0.0/15").unwrap()];
        assert_eq!(choose(&taken, true).unwrap().to_string(), "172.20.0.0/16");
        assert_eq!(choose(&taken, false).unwrap().to_string(), "172.20.0.0/24");
        assert!(choose(&[Subnet::parse("0.0.0.0/0").unwrap()], false).is_none());
    }
}
