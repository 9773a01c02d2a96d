//! The same Dockerfiles, built here and by those who are installed: the same files of the same modes and owners come of it, and the same
//! configuration. `tests/fixtures/peers/builds.json` is the table of what comes of each, so it is tested where nobody else is, too
//! (`BARQUE_BLESS=1` writes it anew, from what is built here).
//!
//! A row names who builds the same. What BuildKit makes of a Dockerfile is what counts, and where others do not, they are not named: docker
//! without BuildKit (which its command line has only as a plugin) and buildah, which is podman's, take set-user-ID and sticky bits away,
//! and have fewer instructions and substitutions.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use barque_tests::sandbox::finish;
use barque_tests::suite::skip;
use barque_tests::{Sandbox, invariants, programs};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Daemon, told};

/// A Dockerfile, who builds it, and what comes of it.
#[derive(Deserialize, Serialize)]
struct Row {
    name: String,
    dockerfile: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ignore: Vec<String>,
    by: Vec<String>,
    #[serde(default)]
    config: Map<String, Value>,
    /// What is not in the base image, or is otherwise there.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// What counts of a configuration.
const FIELDS: [&str; 11] = [
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "OnBuild",
    "StopSignal",
    "Shell",
];

fn table() -> PathBuf {
    programs::workspace().join("tests/fixtures/peers/builds.json")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(table()).expect("read the table");
    serde_json::from_str(&text).expect("a table")
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("set a mode");
}

/// One context for all rows, with one of everything.
fn context(sandbox: &Sandbox, row: &Row) -> PathBuf {
    let path = sandbox.work().join("context");
    let _ = std::fs::remove_dir_all(&path);
    let file = |name: &str, text: &str, bits: u32| {
        let path = path.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("make a directory");
        std::fs::write(&path, text).expect("write a file");
        mode(&path, bits);
    };
    file("plain", "plain text\n", 0o644);
    file("tool", "#!/bin/sh\necho tool\n", 0o755);
    file("private", "for one\n", 0o600);
    file("setuid", "", 0o4755);
    file("with space", "spaced\n", 0o644);
    file("one.txt", "1\n", 0o644);
    file("two.txt", "2\n", 0o664);
    file("dir/one", "one\n", 0o640);
    file("dir/.hidden", "hidden\n", 0o644);
    file("dir/sub/two", "two\n", 0o444);
    file("dir/sub/deep/three", "three\n", 0o644);
    file("closed/in", "in\n", 0o600);
    file("other/dir/one", "another\n", 0o644);
    std::fs::create_dir(path.join("empty")).expect("make a directory");
    mode(&path.join("dir"), 0o755);
    mode(&path.join("dir/sub"), 0o2775);
    mode(&path.join("closed"), 0o700);
    mode(&path.join("empty"), 0o1777);
    for (target, name) in
        [("plain", "link"), ("one", "dir/link"), ("nowhere", "broken"), ("dir", "to-dir")]
    {
        symlink(target, path.join(name)).expect("make a link");
    }
    let packed = sandbox.work().join("packed");
    std::fs::create_dir_all(packed.join("p/q")).expect("make a directory");
    std::fs::write(packed.join("p/q/file"), "packed\n").expect("write a file");
    mode(&packed.join("p/q/file"), 0o640);
    mode(&packed.join("p"), 0o750);
    let tar = Command::new("tar")
        .args(["--owner=5", "--group=6", "--numeric-owner", "-czf"])
        .arg(path.join("packed.tar.gz"))
        .arg("-C")
        .arg(&packed)
        .arg("p")
        .status();
    assert!(tar.expect("run tar").success());
    file("Dockerfile", &(row.dockerfile.join("\n") + "\n"), 0o644);
    if !row.ignore.is_empty() {
        file(".dockerignore", &(row.ignore.join("\n") + "\n"), 0o644);
    }
    path
}

/// Every file of an image that is in the sandbox: what it is, whose, and what is in it.
fn files(sandbox: &Sandbox, image: &str) -> BTreeMap<String, String> {
    let place = sandbox.work().join("exported");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).expect("make a directory");
    let archive = sandbox.work().join("exported.tar").to_string_lossy().into_owned();
    let id = sandbox.ok(&["create", "--network", "none", image, "/bin/sh"]);
    sandbox.ok(&["export", "--output", &archive, &id]);
    sandbox.ok(&["rm", &id]);
    let tar =
        Command::new("tar").args(["--numeric-owner", "-xpf", &archive, "-C"]).arg(&place).status();
    assert!(tar.expect("run tar").success());
    let mut found = BTreeMap::new();
    let mut waiting = vec![place.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).expect("list").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(&place).expect("below").to_string_lossy().into_owned();
            // What engines put there for a container that runs.
            let theirs = [
                "dev",
                "proc",
                "sys",
                "run",
                "etc/hosts",
                "etc/hostname",
                "etc/resolv.conf",
                ".dockerenv",
            ];
            if theirs.contains(&name.as_str()) {
                continue;
            }
            let stat = path.symlink_metadata().expect("stat");
            let (kind, content) = if stat.is_dir() {
                waiting.push(path.clone());
                ('d', String::new())
            } else if stat.is_symlink() {
                let target = path.read_link().expect("read a link");
                ('l', format!(" -> {}", target.display()))
            } else {
                let text = std::fs::read(&path).expect("read a file");
                ('f', format!(" {:?}", String::from_utf8_lossy(&text[..text.len().min(100)])))
            };
            // A link's own mode is nobody's.
            let bits = if kind == 'l' { 0o777 } else { stat.mode() & 0o7777 };
            found.insert(name, format!("{kind} {bits:04o} {}:{}{content}", stat.uid(), stat.gid()));
        }
    }
    found
}

