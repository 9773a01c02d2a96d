//! The record: SQLite for what the whole engine shares.
//!
//! Writers only ever use `BEGIN IMMEDIATE`: a transaction that begins by reading and then wants to write fails with "database
//! is locked" as soon as two processes do it at once, and no busy handler helps (measured: 77,477 such errors in 8 s from 16
//! writers; none with IMMEDIATE). Nothing but SQL happens inside a transaction: no file, exec or network work.

mod copies;
pub(crate) mod document;
mod intent;
pub(crate) mod lease;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use barque_monitor::filesystem::{FIT, unfit};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{Error, ErrorKind, Result};
use crate::id;

use copies::Claim;
pub(crate) use intent::{Intent, Owner, start_time};

/// The steps from an empty database to the present schema. `user_version` says how many were taken.
const STEPS: [&str; 8] = [
    include_str!("schema.sql"),
    include_str!("volumes.sql"),
    include_str!("index.sql"),
    include_str!("build.sql"),
    include_str!("networks.sql"),
    include_str!("cache_mounts.sql"),
    include_str!("ipv6.sql"),
    include_str!("ipv6_alone.sql"),
];

/// Version of the present schema.
const SCHEMA_VERSION: i32 = STEPS.len() as i32;

/// Bytes of a file that is only there to be removed when the disk is full, so that what frees space can be written down.
const BALLAST: u64 = 1 << 20;

/// Pages of the write-ahead log at which it is written back and begun anew. Whoever opens the database first reads the whole log (it
/// cannot know that the shared index is right): 7 µs a page here, so SQLite's own 1,000 would cost every short-lived process up to 7 ms.
const LONGEST_LOG: u32 = 40;

/// How long a writer waits for other processes' transactions.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a commit must survive a power cut, or only a crash of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// On disk when the call returns.
    Full,
    /// Seen by every process at once; on disk with the next full commit or checkpoint. For records that a reboot ends anyway.
    Crash,
}

/// The open database.
pub(crate) struct Store {
    path: PathBuf,
    writer: Arc<Mutex<Writer>>,
    /// A second connection, opened when a thread wants to read while another waits to write: in WAL mode a reader waits for
    /// nobody, but a connection is used by one thread at a time.
    reader: Arc<Mutex<Option<Connection>>>,
    /// Declared after the connections, so that it goes after them.
    _claim: Claim,
    /// The process that opened it. A child forked from it shares neither the locks nor the memory that SQLite believes it has
    /// (https://sqlite.org/howtocorrupt.html, 2.6), so it must not so much as close the connections.
    pid: u32,
}

struct Writer {
    connection: Connection,
    /// What `PRAGMA synchronous` was last set to.
    durability: Option<Durability>,
}

impl Store {
    /// Open the database at `path`, making it where there is none.
    pub(crate) fn open(path: &Path) -> Result<Store> {
        let named = |error| failed(format!("open {}", path.display()), error);
        let (claim, connection) = Claim::and_open(path, || {
            let mut connection = connect(path).map_err(named)?;
            let version: i32 =
                connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(named)?;
            if version != SCHEMA_VERSION {
                migrate(&mut connection, path)?;
            }
            sync_name_of_log(path)?;
            Ok(connection)
        })?;
        let store = Store {
            path: path.to_owned(),
            writer: Arc::new(Mutex::new(Writer { connection, durability: None })),
            reader: Arc::default(),
            _claim: claim,
            pid: std::process::id(),
        };
        store.take_ballast();
        Ok(store)
    }

    /// Fail in a process that forked from the one that opened the engine.
    pub(crate) fn check_process(&self) -> Result<()> {
        if self.pid == std::process::id() { Ok(()) } else { Err(Error::forked()) }
    }

