//! Documents about volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What to create: the body of `POST /volumes/create`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeCreate {
    /// The volume's name, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; empty: one is made up.
    pub name: String,
    /// `local` (also when empty).
    pub driver: String,
    /// Options of the driver: `type` (`tmpfs`, or `none` for a directory of the host's), `device`, `o`.
    pub driver_opts: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume and what to do with it: the request of the verbs that need nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeRef {
    /// Its name.
    pub name: String,
}

/// A volume, as `GET /volumes/{name}` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// `local`.
    pub driver: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The directory that holds its files.
    pub mountpoint: String,
    /// Its name.
    pub name: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// `local`: it is on this machine.
    pub scope: String,
    /// What it takes; only where that was asked for (`system.df`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<VolumeUsage>,
}

/// What a volume takes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeUsage {
    /// Bytes of its files; -1 where they are not on this engine's disk.
    pub size: i64,
    /// How many containers have it.
    pub ref_count: i64,
}

/// List.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeList {
    /// `{"dangling": ["true"], "label": ["a=b"], "name": ["data"], "driver": ["local"]}`.
    pub filters: BTreeMap<String, Vec<String>>,
}

/// The volumes of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumesListed {
    /// By name.
    pub volumes: Vec<Volume>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Remove.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeRemove {
    /// Its name.
    pub name: String,
    /// That there is none is fine.
    pub force: bool,
}

/// Remove those that no container has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumePrune {
    /// `{"all": ["true"], "label": ["a=b"], "label!": ["keep"]}`; without `all` only those that nobody gave a name.
    pub filters: BTreeMap<String, Vec<String>>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumesPruned {
    /// Names.
    pub volumes_deleted: Vec<String>,
    /// Bytes of their files.
    pub space_reclaimed: i64,
}
