//! The others, each set up the way that is quickest for it: a bundle of the same root for the OCI runtimes, stores of their own
//! for podman and docker, a daemon on a socket of its own for the latter.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use barque_tests::{Sandbox, image, programs};

/// Those that were found and work.
pub(crate) struct Engines {
    pub(crate) found: Vec<Engine>,
    dockerd: Option<Daemon>,
    cgroups: Vec<PathBuf>,
    /// What is elsewhere than in the sandbox.
    made: Vec<PathBuf>,
}

/// One of them.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    /// The command of a run of `true`; the number is of this run.
    run: Box<dyn Fn(u32) -> Command>,
    /// The command of a container that stays, and the name of the process that stands beside it.
    pub(crate) detached: Option<(Command, &'static str)>,
    /// Any command of it: `exec`, `stop`.
    pub(crate) client: Option<Client>,
}

/// What makes a command of arguments.
pub(crate) type Client = Rc<dyn Fn(&[&str]) -> Command>;

impl Engine {
    /// Start and wait; `None` when it failed.
    pub(crate) fn once(&self, number: u32) -> Option<Duration> {
        let mut command = (self.run)(number);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let status = command.status().ok()?;
        let took = begin.elapsed();
        status.success().then_some(took)
    }
}

impl Engines {
    pub(crate) fn start(sandbox: &Sandbox) -> Engines {
        let work = sandbox.work();
        let cgroups = top_cgroups();
        let root = root_directory(&work);
        let mut engines = Engines { found: Vec::new(), dockerd: None, cgroups, made: Vec::new() };
        engines.floor(&work, &root);
        engines.bubblewrap(&root);
        engines.oci_runtimes(&work, &root);
        engines.podman(&work);
        engines.docker(&work);
        // What does not run here is not compared.
        engines.found.retain(|engine| {
            let works = engine.once(90_000).is_some();
            if !works {
                does_not_run(engine.name);
            }
            works
        });
        engines
    }

    fn add(&mut self, name: &'static str, run: impl Fn(u32) -> Command + 'static) {
        self.found.push(Engine { name, run: Box::new(run), detached: None, client: None });
    }

    fn floor(&mut self, work: &Path, root: &Path) {
        let (place, root) = (work.join("floor"), root.to_owned());
        let _ = std::fs::create_dir_all(&place);
        self.add("floor", move |_| {
            let mut command = Command::new(programs::FLOOR);
            command.arg(&place).arg(&root).args(["/testbox", "exit", "0"]);
            command
        });
    }

    fn bubblewrap(&mut self, root: &Path) {
        let Some(program) = programs::find_tool("bwrap") else { return };
        let root = root.to_owned();
        self.add("bubblewrap", move |_| {
            let mut command = Command::new(&program);
            command.arg("--bind").arg(&root).args([
                "/",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
                "--unshare-all",
                "/testbox",
                "exit",
                "0",
            ]);
            command
        });
    }

    fn oci_runtimes(&mut self, work: &Path, root: &Path) {
        for name in ["runc", "crun"] {
            let Some(program) = programs::find_tool(name) else { continue };
            let bundle = work.join(format!("bundle-{name}"));
            if write_bundle(&program, &bundle, root).is_none() {
                continue;
            }
            let state = format!("/tmp/bench-{name}-{}", std::process::id());
            self.made.push(PathBuf::from(&state));
            self.add(name, move |number| {
                let mut command = Command::new(&program);
                command
                    .arg("--root")
                    .arg(&state)
                    .args(["run", "--bundle"])
                    .arg(&bundle)
                    .arg(format!("bench-{}-{number}", std::process::id()));
                if name == "crun" {
                    // It refuses a machine with v1 controllers and a v2 tree beside them.
                    // SAFETY: two system calls between fork and exec.
                    unsafe { command.pre_exec(without_unified) };
                }
                command
            });
        }
    }

    fn podman(&mut self, work: &Path) {
        let Some(program) = programs::find_tool("podman") else { return };
        let place = work.join("podman");
        // It refuses one of more than 50 characters, and a build's steps do not find one that is relative.
        let run = format!("/tmp/bench-podman-{}", std::process::id());
        self.made.push(PathBuf::from(&run));
        let settings = programs::podman_settings(work);
        let base: Client = Rc::new(move |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command
                .arg("--root")
                .arg(place.join("root"))
                .args(["--runroot", &run])
                .args(["--cgroup-manager=cgroupfs", "--events-backend=none", "--runtime=runc"])
                .env("CONTAINERS_CONF", &settings)
                .args(arguments);
            command
        });
        let client = Rc::clone(&base);
        let archive = archive(work);
        if !quiet(base(&["load", "--input", &archive])) {
            does_not_run("podman");
            return;
        }
        let detached = base(&["run", "--detach", "--network=none", "testbox", "sleep", "forever"]);
        self.add("podman", move |_| {
            base(&["run", "--rm", "--network=none", "testbox", "exit", "0"])
        });
        if let Some(engine) = self.found.last_mut() {
            engine.detached = Some((detached, "conmon"));
            engine.client = Some(client);
        }
    }

    fn docker(&mut self, work: &Path) {
        let Some(daemon) = Daemon::start(work, "docker", &["--iptables=false", "--bridge=none"])
        else {
            return;
        };
        let base = Rc::clone(&daemon.client);
        self.dockerd = Some(daemon);
        let client = Rc::clone(&base);
        let detached = base(&["run", "--detach", "--network=none", "testbox", "sleep", "forever"]);
        self.add("docker", move |_| {
            base(&["run", "--rm", "--network=none", "testbox", "exit", "0"])
        });
        if let Some(engine) = self.found.last_mut() {
            engine.detached = Some((detached, "containerd-shim"));
            engine.client = Some(client);
        }
    }
}

