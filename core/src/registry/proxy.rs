//! Proxies, from the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in capitals or not, read as Go (and so docker)
//! reads them: this machine is never asked through one.

use std::net::IpAddr;

use ureq::Proxy;

use super::settings::within;
use super::url::Origin;
use crate::error::{Error, Result};
use crate::sys::environment;

/// The proxy to ask an origin through.
pub(super) fn of(origin: &Origin) -> Result<Option<Proxy>> {
    if origin.is_loopback() || is_excepted(origin, &variable("NO_PROXY").unwrap_or_default()) {
        return Ok(None);
    }
    let name = if origin.https { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some((name, value)) = variable(name)
        .map(|value| (name, value))
        .or_else(|| variable("ALL_PROXY").map(|value| ("ALL_PROXY", value)))
    else {
        return Ok(None);
    };
    // Its value can hold a password, so it is not repeated.
    Proxy::new(&value)
        .map(Some)
        .map_err(|_| Error::invalid(format!("{name} is not the address of a proxy")))
}

fn variable(name: &str) -> Option<String> {
    environment::trusted(name)
        .or_else(|| environment::trusted(&name.to_ascii_lowercase()))
        .and_then(|value| value.into_string().ok())
}

/// Whether a list of hosts, domains and networks names this one.
fn is_excepted(origin: &Origin, list: &str) -> bool {
    let host = origin.host.trim_start_matches('[').trim_end_matches(']');
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, length)) = entry.split_once('/') {
            let parsed = network.parse::<IpAddr>().ok().zip(length.parse().ok());
            return parsed
                .zip(origin.address())
                .is_some_and(|((network, length), address)| within(address, network, length));
        }
        let entry = entry.to_ascii_lowercase();
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') => (name, Some(port)),
            _ => (&*entry, None),
        };
        if port.is_some_and(|port| port.parse() != Ok(origin.port)) {
            return false;
        }
        // `.example.com` is what is below it, `example.com` that and the name itself.
        match name.trim_start_matches('*').strip_prefix('.') {
            Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
            None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::is_excepted;
    use crate::registry::url::Url;

    #[test]
    fn exceptions_are_hosts_domains_ports_and_networks() {
        let list = "one.example, .two.example,*.three.example,10.0.0.0/8,four.example:5000";
        let excepted = |url: &str| is_excepted(&Url::parse(url).unwrap().origin, list);
        for yes in [
            "https://one.example",
            "https://a.one.example",
            "https://a.two.example",
            "https://a.three.example",
            "https://10.9.8.7",
            "https://four.example:5000",
        ] {
            assert!(excepted(yes), "{yes}");
        }
        for no in [
            "https://two.example",
            "https://xone.example",
            "https://four.example",
            "https://11.0.0.1",
        ] {
            assert!(!excepted(no), "{no}");
        }
        assert!(is_excepted(&Url::parse("https://x").unwrap().origin, "*"));
    }
}