/// What is told of an image: what counts of its configuration, and what is not as in the base.
fn outcome(
    sandbox: &Sandbox,
    image: &str,
    base: &BTreeMap<String, String>,
) -> (Map<String, Value>, BTreeMap<String, String>) {
    let inspected = sandbox.inspect(image);
    let mut config = Map::new();
    for field in FIELDS {
        let mut value = inspected["Config"][field].clone();
        if let Some(labels) = value.as_object_mut() {
            // Who built it.
            labels.remove("io.buildah.version");
        }
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        // The root is where one is anyway.
        let is_root = field == "WorkingDir" && value == "/";
        if is_empty || is_root {
            continue;
        }
        config.insert(field.to_owned(), value);
    }
    let mut changed = files(sandbox, image);
    changed.retain(|name, told| base.get(name) != Some(told));
    (config, changed)
}

/// A sandbox with the base image, saved as an archive too.
fn begin() -> (Sandbox, String, BTreeMap<String, String>) {
    let sandbox = Sandbox::with_busybox();
    let archive = sandbox.work().join("base.tar").to_string_lossy().into_owned();
    sandbox.ok(&["tag", "busybox", "base:1"]);
    sandbox.ok(&["save", "--output", &archive, "base:1"]);
    let base = files(&sandbox, "base:1");
    (sandbox, archive, base)
}

