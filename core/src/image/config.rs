//! An image's configuration: platform, layers, history, and what containers of it begin with.
//!
//! A type of its own, since the digest of these bytes is the image's id: maps are sorted so that what we write is the same
//! each time, and fields that this barque does not know are kept. What is read comes from anybody: `null` stands for an
//! empty value everywhere, as Go's encoder writes it, and values that make no sense are dropped where they are used
//! (CVE-2026-57231: an `Env` entry without `=` made podman copy the caller's variable of that name).

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::digest::Digest;
use super::json;
use crate::api::{ContainerConfig, Empty, HealthConfig};
use crate::error::{Error, ErrorKind, Result};

/// The document whose digest is the image's id (image-spec, config.md).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ImageConfig {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) created: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) architecture: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) variant: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) os: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) comment: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) docker_version: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) parent: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) config: RunConfig,
    #[serde(deserialize_with = "or_default")]
    pub(crate) rootfs: RootFs,
    #[serde(deserialize_with = "nullable_rows", skip_serializing_if = "Vec::is_empty")]
    pub(crate) history: Vec<History>,
    /// What this barque does not know.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// What containers of an image begin with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct RunConfig {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
    #[serde(deserialize_with = "set", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) exposed_ports: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint: Option<Vec<String>>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub(crate) cmd: Option<Vec<String>>,
    #[serde(deserialize_with = "set", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) volumes: BTreeMap<String, Empty>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) working_dir: String,
    #[serde(deserialize_with = "labels", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) healthcheck: Option<Value>,
    #[serde(deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub(crate) on_build: Vec<String>,
    #[serde(deserialize_with = "words", skip_serializing_if = "Option::is_none")]
    pub(crate) shell: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_timeout: Option<i64>,
    /// What this barque does not know.
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

/// An image's layers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RootFs {
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub(crate) kind: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) diff_ids: Vec<Digest>,
}

/// A step an image was made by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct History {
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) created: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) created_by: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) author: String,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub(crate) comment: String,
    /// The step has no layer.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub(crate) empty_layer: bool,
    #[serde(flatten)]
    pub(crate) other: BTreeMap<String, Value>,
}

impl ImageConfig {
    /// Read a configuration.
    pub(crate) fn parse(bytes: &[u8]) -> Result<ImageConfig> {
        let config: ImageConfig = json::parse(bytes, "image configuration")?;
        if !matches!(config.rootfs.kind.as_str(), "" | "layers") {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("image configuration: rootfs type {:?} is not layers", config.rootfs.kind),
            ));
        }
        Ok(config)
    }

    /// Become the beginning of another image's: without what was only of this one, and with a row of history for every layer.
    pub(crate) fn pass_on(&mut self) {
        self.docker_version.clear();
        // Docker's of the container that the image was made of.
        for field in ["container", "container_config", "id"] {
            self.other.remove(field);
        }
        // Rows are matched with layers from the first on, and there may be fewer than layers, or none.
        let told = self.history.iter().filter(|row| !row.empty_layer).count();
        let untold = self.rootfs.diff_ids.len().saturating_sub(told);
        self.history.extend(std::iter::repeat_n(History::default(), untold));
    }

    /// When it was made, nanoseconds since 1970; 0 when it does not say or says nonsense.
    pub(crate) fn created_ns(&self) -> i64 {
        instant(&self.created)
    }
}

impl RunConfig {
    /// The environment as containers get it: only entries that are `NAME=value`.
    pub(crate) fn environment(&self) -> impl Iterator<Item = &str> {
        self.env.iter().map(String::as_str).filter(|entry| entry.find('=').is_some_and(|at| at > 0))
    }

    /// The same in the Docker Engine API's words.
    pub(crate) fn to_document(&self) -> ContainerConfig {
        ContainerConfig {
            user: self.user.clone(),
            exposed_ports: self.exposed_ports.clone(),
            env: self.environment().map(str::to_owned).collect(),
            cmd: self.cmd.clone(),
            healthcheck: self.healthcheck.as_ref().map(health),
            volumes: (!self.volumes.is_empty()).then(|| self.volumes.clone()),
            working_dir: self.working_dir.clone(),
            entrypoint: self.entrypoint.clone(),
            on_build: (!self.on_build.is_empty()).then(|| self.on_build.clone()),
            labels: self.labels.clone(),
            stop_signal: self.stop_signal.clone(),
            stop_timeout: self.stop_timeout,
            shell: self.shell.clone(),
            ..ContainerConfig::default()
        }
    }
}

