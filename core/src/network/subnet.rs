//! Ranges of IPv4 addresses.

use std::fmt;
use std::net::Ipv4Addr;

use crate::error::{Error, Result};

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    /// The range in which `address` is.
    pub(crate) const fn around(address: Ipv4Addr, prefix: u8) -> Subnet {
        let mask = match prefix {
            0 => 0,
            prefix => u32::MAX << (32 - prefix),
        };
        Subnet { first: address.to_bits() & mask, prefix }
    }

    /// `172.20.0.0/16`.
    pub(crate) fn parse(text: &str) -> Result<Subnet> {
        let wrong = || {
            Error::invalid(format!(
                "invalid subnet {text}: not an address and a length, as in 172.20.0.0/16"
            ))
        };
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        if address.contains(':') {
            return Err(Error::not_yet(format!("IPv6 networks ({text})")));
        }
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix =
            prefix.parse().ok().filter(|prefix| digits && *prefix <= 32).ok_or_else(wrong)?;
        let subnet = Subnet::around(address, prefix);
        if subnet.first != address.to_bits() {
            return Err(Error::invalid(format!(
                "invalid network address {text}: it should be {subnet}"
            )));
        }
        Ok(subnet)
    }

    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        Subnet::around(address, self.prefix) == self
    }

    pub(crate) fn overlaps(self, other: Subnet) -> bool {
        let shorter = self.prefix.min(other.prefix);
        Subnet::around(self.address(), shorter) == Subnet::around(other.address(), shorter)
    }

    /// All of the other's addresses are in this one.
    pub(crate) fn includes(self, other: Subnet) -> bool {
        self.prefix <= other.prefix && self.overlaps(other)
    }

    /// The first address, which is the range's own name.
    pub(crate) const fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first)
    }

    /// The last address, which all in the range hear.
    pub(crate) fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first | u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0))
    }

    pub(crate) const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Its parts of this length.
    pub(crate) fn parts(self, prefix: u8) -> impl Iterator<Item = Subnet> {
        let step = 1_u32 << (32 - prefix);
        let count = 1_u32 << (prefix - self.prefix);
        (0..count).map(move |nth| Subnet { first: self.first + nth * step, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Subnet;

    fn subnet(text: &str) -> Subnet {
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
        assert_eq!(subnet("10.1.2.0/24").broadcast().to_string(), "10.1.2.255");
        assert_eq!(subnet("0.0.0.0/0").broadcast().to_string(), "255.255.255.255");
        assert_eq!(subnet("10.1.2.3/32").broadcast().to_string(), "10.1.2.3");
        assert_eq!(wide.parts(16).count(), 16);
        assert_eq!(
            wide.parts(16).last().map(|part| part.to_string()).as_deref(),
            Some("172.31.0.0/16")
        );
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
        ] {
            assert!(Subnet::parse(text).is_err(), "{text}");
        }
        assert!(
            Subnet::parse("10.0.0.1/8").unwrap_err().message().contains("it should be 10.0.0.0/8")
        );
    }
}