/// A docker daemon on a socket of its own, in the network namespace of the thread that starts it, which has the image `testbox`.
pub(crate) struct Daemon {
    child: Child,
    socket: String,
    run: PathBuf,
    pub(crate) client: Client,
}

impl Daemon {
    /// `None` where there is no docker, or it does not run.
    pub(crate) fn start(work: &Path, name: &str, flags: &[&str]) -> Option<Daemon> {
        let daemon = programs::find_tool("dockerd")?;
        let client = programs::find_tool("docker")?;
        let place = work.join(name);
        let _ = std::fs::create_dir_all(&place);
        // A socket's path has at most 108 bytes.
        let path = format!("/tmp/bench-{name}-{}.sock", std::process::id());
        let socket = format!("unix://{path}");
        let log = std::fs::File::create(place.join("log")).map(Stdio::from);
        let run = PathBuf::from(format!("/tmp/bench-{name}-{}", std::process::id()));
        let child = Command::new(daemon)
            .args(["--host", &socket])
            .args(flags)
            .arg("--data-root")
            .arg(place.join("data"))
            .arg("--exec-root")
            .arg(&run)
            .arg("--pidfile")
            .arg(place.join("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap_or_else(|_| Stdio::null()))
            .spawn()
            .ok()?;
        let client: Client = Rc::new(move |arguments: &[&str]| {
            let mut command = Command::new(&client);
            command.args(["--host", &socket]).args(arguments);
            command
        });
        let daemon = Daemon { child, socket: path, run, client };
        let until = Instant::now() + Duration::from_secs(30);
        while !quiet((daemon.client)(&["version"])) {
            if Instant::now() > until {
                does_not_run("docker");
                return None;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        quiet((daemon.client)(&["load", "--input", &archive(work)])).then_some(daemon)
    }
}

impl Engines {
    /// Where docker's daemon listens.
    pub(crate) fn docker_socket(&self) -> Option<&str> {
        self.dockerd.as_ref().map(|daemon| daemon.socket.as_str())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SAFETY: a child of ours that was not waited for.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
        let _ = std::fs::remove_dir_all(&self.run);
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.dockerd = None;
        // Everything that still runs here is theirs, and dies with the namespace; their cgroups would stay.
        barque_tests::suite::kill_everything_else();
        std::thread::sleep(Duration::from_millis(300));
        for path in &self.made {
            let _ = std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_file(path));
        }
        for path in top_cgroups() {
            if !self.cgroups.contains(&path) && !path.to_string_lossy().contains("/barque-") {
                remove_cgroup(&path);
            }
        }
    }
}

fn remove_cgroup(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(path);
}

fn top_cgroups() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        for entry in std::fs::read_dir(hierarchy.path()).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                found.push(entry.path());
            }
        }
    }
    found
}

fn does_not_run(name: &str) {
    let _ = writeln!(io::stderr(), "{name} is installed and does not run here");
}

fn quiet(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn archive(work: &Path) -> String {
    let path = work.join("bench.tar");
    if !path.exists() {
        // With its history: podman builds on no image that has more layers than that tells of.
        let history = serde_json::json!([{"created_by": "barque-tests"}]);
        image::testbox().history(history).write_docker_archive(&path);
    }
    path.to_string_lossy().into_owned()
}

fn root_directory(work: &Path) -> PathBuf {
    let root = work.join("bench-root");
    for directory in ["proc", "dev", "sys", "tmp", "etc"] {
        let _ = std::fs::create_dir_all(root.join(directory));
    }
    let _ = std::fs::copy(programs::TESTBOX, root.join("testbox"));
    root
}

/// `runc spec`, with the command and without a terminal.
fn write_bundle(program: &Path, bundle: &Path, root: &Path) -> Option<()> {
    std::fs::create_dir_all(bundle).ok()?;
    let _ = std::fs::remove_file(bundle.join("config.json"));
    let mut command = Command::new(program);
    command.arg("spec").current_dir(bundle);
    quiet(command).then_some(())?;
    let text = std::fs::read_to_string(bundle.join("config.json")).ok()?;
    let mut spec: serde_json::Value = serde_json::from_str(&text).ok()?;
    spec["process"]["args"] = serde_json::json!(["/testbox", "exit", "0"]);
    spec["process"]["terminal"] = serde_json::json!(false);
    spec["root"] = serde_json::json!({"path": root, "readonly": false});
    std::fs::write(bundle.join("config.json"), spec.to_string()).ok()
}

fn without_unified() -> io::Result<()> {
    // SAFETY: a static path; called between fork and exec.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::umount2(c"/sys/fs/cgroup/unified".as_ptr(), libc::MNT_DETACH);
    }
    Ok(())
}