/// Nanoseconds since 1970 of an RFC 3339 time.
pub(crate) fn instant(text: &str) -> i64 {
    let time = text.parse::<jiff::Timestamp>().ok();
    time.and_then(|time| i64::try_from(time.as_nanosecond()).ok()).unwrap_or_default()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// `null` is the empty value.
fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn nullable_rows<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<History>, D::Error> {
    let rows: Vec<Option<History>> = or_default(deserializer)?;
    Ok(rows.into_iter().map(Option::unwrap_or_default).collect())
}

/// A health check as Docker's document has it. What is not of the type it should be is left out.
fn health(value: &Value) -> HealthConfig {
    let number = |name: &str| value.get(name).and_then(Value::as_i64).unwrap_or_default();
    let test = value.get("Test").and_then(Value::as_array).into_iter().flatten();
    HealthConfig {
        test: test.filter_map(Value::as_str).map(str::to_owned).collect(),
        interval: number("Interval"),
        timeout: number("Timeout"),
        start_period: number("StartPeriod"),
        start_interval: number("StartInterval"),
        retries: number("Retries"),
    }
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    let texts: Vec<Option<String>> = or_default(deserializer)?;
    Ok(texts.into_iter().map(Option::unwrap_or_default).collect())
}

/// A list of words, or one word: both were written by one version of Docker or another.
fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<Option<String>>),
    }
    Ok(Option::<Words>::deserialize(deserializer)?.map(|words| match words {
        Words::One(word) => vec![word],
        Words::Many(words) => words.into_iter().map(Option::unwrap_or_default).collect(),
    }))
}

/// A Go set: only the keys say something.
fn set<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, Empty>, D::Error> {
    let map: BTreeMap<String, Value> = or_default(deserializer)?;
    Ok(map.into_keys().map(|key| (key, Empty {})).collect())
}

fn labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    let map: BTreeMap<String, Option<String>> = or_default(deserializer)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_stands_for_nothing_everywhere() {
        let config = ImageConfig::parse(
            br#"{"created":null,"architecture":null,"os":null,"author":null,
                 "config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null,"ExposedPorts":null,
                           "User":null,"OnBuild":null,"Healthcheck":null,"Entrypoint":null},
                 "rootfs":{"type":"layers","diff_ids":null},"history":null}"#,
        )
        .unwrap();
        assert_eq!(config.config, RunConfig { other: BTreeMap::new(), ..RunConfig::default() });
        assert!(ImageConfig::parse(br#"{"config":null,"rootfs":null,"history":[null]}"#).is_ok());
        assert!(ImageConfig::parse(b"{}").is_ok());
    }

    #[test]
    fn only_assignments_reach_the_environment() {
        let config = ImageConfig::parse(
            br#"{"config":{"Env":["SECRET_TOKEN","AWS_*","=x","A=B=C","",null,"E="]}}"#,
        )
        .unwrap();
        assert_eq!(config.config.environment().collect::<Vec<_>>(), ["A=B=C", "E="]);
    }

    #[test]
    fn unknown_fields_are_kept_and_what_is_written_is_sorted() {
        let text = br#"{"architecture":"amd64","os":"linux","config":{"Labels":{"b":"2","a":"1"},
            "Zed":1},"rootfs":{"type":"layers","diff_ids":[]},"os.version":"1","moby":{"x":[1]}}"#;
        let config = ImageConfig::parse(text).unwrap();
        let written = serde_json::to_string(&config).unwrap();
        assert_eq!(
            written,
            r#"{"architecture":"amd64","os":"linux","config":{"Labels":{"a":"1","b":"2"},"Zed":1},"rootfs":{"type":"layers","diff_ids":[]},"moby":{"x":[1]},"os.version":"1"}"#
        );
    }

    #[test]
    fn one_word_is_a_list_of_one() {
        let config = ImageConfig::parse(br#"{"config":{"Cmd":"sh","Entrypoint":[]}}"#).unwrap();
        assert_eq!(config.config.cmd, Some(vec!["sh".to_owned()]));
        assert_eq!(config.config.entrypoint, Some(Vec::new()));
    }

    #[test]
    fn wrong_types_and_malformed_digests_are_refused_with_their_place() {
        for (text, place) in [
            (&br#"{"config":{"Env":"A=B"}}"#[..], "config.Env"),
            (br#"{"config":[]}"#, "config"),
            (br#"{"rootfs":{"diff_ids":["sha256:../x"]}}"#, "rootfs.diff_ids[0]"),
            (br#"{"history":{}}"#, "history"),
            (br#"{"os":1}"#, "os"),
        ] {
            let error = ImageConfig::parse(text).unwrap_err();
            assert!(error.message().contains(place), "{} / {place}", error.message());
        }
        assert!(ImageConfig::parse(br#"{"rootfs":{"type":"windows"}}"#).is_err());
    }

    #[test]
    fn a_time_that_is_none_is_the_epoch() {
        assert_eq!(instant("1970-01-01T00:00:01.5Z"), 1_500_000_000);
        assert_eq!(instant("2024-02-30T00:00:00Z"), 0);
        assert_eq!(instant(""), 0);
        assert_eq!(instant("0001-01-01T00:00:00Z"), 0);
    }
}
