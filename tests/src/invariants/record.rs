//! The record's side: database, blobs, layers, temporary files, containers' directories.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Known;
use crate::{Sandbox, programs};

/// Rows of a query on a copy of the database, columns joined by `|`.
///
/// # Panics
/// Without `sqlite3`.
pub(super) fn query(sandbox: &Sandbox, sql: &str) -> Result<Vec<String>, String> {
    let root = sandbox.root();
    if !root.join("barque.db").exists() {
        return Ok(Vec::new());
    }
    let copy = sandbox.work().join("checker");
    fs::create_dir_all(&copy).map_err(|e| e.to_string())?;
    for suffix in ["", "-wal"] {
        let from = root.join(format!("barque.db{suffix}"));
        let to = copy.join(format!("copy.db{suffix}"));
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(&from, &to).map_err(|e| e.to_string())?;
        }
    }
    let _ = fs::remove_file(copy.join("copy.db-shm"));
    let run = Command::new(programs::tool("sqlite3"))
        .args(["-batch", "-noheader"])
        .arg(copy.join("copy.db"))
        .arg(sql)
        .output()
        .map_err(|e| e.to_string())?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&run.stdout).lines().map(str::to_owned).collect())
}

fn rows(sandbox: &Sandbox, sql: &str, wrong: &mut Vec<String>) -> Vec<String> {
    query(sandbox, sql).unwrap_or_else(|error| {
        wrong.push(format!("I-02 sqlite3 {sql:?}: {error}"));
        Vec::new()
    })
}

/// The containers of the database, with what their state files say; both sides must have the same ones.
pub(super) fn containers(sandbox: &Sandbox, wrong: &mut Vec<String>) -> Vec<Known> {
    let directory = sandbox.root().join("containers");
    let ids = rows(sandbox, "SELECT id FROM containers ORDER BY id", wrong);
    let removing: BTreeSet<String> =
        rows(sandbox, "SELECT id FROM containers WHERE removing != 0", wrong).into_iter().collect();
    for id in &removing {
        wrong.push(format!("I-02 container {id} is still being removed, by nobody"));
    }
    for name in names(&directory) {
        if !ids.contains(&name) {
            wrong.push(format!("I-16 directory containers/{name} belongs to no container"));
        }
    }
    ids.into_iter()
        .map(|id| {
            let file = directory.join(&id).join("state.json");
            let state: Option<Value> = match fs::read_to_string(&file) {
                Ok(text) => serde_json::from_str(&text)
                    .map_err(|error| wrong.push(format!("I-11 {}: {error}", file.display())))
                    .ok(),
                Err(_) => None,
            };
            let running =
                state.as_ref().filter(|state| state["status"] == "running").map(|state| {
                    let pid = state["pid"].as_i64().unwrap_or(0) as i32;
                    (pid, state["pid_start_time"].as_u64().unwrap_or(0))
                });
            Known { id, running, state }
        })
        .collect()
}

