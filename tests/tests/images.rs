//! Images as people build them (`examples/builds`): with apt, pip, npm and a compiler, by the command, from Python and from Node.
//!
//! They begin with a Debian that `tests/debian` has made. Its files and the indexes' are fetched from where this machine gets its own: how
//! it asks these goes into the base images and the builds' secrets. The suite's network leads nowhere, so builds are in the machine's, and
//! their steps too: they have the network mode `host`, which touches nothing of it.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use barque_tests::sandbox::{Finished, finish};
use barque_tests::suite::{self, Suite, skip};
use barque_tests::{Sandbox, invariants, programs};

/// Pauses before another attempt of what needs a mirror, in seconds: they have their moments.
const PAUSES: [u64; 3] = [5, 20, 40];

/// Whom a Debian trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Asks a build of Python; each line of its progress is in BuildKit's plain form.
const PYTHON: &str = r##"
import sys
import barque

def show(line):
    step = line["step"]
    said = {"Step": step["name"], "Cached": "CACHED", "Log": step.get("output", "")}
    print("#" + line["id"], said.get(line["status"], ""), flush=True)

path, tag, *secrets = sys.argv[1:]
with barque.from_env() as client:
    given = {name: {"Path": path} for name, path in (secret.split("=", 1) for secret in secrets)}
    image, lines = client.images.build(path, tag=tag, network_mode="host", secrets=given, progress=show)
    assert image.tags == [tag + ":latest"], image.tags
    assert lines[-1]["status"] == "Done"
"##;

/// The same of Node.
const NODE: &str = r##"
import { Barque } from 'barque';

const onProgress = ({ id, status, step }) => {
  const said = { Step: step.name, Cached: 'CACHED', Log: step.output };
  console.log(`#${id} ${said[status] ?? ''}`);
};
const [path, t, ...given] = process.argv.slice(2);
const secrets = {};
for (const secret of given) {
  const [name, Path] = secret.split('=');
  secrets[name] = { Path };
}
const barque = new Barque();
const image = await barque.buildImage(path, { t, networkmode: 'host', secrets, onProgress });
if ((await image.inspect()).RepoTags[0] !== `${t}:latest`) throw new Error('another name');
barque.close();
"##;

/// The network that the machine has.
static MACHINES: OnceLock<File> = OnceLock::new();

fn main() -> std::process::ExitCode {
    // Before the suite leaves it.
    let _ = File::open("/proc/self/ns/net").map(|network| MACHINES.set(network));
    let mut suite = Suite::default();
    let patience = Duration::from_secs(600);
    suite.add_patient("a_package_of_debian", patience, package_of_debian);
    suite.add_patient("a_program_of_python", patience, program_of_python);
    suite.add_patient("a_program_of_node", patience, program_of_node);
    suite.add_patient("a_compiled_program", patience, compiled_program);
    suite.add("all_is_well_afterwards", || {
        invariants::hold(&with_debian(), "images as people build them");
    });
    let code = suite.run();
    drop(ENGINE.lock().unwrap_or_else(PoisonError::into_inner).take());
    code
}

/// Do something in the machine's network.
fn outside<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let network = MACHINES.get().expect("it was remembered");
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            // SAFETY: an open descriptor; it is about this thread and what it starts.
            let entered = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(entered, 0, "enter the machine's network");
            act()
        });
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A copy of an example in the sandbox.
fn example(sandbox: &Sandbox, name: &str) -> PathBuf {
    let context = sandbox.work().join(name);
    let copied = Command::new("cp")
        .arg("--recursive")
        .arg(programs::workspace().join("examples/builds").join(name))
        .arg(&context)
        .status();
    assert!(copied.expect("run cp").success());
    context
}

