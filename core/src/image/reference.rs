//! Names of images: `[host[:port]/]path[:tag][@digest]`.
//!
//! The grammar is that of the distribution project's references; a short name is completed as Docker completes it:
//! `node` is `docker.io/library/node:latest`. The scan is by hand over bytes, in one pass and without back-tracking, since
//! names come from archives, registries and command lines.

use std::fmt;

use super::digest::Digest;
use crate::error::{Error, Result};
use crate::id;

const DEFAULT_DOMAIN: &str = "docker.io";
pub(super) const OFFICIAL: &str = "library/";
/// Longest path of a repository, in bytes.
const LONGEST_PATH: usize = 255;
const LONGEST_TAG: usize = 128;

/// A complete name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Read a name as a person writes it and complete its domain and path, not its tag.
    pub(crate) fn parse(text: &str) -> Result<Reference> {
        if text.is_empty() {
            return Err(invalid(text, "repository name must have at least one component"));
        }
        if id::is_whole(text) {
            return Err(invalid(
                text,
                format!(
                    "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
                ),
            ));
        }
        let (domain, remainder) = split_domain(text);
        let path_end = remainder.find([':', '@']).unwrap_or(remainder.len());
        let path = &remainder[..path_end];
        let path = match domain {
            DEFAULT_DOMAIN if !remainder.contains('/') => format!("{OFFICIAL}{path}"),
            _ => path.to_owned(),
        };
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            let why = format!("repository name ({path}) must be lowercase");
            return Err(invalid(text, format!("invalid reference format: {why}")));
        }
        let malformed = || invalid(text, "invalid reference format");
        if !is_domain(domain) || !is_path(&path) {
            return Err(malformed());
        }
        if path.len() > LONGEST_PATH {
            let why = format!("repository name must not be more than {LONGEST_PATH} characters");
            return Err(invalid(text, why));
        }
        let mut rest = &remainder[path_end..];
        let mut reference = Reference { domain: domain.to_owned(), path, tag: None, digest: None };
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.find('@').unwrap_or(after.len());
            let tag = &after[..end];
            if !is_tag(tag) {
                return Err(malformed());
            }
            reference.tag = Some(tag.to_owned());
            rest = &after[end..];
        }
        if let Some(digest) = rest.strip_prefix('@') {
            if !digest.contains(':') {
                return Err(malformed());
            }
            reference.digest = Some(Digest::parse(digest)?);
        } else if !rest.is_empty() {
            return Err(malformed());
        }
        Ok(reference)
    }

    /// The same with `latest` where there is neither tag nor digest.
    #[must_use]
    pub(crate) fn or_latest(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// Read a name that will be given to an image: it must not carry a digest, which only content can have.
    pub(crate) fn parse_tag(text: &str) -> Result<Reference> {
        let reference = Reference::parse(text)?.or_latest();
        if reference.digest.is_some() {
            return Err(invalid(text, "refusing to create a tag with a digest reference"));
        }
        Ok(reference)
    }

    /// The repository in full: `docker.io/library/node`.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The registry: `docker.io`.
    pub(crate) fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path there: `library/node`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The tag, where it has one.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The repository as people write it: `node`.
    pub(crate) fn familiar_repository(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.repository();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(name) if !name.contains('/') => name.to_owned(),
            // `docker.io/a.b/c` shown as `a.b/c` would name another registry.
            _ if split_domain(&self.path).0 != DEFAULT_DOMAIN => self.repository(),
            _ => self.path.clone(),
        }
    }

    /// The whole as people write it: `node:20`.
    pub(crate) fn familiar(&self) -> String {
        self.written(self.familiar_repository())
    }

    /// Whether it is a repository and nothing more.
    pub(crate) fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// The digest, where it has one.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same repository's content of this digest.
    pub(crate) fn at(&self, digest: &Digest) -> Reference {
        Reference { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }

    fn written(&self, repository: String) -> String {
        let mut text = repository;
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

/// The name in full, as it is stored.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(self.repository()))
    }
}

/// Write a stored name as people do.
pub(crate) fn familiar(stored: &str) -> String {
    Reference::parse(stored).map_or_else(|_| stored.to_owned(), |reference| reference.familiar())
}

fn invalid(text: &str, message: impl Into<String>) -> Error {
    Error::invalid(message).with_reason("invalid_reference").about("image", text)
}

/// Docker's rule for what is a host: the part before the first slash, when it has a dot, a colon or a capital, or is
/// `localhost`.
pub(super) fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((domain, rest))
            if domain.contains(['.', ':'])
                || domain == "localhost"
                || domain.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain }, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    }
}

/// `host` or `[IPv6]`, and a port.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return false;
            }
            (None, port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (Some(&text[..end]), &text[end..])
        }
    };
    let port_is_right = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_is_right
        && host.is_none_or(|host| {
            host.split('.').all(|label| {
                let bytes = label.as_bytes();
                !bytes.is_empty()
                    && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
                    && bytes[0] != b'-'
                    && bytes[bytes.len() - 1] != b'-'
            })
        })
}

/// Components of lower-case letters and digits between slashes, each with separators only inside: `.`, `_`, `__`, or any
/// number of `-`.
fn is_path(text: &str) -> bool {
    text.split('/').all(|component| {
        let bytes = component.as_bytes();
        let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let [first, .., last] = bytes else {
            return bytes.len() == 1 && is_alphanumeric(bytes[0]);
        };
        is_alphanumeric(*first)
            && is_alphanumeric(*last)
            && bytes.split(|b| is_alphanumeric(*b)).all(|separator| match separator {
                b"" | b"." | b"_" | b"__" => true,
                other => other.iter().all(|b| *b == b'-'),
            })
    })
}

fn is_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=LONGEST_TAG).contains(&bytes.len())
        && is_word(bytes[0])
        && bytes.iter().all(|b| is_word(*b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests;
