//! Archives of others are loaded here, and ours there. What others write is kept as they wrote it (`tests/fixtures/archives`); ours
//! they read where they are installed, and what they build of a Dockerfile is compared with what comes of it here.

mod builds;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use barque_tests::sandbox::{finish, wait_until};
use barque_tests::suite::{Suite, skip};
use barque_tests::{Sandbox, invariants, programs};
use builds::*;
use serde_json::json;

/// What engines that start a process for each instruction, and copy every layer, may take.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    suite.add("what_others_wrote_is_loaded", what_others_wrote_is_loaded);
    suite.add(
        "what_is_saved_again_is_the_same_each_time_and_comes_back",
        what_is_saved_again_is_the_same_each_time_and_comes_back,
    );
    suite.add("podman_reads_what_is_saved", podman_reads_what_is_saved);
    suite.add("docker_reads_what_is_saved", docker_reads_what_is_saved);
    suite.add("builds_come_to_what_the_table_says", builds_come_to_what_the_table_says);
    suite.add_patient("podman_builds_the_same", PATIENCE, podman_builds_the_same);
    suite.add_patient("docker_builds_the_same", PATIENCE, docker_builds_the_same);
    suite.run()
}

/// The archives, and the names that each gives its image.
const ARCHIVES: [(&str, &[&str]); 9] = [
    ("buildah-docker", &["fixture:1", "localhost/fixture:1"]),
    ("buildah-oci", &["fixture:1"]),
    ("docker", &["fixture:1"]),
    ("docker-multi", &["fixture:1", "other:2"]),
    ("podman-docker", &["localhost/fixture:1"]),
    ("podman-multi", &["localhost/fixture:1", "localhost/other:2"]),
    ("podman-oci", &["localhost/fixture:1"]),
    ("skopeo-docker", &["fixture:1"]),
    ("skopeo-oci", &["fixture:1"]),
];

fn load(sandbox: &Sandbox, archive: &str) {
    let path = programs::workspace().join(format!("tests/fixtures/archives/{archive}.tar.gz"));
    sandbox.ok(&["load", "--quiet", "--input", &path.to_string_lossy()]);
}

fn save(sandbox: &Sandbox, target: &str, names: &[&str]) -> PathBuf {
    let path = sandbox.work().join(target);
    let text = path.to_string_lossy().into_owned();
    sandbox.ok(&[&["save", "--output", &text], names].concat());
    path
}

fn what_others_wrote_is_loaded() {
    for (archive, names) in ARCHIVES {
        let sandbox = Sandbox::new();
        load(&sandbox, archive);
        let image = sandbox.inspect(names[0]);
        assert_eq!(image["RepoTags"], json!(names), "{archive}");
        assert_eq!(image["Config"]["Cmd"], json!(["/x"]), "{archive}");
        assert_eq!(image["Config"]["Labels"]["colour"], "blue", "{archive}");
        let layers: Vec<_> = std::fs::read_dir(sandbox.root().join("layers"))
            .expect("list the layers")
            .flatten()
            .map(|layer| layer.path().join("etc"))
            .filter(|etc| etc.join("hail").exists())
            .collect();
        let [etc] = &layers[..] else { panic!("{archive}: {layers:?}") };
        assert_eq!(std::fs::read(etc.join("hail")).expect("read a file"), b"ahoy\n", "{archive}");
        assert_eq!(std::fs::read_link(etc.join("link")).expect("read a link"), Path::new("hail"));
        invariants::hold(&sandbox, archive);
    }
}

fn what_is_saved_again_is_the_same_each_time_and_comes_back() {
    for (archive, names) in ARCHIVES {
        let (here, there) = (Sandbox::new(), Sandbox::new());
        load(&here, archive);
        let first = save(&here, "first.tar", names);
        let bytes = |path: &Path| std::fs::read(path).expect("read an archive");
        let reversed: Vec<&str> = names.iter().rev().copied().collect();
        assert_eq!(bytes(&first), bytes(&save(&here, "second.tar", &reversed)), "{archive}");
        there.ok(&["load", "--quiet", "--input", &first.to_string_lossy()]);
        assert_eq!(there.inspect(names[0])["Id"], here.inspect(names[0])["Id"], "{archive}");
        assert_eq!(bytes(&first), bytes(&save(&there, "third.tar", names)), "{archive}");
        invariants::hold(&there, archive);
    }
}

/// What an engine that loaded the archive says of the image: its id, command and label.
const ASKED: &str = "{{.Id}} {{json .Config.Cmd}} {{json .Config.Labels.colour}}";

