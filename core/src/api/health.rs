//! Health checks.

use serde::{Deserialize, Serialize};

use super::{de, is_default};

/// How a container's health is looked at. Times are nanoseconds; 0 everywhere: the image's, else the default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// `["CMD", program, arguments…]`, `["CMD-SHELL", command]`, `["NONE"]` for none; empty: the image's.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "de::words")]
    pub test: Vec<String>,
    /// Time between the end of a check and the next; by default 30 s.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: i64,
    /// How long a check may take; by default 30 s.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: i64,
    /// How long failures do not count after the start, until a check has passed; by default none.
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: i64,
    /// Time between checks meanwhile; by default 5 s.
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: i64,
    /// How many checks have to fail one after another for *unhealthy*; by default 3.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
}

/// How healthy a container is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`; the last also when it does not run.
    pub status: String,
    /// How many checks have failed since the last that passed.
    pub failing_streak: u32,
    /// The last five checks, the newest last.
    pub log: Vec<HealthcheckResult>,
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthcheckResult {
    /// When it began, RFC 3339.
    pub start: String,
    /// When it ended.
    pub end: String,
    /// Its exit code: 0 is healthy; -1: it could not be run, or took too long.
    pub exit_code: i32,
    /// The first 4096 bytes of what it wrote, or why it has none.
    pub output: String,
}
