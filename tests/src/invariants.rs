//! Checks from outside what must be true of an engine root at any time when no command of it runs (I-01 to I-18 of the
//! reliability table, as far as what exists can break them).
//!
//! Nothing here shares code with the engine: the record is read with the stock `sqlite3` on a copy, blobs are hashed by
//! `sha256sum`, and the kernel's side is read from `/proc` and `/sys`. The database's columns and the layout of the
//! directories are the contract that is tested.

mod kernel;
mod record;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Sandbox;

/// A container as its files say it is.
#[derive(Debug)]
pub(crate) struct Known {
    id: String,
    /// Whether `state.json` says that it runs, and the pid and start time it says.
    running: Option<(i32, u64)>,
    state: Option<Value>,
}

/// Everything that is wrong, one line each; nothing when all is well.
///
/// # Panics
/// When the checker itself cannot work (no `sqlite3`).
pub fn violations(sandbox: &Sandbox) -> Vec<String> {
    let mut wrong = Vec::new();
    let containers = record::containers(sandbox, &mut wrong);
    record::check_database(sandbox, &mut wrong);
    record::check_blobs(sandbox, &mut wrong);
    record::check_index(sandbox, &mut wrong);
    record::check_layers(sandbox, &mut wrong);
    record::check_volumes(sandbox, &mut wrong);
    record::check_temporary(sandbox, &mut wrong);
    let monitors = kernel::monitors(sandbox);
    kernel::check_states(sandbox, &containers, &monitors, &mut wrong);
    kernel::check_mounts(sandbox, &containers, &mut wrong);
    kernel::check_cgroups(sandbox, &containers, &mut wrong);
    kernel::check_processes(sandbox, &containers, &monitors, &mut wrong);
    kernel::check_run_directory(sandbox, &containers, &mut wrong);
    wrong
}

/// Fail with everything that is wrong.
///
/// # Panics
/// When something is.
#[track_caller]
pub fn hold(sandbox: &Sandbox, after: &str) {
    let wrong = violations(sandbox);
    assert!(wrong.is_empty(), "after {after}:\n  {}", wrong.join("\n  "));
}

/// A fingerprint of a directory tree: type, mode, owner, size, link target and content of everything below it.
///
/// # Panics
/// When it cannot be read.
pub fn fingerprint(directory: &std::path::Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::MetadataExt;
    let mut seen = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let found = std::fs::symlink_metadata(&path).expect("stat below a fingerprint");
        let content = if found.is_dir() {
            let entries = std::fs::read_dir(&path).expect("list below a fingerprint");
            left.extend(entries.flatten().map(|entry| entry.path()));
            String::new()
        } else if found.is_symlink() {
            std::fs::read_link(&path).unwrap_or_default().display().to_string()
        } else if found.is_file() {
            crate::image::digest(&std::fs::read(&path).expect("read below a fingerprint"))
        } else {
            String::new()
        };
        let line = format!("{:o} {}:{} {content}", found.mode(), found.uid(), found.gid());
        seen.insert(path.display().to_string(), line);
    }
    seen
}