/// Build an image that an example begins with, of `files` too.
fn base(sandbox: &Sandbox, tag: &str, dockerfile: &str, files: &Path) {
    let given = format!("files={}", files.display());
    let words = ["build", "--quiet", "--network", "none", "--tag", tag, "--build-context", &given];
    let path = text(files);
    let words = [&words[..], &["--file", "-", &path]].concat();
    let done = finish(sandbox.command(&words), dockerfile.as_bytes());
    assert_eq!(done.code, 0, "{tag}: {}", done.stderr);
}

/// The engine that all builds are of. It has the image `debian:12`, which trusts whom this machine trusts.
static ENGINE: Mutex<Option<Arc<Sandbox>>> = Mutex::new(None);

fn with_debian() -> Arc<Sandbox> {
    let mut engine = ENGINE.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(engine.get_or_insert_with(|| Arc::new(make_debian())))
}

fn make_debian() -> Sandbox {
    let archive = programs::build_directory().join("../debian.tar");
    let archive = programs::need("the root file system of tests/debian", archive);
    let sandbox = Sandbox::with_testbox();
    sandbox.ok(&["import", "--change", "CMD [\"bash\"]", &text(&archive), "bare"]);
    let files = sandbox.work().join("trusted");
    fs::create_dir(&files).expect("make a directory");
    fs::copy(AUTHORITIES, files.join("authorities")).expect("copy whom this machine trusts");
    let dockerfile = format!("FROM bare\nCOPY --from=files authorities {AUTHORITIES}\n");
    base(&sandbox, "debian:12", &dockerfile, &files);
    sandbox
}

/// Who builds.
#[derive(Clone, Copy)]
enum Face {
    Command,
    Python,
    Node,
}

/// A build of an example, not started yet. `secrets` are names of files in the sandbox.
fn build(sandbox: &Sandbox, face: Face, context: &Path, secrets: &[&str]) -> Command {
    let tag = context.file_name().expect("a name").to_string_lossy().into_owned();
    let secrets = secrets.iter().map(|name| (name, text(&sandbox.work().join(name))));
    let mut command = match face {
        Face::Command => {
            let mut command = sandbox.command(&["build", "--network", "host", "--tag", &tag]);
            for (name, path) in secrets {
                command.arg("--secret").arg(format!("id={name},src={path}"));
            }
            command.arg(context);
            return command;
        }
        Face::Python => {
            let file = sandbox.work().join("build.py");
            fs::write(&file, PYTHON).expect("write a program");
            sandbox.command_of(&programs::python(), &[file])
        }
        Face::Node => {
            let (modules, file) = (sandbox.work().join("node_modules"), "build.mjs");
            fs::create_dir_all(&modules).expect("make node_modules");
            let _ = std::os::unix::fs::symlink(programs::node_package(), modules.join("barque"));
            fs::write(sandbox.work().join(file), NODE).expect("write a program");
            sandbox.command_of(&programs::tool("node"), &[file])
        }
    };
    command.arg(context).arg(tag).args(secrets.map(|(name, path)| format!("{name}={path}")));
    command
}

/// Build an example, some time later where a mirror has its moment; then again, all of it from the cache. `asks` is how this machine asks the
/// same mirror: where it has no answer either, the test is skipped.
fn built(
    sandbox: &Sandbox,
    face: Face,
    context: &Path,
    secrets: &[&str],
    asks: &(impl Fn() -> Command + Sync),
) {
    let build = || outside(|| finish(build(sandbox, face, context, secrets), b""));
    let steps = |done: &Finished| {
        let lines = || done.stdout.lines().chain(done.stderr.lines());
        let begun = lines().filter(|line| {
            ["] RUN ", "] COPY ", "] WORKDIR "].iter().any(|instruction| line.contains(instruction))
        });
        (begun.count(), lines().filter(|line| line.ends_with(" CACHED")).count())
    };
    let mut pauses = PAUSES.iter();
    let first = loop {
        let done = build();
        if done.code == 0 {
            break done;
        }
        if let Some(pause) = pauses.next() {
            let said: Vec<&str> = done.stdout.lines().chain(done.stderr.lines()).collect();
            let last = said[said.len().saturating_sub(8)..].join("\n  ");
            suite::note(&format!("{}: once more in {pause} s, for\n  {last}", text(context)));
            std::thread::sleep(Duration::from_secs(*pause));
            continue;
        }
        let asked = outside(|| finish(asks(), b""));
        if asked.code != 0 {
            skip(format!("this machine has no answer either: {}", asked.stderr.trim()));
        }
        panic!("{}\n{}", done.stdout, done.stderr);
    };
    assert!(steps(&first).0 > 0, "{first:?}");
    let again = build();
    assert_eq!(again.code, 0, "{}", again.stderr);
    let (begun, cached) = steps(&again);
    assert_eq!(begun, cached, "{again:?}");
    assert_eq!(begun, steps(&first).0, "{again:?}");
}