    /// Read.
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.check_process()?;
        let wrong = |error| failed("read the database", error);
        match self.writer.try_lock() {
            Ok(writer) => return body(&writer.connection).map_err(wrong),
            Err(TryLockError::Poisoned(writer)) => {
                return body(&writer.into_inner().connection).map_err(wrong);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match &mut *reader {
            Some(connection) => connection,
            none => none.insert(connect(&self.path).map_err(wrong)?),
        };
        body(connection).map_err(wrong)
    }

    /// Change the record, all or nothing. `body` must do nothing but SQL.
    pub(crate) fn write<T>(
        &self,
        durability: Durability,
        body: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.check_process()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = |error| failed("write the database", error);
        if writer.durability != Some(durability) {
            let level = match durability {
                Durability::Full => "FULL",
                Durability::Crash => "NORMAL",
            };
            writer.connection.pragma_update(None, "synchronous", level).map_err(wrong)?;
            writer.durability = Some(durability);
        }
        write_back(&writer.connection);
        let transaction = writer
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(wrong)?;
        let value = body(&transaction)?;
        transaction.commit().map_err(wrong)?;
        Ok(value)
    }

    /// Change the record so that something can be freed, all or nothing; on a full disk too. `body` may be called twice.
    pub(crate) fn free<T>(
        &self,
        durability: Durability,
        body: impl Fn(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.write(durability, &body) {
            Err(error) if error.kind() == ErrorKind::ResourceExhausted => {
                // It comes back with the next engine that is opened and finds room.
                let _ = std::fs::remove_file(self.ballast());
                self.write(durability, &body)
            }
            written => written,
        }
    }

    fn ballast(&self) -> PathBuf {
        self.path.with_file_name("ballast")
    }

    /// Have the ballast there, if there is room for it.
    fn take_ballast(&self) {
        let path = self.ballast();
        if path.exists() {
            return;
        }
        // Without it a full disk is only worse to deal with.
        if let Ok(file) = crate::sys::file::create(&path, 0o600)
            && rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, BALLAST)
                .is_err()
        {
            let _ = std::fs::remove_file(&path);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.check_process().is_err() {
            // A count that never reaches zero keeps the connections from being closed in this child.
            std::mem::forget((Arc::clone(&self.writer), Arc::clone(&self.reader)));
        }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Write a long log back, so that the write that comes next begins it anew.
///
/// Not after a commit, as SQLite does by itself: that all of the log is in the database is only known in the shared index, which the next
/// process makes again from the log when it is the only one. Commands that come one after another would each find a log that nothing of
/// was written back, write it back, and lengthen it.
fn write_back(connection: &Connection) {
    // A full disk, or somebody who reads what is older: the log is longer for as long as that lasts.
    let _ = (|| {
        // `NOOP` only looks (since SQLite 3.51).
        let pages: i64 = connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], |row| row.get("log"))?;
        if pages >= i64::from(LONGEST_LOG) {
            connection
                .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
                .query_row([], |_| Ok(()))?;
        }
        Ok::<_, rusqlite::Error>(())
    })();
}

/// Keep the journal as a write-ahead log. The switch needs the database for itself and never asks the busy handler, so
/// processes that make one root at the same time have to wait here.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error)
                if matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
                    && std::time::Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            done => return done,
        }
    }
}

/// Have the log's name on disk before there is anything in it. SQLite itself would sync the directory at every process's first commit,
/// since it does not know whether it has made the file; it is built not to (`.cargo/config.toml`).
///
/// A log that has something in it was written by somebody who has been here before.
fn sync_name_of_log(path: &Path) -> Result<()> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::metadata(&log) {
        Ok(found) if found.len() > 0 => Ok(()),
        _ => crate::sys::directory::sync(path.parent().unwrap_or(Path::new("/"))),
    }
}

/// Bring an empty or older database to the present schema.
fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let named = |error| {
        let place = match unfit(path) {
            Some(name) => format!(" on {name}, where it should be on {FIT}"),
            None => String::new(),
        };
        failed(format!("prepare {}{place}", path.display()), error)
    };
    // Requests hold secrets. SQLite gives its other files the mode of this one.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(|error| Error::system(format!("chmod {}", path.display()), error))?;
    write_ahead(connection).map_err(named)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(named)?;
    // Now there is one.
    sync_name_of_log(path)?;
    // Read again: another process may have been here while we waited for the lock.
    let version: i32 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(named)?;
    let steps = usize::try_from(version).ok().and_then(|taken| STEPS.get(taken..));
    let Some(steps) = steps else {
        return Err(Error::unsupported(format!(
            "{} has schema version {version}, this barque knows {SCHEMA_VERSION}; use a newer barque",
            path.display()
        ))
        .with_reason("newer_schema"));
    };
    for step in steps {
        transaction.execute_batch(step).map_err(named)?;
    }
    if version == 0 {
        let identity = identity()?;
        transaction
            .execute("INSERT INTO meta (key, value) VALUES ('id', ?1)", [identity])
            .map_err(named)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(named)?;
    transaction.commit().map_err(named)
}

