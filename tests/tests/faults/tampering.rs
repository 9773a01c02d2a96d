//! A store that somebody changed: what was lost is said, nothing is made worse, and what can be repaired is.

use std::path::PathBuf;

use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};

use super::monitor::state_file;
use super::operations::is_clean;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("a layer that was deleted is named when its image is run", a_deleted_layer);
    suite.add(
        "a container directory that was deleted can be removed",
        a_deleted_container_directory,
    );
    suite.add("a state file of rubbish is never read as running", a_state_file_of_rubbish);
    suite.add("a database of no bytes", a_database_of_no_bytes);
    suite.add("a database of rubbish is refused and left", a_database_of_rubbish);
    suite.add("a database of a newer barque is refused and left", a_newer_database);
    suite.add("a write-ahead log that was removed", a_removed_wal);
    suite.add("lock files that were removed", removed_locks);
    suite.add("strange files in the store are left alone", strange_files);
    suite.add("temporary files of the dead are swept", temporary_files);
    suite.add("a root that was moved is the same engine", a_moved_root);
}

fn databases(sandbox: &Sandbox) -> [PathBuf; 3] {
    ["barque.db", "barque.db-wal", "barque.db-shm"].map(|name| sandbox.root().join(name))
}

fn a_deleted_layer() {
    let sandbox = Sandbox::with_testbox();
    for entry in std::fs::read_dir(sandbox.root().join("layers")).expect("list layers").flatten() {
        std::fs::remove_dir_all(entry.path()).expect("remove a layer");
    }
    let done = sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "0"]);
    assert_eq!(done.code, 125, "{done:?}");
    is_clean(&done, "a deleted layer");
    assert!(done.stderr.contains("testbox") || done.stderr.contains("layer"), "{}", done.stderr);
    // It is taken out and loaded again: what is damaged is not believed.
    sandbox.ok(&["rmi", "--force", "testbox"]);
    sandbox.load_testbox();
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "7"]).code,
        7
    );
    invariants::hold(&sandbox, "a repaired layer");
}

/// A container that has run and ended.
fn ended(sandbox: &Sandbox) -> String {
    let id = sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "exit", "0"]);
    sandbox.ok(&["wait", &id]);
    id
}

fn a_deleted_container_directory() {
    let sandbox = Sandbox::with_testbox();
    let id = ended(&sandbox);
    std::fs::remove_dir_all(sandbox.root().join("containers").join(&id))
        .expect("remove a container");
    let done = sandbox.barque(&["start", &id]);
    is_clean(&done, "a deleted container");
    sandbox.ok(&["ps", "--all"]);
    sandbox.barque(&["rm", "--force", &id]);
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
    invariants::hold(&sandbox, "a deleted container");
}

fn a_state_file_of_rubbish() {
    let sandbox = Sandbox::with_testbox();
    for rubbish in [
        "",
        "{",
        "null",
        "[]",
        "{\"status\": \"running\"}",
        "\0\0\0\0",
        "{\"status\":\"running\",\"pid\":1,\"pid_start_time\":0,\"monitor_pid\":1,\"boot_id\":\"x\",\"started_at\":0,\"finished_at\":0,\"exit_code\":0,\"reason\":\"none\",\"oom_killed\":false,\"error\":\"\"}",
    ] {
        let id = ended(&sandbox);
        std::fs::write(state_file(&sandbox, &id), rubbish).expect("write a state");
        assert_eq!(sandbox.ok(&["ps", "--quiet"]), "", "{rubbish:?}");
        let done = sandbox.barque(&["inspect", &id]);
        is_clean(&done, rubbish);
        assert!(!done.stdout.contains("\"Running\": true"), "{rubbish:?}: {}", done.stdout);
        sandbox.ok(&["rm", "--force", &id]);
        invariants::hold(&sandbox, rubbish);
    }
}

fn a_database_of_no_bytes() {
    let sandbox = Sandbox::with_testbox();
    let [database, wal, shm] = databases(&sandbox);
    std::fs::write(&database, "").expect("empty the database");
    let _ = std::fs::remove_file(wal);
    let _ = std::fs::remove_file(shm);
    let done = sandbox.barque(&["images"]);
    is_clean(&done, "an empty database");
    if done.code == 0 {
        // It begins anew: what is on disk and in no record any more is swept or taken up, and loading works.
        sandbox.load_testbox();
        assert_eq!(
            sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "7"]).code,
            7
        );
        invariants::hold(&sandbox, "an empty database");
    }
}

