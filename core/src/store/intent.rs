//! Intents and their owners.
//!
//! A pid is not an identity: it is reused. A process is named by its pid, its start time (field 22 of `/proc/PID/stat`,
//! clock ticks since boot) and the boot.

use rusqlite::{Transaction, params};

use crate::error::{Error, Result};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) start_time: u64,
    pub(crate) boot_id: String,
}

impl Owner {
    /// This process.
    pub(crate) fn this() -> Result<Owner> {
        let pid = std::process::id();
        let start_time = start_time(pid).ok_or_else(|| {
            Error::unsupported("/proc is not mounted, or belongs to another pid namespace")
        })?;
        Ok(Owner { pid, start_time, boot_id: boot_id()? })
    }

    /// Whether it still lives.
    pub(crate) fn is_alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot_id)
            && start_time(self.pid) == Some(self.start_time)
    }
}

/// The boot this is.
pub(crate) fn boot_id() -> Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .map_err(|error| Error::system("read /proc/sys/kernel/random/boot_id", error))
}

/// Field 22 of `/proc/PID/stat`. The second field is the command in parentheses and may hold anything, so count from its end.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_ascii_whitespace();
    // A zombie is dead for our purposes: it does nothing any more.
    (fields.next()? != "Z").then(|| fields.nth(18)?.parse().ok())?
}

/// Work that was begun and is not whole yet.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) id: i64,
    pub(crate) operation: String,
    /// What it is about, in the operation's terms.
    pub(crate) object: String,
    pub(crate) owner: Owner,
}

impl Intent {
    /// Write the intent to do `operation` on `object`, as this process.
    pub(crate) fn begin(
        transaction: &Transaction<'_>,
        operation: &str,
        object: &str,
        owner: &Owner,
        now: i64,
    ) -> Result<i64> {
        transaction.execute(
            "INSERT INTO intents (operation, object, step, owner_pid, owner_start_time, owner_boot_id, created)
             VALUES (?1, ?2, '', ?3, ?4, ?5, ?6)",
            params![operation, object, owner.pid, owner.start_time as i64, owner.boot_id, now],
        )?;
        Ok(transaction.last_insert_rowid())
    }

    /// The work is whole: forget the intent.
    pub(crate) fn finish(transaction: &Transaction<'_>, id: i64) -> Result<()> {
        transaction.execute("DELETE FROM intents WHERE id = ?1", [id])?;
        Ok(())
    }

    /// All intents.
    pub(crate) fn all(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<Intent>> {
        let mut statement = connection.prepare_cached(
            "SELECT id, operation, object, owner_pid, owner_start_time, owner_boot_id FROM intents",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Intent {
                id: row.get(0)?,
                operation: row.get(1)?,
                object: row.get(2)?,
                owner: Owner {
                    pid: row.get(3)?,
                    start_time: row.get::<_, i64>(4)? as u64,
                    boot_id: row.get(5)?,
                },
            })
        })?;
        rows.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Owner;

    #[test]
    fn a_process_is_alive_until_its_start_time_or_boot_differs() {
        let this = Owner::this().unwrap();
        assert!(this.is_alive());
        assert!(!Owner { start_time: this.start_time + 1, ..this.clone() }.is_alive());
        assert!(!Owner { boot_id: "another".into(), ..this }.is_alive());
    }
}
