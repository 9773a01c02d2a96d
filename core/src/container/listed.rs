//! Of a container's record what a list shows or asks for: of the documents, which have a hundred fields, only those are read.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Deserialize;

use super::mount_point::MountPoint;
use super::plan::{self, NetworkMode};
use crate::api::{Empty, PortBinding};
use crate::network::Called;
use crate::store::document::{array, document};

/// A part of [`Record`](super::Record), whose names its fields have.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image_id: String,
    pub(super) created: i64,
    pub(super) document: Document,
    pub(super) config: Config,
    pub(super) mounts: Vec<MountPoint>,
    pub(super) auto_remove: bool,
    pub(super) removing: bool,
}

/// A part of [`ContainerCreate`](crate::api::ContainerCreate).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Document {
    pub(super) network_disabled: bool,
    pub(super) host_config: HostConfig,
}

/// A part of [`HostConfig`](crate::api::HostConfig).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) network_mode: String,
    pub(super) port_bindings: BTreeMap<String, Vec<PortBinding>>,
    pub(super) publish_all_ports: bool,
}

/// A part of [`ContainerConfig`](crate::api::ContainerConfig).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) hostname: String,
    pub(super) exposed_ports: BTreeMap<String, Empty>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) image: String,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) labels: BTreeMap<String, String>,
}

/// So many are looked up rather than looked for among all.
const FEW: usize = 20;

const COLUMNS: &str =
    "id, name, image_id, created, document, config, mounts, auto_remove, removing";

impl Listed {
    /// All containers, the newest first.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Listed>> {
        let found: rusqlite::Result<Vec<Listed>> = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM containers"))?
            .query_map([], Listed::from_row)?
            .collect();
        Ok(sorted(found?))
    }

    /// Those of these ids that there are, the newest first.
    pub(super) fn among(connection: &Connection, ids: &[String]) -> rusqlite::Result<Vec<Listed>> {
        let mut found = Vec::with_capacity(ids.len());
        if ids.len() > FEW {
            // The plus keeps SQLite from looking each up: a row that does not fit into a page is read whole for every one that it
            // is compared with. So all are passed by, and only of those that are meant is more read than the id.
            let mut rows = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM containers WHERE +id IN (SELECT value FROM json_each(?1))"
            ))?;
            for listed in rows.query_map([array(ids)?], Listed::from_row)? {
                found.push(listed?);
            }
            return Ok(sorted(found));
        }
        let mut row = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM containers WHERE id = ?1"))?;
        for id in ids {
            found.extend(row.query_row([id], Listed::from_row).optional()?);
        }
        Ok(sorted(found))
    }

    /// The network mode as Docker shows it.
    pub(super) fn network_mode(&self) -> &str {
        plan::named_mode(&self.document.host_config.network_mode)
    }

    /// Whether it has networks of its own.
    pub(super) fn is_networked(&self) -> bool {
        let mode = NetworkMode::of(self.document.network_disabled, self.network_mode());
        matches!(mode, NetworkMode::Named(_))
    }

    /// Whether any port is to be published.
    pub(super) fn publishes(&self) -> bool {
        let host_config = &self.document.host_config;
        plan::any_published(host_config.publish_all_ports, &host_config.port_bindings)
    }

    /// What it is called by those in its networks.
    pub(super) fn called(&self) -> Called<'_> {
        Called { id: &self.id, name: &self.name, hostname: &self.config.hostname }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Listed> {
        Ok(Listed {
            id: row.get(0)?,
            name: row.get(1)?,
            image_id: row.get(2)?,
            created: row.get(3)?,
            document: document(row, 4)?,
            config: document(row, 5)?,
            mounts: document(row, 6)?,
            auto_remove: row.get(7)?,
            removing: row.get(8)?,
        })
    }
}

/// SQLite would carry whole rows about, documents and all.
fn sorted(mut found: Vec<Listed>) -> Vec<Listed> {
    found.sort_unstable_by(|a, b| (b.created, &a.id).cmp(&(a.created, &b.id)));
    found
}
