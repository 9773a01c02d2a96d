//! The documents that say what an image is made of: OCI manifests and indexes (image-spec), Docker's own forms of both, and the
//! `manifest.json` of a `docker save` archive.
//!
//! They are read with own types and not oci-spec's, which keep annotations in a hash map: what is written again must have the
//! same bytes every time, since its digest is its name.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::json;
use crate::error::{Error, ErrorKind, Result};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Most entries of an index or layers of a manifest: a document of 4 MiB could hold more than anybody means.
const MAX_ENTRIES: usize = 1024;

/// A reference to content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// Of content that nothing else is said about.
    pub(super) fn of(media_type: impl Into<String>, digest: &Digest, size: u64) -> Descriptor {
        let (media_type, digest) = (media_type.into(), digest.clone());
        Descriptor { media_type, digest, size, platform: None, annotations: None }
    }
}

/// What an image runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) variant: String,
}

/// An image manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) media_type: String,
    pub(super) config: Descriptor,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

/// Either of the two documents that a descriptor may lead to.
#[derive(Clone, Debug)]
pub(super) enum Document {
    Manifest(Manifest),
    Index(Vec<Descriptor>),
}

impl Document {
    /// Read one, and say which it is by what it holds. A document that could be taken for both is refused (CVE-2021-41190).
    pub(super) fn parse(bytes: &[u8]) -> Result<Document> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Either {
            #[serde(default)]
            media_type: String,
            schema_version: u32,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
            manifests: Option<Vec<Descriptor>>,
        }
        let refused = |why: &str| Error::new(ErrorKind::Corrupt, format!("image manifest: {why}"));
        let document: Either = json::parse(bytes, "image manifest")?;
        if document.schema_version != 2 {
            return Err(refused("its schema version is not 2"));
        }
        let is_index = document.media_type.ends_with("index.v1+json")
            || document.media_type.ends_with("manifest.list.v2+json");
        match (document.config, document.layers, document.manifests) {
            (None, None, Some(manifests)) if is_index || document.media_type.is_empty() => {
                if manifests.len() > MAX_ENTRIES {
                    return Err(refused("it has too many entries"));
                }
                Ok(Document::Index(manifests))
            }
            (Some(config), layers, None) if !is_index => {
                let layers = layers.unwrap_or_default();
                if layers.len() > MAX_ENTRIES {
                    return Err(refused("it has too many layers"));
                }
                Ok(Document::Manifest(Manifest {
                    schema_version: 2,
                    media_type: document.media_type,
                    config,
                    layers,
                }))
            }
            _ => Err(refused("it is neither a manifest nor an index, or both")),
        }
    }
}

/// A row of `manifest.json` in a `docker save` archive.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SavedImage {
    pub(super) config: String,
    #[serde(default)]
    pub(super) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(super) layers: Option<Vec<String>>,
}

impl Platform {
    /// This machine's, in Go's words.
    pub(crate) fn this() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: this_variant().to_owned(),
        }
    }

    /// The one that images for this machine are made for: amd64's levels are of machines, and no image's that does not ask for one.
    pub(crate) fn of_images() -> Platform {
        let this = Platform::this();
        let variant = if this.architecture == "amd64" { String::new() } else { this.variant };
        Platform { variant, ..this }
    }

    /// `linux/arm64/v8`.
    pub(crate) fn name(&self) -> String {
        let variant = if self.variant.is_empty() { "" } else { "/" };
        format!("{}/{}{variant}{}", self.os, self.architecture, self.variant)
    }

    /// Read `os`, `os/architecture` or `os/architecture/variant`; what is not said is this machine's. Names that `uname -m` knows
    /// stand for Go's, as with docker.
    pub(crate) fn parse(text: &str) -> Result<Platform> {
        let wrong = || {
            Error::invalid(format!("{text:?}: not os/architecture[/variant]"))
                .about("field", "Platform")
        };
        let is_word = |word: &&str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        if parts.len() > 3 || !parts.iter().all(is_word) {
            return Err(wrong());
        }
        let this = Platform::this();
        let Some(architecture) = parts.get(1) else {
            return Ok(Platform { os: parts[0].to_owned(), ..this });
        };
        let (architecture, implied) = match *architecture {
            "x86_64" | "x86-64" => ("amd64", ""),
            "aarch64" => ("arm64", ""),
            "armhf" => ("arm", "v7"),
            "armel" => ("arm", "v6"),
            "i386" => ("386", ""),
            other => (other, ""),
        };
        let variant = match parts.get(2) {
            Some(variant) => variant,
            None if implied.is_empty() && architecture == this.architecture => &*this.variant,
            None => implied,
        };
        Ok(Platform {
            os: parts[0].to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        })
    }

    /// How well an image for this platform runs on `machine`; `None`: not at all. Variants that count (arm's v6, v7, v8, amd64's
    /// levels v1 to v4) run on their own and every higher one, and the highest that runs is the best.
    pub(crate) fn fitness(&self, machine: &Platform) -> Option<u8> {
        if self.os != machine.os || self.architecture != machine.architecture {
            return None;
        }
        match (level(self), level(machine)) {
            (Some(image), Some(machine)) => (image <= machine).then_some(image),
            _ => (self.variant == machine.variant).then_some(1),
        }
    }
}

