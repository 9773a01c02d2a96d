//! A place for one container: its directories, its root file system, its cgroup's name, and a check that all is gone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use barque_monitor::cgroup::Cgroup;
use barque_monitor::journal;
use barque_monitor::protocol::{self, Event, Launch, LogConfig, LogDriver, Stdin, fd};
use barque_monitor::state::RunState;
use serde::Serialize;
use serde_json::{Value, json};

use crate::wire::Wire;

/// The container's id.
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(crate) struct Bench {
    pub(crate) path: PathBuf,
    pub(crate) cgroup: String,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("barque-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(&name);
        for directory in ["rootfs/bin", "rootfs/proc", "rootfs/dev", "rootfs/sys", "rootfs/tmp"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        fs::copy("/usr/bin/busybox", path.join("rootfs/bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "sleep", "seq", "true", "false", "kill", "yes", "head", "tail", "dd",
            "stty", "id", "ls", "wc", "tr",
        ] {
            std::os::unix::fs::symlink("busybox", path.join("rootfs/bin").join(applet)).unwrap();
        }
        let bench = Bench { path, cgroup: format!("/{name}") };
        bench.make_directories();
        bench
    }

    /// The container's directory.
    pub(crate) fn container(&self) -> PathBuf {
        self.path.join("containers").join(ID)
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path.join("run").join(ID)
    }

    fn make_directories(&self) {
        for directory in [self.container(), self.run_dir()] {
            fs::create_dir_all(directory).unwrap();
        }
    }

    /// A launch document for a command.
    pub(crate) fn launch(&self, command: &[&str]) -> Launch {
        let namespaces =
            ["pid", "mount", "ipc", "uts", "network", "cgroup"].map(|n| json!({"type": n}));
        Launch {
            version: protocol::VERSION,
            id: ID.to_owned(),
            spec: serde_json::from_value(json!({
                "ociVersion": "1.2.0",
                "process": {
                    "args": command,
                    "cwd": "/",
                    "env": ["PATH=/bin"],
                    "user": {"uid": 0, "gid": 0},
                },
                "root": {"path": self.path.join("rootfs")},
                "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
                "linux": {"cgroupsPath": self.cgroup, "namespaces": namespaces, "resources": {}},
            }))
            .unwrap(),
            rootfs: None,
            user: String::new(),
            group_add: Vec::new(),
            init: false,
            stdin: Stdin::Null,
            log: LogConfig { driver: LogDriver::JsonFile, max_size: 0, max_file: 1 },
            attach: false,
            auto_start: true,
            tied: false,
            owner: None,
            auto_remove: false,
            resolver: None,
            attributes: BTreeMap::from([("name".to_owned(), "it".to_owned())]),
            boot_id: "boot".to_owned(),
            timeout_ms: 0,
            restart: Default::default(),
            health: None,
            failpoints: None,
        }
    }

    /// A launch document for a shell script.
    pub(crate) fn script(&self, script: &str) -> Launch {
        self.launch(&["/bin/sh", "-c", script])
    }

    /// Start a monitor, which has the launch document then.
    pub(crate) fn start(&self, launch: &impl Serialize) -> Running {
        self.make_directories();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.join("lock"))
            .unwrap();
        assert!(try_lock(&lock), "a monitor of this container lives already");
        let journal =
            File::options().create(true).append(true).open(self.path.join(journal::FILE)).unwrap();
        let given = [
            (theirs.as_raw_fd(), fd::LAUNCH),
            (lock.as_raw_fd(), fd::LOCK),
            (open(&self.container()), fd::CONTAINER_DIR),
            (open(&self.run_dir()), fd::RUN_DIR),
            (journal.as_raw_fd(), fd::JOURNAL),
        ];
        // Out of the way of each other.
        let given = given.map(|(from, to)| (above(from), to));
        let mut command = Command::new(binary());
        command
            .arg("monitor")
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let raw = given.each_ref().map(|(from, to)| (from.as_raw_fd(), *to));
        // SAFETY: dup2 only.
        unsafe {
            command.pre_exec(move || {
                for (from, to) in raw {
                    if libc::dup2(from, to) < 0 {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                Ok(())
            })
        };
        let status = command.status().unwrap();
        assert!(status.success(), "{status}");
        let mut wire = Wire::new(ours);
        wire.send(launch);
        Running { wire, run: self.run_dir(), container: self.container() }
    }

    /// Run a container to its end and collect its output.
    pub(crate) fn run(&self, launch: Launch) -> (Vec<u8>, Vec<u8>, RunState) {
        let mut running = self.start(&Launch { attach: true, ..launch });
        let result = running.wire.collect();
        running.wire.closed();
        result
    }

    pub(crate) fn state(&self) -> RunState {
        serde_json::from_slice(&fs::read(self.container().join("state.json")).unwrap()).unwrap()
    }

    pub(crate) fn has_state(&self) -> bool {
        self.container().join("state.json").exists()
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        fs::read(self.container().join(protocol::LOG_FILE)).unwrap_or_default()
    }

    /// A monitor holds the lock.
    pub(crate) fn is_locked(&self) -> bool {
        let lock = File::options().write(true).open(self.path.join("lock")).unwrap();
        !try_lock(&lock)
    }

    /// Wait until the monitor is gone, and with it everything of the container.
    pub(crate) fn wait_until_gone(&self) {
        wait_until("the monitor has gone", || !self.is_locked());
        self.assert_gone();
    }

    pub(crate) fn assert_gone(&self) {
        assert!(Cgroup::open(&self.cgroup).unwrap().is_none(), "cgroups are left");
        assert!(!self.run_dir().exists(), "the run directory is left");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.wait_until_gone();
        }
        if let Ok(Some(cgroup)) = Cgroup::open(&self.cgroup) {
            cgroup.kill().unwrap();
            cgroup.remove(Duration::from_secs(5)).unwrap();
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.path.to_str().unwrap()), "a mount is left");
        fs::remove_dir_all(&self.path).unwrap();
    }
}

/// A monitor and the launch socket to it.
pub(crate) struct Running {
    pub(crate) wire: Wire,
    run: PathBuf,
    container: PathBuf,
}

impl Running {
    /// Wait for [`Event::Started`]; the container's process 1.
    pub(crate) fn started(&mut self) -> i32 {
        match self.wire.event() {
            Event::Started { pid } => pid,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::new(UnixStream::connect(self.run.join(protocol::CONTROL_SOCKET)).unwrap())
    }

    pub(crate) fn monitor_pid(&self) -> i32 {
        let state = fs::read(self.container.join("state.json")).unwrap();
        serde_json::from_slice::<RunState>(&state).unwrap().monitor_pid
    }
}

pub(crate) fn binary() -> PathBuf {
    std::env::var_os("BARQUE_TEST_MONITOR")
        .map_or(env!("CARGO_BIN_EXE_barque-monitor").into(), PathBuf::from)
}

fn open(path: &Path) -> i32 {
    use std::os::fd::IntoRawFd;
    File::open(path).unwrap().into_raw_fd()
}

/// A copy of a descriptor that is above all of the protocol's. What is given is left open: it is the test's last use of it
/// only where it owns it.
fn above(from: i32) -> OwnedFd {
    // SAFETY: a new descriptor that nothing else owns.
    unsafe { OwnedFd::from_raw_fd(libc::fcntl(from, libc::F_DUPFD_CLOEXEC, 100)) }
}

fn try_lock(file: &File) -> bool {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: protocol::LOCK_MONITOR,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the structure is as fcntl reads it.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) == 0 }
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    // A zombie is dead enough.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Change one place of the specification.
pub(crate) fn set(launch: &mut Launch, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut spec = serde_json::to_value(&launch.spec).unwrap();
    spec.pointer_mut(parent).unwrap()[key] = value;
    launch.spec = serde_json::from_value(spec).unwrap();
}