/// What a container of an image says.
fn says(sandbox: &Sandbox, words: &[&str]) -> String {
    sandbox.ok(&[&["run", "--rm", "--network", "none"], words].concat())
}

/// What no layer of an image has.
fn is_absent(sandbox: &Sandbox, image: &str, paths: &[&str]) {
    // Debian has empty files there that are locks.
    let script = "for path; do ! [ -e \"$path\" ] || find \"$path\" -type f -size +0; done";
    let words = [&["--user", "root", "--entrypoint", "sh", image, "-c", script, "sh"], paths];
    assert_eq!(says(sandbox, &words.concat()), "", "{image}");
}

/// `apt-get update` of this machine, which changes nothing of it.
fn asks_apt(place: PathBuf) -> Command {
    fs::create_dir_all(place.join("lists/partial")).expect("make a directory");
    let mut command = Command::new("apt-get");
    command.args(["update", "-qq", "--option", "APT::Update::Error-Mode=any"]);
    command.arg("--option").arg(format!("Dir::State::Lists={}", place.join("lists").display()));
    command.arg("--option").arg(format!("Dir::Cache={}", place.display()));
    command
}

fn package_of_debian() {
    let sandbox = with_debian();
    let context = example(&sandbox, "apt");
    built(&sandbox, Face::Command, &context, &[], &|| asks_apt(sandbox.work().join("asked")));
    assert!(says(&sandbox, &["apt"]).starts_with("jq-1."));
    assert_eq!(says(&sandbox, &["apt", "--null-input", "6 * 7"]), "42");
    is_absent(&sandbox, "apt", &["/var/cache/apt/archives", "/var/lib/apt/lists"]);
}

fn compiled_program() {
    let sandbox = with_debian();
    let context = example(&sandbox, "compiled");
    built(&sandbox, Face::Command, &context, &[], &|| asks_apt(sandbox.work().join("asked")));
    assert_eq!(says(&sandbox, &["compiled"]), "ahoy world");
    assert_eq!(says(&sandbox, &["compiled", "sailor"]), "ahoy sailor");
    // The compiler stays behind.
    let files = sandbox.work().join("files");
    let words = ["build", "--network", "host", "--output", &text(&files), &text(&context)];
    sandbox.ok(&words);
    let names: Vec<_> =
        fs::read_dir(files).expect("list").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["hello"]);
    let history = sandbox.ok(&["history", "--format", "{{.CreatedBy}}", "--no-trunc", "compiled"]);
    let rows: Vec<&str> = history.lines().collect();
    assert_eq!(rows, ["ENTRYPOINT [\"/hello\"]", "COPY --from=build /hello /hello"]);
    // With another argument the compiler is there already (the suite's network leads to none), and makes another program.
    let words = ["build", "--network", "host", "--tag", "hoy", "--build-arg", "GREETING=hoy"];
    sandbox.ok(&[&words[..], &[&text(&context)]].concat());
    assert_eq!(says(&sandbox, &["hoy"]), "hoy world");
}

