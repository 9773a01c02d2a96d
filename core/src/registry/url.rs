//! Addresses of registries, and of what they refer to.
//!
//! A registry's answers name other places (redirects, token servers, upload sessions), and what may be sent there hangs on
//! their *origin*: scheme, host and port. So an address is taken apart here once, strictly; two readings of one address have been
//! the way around such checks before (user information in front of the host, capitals, a missing port).

use std::fmt;

use crate::error::{Error, Result};
use crate::percent::encoded;

/// Where a request goes, and who may see what is meant for whom.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Origin {
    pub(crate) https: bool,
    /// In small letters; IPv6 addresses in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// An absolute address of http or https.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Url {
    pub(crate) origin: Origin,
    /// With the query, beginning with a slash.
    path: String,
}

impl Origin {
    /// Whether the host is this machine by its very name: `localhost`, 127.0.0.0/8, `::1`. What a resolver says does not count
    /// (CVE-2026-92543).
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.address().is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// The host as an address, when it is written as one.
    pub(crate) fn address(&self) -> Option<std::net::IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `host`, with the port where it is not the scheme's.
    pub(crate) fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        if self.port == default {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// An address at this origin. `path` begins with a slash.
    pub(crate) fn url(&self, path: impl Into<String>) -> Url {
        Url { origin: self.clone(), path: path.into() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority())
    }
}

impl Url {
    /// Read an absolute address.
    pub(crate) fn parse(text: &str) -> Result<Url> {
        let wrong = || Error::invalid(format!("not an address of http or https: {text:?}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (address, after) = inner.split_once(']').ok_or_else(wrong)?;
                address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
                (format!("[{}]", address.to_ascii_lowercase()), after)
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                let (host, after) = authority.split_at(end);
                let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
                if host.is_empty() || !host.bytes().all(is_name) {
                    return Err(wrong());
                }
                (host.to_ascii_lowercase(), after)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| wrong())?
            }
            None if port.is_empty() => {
                if https {
                    443
                } else {
                    80
                }
            }
            _ => return Err(wrong()),
        };
        if !path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(wrong());
        }
        let path = match path.chars().next() {
            Some('/') => path.to_owned(),
            _ => format!("/{path}"),
        };
        Ok(Url { origin: Origin { https, host, port }, path })
    }

    /// What `reference` (a `Location`, a `realm`, a `Link`) means when it stands in an answer from this address.
    pub(crate) fn join(&self, reference: &str) -> Result<Url> {
        let scheme = if self.origin.https { "https" } else { "http" };
        let has_scheme = reference
            .split_once(':')
            .is_some_and(|(before, _)| before.bytes().all(|b| b.is_ascii_alphanumeric()))
            && !reference.starts_with(['/', '?']);
        if has_scheme {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{scheme}:{reference}"));
        }
        let path = self.path.split('?').next().unwrap_or_default();
        let path = match reference.chars().next() {
            Some('/') => reference.to_owned(),
            Some('?') => format!("{path}{reference}"),
            _ => {
                let directory = path.rfind('/').map_or("/", |end| &path[..=end]);
                format!("{directory}{reference}")
            }
        };
        Url::parse(&format!("{}{path}", self.origin))
    }

    /// The path, without the query.
    pub(crate) fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The same with another pair in the query.
    #[must_use]
    pub(crate) fn with(&self, name: &str, value: &str) -> Url {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{separator}{name}={}", self.path, encoded(value));
        Url { path, ..self.clone() }
    }

    /// Whole, for the request itself. Never for people: a query can hold signatures that are as good as passwords.
    pub(crate) fn whole(&self) -> String {
        format!("{}{}", self.origin, self.path)
    }
}

/// For people: without the query.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path.split('?').next().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_once_and_strictly() {
        let url = Url::parse("HTTPS://Example.COM/v2/?a=b#c").unwrap();
        assert_eq!(url.whole(), "https://example.com/v2/?a=b");
        assert_eq!(url.to_string(), "https://example.com/v2/");
        assert_eq!(Url::parse("http://[::1]:5000").unwrap().whole(), "http://[::1]:5000/");
        for wrong in [
            "",
            "example.com",
            "file:///etc/passwd",
            "https://",
            "https://user:secret@example.com/",
            "https://example.com:99999/",
            "https://example.com:80x/",
            "https://exa mple.com/",
            "https://example.com/a b",
            "https://example.com\\@evil/",
            "https://[::1/",
        ] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reference_is_read_from_where_it_stands() {
        let base = Url::parse("https://r.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (reference, whole) in [
            ("https://other/x", "https://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y=1", "https://r.example:5000/x?y=1"),
            ("x", "https://r.example:5000/v2/a/blobs/uploads/x"),
            ("?s=2", "https://r.example:5000/v2/a/blobs/uploads/?s=2"),
        ] {
            assert_eq!(base.join(reference).unwrap().whole(), whole);
        }
        for wrong in ["file:///x", "gopher://x/", "//user@x/"] {
            assert!(base.join(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_host_that_says_so_itself_is_loopback() {
        let loopback = |text: &str| Url::parse(text).unwrap().origin.is_loopback();
        assert!(loopback("http://localhost") && loopback("http://127.9.9.9:1"));
        assert!(loopback("http://[::1]:5000") && loopback("http://[::ffff:127.0.0.1]"));
        assert!(!loopback("http://localhost.example") && !loopback("http://128.0.0.1"));
        assert!(!loopback("http://127.0.0.1.nip.io"));
    }
}
