//! Ranges of addresses, of either family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::{Error, Result};

/// An address of a family.
pub(crate) trait Address: Copy + Ord + fmt::Debug + fmt::Display + FromStr {
    /// Of an address.
    const BITS: u8;
    /// What the family is called.
    const FAMILY: &'static str;
    /// The kernel's number of it.
    const NUMBER: libc::c_int;
    /// What a range of it looks like.
    const EXAMPLE: &'static str;

    /// An address, if it is of the family.
    fn of_family(address: IpAddr) -> Option<Self>;

    fn number(self) -> u128;

    /// The address of this number, of which the lower bits count.
    fn of(number: u128) -> Self;

    /// A machine may have it.
    fn is_for_machines(self) -> bool;
}

impl Address for Ipv4Addr {
    const BITS: u8 = 32;
    const FAMILY: &'static str = "IPv4";
    const NUMBER: libc::c_int = libc::AF_INET;
    const EXAMPLE: &'static str = "172.20.0.0/16";

    fn of_family(address: IpAddr) -> Option<Ipv4Addr> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn number(self) -> u128 {
        self.to_bits().into()
    }

    fn of(number: u128) -> Ipv4Addr {
        Ipv4Addr::from_bits(number as u32)
    }

    fn is_for_machines(self) -> bool {
        let reserved = self.octets()[0] >= 240;
        !(self.is_loopback() || self.is_multicast() || self.is_unspecified() || reserved)
    }
}

impl Address for Ipv6Addr {
    const BITS: u8 = 128;
    const FAMILY: &'static str = "IPv6";
    const NUMBER: libc::c_int = libc::AF_INET6;
    const EXAMPLE: &'static str = "fd00:1:2:3::/64";

    fn of_family(address: IpAddr) -> Option<Ipv6Addr> {
        match address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        }
    }

    fn number(self) -> u128 {
        self.to_bits()
    }

    fn of(number: u128) -> Ipv6Addr {
        Ipv6Addr::from_bits(number)
    }

    fn is_for_machines(self) -> bool {
        // ::/8 is the loopback, nobody, and IPv4 written otherwise (RFC 4291, 2.4); fe80::/10 is each link's own.
        self.segments()[0] >> 8 != 0 && !self.is_multicast() && !self.is_unicast_link_local()
    }
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subnet<A = Ipv4Addr> {
    first: A,
    prefix: u8,
}

impl<A> Subnet<A> {
    /// The range that begins with this address.
    pub(crate) const fn new(first: A, prefix: u8) -> Subnet<A> {
        Subnet { first, prefix }
    }
}

impl<A: Address> Subnet<A> {
    /// The range in which `address` is.
    pub(crate) fn around(address: A, prefix: u8) -> Subnet<A> {
        Subnet { first: A::of(address.number() & !others::<A>(prefix)), prefix }
    }

    /// `172.20.0.0/16`, `fd00::/64`.
    pub(crate) fn parse(text: &str) -> Result<Subnet<A>> {
        let wrong = || {
            Error::invalid(format!(
                "invalid subnet {text}: not an address and a length, as in {}",
                A::EXAMPLE
            ))
        };
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: A = address.parse().map_err(|_| wrong())?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix =
            prefix.parse().ok().filter(|prefix| digits && *prefix <= A::BITS).ok_or_else(wrong)?;
        let subnet = Subnet::around(address, prefix);
        if subnet.first != address {
            return Err(Error::invalid(format!(
                "invalid network address {text}: it should be {subnet}"
            )));
        }
        Ok(subnet)
    }

    pub(crate) fn contains(self, address: A) -> bool {
        Subnet::around(address, self.prefix) == self
    }

    pub(crate) fn overlaps(self, other: Subnet<A>) -> bool {
        let shorter = self.prefix.min(other.prefix);
        Subnet::around(self.first, shorter) == Subnet::around(other.first, shorter)
    }

    /// All of the other's addresses are in this one.
    pub(crate) fn includes(self, other: Subnet<A>) -> bool {
        self.prefix <= other.prefix && self.overlaps(other)
    }

    /// The first address, which is the range's own name.
    pub(crate) const fn address(self) -> A {
        self.first
    }

    /// The last address.
    pub(crate) fn last(self) -> A {
        A::of(self.first.number() | others::<A>(self.prefix))
    }

