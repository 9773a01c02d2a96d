//! Digests of content: the only thing of an image that becomes a file name, and only after it went through this type.
//!
//! `sha256:` and 64 lower-case hexadecimal digits. OCI (image-spec, descriptor.md) also registers sha512; no registry or
//! engine in use stores by it, and two names for one content would be two copies of it, so it is refused by name.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::id;

const PREFIX: &str = "sha256:";

/// A sha256 digest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest(String);

impl Digest {
    /// Read a digest from outside.
    pub(crate) fn parse(text: &str) -> Result<Digest> {
        let wrong = || Error::invalid(format!("invalid digest: {text:?}")).about("digest", text);
        if text.strip_prefix("sha512:").is_some_and(|hex| hex.len() == 128 && id::is_hex(hex)) {
            return Err(Error::unsupported(format!(
                "digest {text}: content is stored by sha256 here, not by sha512"
            )));
        }
        match text.strip_prefix(PREFIX) {
            Some(hex) if id::is_whole(hex) => Ok(Digest(text.to_owned())),
            _ => Err(wrong()),
        }
    }

    /// The digest of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Digest {
        Hasher::new().with(bytes).finish()
    }

    /// `sha256:…`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hexadecimal digits.
    pub(crate) fn hex(&self) -> &str {
        &self.0[PREFIX.len()..]
    }

    /// The first twelve of them, as people see ids.
    pub(crate) fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// Fail when `got` is another one; `what` names the content.
    pub(crate) fn check(&self, got: &Digest, what: impl fmt::Display) -> Result<()> {
        if self == got {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Corrupt,
            format!("{what} is not what its digest says: wanted {self}, got {got}"),
        )
        .with_reason("digest_mismatch"))
    }
}

/// The chain id of a layer on top of `parent` (image-spec, config.md, "Layer ChainID").
pub(crate) fn chain_id(parent: Option<&Digest>, diff_id: &Digest) -> Digest {
    match parent {
        None => diff_id.clone(),
        Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
    }
}

/// A digest in the making.
#[derive(Clone)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher(Sha256::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn with(mut self, bytes: &[u8]) -> Hasher {
        self.update(bytes);
        self
    }

    pub(crate) fn finish(self) -> Digest {
        use fmt::Write as _;
        let mut text = String::with_capacity(PREFIX.len() + 64);
        text.push_str(PREFIX);
        for byte in self.0.finalize() {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::parse(&text).map_err(|error| serde::de::Error::custom(error.message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn only_sha256_and_64_lower_case_digits_are_a_digest() {
        let hex = "a".repeat(64);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_ok());
        for wrong in [
            "",
            "sha256:",
            "sha256",
            &hex,
            &format!("sha256:{}", "a".repeat(63)),
            &format!("sha256:{}", "a".repeat(65)),
            &format!("sha256:{}", "A".repeat(64)),
            &format!("SHA256:{hex}"),
            &format!("sha256:{}\0", "a".repeat(63)),
            &format!("sha256:{hex}\n"),
            &format!(" sha256:{hex}"),
            &format!("md5:{}", "a".repeat(32)),
            "sha256:../../../../../../../../../../../../../../../../../../../../etc",
            "../../x",
            "/etc/passwd",
        ] {
            let error = Digest::parse(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        }
        let sha512 = format!("sha512:{}", "a".repeat(128));
        assert_eq!(Digest::parse(&sha512).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        assert_eq!(Digest::of(b"").as_str(), EMPTY);
        let error = Digest::of(b"a").check(&Digest::of(b"b"), "blob").unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Corrupt, "digest_mismatch"));
    }

    #[test]
    fn a_chain_id_hashes_the_parent_and_the_diff_id() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(chain_id(None, &a), a);
        assert_eq!(chain_id(Some(&a), &b), Digest::of(format!("{a} {b}").as_bytes()));
    }
}
