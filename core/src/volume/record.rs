//! A volume's record, and those of its uses.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::error::Result;
use crate::store::document::{document, text};

/// What is recorded about a volume.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    /// Options of the driver.
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    /// Nobody gave it a name.
    pub(crate) anonymous: bool,
    /// Its removal has begun, and there is no way back.
    pub(crate) removing: bool,
}

/// A volume that somebody wants to be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) anonymous: bool,
}

const COLUMNS: &str = "name, options, labels, created, anonymous, removing";

impl Record {
    /// Write the row, unless there is one of that name. Whether it was written.
    pub(super) fn insert(transaction: &Transaction<'_>, wanted: &Wanted, now: i64) -> Result<bool> {
        let rows = transaction
            .prepare_cached(
                "INSERT INTO volumes (name, options, labels, created, anonymous) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO NOTHING",
            )?
            .execute(params![
                wanted.name,
                text(&wanted.options)?,
                text(&wanted.labels)?,
                now,
                wanted.anonymous
            ])?;
        Ok(rows == 1)
    }

    /// The record of this name.
    pub(crate) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM volumes WHERE name = ?1"))?
            .query_row([name], Record::from_row)
            .optional()
    }

    /// All records, by name.
    pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM volumes ORDER BY name"))?
            .query_map([], Record::from_row)?
            .collect()
    }

    /// How many containers have each volume; none of those that no container has.
    pub(super) fn uses(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
        connection
            .prepare_cached("SELECT volume, count(*) FROM volume_uses GROUP BY volume")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// The volumes that containers have, other than these.
    pub(super) fn used(
        connection: &Connection,
        gone: &BTreeSet<String>,
    ) -> rusqlite::Result<BTreeSet<String>> {
        let mut statement =
            connection.prepare_cached("SELECT container_id, volume FROM volume_uses")?;
        let mut rows = statement.query([])?;
        let mut used = BTreeSet::new();
        while let Some(row) = rows.next()? {
            if !gone.contains(row.get_ref(0)?.as_str()?) {
                used.insert(row.get(1)?);
            }
        }
        Ok(used)
    }

    /// Write down that a container has the volume.
    pub(super) fn claim(
        transaction: &Transaction<'_>,
        container: &str,
        volume: &str,
        anonymous: bool,
    ) -> Result<()> {
        transaction
            .prepare_cached(
                "INSERT INTO volume_uses (container_id, volume, anonymous) VALUES (?1, ?2, ?3)
                 ON CONFLICT (container_id, volume) DO UPDATE SET anonymous = min(anonymous, excluded.anonymous)",
            )?
            .execute(params![container, volume, anonymous])?;
        Ok(())
    }

    /// Mark it as going, unless a container has it. The containers that do, by name.
    pub(super) fn mark_removing(
        transaction: &Transaction<'_>,
        name: &str,
    ) -> rusqlite::Result<Vec<String>> {
        let users: Vec<String> = transaction
            .prepare_cached(
                "SELECT containers.name FROM volume_uses JOIN containers ON id = container_id WHERE volume = ?1
                 ORDER BY containers.name",
            )?
            .query_map([name], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if users.is_empty() {
            transaction
                .prepare_cached("UPDATE volumes SET removing = 1 WHERE name = ?1")?
                .execute([name])?;
        }
        Ok(users)
    }

    /// The first of these volumes whose removal has begun.
    pub(super) fn removing_of<'a>(
        connection: &Connection,
        names: impl IntoIterator<Item = &'a str>,
    ) -> rusqlite::Result<Option<String>> {
        for name in names {
            if Record::find(connection, name)?.is_some_and(|record| record.removing) {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// The volumes whose removal has begun.
    pub(super) fn removing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
        connection
            .prepare_cached("SELECT name FROM volumes INDEXED BY volumes_removing WHERE removing")?
            .query_map([], |row| row.get(0))?
            .collect()
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Record> {
        Ok(Record {
            name: row.get(0)?,
            options: document(row, 1)?,
            labels: document(row, 2)?,
            created: row.get(3)?,
            anonymous: row.get(4)?,
            removing: row.get(5)?,
        })
    }
}
