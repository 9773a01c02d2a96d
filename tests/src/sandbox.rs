//! A place for one engine: a root and a run directory of its own, gone with it.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{image, programs, suite};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// An engine's root and run directory. Dropping it removes all its containers and then the directories.
pub struct Sandbox {
    place: PathBuf,
    /// The program that is run instead of the command, and its failpoints.
    armed: Mutex<Option<(PathBuf, String)>>,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

impl Sandbox {
    /// An empty one, on the file system of the build directory.
    ///
    /// # Panics
    /// When the directory cannot be made.
    pub fn new() -> Sandbox {
        let base = match std::env::var_os("BARQUE_TESTS_DIR") {
            Some(path) => PathBuf::from(path),
            None => programs::build_directory().join("sandboxes"),
        };
        Sandbox::below(&base)
    }

    /// An empty one below `base`.
    ///
    /// # Panics
    /// When the directory cannot be made.
    pub fn below(base: &Path) -> Sandbox {
        let name = format!(
            "{:x}-{}",
            // The pid alone would be that of the suite's namespace, small and often used.
            std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_micros()),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let place = base.join(name);
        for directory in ["root", "run", "work"] {
            std::fs::create_dir_all(place.join(directory)).expect("make a sandbox");
        }
        let sandbox = Sandbox { place, armed: Mutex::new(None) };
        suite::register_instance(sandbox.instance());
        sandbox
    }

    /// One whose engine has the image `testbox`.
    ///
    /// # Panics
    /// When the image cannot be loaded.
    pub fn with_testbox() -> Sandbox {
        let sandbox = Sandbox::new();
        let template = template();
        let copied = Command::new("cp")
            .args(["--archive", "--reflink=auto"])
            .arg(template.join("."))
            .arg(sandbox.root())
            .status();
        assert!(copied.expect("run cp").success(), "copy {}", template.display());
        sandbox
    }

    /// The same, and an image of busybox. Where the machine has no busybox, the test is skipped.
    ///
    /// # Panics
    /// When the image cannot be made.
    pub fn with_busybox() -> Sandbox {
        let sandbox = Sandbox::with_testbox();
        let Some(program) = programs::find_tool("busybox") else {
            suite::skip("busybox is not installed")
        };
        let bytes = std::fs::read(program).expect("read busybox");
        let mut layer = image::Layer::new().directory("bin", 0o755).directory("tmp", 0o1777);
        layer = layer.file("bin/busybox", 0o755, &bytes);
        for name in ["sh", "vi", "top", "stty", "cat", "sleep", "echo", "ls", "true"] {
            layer = layer.symlink(&format!("bin/{name}"), "busybox");
        }
        let archive = sandbox.work().join("busybox.tar");
        std::fs::write(&archive, layer.finish()).expect("write a tar");
        let archive = archive.to_string_lossy().into_owned();
        let (path, shell) = ("ENV PATH=/bin", "CMD [\"sh\"]");
        sandbox.ok(&["import", "--change", path, "--change", shell, &archive, "busybox"]);
        sandbox
    }

    /// Load the image `testbox`.
    ///
    /// # Panics
    /// When the image cannot be loaded.
    pub fn load_testbox(&self) {
        let archive = self.work().join("testbox.tar");
        image::testbox().write_docker_archive(&archive);
        self.ok(&["load", "--quiet", "--input", &archive.to_string_lossy()]);
    }

    /// The engine root.
    pub fn root(&self) -> PathBuf {
        self.place.join("root")
    }

    /// The directory of the engine's run-time state.
    pub fn run(&self) -> PathBuf {
        self.place.join("run")
    }

    /// A directory for the test's own files.
    pub fn work(&self) -> PathBuf {
        self.place.join("work")
    }

    /// The engine's name in kernel objects: the root's device and inode.
    pub fn instance(&self) -> String {
        let found = std::fs::metadata(self.root()).expect("stat the root");
        format!("{:x}-{:x}", found.dev(), found.ino())
    }

    /// The engine, opened by this process.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub fn engine(&self) -> barque::Engine {
        let options = barque::EngineOptions::at(self.root()).run_directory(self.run());
        barque::Engine::open(options).expect("open the engine")
    }