pub(crate) fn builds_come_to_what_the_table_says() {
    let (sandbox, _, base) = begin();
    let mut rows = rows();
    let blesses = std::env::var_os("BARQUE_BLESS").is_some();
    let mut wrong = Vec::new();
    for row in &mut rows {
        let context = context(&sandbox, row).to_string_lossy().into_owned();
        let build = ["build", "--quiet", "--network", "none", "--tag", "ours", &context];
        let done = sandbox.barque(&build);
        assert_eq!(done.code, 0, "{}: {}", row.name, done.stderr);
        let (config, files) = outcome(&sandbox, "ours", &base);
        if blesses {
            (row.config, row.files) = (config, files);
        } else if (&config, &files) != (&row.config, &row.files) {
            wrong.push(difference(&row.name, row, &config, &files));
        }
    }
    if blesses {
        let text = serde_json::to_string_pretty(&rows).expect("a table") + "\n";
        std::fs::write(table(), text).expect("write the table");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    invariants::hold(&sandbox, "the table of builds");
}

fn difference(
    who: &str,
    row: &Row,
    config: &Map<String, Value>,
    files: &BTreeMap<String, String>,
) -> String {
    let mut told = format!("{who}:");
    for field in FIELDS {
        let (expected, found) = (row.config.get(field), config.get(field));
        if expected != found {
            told += &format!("\n  {field}: {expected:?} expected, {found:?} found");
        }
    }
    for name in row.files.keys().chain(files.keys().filter(|name| !row.files.contains_key(*name))) {
        let (expected, found) = (row.files.get(name), files.get(name));
        if expected != found {
            told += &format!("\n  {name}: {expected:?} expected, {found:?} found");
        }
    }
    told
}

/// Build what the table says that `who` builds the same, bring it here and compare.
fn compare(
    who: &str,
    sandbox: &Sandbox,
    base: &BTreeMap<String, String>,
    build: &dyn Fn(&str) -> Command,
    save: &dyn Fn(&str) -> Command,
) {
    let mut wrong = Vec::new();
    for row in rows().iter().filter(|row| row.by.iter().any(|by| by == who)) {
        let context = context(sandbox, row).to_string_lossy().into_owned();
        let done = finish(build(&context), b"");
        if done.code != 0 {
            wrong.push(format!("{}: it is not built: {}", row.name, done.stderr));
            continue;
        }
        let archive = sandbox.work().join("theirs.tar").to_string_lossy().into_owned();
        let _ = std::fs::remove_file(&archive);
        told(save(&archive));
        sandbox.ok(&["load", "--quiet", "--input", &archive]);
        let name = if who == "podman" { "localhost/theirs:1" } else { "theirs:1" };
        let (config, files) = outcome(sandbox, name, base);
        if (&config, &files) != (&row.config, &row.files) {
            wrong.push(difference(&row.name, row, &config, &files));
        }
    }
    assert!(wrong.is_empty(), "{who} makes something else of these:\n{}", wrong.join("\n"));
}

/// A directory that goes with the test.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn podman_builds_the_same() {
    let Some(program) = programs::find_tool("podman") else { skip("podman is not installed") };
    let (sandbox, archive, base) = begin();
    let settings = programs::podman_settings(&sandbox.work());
    // It refuses one of more than 50 characters, and a build's steps do not find one that is relative.
    let run = format!("/tmp/peers-podman-{}", std::process::id());
    let _run = Removed(PathBuf::from(&run));
    let podman = |arguments: &[&str]| {
        let mut command = sandbox.command_of(&program, &["--root"]);
        command.arg(sandbox.work().join("podman")).args(["--runroot", &run]);
        command.args(["--storage-driver=vfs", "--events-backend=none"]);
        command.args(["--cgroup-manager=cgroupfs", "--runtime=runc"]);
        command.env("TMPDIR", sandbox.work()).env("CONTAINERS_CONF", &settings).args(arguments);
        command
    };
    told(podman(&["load", "--input", &archive]));
    let build =
        ["build", "--quiet", "--network=none", "--format=docker", "--pull=never", "--tag=theirs:1"];
    compare(
        "podman",
        &sandbox,
        &base,
        &|context| podman(&[&build[..], &[context]].concat()),
        &|archive| podman(&["save", "--quiet", "--output", archive, "localhost/theirs:1"]),
    );
}

pub(crate) fn docker_builds_the_same() {
    let (sandbox, archive, base) = begin();
    let (_daemon, docker) = Daemon::start(&sandbox);
    told(docker(&["load", "--input", &archive]));
    let build = |context: &str| {
        let mut command =
            docker(&["build", "--quiet", "--network=none", "--tag=theirs:1", context]);
        command.env("DOCKER_BUILDKIT", "0");
        command
    };
    compare("docker", &sandbox, &base, &build, &|archive| {
        docker(&["save", "--output", archive, "theirs:1"])
    });
}
