//! A container's record: one row of the database, written by `create` and, until it goes, only marked.
//!
//! The row is the write-ahead intent of everything else: what a container has on disk and in the kernel has a name that
//! follows from its id, is made by `start`, and can be found and removed by whoever reads the row.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};

use super::mount_point::MountPoint;
use crate::api::{ContainerConfig, ContainerCreate};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::store::Owner;
use crate::store::document::{document, text};

/// What is recorded about a container.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// Without a slash.
    pub(crate) name: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub(crate) image_id: String,
    /// Nanoseconds since 1970.
    pub(crate) created: i64,
    /// What was asked for.
    pub(crate) document: ContainerCreate,
    /// The image's configuration merged with it.
    pub(crate) config: ContainerConfig,
    /// What it has mounted beside what every container has.
    pub(crate) mounts: Vec<MountPoint>,
    /// It goes when it ends.
    pub(crate) auto_remove: bool,
    /// Its removal has begun, and there is no way back.
    pub(crate) removing: bool,
    /// Its anonymous volumes go with it.
    pub(crate) with_volumes: bool,
    /// The `run` that made it and has not seen it start.
    pub(crate) owner: Option<Owner>,
}

const COLUMNS: &str = "id, name, image_id, created, document, config, auto_remove, removing, \
                       owner_pid, owner_start_time, owner_boot_id, mounts, with_volumes";

impl Record {
    /// Its cgroup, below the root of every hierarchy.
    pub(crate) fn cgroup(&self, layout: &Layout) -> String {
        layout.cgroup(&self.document.host_config.cgroup_parent, &self.id)
    }

    /// Write the row. `None` when the name is taken.
    pub(crate) fn insert(&self, transaction: &Transaction<'_>) -> Result<Option<()>> {
        let inserted = transaction
            .prepare_cached(
                "INSERT INTO containers (id, name, image_id, created, document, config, mounts, auto_remove, with_volumes,
                     owner_pid, owner_start_time, owner_boot_id)
                 VALUES (:id, :name, :image, :created, :document, :config, :mounts, :auto_remove, :with_volumes, :pid,
                     :start_time, :boot)
                 ON CONFLICT (name) DO NOTHING",
            )?
            .execute(named_params! {
                ":id": self.id,
                ":name": self.name,
                ":image": self.image_id,
                ":created": self.created,
                ":document": text(&self.document)?,
                ":config": text(&self.config)?,
                ":mounts": text(&self.mounts)?,
                ":auto_remove": self.auto_remove,
                ":with_volumes": self.with_volumes,
                ":pid": self.owner.as_ref().map(|owner| owner.pid),
                ":start_time": self.owner.as_ref().map(|owner| owner.start_time as i64),
                ":boot": self.owner.as_ref().map(|owner| owner.boot_id.as_str()),
            });
        match inserted {
            Ok(rows) => Ok((rows == 1).then_some(())),
            Err(error)
                if error.sqlite_extended_error_code()
                    == Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY) =>
            {
                // It was removed since it was looked up.
                Err(Error::not_found("image", self.document.image.as_str()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The record with this id.
    pub(crate) fn find(connection: &Connection, id: &str) -> rusqlite::Result<Option<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM containers WHERE id = ?1"))?
            .query_row([id], Record::from_row)
            .optional()
    }

    /// All records, the newest first.
    pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
        connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM containers ORDER BY created DESC, id"))?
            .query_map([], Record::from_row)?
            .collect()
    }

    /// The record that has this text as its id, or else as its name.
    pub(crate) fn called(connection: &Connection, text: &str) -> rusqlite::Result<Option<Record>> {
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM containers WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC"
            ))?
            .query_row([text], Record::from_row)
            .optional()
    }

    /// Records whose ids begin with these digits, a few of them: it is one, or there is no telling which is meant.
    pub(crate) fn beginning(
        connection: &Connection,
        digits: &str,
    ) -> rusqlite::Result<Vec<Record>> {
        // 'g' sorts after every digit.
        connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM containers WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 4"
            ))?
            .query_map([digits], Record::from_row)?
            .collect()
    }

    /// The id of the container that has this name.
    pub(crate) fn id_of_name(
        connection: &Connection,
        name: &str,
    ) -> rusqlite::Result<Option<String>> {
        connection
            .prepare_cached("SELECT id FROM containers WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()
    }

    /// Give it another name. `None` when that is taken, `false` when there is no such row.
    pub(crate) fn rename(
        transaction: &Transaction<'_>,
        id: &str,
        name: &str,
    ) -> Result<Option<bool>> {
        let renamed = transaction
            .prepare_cached("UPDATE OR IGNORE containers SET name = ?2 WHERE id = ?1")?
            .execute([id, name])?;
        if renamed == 1 {
            return Ok(Some(true));
        }
        let taken = Record::id_of_name(transaction, name)?.is_some();
        Ok(if taken { None } else { Some(false) })
    }

    /// Write another document of what was asked for. `false` when there is no such row.
    pub(crate) fn set_document(
        transaction: &Transaction<'_>,
        id: &str,
        document: &ContainerCreate,
    ) -> Result<bool> {
        Ok(transaction
            .prepare_cached("UPDATE containers SET document = ?2 WHERE id = ?1")?
            .execute([id, text(document)?.as_str()])?
            == 1)
    }

    /// Mark it as going, with or without its anonymous volumes. `false` when there is no such row.
    pub(crate) fn mark_removing(
        transaction: &Transaction<'_>,
        id: &str,
        with_volumes: bool,
    ) -> Result<bool> {
        Ok(transaction
            .prepare_cached("UPDATE containers SET removing = 1, with_volumes = ?2 WHERE id = ?1")?
            .execute(params![id, with_volumes])?
            == 1)
    }

    /// Its `run` has seen it start.
    pub(crate) fn clear_owner(transaction: &Transaction<'_>, id: &str) -> Result<()> {
        transaction
            .prepare_cached(
                "UPDATE containers SET owner_pid = NULL, owner_start_time = NULL, owner_boot_id = NULL
                 WHERE id = ?1",
            )?
            .execute([id])?;
        Ok(())
    }

    /// Delete the row.
    pub(crate) fn delete(transaction: &Transaction<'_>, id: &str) -> Result<()> {
        transaction.prepare_cached("DELETE FROM containers WHERE id = ?1")?.execute(params![id])?;
        Ok(())
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Record> {
        let pid: Option<u32> = row.get(8)?;
        let owner = match pid {
            Some(pid) => {
                Some(Owner { pid, start_time: row.get::<_, i64>(9)? as u64, boot_id: row.get(10)? })
            }
            None => None,
        };
        Ok(Record {
            id: row.get(0)?,
            name: row.get(1)?,
            image_id: row.get(2)?,
            created: row.get(3)?,
            document: document(row, 4)?,
            config: document(row, 5)?,
            auto_remove: row.get(6)?,
            mounts: document(row, 11)?,
            removing: row.get(7)?,
            with_volumes: row.get(12)?,
            owner,
        })
    }
}