/// A random identity for a new root, as a UUID (RFC 9562, version 4).
fn identity() -> Result<String> {
    let mut bytes = id::random_bytes::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = id::hex(&bytes);
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

/// Give an SQLite error a kind.
pub(crate) fn failed(what: impl std::fmt::Display, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Busy,
        Some(ErrorCode::DiskFull) => ErrorKind::ResourceExhausted,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            ErrorKind::PermissionDenied
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => ErrorKind::Corrupt,
        _ => ErrorKind::System,
    };
    Error::new(kind, what.to_string()).because(error)
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        failed("the database", error)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{Durability, LONGEST_LOG, STEPS, Store};

    #[test]
    fn the_log_stays_short_when_processes_come_one_after_another() {
        let path = std::env::temp_dir().join(format!("barque-log-{}.db", std::process::id()));
        let log = path.with_extension("db-wal");
        let write = |store: &Store, number: u32| {
            let change = "INSERT OR REPLACE INTO meta (key, value) VALUES ('number', ?1)";
            store
                .write(Durability::Crash, |t| Ok(t.execute(change, [number.to_string()])?))
                .unwrap();
        };
        // A page has a header of 24 bytes in the log, which has one of 32.
        let longest = 32 + u64::from(LONGEST_LOG + 20) * (24 + 4096);
        for number in 0..3 * LONGEST_LOG {
            // Nobody but it has the database open.
            write(&Store::open(&path).unwrap(), number);
            let length = log.metadata().unwrap().len();
            assert!(length <= longest, "{length} bytes after {number} writes");
        }
        let store = Store::open(&path).unwrap();
        for number in 0..3 * LONGEST_LOG {
            write(&store, number);
        }
        assert!(log.metadata().unwrap().len() <= longest);
        let last: String = store
            .read(|connection| {
                connection
                    .query_row("SELECT value FROM meta WHERE key = 'number'", [], |row| row.get(0))
            })
            .unwrap();
        assert_eq!(last, (3 * LONGEST_LOG - 1).to_string());
        drop(store);
        for suffix in ["", "-wal", "-shm"] {
            std::fs::remove_file(path.with_extension(format!("db{suffix}"))).unwrap();
        }
        let _ = std::fs::remove_file(path.with_file_name("ballast"));
    }

    #[test]
    fn places_in_networks_keep_their_addresses_when_one_may_be_missing() {
        let connection = Connection::open_in_memory().unwrap();
        for step in &STEPS[..7] {
            connection.execute_batch(step).unwrap();
        }
        let add = |text: &str| connection.execute(text, []);
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        for container in ["c", "d", "e", "f"] {
            let row = format!("('{container}', '{container}', 'i', 0, '{{}}', '{{}}', 0)");
            let columns = "id, name, image_id, created, document, config, auto_remove";
            add(&format!("INSERT INTO containers ({columns}) VALUES {row}")).unwrap();
        }
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        add("INSERT INTO endpoints VALUES ('c', 'n', 0, '{}', 7, 'fd00::7')").unwrap();
        connection.execute_batch(STEPS[7]).unwrap();
        let kept: (String, u32, u32, String) = connection
            .query_row("SELECT settings, position, address, address6 FROM endpoints", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .unwrap();
        assert_eq!(kept, ("{}".to_owned(), 0, 7, "fd00::7".to_owned()));
        for container in ["d", "e"] {
            let place = format!("('{container}', 'n', 0, '{{}}', NULL, 'fd00::{container}')");
            add(&format!("INSERT INTO endpoints VALUES {place}")).unwrap();
        }
        assert!(add("INSERT INTO endpoints VALUES ('f', 'n', 0, '{}', 7, NULL)").is_err());
    }
}