    /// `barque ARGUMENTS` on this engine, not started yet. Its environment is empty but for what it needs.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let armed = self.armed.lock().expect("nobody panicked with it");
        let Some((program, list)) = &*armed else {
            return self.command_of(&programs::barque(), arguments);
        };
        let mut command = self.command_of(program, arguments);
        command.env("BARQUE_FAILPOINTS", list);
        command
    }

    /// From now on commands are of this program and obey these failpoints, and so do the monitors that they start; `None`: no longer.
    ///
    /// # Panics
    /// When another thread panicked in it.
    pub fn arm(&self, armed: Option<(&Path, String)>) {
        *self.armed.lock().expect("nobody panicked with it") =
            armed.map(|(program, list)| (program.to_owned(), list));
    }

    /// The same for another build of the command line.
    pub fn command_of<S: AsRef<std::ffi::OsStr>>(
        &self,
        program: &Path,
        arguments: &[S],
    ) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.work())
            .env("BARQUE_ROOT", self.root())
            .env("BARQUE_RUN", self.run())
            .current_dir(self.work())
            .stdin(Stdio::null());
        command
    }

    /// Run a command of this engine to its end.
    pub fn barque<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Finished {
        finish(self.command(arguments), b"")
    }

    /// The same; it must succeed. Standard output without the last newline.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ok<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(&self, arguments: &[S]) -> String {
        let done = self.barque(arguments);
        assert!(done.code == 0, "barque {arguments:?}: exit code {}\n{}", done.code, done.stderr);
        done.stdout.trim_end_matches('\n').to_owned()
    }

    /// `barque run --rm --network none OPTIONS testbox COMMAND`: its output, which must be one line of JSON.
    ///
    /// # Panics
    /// When it fails, or prints something else.
    #[track_caller]
    pub fn report(&self, options: &[&str], command: &[&str]) -> Value {
        let mut arguments = vec!["run", "--rm", "--network", "none"];
        arguments.extend(options);
        arguments.push("testbox");
        arguments.extend(command);
        let text = self.ok(&arguments);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e} in {text}"))
    }

    /// The pid of a container's monitor, as its state file has it.
    ///
    /// # Panics
    /// When there is no such file, or no pid in it.
    #[track_caller]
    pub fn monitor_of(&self, id: &str) -> i32 {
        let path = self.root().join("containers").join(id).join("state.json");
        let text = std::fs::read_to_string(path).expect("read state.json");
        let state: Value = serde_json::from_str(&text).expect("state.json is JSON");
        let pid = state["monitor_pid"].as_i64().expect("a pid") as i32;
        assert!(pid > 1, "{state}");
        pid
    }

    /// Kill a container's monitor, and wait until it is dead: one that is dying holds its lock for a moment.
    ///
    /// # Panics
    /// When the container has never run, or its monitor does not die.
    #[track_caller]
    pub fn kill_monitor(&self, id: &str) {
        let pid = self.monitor_of(id);
        // SAFETY: the monitor is a process of this sandbox's container in this suite's pid namespace.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        wait_until("the monitor is dead", Duration::from_secs(10), || {
            // proc_pid_stat(5): behind the name, in parentheses, comes the state.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
        });
    }

    /// The other processes in the pid namespace of the process `pid`.
    pub fn processes_beside(&self, pid: i64) -> Vec<i64> {
        let namespace = |pid: i64| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let Some(own) = namespace(pid) else { return Vec::new() };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
            .filter(|other| *other != pid && namespace(*other).as_ref() == Some(&own))
            .collect()
    }

    /// `barque inspect NAME`, the one document.
    ///
    /// # Panics
    /// When there is no such container or image.
    #[track_caller]
    pub fn inspect(&self, name: &str) -> Value {
        let text = self.ok(&["inspect", name]);
        let mut documents: Vec<Value> = serde_json::from_str(&text).expect("inspect prints JSON");
        documents.pop().expect("inspect prints a document")
    }

    /// The process 1 of a container that runs, as this pid namespace numbers it.
    ///
    /// # Panics
    /// When there is no such container.
    #[track_caller]
    pub fn pid(&self, container: &str) -> i64 {
        self.inspect(container)["State"]["Pid"].as_i64().expect("a pid")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let program = programs::build_directory().join("barque");
        if program.exists() && self.root().join("barque.db").exists() {
            let listed = finish(self.command_of(&program, &["ps", "-aq", "--no-trunc"]), b"");
            let ids: Vec<&str> = listed.stdout.split_whitespace().collect();
            if !ids.is_empty() {
                let arguments: Vec<&str> = ["rm", "--force"].into_iter().chain(ids).collect();
                finish(self.command_of(&program, &arguments), b"");
            }
        }
        // What cannot be removed (a mount that was left) is found by the suite's leak check.
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

/// A root in which `testbox` was loaded by the command under test, to be copied: made once for each build of it.
fn template() -> PathBuf {
    static PLACE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    if let Some(place) = PLACE.get() {
        return place.clone();
    }
    let mut build = std::fs::read(programs::barque()).expect("read the command");
    build.extend(std::fs::read(programs::TESTBOX).expect("read testbox"));
    let name = format!("template-{}", &image::digest(&build)[7..23]);
    PLACE
        .get_or_init(|| {
            let base = programs::build_directory().join("sandboxes");
            let place = base.join(&name);
            if !place.exists() {
                let sandbox = Sandbox::new();
                sandbox.load_testbox();
                let old = std::fs::read_dir(&base).into_iter().flatten().flatten();
                for entry in
                    old.filter(|e| e.file_name().to_string_lossy().starts_with("template-"))
                {
                    let _ = std::fs::remove_dir_all(entry.path());
                }
                // Another suite may have been quicker.
                let kept = std::fs::rename(sandbox.root(), &place);
                assert!(place.exists(), "keep the template: {kept:?}");
            }
            place
        })
        .clone()
}

/// Run a command to its end, with this standard input.
///
/// # Panics
/// When it cannot be started.
pub fn finish(mut command: Command, input: &[u8]) -> Finished {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {:?}: {error}", command.get_program()));
    if let Some(mut stdin) = child.stdin.take() {
        // A child that does not read is its own affair.
        let _ = stdin.write_all(input);
    }
    collect(child)
}

/// Wait for a child whose outputs are pipes.
///
/// # Panics
/// When they are not.
pub fn collect(mut child: Child) -> Finished {
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut stderr = child.stderr.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stderr.read_to_end(&mut bytes);
        bytes
    });
    let mut bytes = Vec::new();
    let _ = stdout.read_to_end(&mut bytes);
    let stderr = reader.join().unwrap_or_default();
    let status = child.wait().expect("wait for a child");
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code, stdout: text(bytes), stderr: text(stderr) }
}

/// Ask until it is so, at most for `patience`.
///
/// # Panics
/// When it is not in time.
#[track_caller]
pub fn wait_until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < until, "not in {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
