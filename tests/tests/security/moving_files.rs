//! Files that change places while they are copied or packed (SEC-040, -044, -051): directories that become links to the host between
//! one look and the next.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use barque::api::{CopyPlace, FileCopy};
use barque_tests::sandbox::wait_until;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};

use super::hammer::{Hammer, data, host_mounts};
use super::victim::{Victim, is_clean};

pub(crate) fn add(suite: &mut Suite) {
    for (name, target) in [("absolute", ""), ("relative", "../../../../../../../../..")] {
        suite.add_patient(
            format!("SEC-040 a path that becomes a link to the host while it is copied ({name})"),
            Duration::from_secs(240),
            move || a_path_that_changes(target),
        );
    }
    suite.add_patient(
        "SEC-044 what a volume is mounted in becomes a link to the host while it is copied",
        Duration::from_secs(240),
        a_mount_point_that_changes,
    );
    suite.add("SEC-051 a volume that changes while it is packed", a_volume_that_changes);
    suite.add("SEC-051 a container that changes while it is exported", an_export_that_changes);
}

/// Copies each way while the path is exchanged.
const COPIES: usize = 1_250;

fn place(id: &str, path: &Path) -> CopyPlace {
    CopyPlace { id: id.to_owned(), path: path.to_string_lossy().into_owned() }
}

/// A container `c` that exchanges a directory `path` and a link to `target`.
fn swapping(sandbox: &Sandbox, options: &[&str], path: &str, target: &str) {
    let run = ["run", "--detach", "--name", "c", "--network", "none"];
    sandbox.ok(&[&run, options, &["testbox", "swap", path, target]].concat());
    wait_until("the container swaps", Duration::from_secs(10), || {
        sandbox.ok(&["logs", "c"]).contains("swapping")
    });
}

/// Copy `inside`, or now and then `whole`, out of the container and a file to the same place, again and again. What came out, and how
/// often.
fn copies(sandbox: &Sandbox, whole: &Path, inside: &Path) -> BTreeMap<String, u32> {
    let new = sandbox.work().join("secret");
    std::fs::write(&new, "from the host").expect("write a file");
    let out = sandbox.work().join("out");
    let engine = sandbox.engine();
    let mut seen = BTreeMap::new();
    for turn in 0..COPIES {
        let path = if turn % 5 == 0 { whole } else { inside };
        let source = place("c", path);
        let request = FileCopy {
            source,
            destination: place("", &out),
            follow_link: turn % 2 == 0,
            ..FileCopy::default()
        };
        let what = match engine.containers().copy(&request) {
            Ok(_) => content(&out),
            Err(_) => "refused".to_owned(),
        };
        *seen.entry(what).or_insert(0) += 1;
        let (source, destination) = (place("", &new), place("c", path));
        let request = FileCopy { source, destination, ..FileCopy::default() };
        // In the container it may be made or not.
        let _ = engine.containers().copy(&request);
    }
    seen
}

fn a_path_that_changes(up: &str) {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    swapping(&sandbox, &[], "/data/w00t", &format!("{up}{}", victim.path()));
    let seen = copies(&sandbox, Path::new("/data/w00t"), Path::new("/data/w00t/secret"));
    ended(&sandbox, &victim, &seen, "copies to a path that changes");
}

/// What holds the place of the volume is not the volume: `/v/inner` is the volume's, or what a link says `/v` is.
fn a_mount_point_that_changes() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let volume = data(&sandbox, "mine");
    std::fs::write(volume.join("passwd"), "in the volume").expect("write a file");
    let before = host_mounts();
    swapping(&sandbox, &["--volume", "mine:/v/inner"], "/v", &victim.path());
    let seen = copies(&sandbox, Path::new("/v"), Path::new("/v/inner/passwd"));
    assert_eq!(host_mounts(), before, "the host's mounts");
    ended(&sandbox, &victim, &seen, "copies to a volume in a path that changes");
}

#[track_caller]
fn ended(sandbox: &Sandbox, victim: &Victim, seen: &BTreeMap<String, u32>, what: &str) {
    let foreign = seen.keys().find(|seen| seen.contains("canary") || seen.contains("root:x:"));
    assert_eq!(foreign, None, "the host's file came out of the container");
    victim.is_untouched(what);
    assert!(seen.len() > 1, "it was never exchanged in between: {seen:?}");
    assert_eq!(sandbox.inspect("c")["State"]["Running"], true, "the container swapped to the end");
    sandbox.ok(&["rm", "--force", "c"]);
    invariants::hold(sandbox, what);
}

fn a_volume_that_changes() {
    const ROUNDS: u32 = 250;
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let hammer = Hammer::new(data(&sandbox, "mine"), &victim.path());
    sandbox.ok(&["create", "--name", "c", "--volume", "mine:/v", "testbox", "exit", "0"]);
    let mut whole = 0;
    for round in 0..ROUNDS {
        let path = if round % 2 == 0 { "c:/v" } else { "c:/v/d" };
        let done = sandbox.barque(&["cp", path, "-"]);
        is_clean(&done);
        assert!(!done.stdout.contains("canary"), "the host's file was packed");
        whole += u32::from(done.stdout.contains("in the volume"));
    }
    assert!(hammer.end() > u64::from(ROUNDS));
    assert!(whole > 0, "it was never packed");
    victim.is_untouched("packing a volume that changes");
}

fn an_export_that_changes() {
    const ROUNDS: u32 = 60;
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    swapping(&sandbox, &[], "/data/w00t", &victim.path());
    let mut whole = 0;
    for _ in 0..ROUNDS {
        let done = sandbox.barque(&["export", "c"]);
        is_clean(&done);
        assert!(!done.stdout.contains("canary"), "the host's file was exported");
        whole += u32::from(done.stdout.contains("inside"));
    }
    assert!(whole > 0, "it was never exported");
    victim.is_untouched("exports of a container that changes");
    sandbox.ok(&["rm", "--force", "c"]);
}

/// What came out, which is removed.
pub(crate) fn content(out: &Path) -> String {
    let Ok(found) = std::fs::symlink_metadata(out) else { return "nothing".to_owned() };
    if found.is_dir() {
        let content = std::fs::read_to_string(out.join("secret")).unwrap_or_default();
        std::fs::remove_dir_all(out).expect("remove what came out");
        return format!("a directory with {content:?}");
    }
    let content = match std::fs::read_link(out) {
        Ok(_) => "a link".to_owned(),
        Err(_) => std::fs::read_to_string(out).unwrap_or_default(),
    };
    std::fs::remove_file(out).expect("remove what came out");
    content
}
