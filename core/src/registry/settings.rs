//! What an engine was told about registries: `registries.json` in its root, else `/etc/barque/registries.json`.
//!
//! `{"Mirrors": {"docker.io": ["https://mirror.example"]}, "InsecureRegistries": ["10.0.0.0/8", "host:5000"], "Offline": false}`.
//! Everything has a default, so that the file is needed by few.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::url::{Origin, Url};
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::environment;

const FILE: &str = "registries.json";

/// What the registry client goes by.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Other places for a registry's content, asked before it, by its domain.
    pub(super) mirrors: BTreeMap<String, Vec<String>>,
    /// Registries that may be spoken to without TLS, or with a certificate nobody vouches for: `host`, `host:port`, or a range of
    /// addresses.
    pub(super) insecure_registries: Vec<String>,
    /// Ask no registry at all.
    pub(super) offline: bool,
    /// Where certificates are looked for, by `HOST[:PORT]`.
    #[serde(skip)]
    pub(super) certificates: Vec<PathBuf>,
}

impl Settings {
    /// Read them.
    pub(crate) fn read(engine: &Engine) -> Result<Settings> {
        let root = engine.layout().root();
        let mut settings = match read(&root.join(FILE))? {
            Some(settings) => settings,
            None => read(&Path::new("/etc/barque").join(FILE))?.unwrap_or_default(),
        };
        settings.offline |=
            environment::trusted("BARQUE_OFFLINE").is_some_and(|value| value != "0");
        settings.certificates = vec![
            root.join("certs.d"),
            "/etc/barque/certs.d".into(),
            "/etc/containers/certs.d".into(),
            "/etc/docker/certs.d".into(),
        ];
        Ok(settings)
    }

    /// Nobody is to be asked.
    pub(crate) fn is_offline(&self) -> bool {
        self.offline
    }

    /// Whether a registry may be spoken to in the clear: when it was said, and this machine by its own name, as with docker.
    pub(super) fn may_be_plain(&self, origin: &Origin) -> bool {
        origin.is_loopback() || self.is_insecure(origin)
    }

    /// Whether its certificate may go unchecked: only when it was said.
    pub(super) fn is_insecure(&self, origin: &Origin) -> bool {
        self.insecure_registries.iter().any(|entry| matches(entry, origin))
    }

    /// The origins to ask for a domain's content, in order.
    pub(super) fn mirrors(&self, domain: &str) -> Result<Vec<Url>> {
        let mirrors = self.mirrors.get(domain).map(Vec::as_slice).unwrap_or_default();
        mirrors
            .iter()
            .map(|mirror| match mirror.contains("://") {
                true => Url::parse(mirror),
                false => Url::parse(&format!("https://{mirror}")),
            })
            .collect()
    }
}

fn read(path: &Path) -> Result<Option<Settings>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::system(format!("read {}", path.display()), error)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("{}: {error}", path.display()))
            .about("path", path.display().to_string())
    })
}

/// Whether an entry of the insecure registries names this origin.
fn matches(entry: &str, origin: &Origin) -> bool {
    let host = origin.host.trim_start_matches('[').trim_end_matches(']');
    if let Some((network, length)) = entry.split_once('/') {
        let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
            return false;
        };
        return origin.address().is_some_and(|address| within(address, network, length));
    }
    let with_port = format!("{}:{}", origin.host, origin.port);
    entry.eq_ignore_ascii_case(host)
        || entry.eq_ignore_ascii_case(&origin.host)
        || entry.eq_ignore_ascii_case(&with_port)
}

/// Whether an address lies in a network.
pub(super) fn within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, other)) = (bits(address), bits(network));
    if width != other || length > width {
        return false;
    }
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    address & mask == network & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_insecure_only_by_name_port_or_network() {
        let settings = Settings {
            insecure_registries: vec!["10.0.0.0/8".into(), "plain:5000".into(), "any".into()],
            ..Settings::default()
        };
        let insecure = |url: &str| settings.is_insecure(&Url::parse(url).unwrap().origin);
        for yes in ["http://10.1.2.3:99", "http://plain:5000", "http://any:1"] {
            assert!(insecure(yes), "{yes}");
        }
        assert!(settings.may_be_plain(&Url::parse("http://127.0.0.1").unwrap().origin));
        for no in [
            "http://127.0.0.1",
            "http://11.1.2.3",
            "http://plain:5001",
            "http://any.evil",
            "http://xplain:5000",
        ] {
            assert!(!insecure(no), "{no}");
        }
        assert!(within("::1".parse().unwrap(), "::".parse().unwrap(), 0));
        assert!(!within("1.1.1.1".parse().unwrap(), "::".parse().unwrap(), 0));
    }
}