/// I-02: whole, consistent, and no work begun by the dead.
pub(super) fn check_database(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    if !sandbox.root().join("barque.db").exists() {
        return;
    }
    for row in rows(sandbox, "PRAGMA integrity_check", wrong) {
        if row != "ok" {
            wrong.push(format!("I-02 integrity_check: {row}"));
        }
    }
    for row in rows(sandbox, "PRAGMA foreign_key_check", wrong) {
        wrong.push(format!("I-02 foreign_key_check: {row}"));
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let sql = "SELECT operation, object, owner_pid, owner_start_time, owner_boot_id FROM intents";
    for row in rows(sandbox, sql, wrong) {
        let fields: Vec<&str> = row.split('|').collect();
        let [operation, object, pid, start, owner_boot] = fields[..] else { continue };
        let lives =
            owner_boot == boot.trim() && super::kernel::start_time(pid) == start.parse().ok();
        if !lives {
            wrong.push(format!("I-02 an intent of a dead process is left: {operation} {object}"));
        }
    }
    let sql = "SELECT id, owner_pid, owner_start_time FROM containers WHERE owner_pid IS NOT NULL";
    for row in rows(sandbox, sql, wrong) {
        let fields: Vec<&str> = row.split('|').collect();
        let [id, pid, start] = fields[..] else { continue };
        if super::kernel::start_time(pid) != start.parse().ok() {
            wrong.push(format!("I-02 container {id} was being run by a dead process"));
        }
    }
}

/// I-03: every blob is what its name says, and the record has exactly those that are there.
pub(super) fn check_blobs(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    let directory = sandbox.root().join("blobs/sha256");
    let mut recorded: BTreeSet<String> = BTreeSet::new();
    for row in rows(sandbox, "SELECT digest, size FROM blobs", wrong) {
        let Some((digest, size)) = row.split_once('|') else { continue };
        let name = digest.trim_start_matches("sha256:").to_owned();
        match fs::metadata(directory.join(&name)) {
            Ok(found) if found.len().to_string() == size => {}
            Ok(found) => wrong.push(format!("I-03 blob {name}: {} bytes, not {size}", found.len())),
            Err(error) => wrong.push(format!("I-03 blob {name}: {error}")),
        }
        recorded.insert(name);
    }
    let unused =
        "SELECT digest FROM blobs WHERE NOT EXISTS (SELECT 1 FROM image_layers WHERE blob = digest)
                  AND NOT EXISTS (SELECT 1 FROM images WHERE id = digest OR manifest = digest)
                  AND NOT EXISTS (SELECT 1 FROM build_cache WHERE blob = digest)";
    for digest in rows(sandbox, unused, wrong) {
        wrong.push(format!("I-03 blob {digest} is needed by nothing"));
    }
    let present = names(&directory);
    for name in &present {
        if !recorded.contains(name) {
            wrong.push(format!("I-03 blob {name} is not in the record"));
        }
    }
    if present.is_empty() {
        return;
    }
    let hashed = Command::new("sha256sum").args(&present).current_dir(&directory).output();
    let text =
        hashed.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    let sums: BTreeSet<&str> = text.lines().collect();
    for name in &present {
        if !sums.contains(format!("{name}  {name}").as_str()) {
            wrong.push(format!("I-03 blob {name} is not what its name says"));
        }
    }
}

/// I-03: what other programs read in the root are the images and names that the record has.
pub(super) fn check_index(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    let sql = "SELECT reference || ' ' || manifest FROM tags JOIN images ON id = image_id WHERE hidden = 0 ORDER BY 1";
    let recorded = rows(sandbox, sql, wrong);
    let Ok(text) = fs::read_to_string(sandbox.root().join("index.json")) else {
        if !recorded.is_empty() {
            wrong.push("I-03 there are images and no index.json".to_owned());
        }
        return;
    };
    let index: Value = serde_json::from_str(&text).unwrap_or_default();
    let mut told: Vec<String> = index["manifests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| {
            let name = row["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
            Some(format!("{name} {}", row["digest"].as_str()?))
        })
        .collect();
    told.sort();
    if told != recorded {
        wrong.push(format!("I-03 index.json tells of {told:?}, the record of {recorded:?}"));
    }
}

/// Layers that the record has are there, and no others.
pub(super) fn check_layers(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    let directory = sandbox.root().join("layers");
    let recorded: BTreeSet<String> = rows(sandbox, "SELECT chain_id FROM layers", wrong)
        .into_iter()
        .map(|id| id.trim_start_matches("sha256:").to_owned())
        .collect();
    let unused = "SELECT chain_id FROM layers AS layer
                  WHERE NOT EXISTS (SELECT 1 FROM image_layers WHERE chain_id = layer.chain_id)
                  AND NOT EXISTS (SELECT 1 FROM layers WHERE parent = layer.chain_id)
                  AND NOT EXISTS (SELECT 1 FROM build_cache WHERE chain_id = layer.chain_id)";
    for chain in rows(sandbox, unused, wrong) {
        wrong.push(format!("I-03 layer {chain} is needed by nothing"));
    }
    // What every root has below an image's layers (`/dev`, `/proc` and so on) is no image's, and named apart.
    let present: BTreeSet<String> =
        names(&directory).into_iter().filter(|name| !name.starts_with("init-")).collect();
    for name in recorded.difference(&present) {
        wrong.push(format!("I-03 layer {name} is in the record and not on disk"));
    }
    for name in present.difference(&recorded) {
        wrong.push(format!("I-16 layer {name} is on disk and not in the record"));
    }
}

/// I-16: every directory of a volume has its record, and no removal is left half done.
pub(super) fn check_volumes(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    use std::os::unix::fs::PermissionsExt;
    let directory = sandbox.root().join("volumes");
    let recorded = rows(sandbox, "SELECT name FROM volumes", wrong);
    for name in rows(sandbox, "SELECT name FROM volumes WHERE removing != 0", wrong) {
        wrong.push(format!("I-02 volume {name} is still being removed, by nobody"));
    }
    for name in names(&directory) {
        // The sticky bit is on those that go with a run, whose records a power cut may take.
        let goes = fs::metadata(directory.join(&name))
            .is_ok_and(|found| found.permissions().mode() & 0o1000 != 0);
        if !recorded.contains(&name) && !goes {
            wrong.push(format!("I-16 directory volumes/{name} belongs to no volume"));
        }
    }
    let sql = "SELECT count(*) FROM volume_uses LEFT JOIN containers ON id = container_id WHERE id IS NULL";
    if rows(sandbox, sql, wrong).first().is_some_and(|count| count != "0") {
        wrong.push("I-16 a volume is used by a container that there is not".to_owned());
    }
}

/// I-04: no temporary file without somebody who works on it.
pub(super) fn check_temporary(sandbox: &Sandbox, wrong: &mut Vec<String>) {
    for name in names(&sandbox.root().join("tmp")) {
        wrong.push(format!("I-04 tmp/{name} is left"));
    }
}

pub(super) fn names(directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found
}
