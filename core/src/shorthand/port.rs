//! Published ports.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// A container port and where it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Port in the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Address on the host; empty: all.
    pub host_ip: String,
    /// Port on the host, or a range of which any one; empty: any.
    pub host_port: String,
}

impl Port {
    /// The key of Docker's maps of ports: `80/tcp`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.container_port, self.protocol)
    }
}

/// `[[ip:]host:]container[/protocol]`, where both may be ranges: `80`, `8080:80/tcp`, `127.0.0.1::53/udp`,
/// `[::1]:7000-7002:7000-7002`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn port(text: &str) -> Result<Vec<Port>> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, protocol.to_ascii_lowercase()),
        None => (text, "tcp".to_owned()),
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(Error::invalid(format!("invalid proto: {protocol}")));
    }
    let (host, container) = rest.rsplit_once(':').unwrap_or(("", rest));
    if container.is_empty() {
        return Err(Error::invalid(format!("no port specified: {text}<empty>")));
    }
    let (ip, host_port) = host.rsplit_once(':').unwrap_or(("", host));
    let container_range = range(container)
        .ok_or_else(|| Error::invalid(format!("invalid containerPort: {container}")))?;
    let host_ip = address(ip).ok_or_else(|| Error::invalid(format!("invalid IP address: {ip}")))?;
    let host_range = match host_port {
        "" => None,
        text => {
            Some(range(text).ok_or_else(|| Error::invalid(format!("invalid hostPort: {text}")))?)
        }
    };
    let single = container_range.start() == container_range.end();
    let as_text = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    if let Some(host_range) = &host_range
        && !single
        && host_range.len() != container_range.len()
    {
        return Err(Error::invalid(format!(
            "invalid ranges specified for container and host Ports: {container} and {host_port}"
        )));
    }
    let ports = container_range.clone().zip(0..).map(|(container_port, nth): (u16, u16)| Port {
        container_port,
        protocol: protocol.clone(),
        host_ip: host_ip.clone(),
        host_port: match &host_range {
            None => String::new(),
            Some(range) if single => as_text(range),
            Some(range) => (range.start() + nth).to_string(),
        },
    });
    Ok(ports.collect())
}

/// A port or a range, `8000-8010`.
pub(crate) fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some(first..=last)
}

/// An address; IPv6 in brackets, since its colons would be read as separators.
fn address(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    match text.strip_prefix('[') {
        Some(rest) => {
            let ip: IpAddr = rest.strip_suffix(']')?.parse().ok()?;
            ip.is_ipv6().then(|| ip.to_string())
        }
        None => {
            let ip: IpAddr = text.parse().ok()?;
            // `::1:80:80` was surely meant with brackets.
            ip.is_ipv4().then(|| ip.to_string())
        }
    }
}