fn a_database_of_rubbish() {
    let sandbox = Sandbox::with_testbox();
    let [database, wal, shm] = databases(&sandbox);
    let rubbish = vec![0x5a; 100_000];
    std::fs::write(&database, &rubbish).expect("spoil the database");
    let _ = std::fs::remove_file(wal);
    let _ = std::fs::remove_file(shm);
    for arguments in [
        &["ps"][..],
        &["images"],
        &["run", "--rm", "--network", "none", "testbox"],
        &["rmi", "testbox"],
    ] {
        let done = sandbox.barque(arguments);
        assert_ne!(done.code, 0, "{arguments:?}");
        is_clean(&done, "rubbish");
        assert!(done.stderr.contains("barque.db"), "{}", done.stderr);
    }
    assert_eq!(
        std::fs::read(&database).expect("read the database"),
        rubbish,
        "the file was changed"
    );
    std::fs::remove_file(database).expect("remove the rubbish");
}

fn a_newer_database() {
    let sandbox = Sandbox::with_testbox();
    let database = sandbox.root().join("barque.db");
    let sqlite = barque_tests::programs::tool("sqlite3");
    let run = |sql: &str| {
        let done = std::process::Command::new(&sqlite)
            .arg(&database)
            .arg(sql)
            .output()
            .expect("run sqlite3");
        assert!(done.status.success());
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    let version = run("PRAGMA user_version");
    run("PRAGMA user_version = 9999");
    for arguments in [&["ps"][..], &["run", "--rm", "--network", "none", "testbox"]] {
        let done = sandbox.barque(arguments);
        assert_ne!(done.code, 0);
        assert!(done.stderr.contains("9999") && done.stderr.contains("newer"), "{}", done.stderr);
    }
    run(&format!("PRAGMA user_version = {version}"));
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "7"]).code,
        7
    );
    invariants::hold(&sandbox, "a newer database");
}

fn a_removed_wal() {
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox"]);
    let [_, wal, shm] = databases(&sandbox);
    let _ = std::fs::remove_file(wal);
    let _ = std::fs::remove_file(shm);
    // Commits that were only in the log are lost: the rest must be whole, and files without a record swept.
    let done = sandbox.barque(&["ps", "--all"]);
    is_clean(&done, "a removed log");
    if done.code == 0 {
        sandbox.load_testbox();
        invariants::hold(&sandbox, "a removed log");
    }
}

fn removed_locks() {
    let sandbox = Sandbox::with_testbox();
    let id = sandbox.ok(&["run", "--detach", "--network", "none", "testbox", "sleep", "forever"]);
    let monitor = sandbox.monitor_of(&id);
    std::fs::remove_dir_all(sandbox.run().join(sandbox.instance()).join("locks"))
        .expect("remove locks");
    // Whatever is told now, the next removal must find and end the monitor and its container.
    is_clean(&sandbox.barque(&["ps", "--all"]), "removed locks");
    sandbox.barque(&["rm", "--force", &id]);
    sandbox.barque(&["ps", "--all"]);
    barque_tests::sandbox::wait_until(
        "the monitor is gone",
        std::time::Duration::from_secs(10),
        || !std::path::Path::new(&format!("/proc/{monitor}/exe")).exists(),
    );
    invariants::hold(&sandbox, "removed locks");
}

fn strange_files() {
    let sandbox = Sandbox::with_testbox();
    for place in ["", "containers", "layers", "blobs/sha256"] {
        let directory = sandbox.root().join(place);
        std::fs::create_dir_all(&directory).expect("make a directory");
        std::fs::write(directory.join("README from somebody"), "keep").expect("write a file");
    }
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "7"]).code,
        7
    );
    sandbox.ok(&["ps", "--all"]);
    sandbox.ok(&["images"]);
    assert!(sandbox.root().join("README from somebody").exists());
}

fn temporary_files() {
    let sandbox = Sandbox::with_testbox();
    let left = sandbox.root().join("tmp/left-by-the-dead");
    std::fs::create_dir_all(&left).expect("make a temporary directory");
    std::fs::write(left.join("data"), vec![1; 100_000]).expect("write a temporary file");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "temporary files of the dead");
}

fn a_moved_root() {
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["create", "--name", "c", "--network", "none", "testbox", "exit", "8"]);
    let moved = sandbox.work().join("moved");
    std::fs::rename(sandbox.root(), &moved).expect("move the root");
    let mut command = sandbox.command(&["start", "--attach", "c"]);
    command.env("BARQUE_ROOT", &moved);
    let done = barque_tests::sandbox::finish(command, b"");
    std::fs::rename(&moved, sandbox.root()).expect("move it back");
    assert_eq!(done.code, 8, "{done:?}");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "a moved root");
}