/// A variant as a number; without one it is the least (or, for arm, the usual) of its architecture.
fn level(platform: &Platform) -> Option<u8> {
    match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("arm64", "") => Some(8),
        ("arm", "") => Some(7),
        (_, "") => Some(1),
        (_, variant) => variant.strip_prefix('v').unwrap_or(variant).parse().ok(),
    }
}

/// This processor's variant: for amd64 the level of the psABI whose instructions it has.
fn this_variant() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let has_2 =
            std::is_x86_feature_detected!("sse4.2") && std::is_x86_feature_detected!("popcnt");
        let has_3 = std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("bmi2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("movbe");
        let has_4 = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vl");
        match (has_2, has_2 && has_3, has_2 && has_3 && has_4) {
            (.., true) => "v4",
            (_, true, _) => "v3",
            (true, ..) => "v2",
            _ => "v1",
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    ""
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Platform};

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_document_that_is_both_manifest_and_index_is_refused() {
        let descriptor = format!(r#"{{"mediaType":"x","digest":"{DIGEST}","size":1}}"#);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[]}}"#);
        assert!(matches!(Document::parse(manifest.as_bytes()), Ok(Document::Manifest(_))));
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{descriptor}]}}"#);
        assert!(matches!(Document::parse(index.as_bytes()), Ok(Document::Index(_))));
        for text in [
            format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[],"manifests":[]}}"#),
            r#"{"schemaVersion":2,"layers":[],"manifests":[]}"#.to_owned(),
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":{descriptor},"layers":[]}}"#
            ),
            format!(r#"{{"schemaVersion":1,"config":{descriptor},"layers":[]}}"#),
            "{}".to_owned(),
        ] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn descriptors_with_a_digest_or_size_that_is_none_are_refused() {
        for (digest, size) in [
            ("sha256:../../x", "1"),
            (DIGEST, "-1"),
            (DIGEST, "9223372036854775808000"),
            (DIGEST, "\"1\""),
        ] {
            let text = format!(
                r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":{size}}},"layers":[]}}"#
            );
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_platform_fits_by_system_and_architecture_and_better_by_variant() {
        let platform = |text: &str| Platform::parse(text).unwrap();
        let fitness = |image: &str, machine: &str| platform(image).fitness(&platform(machine));
        let bare = Platform { variant: String::new(), ..platform("linux/arm64/v8") };
        assert_eq!(bare.fitness(&platform("linux/arm64/v8")), Some(8));
        assert_eq!(fitness("linux/arm64/v9", "linux/arm64/v8"), None);
        assert_eq!(fitness("linux/arm/v6", "linux/arm/v7"), Some(6));
        assert_eq!(fitness("linux/arm/v7", "linux/arm/v7"), Some(7));
        assert_eq!(fitness("linux/amd64/v1", "linux/amd64/v3"), Some(1));
        assert_eq!(fitness("linux/amd64/v4", "linux/amd64/v3"), None);
        assert_eq!(fitness("windows/amd64/v1", "linux/amd64/v1"), None);
        assert_eq!(fitness("linux/arm64/v8", "linux/arm/v7"), None);
    }

    #[test]
    fn platforms_are_read_as_docker_reads_them() {
        let platform = |text: &str| Platform::parse(text).unwrap();
        assert_eq!(platform("linux/aarch64/v8").architecture, "arm64");
        assert_eq!(platform("LINUX/x86_64/v2").architecture, "amd64");
        assert_eq!(platform("linux/armhf").variant, "v7");
        assert_eq!(platform("linux").architecture, Platform::this().architecture);
        for wrong in ["", "/", "linux/", "a/b/c/d", "linux/amd 64"] {
            assert!(Platform::parse(wrong).is_err(), "{wrong}");
        }
    }
}