    pub(crate) const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Its parts of this length.
    pub(crate) fn parts(self, prefix: u8) -> impl Iterator<Item = Subnet<A>> {
        let step = others::<A>(prefix) + 1;
        let count = 1_u128 << (prefix - self.prefix);
        (0..count).map(move |nth| Subnet { first: A::of(self.first.number() + nth * step), prefix })
    }
}

/// The bits behind a prefix.
fn others<A: Address>(prefix: u8) -> u128 {
    let all = u128::MAX >> (128 - A::BITS);
    all.checked_shr(prefix.into()).unwrap_or(0)
}

impl<A: Address> fmt::Display for Subnet<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::{Address, Subnet};

    fn subnet(text: &str) -> Subnet {
        Subnet::parse(text).unwrap()
    }

    fn subnet6(text: &str) -> Subnet<Ipv6Addr> {
        Subnet::parse(text).unwrap()
    }

    #[test]
    fn ranges_contain_overlap_and_include() {
        let wide = subnet("172.16.0.0/12");
        assert!(wide.contains("172.31.255.255".parse().unwrap()));
        assert!(!wide.contains("172.32.0.0".parse().unwrap()));
        assert!(wide.overlaps(subnet("172.20.0.0/16")) && subnet("172.20.0.0/16").overlaps(wide));
        assert!(!wide.overlaps(subnet("172.32.0.0/16")));
        assert!(wide.includes(subnet("172.20.0.0/16")) && !subnet("172.20.0.0/16").includes(wide));
        assert!(subnet("0.0.0.0/0").overlaps(wide));
        assert_eq!(subnet("10.1.2.0/24").last().to_string(), "10.1.2.255");
        assert_eq!(subnet("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(subnet("10.1.2.3/32").last().to_string(), "10.1.2.3");
        assert_eq!(wide.parts(16).count(), 16);
        assert_eq!(
            wide.parts(16).last().map(|part| part.to_string()).as_deref(),
            Some("172.31.0.0/16")
        );
    }

    #[test]
    fn ranges_of_ipv6_are_ranges() {
        let wide = subnet6("fd00:1::/32");
        assert!(wide.contains("fd00:1:2::3".parse().unwrap()));
        assert!(!wide.contains("fd00:2::".parse().unwrap()));
        assert!(wide.includes(subnet6("fd00:1:2::/64")) && subnet6("::/0").overlaps(wide));
        assert_eq!(subnet6("fd00:1::/64").last().to_string(), "fd00:1::ffff:ffff:ffff:ffff");
        assert_eq!(subnet6("::/0").last().to_string(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
        assert_eq!(subnet6("fd00::1/128").last().to_string(), "fd00::1");
        let parts: Vec<_> = subnet6("fd00:1::/62").parts(64).map(|part| part.to_string()).collect();
        assert_eq!(parts, ["fd00:1::/64", "fd00:1:0:1::/64", "fd00:1:0:2::/64", "fd00:1:0:3::/64"]);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "10.0.0.0/",
            "web/8",
            "10.0.0.1/8",
            "fd00::/64",
        ] {
            assert!(Subnet::<Ipv4Addr>::parse(text).is_err(), "{text}");
        }
        for text in ["fd00::", "fd00::/129", "fd00::1/64", "fd00:/64", "10.0.0.0/8", "fd00::%1/64"]
        {
            assert!(Subnet::<Ipv6Addr>::parse(text).is_err(), "{text}");
        }
        let slip = Subnet::<Ipv4Addr>::parse("10.0.0.1/8").unwrap_err();
        assert!(slip.message().contains("it should be 10.0.0.0/8"));
    }

    #[test]
    fn some_addresses_are_no_machine_s() {
        for text in ["127.0.0.1", "224.0.0.1", "0.0.0.0", "240.0.0.1"] {
            assert!(!text.parse::<Ipv4Addr>().unwrap().is_for_machines(), "{text}");
        }
        for text in ["::", "::1", "::ffff:10.0.0.1", "fe80::1", "ff02::1"] {
            assert!(!text.parse::<Ipv6Addr>().unwrap().is_for_machines(), "{text}");
        }
        assert!("2001:db8::1".parse::<Ipv6Addr>().unwrap().is_for_machines());
        assert!("10.0.0.1".parse::<Ipv4Addr>().unwrap().is_for_machines());
    }
}