/// The name and the id of a podman's or docker's archive that was loaded here and saved, and the path to what was saved.
fn ours(sandbox: &Sandbox) -> (String, PathBuf) {
    load(sandbox, "docker-multi");
    let id = sandbox.inspect("other:2")["Id"].as_str().expect("an id").to_owned();
    (id, save(sandbox, "ours.tar", &["other:2", "fixture:1"]))
}

fn told(command: Command) -> String {
    let text = format!("{command:?}");
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "{text}: {}", done.stderr);
    done.stdout.trim().to_owned()
}

fn podman_reads_what_is_saved() {
    let Some(program) = programs::find_tool("podman") else { skip("podman is not installed") };
    let sandbox = Sandbox::new();
    let (id, path) = ours(&sandbox);
    let settings = programs::podman_settings(&sandbox.work());
    let podman = |arguments: &[&str]| {
        let mut command = sandbox.command_of(&program, &["--root"]);
        command.arg(sandbox.work().join("podman"));
        command.args([
            // Relative, for podman refuses one of more than 50 characters.
            "--runroot=podman-run",
            "--storage-driver=vfs",
            "--events-backend=none",
            "--cgroup-manager=cgroupfs",
        ]);
        command.env("TMPDIR", sandbox.work()).env("CONTAINERS_CONF", &settings).args(arguments);
        command
    };
    // Where it puts names without a registry, docker's archives' too.
    for name in ["localhost/other:2", "localhost/fixture:1"] {
        told(podman(&["load", "--input", &path.to_string_lossy()]));
        let found = told(podman(&["image", "inspect", "--format", ASKED, name]));
        let bare = id.trim_start_matches("sha256:");
        assert_eq!(found, format!("{bare} [\"/x\"] \"blue\""));
    }
    // And what it makes of that comes back.
    let back = sandbox.work().join("back.tar");
    let name = "localhost/other:2";
    told(podman(&["save", "--quiet", "--output", &back.to_string_lossy(), name]));
    let there = Sandbox::new();
    there.ok(&["load", "--quiet", "--input", &back.to_string_lossy()]);
    assert_eq!(there.inspect(name)["Id"], json!(id));
}

/// A daemon of one's own, gone with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            // SAFETY: a child of ours that was not waited for.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Start one, and what speaks to it. Where docker is not installed the test is skipped.
    fn start(sandbox: &Sandbox) -> (Daemon, impl Fn(&[&str]) -> Command + '_) {
        let (Some(daemon), Some(client)) =
            (programs::find_tool("dockerd"), programs::find_tool("docker"))
        else {
            skip("docker is not installed")
        };
        let place = sandbox.work().join("docker");
        std::fs::create_dir_all(&place).expect("make a directory");
        let socket = format!("unix://{}", place.join("socket").display());
        let log = std::fs::File::create(place.join("log")).expect("create a log");
        let started = sandbox
            .command_of(&daemon, &["--host", &socket, "--iptables=false", "--bridge=none"])
            .args(["--storage-driver=vfs", "--data-root"])
            .arg(place.join("data"))
            .arg("--exec-root")
            .arg(place.join("exec"))
            .arg("--pidfile")
            .arg(place.join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let daemon = Daemon(started.expect("start dockerd"));
        let docker = move |arguments: &[&str]| {
            let mut command = sandbox.command_of(&client, &["--host", &socket]);
            command.args(arguments);
            command
        };
        wait_until("dockerd answers", Duration::from_secs(60), || {
            finish(docker(&["version"]), b"").code == 0
        });
        (daemon, docker)
    }
}

fn docker_reads_what_is_saved() {
    let sandbox = Sandbox::new();
    let (id, path) = ours(&sandbox);
    let (_daemon, docker) = Daemon::start(&sandbox);
    told(docker(&["load", "--input", &path.to_string_lossy()]));
    for name in ["other:2", "fixture:1"] {
        let found = told(docker(&["image", "inspect", "--format", ASKED, name]));
        assert_eq!(found, format!("{id} [\"/x\"] \"blue\""));
    }
    let back = sandbox.work().join("back.tar");
    told(docker(&["save", "--output", &back.to_string_lossy(), "fixture:1"]));
    let there = Sandbox::new();
    there.ok(&["load", "--quiet", "--input", &back.to_string_lossy()]);
    assert_eq!(there.inspect("fixture:1")["Id"], json!(id));
}
