//! Whom to believe: the system's certificate authorities, and for single registries what lies in `certs.d/HOST[:PORT]/`, as for
//! docker: `*.crt` are further authorities, `*.cert` and `*.key` of one name a certificate of our own to show.
//!
//! ring is named as the provider of the cryptography, for these connections only: the process-wide default of rustls belongs to the host
//! program.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::CertificateError;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::settings::Settings;
use super::url::Origin;
use crate::error::{Error, ErrorKind, Result};

/// How to speak TLS with an origin.
pub(super) fn config(origin: &Origin, settings: &Settings) -> Result<TlsConfig> {
    let builder = TlsConfig::builder().unversioned_rustls_crypto_provider(provider());
    if !origin.https {
        return Ok(builder.root_certs(RootCerts::new_with_certs(&[])).build());
    }
    let mut roots = system().clone();
    let mut own = None;
    for directory in directories(origin, settings) {
        for path in files(&directory)? {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => roots.extend(certificates(&path)?),
                Some("cert") => own = Some(client(&path)?),
                _ => {}
            }
        }
    }
    // Insecure lets any certificate pass, but only where nobody was named to vouch for it.
    let unchecked = settings.is_insecure(origin) && roots.len() == system().len();
    Ok(builder
        .root_certs(RootCerts::new_with_certs(&roots))
        .client_cert(own)
        .disable_verification(unchecked)
        .build())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    static PROVIDER: OnceLock<Arc<rustls::crypto::CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// The system's authorities, read once: a system without any can still speak with registries that `certs.d` vouches for.
fn system() -> &'static Vec<Certificate<'static>> {
    static ROOTS: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
    })
}

/// The directories that are about an origin. Its port is in the name unless it is 443.
fn directories(origin: &Origin, settings: &Settings) -> Vec<PathBuf> {
    let mut names = vec![format!("{}:{}", origin.host, origin.port)];
    if origin.port == 443 {
        names.push(origin.host.clone());
    }
    let bases = settings.certificates.iter();
    bases.flat_map(|base| names.iter().map(move |name| base.join(name))).collect()
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::system(format!("read {}", directory.display()), error)),
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::system(format!("read {}", path.display()), error))
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{}: {why}", path.display()))
        .about("path", path.display().to_string())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let found: Vec<_> = parse_pem(&read(path)?)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(wrong(path, "there is no certificate in it")) } else { Ok(found) }
}

fn client(path: &Path) -> Result<ClientCert> {
    let key = path.with_extension("key");
    if !key.exists() {
        return Err(wrong(path, "the key that belongs to it is missing"));
    }
    let chain = certificates(path)?;
    let key = PrivateKey::from_pem(&read(&key)?).map_err(|_| wrong(&key, "it is not a key"))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// The error's short word: that the peer speaks something else is no fault of its certificate.
pub(super) fn reason(error: &rustls::Error) -> &'static str {
    if matches!(error, rustls::Error::InvalidMessage(_)) { "not_tls" } else { "tls" }
}

/// Why a connection was not trusted, in docker's words where it has them.
pub(super) fn explain(error: &rustls::Error) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::UnknownIssuer => "certificate signed by unknown authority",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "certificate has expired or is not yet valid"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "certificate is not yet valid; is this machine's clock right?"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "certificate is valid for another name"
            }
            _ => return format!("tls: failed to verify certificate: {error}"),
        },
        rustls::Error::InvalidMessage(_) => return "the server does not speak TLS".to_owned(),
        other => return format!("tls: {other}"),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}