fn program_of_python() {
    let sandbox = with_debian();
    // As Python's own image: the programs are called without a number, and packages may be put beside them.
    let dockerfile = "FROM debian:12\nRUN python3 -m venv /usr/local\n";
    base(&sandbox, "python:3", dockerfile, &sandbox.work().join("trusted"));
    // `pip config list` says `SCOPE.KEY='VALUE'`.
    let mut asked = Command::new(programs::python());
    asked.args(["-m", "pip", "config", "list"]);
    let mut settings = format!("[global]\ncert = {AUTHORITIES}\n");
    for line in finish(asked, b"").stdout.lines() {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let key = name.rsplit('.').next().unwrap_or(name);
        if ["index-url", "extra-index-url", "trusted-host", "proxy"].contains(&key) {
            settings += &format!("{key} = {}\n", value.trim_matches('\'').replace("\\n", "\n  "));
        }
    }
    fs::write(sandbox.work().join("pip.conf"), settings).expect("write settings");
    let context = example(&sandbox, "pip");
    built(&sandbox, Face::Python, &context, &["pip.conf"], &|| {
        let mut command = Command::new(programs::python());
        command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest"]);
        command.arg(sandbox.work().join("asked")).arg("idna");
        command
    });
    assert_eq!(says(&sandbox, &["pip"]), "ahoy xn--bcher-kva");
    assert_eq!(says(&sandbox, &["pip", "id", "-un"]), "nobody");
    is_absent(&sandbox, "pip", &["/root/.cache", "/etc/pip.conf", "/run/secrets"]);
    changes(&sandbox, "pip", &context.join("app.py"), "print('changed')\n");
}

fn program_of_node() {
    let sandbox = with_debian();
    let program = programs::tool("node").canonicalize().expect("find node");
    let npm = programs::tool("npm").canonicalize().expect("find npm");
    // …/npm/bin/npm-cli.js
    let npm = npm.parent().and_then(Path::parent).expect("the directory of npm");
    let prefix = sandbox.work().join("prefix");
    fs::create_dir_all(&prefix).expect("make a directory");
    fs::copy(&program, prefix.join("node")).expect("copy node");
    let copied = Command::new("cp").arg("--archive").arg(npm).arg(prefix.join("npm")).status();
    assert!(copied.expect("run cp").success());
    let dockerfile = "FROM debian:12\nCOPY --from=files node /usr/local/bin/\n\
                      COPY --from=files npm /usr/local/lib/node_modules/npm\n\
                      RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm\n";
    base(&sandbox, "node:lts", dockerfile, &prefix);
    let mut asked = Command::new(programs::tool("npm"));
    asked.args(["config", "get", "registry"]);
    let registry = finish(asked, b"").stdout;
    let settings = format!("cafile={AUTHORITIES}\nregistry={registry}");
    fs::write(sandbox.work().join("npmrc"), settings).expect("write settings");
    let context = example(&sandbox, "npm");
    built(&sandbox, Face::Node, &context, &["npmrc"], &|| {
        let mut command = Command::new(programs::tool("npm"));
        command.args(["view", "--cache"]).arg(sandbox.work().join("asked"));
        command.args(["is-number", "version"]);
        command
    });
    assert_eq!(says(&sandbox, &["npm"]), "ahoy true");
    is_absent(&sandbox, "npm", &["/root/.npm", "/root/.npmrc", "/run/secrets"]);
    changes(&sandbox, "npm", &context.join("app.js"), "console.log('changed');\n");
}

/// A program that changes leaves its packages where they are: it is built without a way to any.
fn changes(sandbox: &Sandbox, image: &str, program: &Path, text: &str) {
    fs::write(program, text).expect("change a program");
    let context = program.parent().expect("a directory").to_string_lossy().into_owned();
    // In the suite's network, which leads nowhere.
    let words = ["build", "--network", "host", "--tag", image, &context];
    sandbox.ok(&words);
    assert_eq!(says(sandbox, &[image]), "changed");
}
