//! A container as a test wants it: Docker's defaults, and what is to be different.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use barque_monitor::oci::{MOUNT_NAMESPACE, Mount, Namespace, NamespaceKind, Spec};
use barque_monitor::protocol::{Failure, Overlay};
use barque_monitor::runtime::{self, Cgroup, Container, Options, Stdio};
use barque_monitor::seccomp::Filter;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde_json::json;

use crate::scene::Scene;

/// A container to be run.
pub(crate) struct Plan {
    pub(crate) spec: Spec,
    pub(crate) rootfs: Option<Overlay>,
    pub(crate) user: String,
    pub(crate) group_add: Vec<String>,
    pub(crate) init: bool,
    pub(crate) auto_start: bool,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) cgroups: Vec<Cgroup>,
}

/// How a container ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The exit code, or 128 and the signal.
    pub(crate) code: i32,
}

impl Plan {
    /// Docker's defaults, and a shell script.
    pub(crate) fn new(scene: &Scene, script: &str) -> Plan {
        Plan {
            spec: default_spec(script),
            rootfs: Some(scene.overlay()),
            user: String::new(),
            group_add: Vec::new(),
            init: false,
            auto_start: false,
            stdin: None,
            cgroups: Vec::new(),
        }
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Plan {
        self.spec.process.args = arguments.iter().map(|a| (*a).to_owned()).collect();
        self
    }

    pub(crate) fn user(mut self, user: &str) -> Plan {
        self.user = user.to_owned();
        self
    }

    /// Change the specification.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Spec)) -> Plan {
        change(&mut self.spec);
        self
    }

    pub(crate) fn mount(self, kind: &str, source: &str, destination: &str, options: &str) -> Plan {
        self.with(|spec| spec.mounts.push(mount(kind, source, destination, options)))
    }

    pub(crate) fn without_namespace(self, kind: NamespaceKind) -> Plan {
        self.with(|spec| spec.linux.namespaces.retain(|n| n.kind != kind))
    }

    pub(crate) fn join(self, kind: NamespaceKind, path: String) -> Plan {
        self.without_namespace(kind).with(|spec| {
            if let (NamespaceKind::Pid, Some(process)) = (kind, path.strip_suffix("pid")) {
                for proc in spec.mounts.iter_mut().filter(|mount| mount.kind == "proc") {
                    proc.options.push(format!("{MOUNT_NAMESPACE}={process}mnt"));
                }
            }
            spec.linux.namespaces.push(Namespace { kind, path: Some(path) });
        })
    }

    pub(crate) fn begin(&self) -> Result<runtime::Setup, Failure> {
        let filter =
            self.spec.linux.seccomp.as_ref().map(|filter| Filter::compile(filter).unwrap());
        runtime::begin(&Options {
            spec: &self.spec,
            rootfs: self.rootfs.as_ref(),
            user: &self.user,
            group_add: &self.group_add,
            init: self.init,
            stdin: self.stdin.is_some(),
            filter: filter.as_ref(),
            cgroups: &self.cgroups,
            auto_start: self.auto_start,
        })
    }

    pub(crate) fn start(&self) -> Result<Container, Failure> {
        let mut container = self.begin()?.finish()?;
        container.start()?;
        Ok(container)
    }

    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let mut container = self.start()?;
        let (stdout, stderr) = match container.stdio.take().unwrap() {
            Stdio::Terminal(master) => (read_all(&[master])[0].clone(), String::new()),
            Stdio::Pipes { stdin, stdout, stderr } => {
                if let (Some(stdin), Some(input)) = (stdin, &self.stdin) {
                    std::fs::File::from(stdin).write_all(input).unwrap();
                }
                let [stdout, stderr] = read_all(&[stdout, stderr]).try_into().unwrap();
                (stdout, stderr)
            }
        };
        Ok(Outcome { stdout, stderr, code: reap(&container) })
    }

    /// What it prints, when nothing goes wrong.
    pub(crate) fn output(&self) -> String {
        let outcome = self.run().unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{}", outcome.stdout);
        outcome.stdout
    }

    /// Why it cannot be made or started.
    pub(crate) fn failure(&self) -> Failure {
        match self.run() {
            Ok(outcome) => panic!("it ran: {outcome:?}"),
            Err(failure) => failure,
        }
    }
}

/// Wait until it has ended: its code.
pub(crate) fn reap(container: &Container) -> i32 {
    let status = waitid(WaitId::PidFd(container.pidfd.as_fd()), WaitIdOptions::EXITED);
    let status = status.unwrap().unwrap();
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (_, Some(signal)) => 128 + signal,
        _ => unreachable!(),
    }
}

/// Read until all have ended. A terminal ends with EIO.
pub(crate) fn read_all(files: &[impl AsFd]) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut contents = vec![Vec::new(); files.len()];
    let mut open: Vec<usize> = (0..files.len()).collect();
    while !open.is_empty() {
        assert!(Instant::now() < deadline, "the container does not end");
        let mut wanted: Vec<_> =
            open.iter().map(|i| PollFd::new(&files[*i], PollFlags::IN)).collect();
        let timeout = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut wanted, Some(&timeout)).unwrap();
        let ready: Vec<usize> = open
            .iter()
            .zip(&wanted)
            .filter(|(_, w)| !w.revents().is_empty())
            .map(|(i, _)| *i)
            .collect();
        for i in ready {
            let mut buffer = [0; 65536];
            match rustix::io::read(&files[i], &mut buffer) {
                Ok(0) | Err(rustix::io::Errno::IO) => open.retain(|j| *j != i),
                Ok(length) => contents[i].extend_from_slice(&buffer[..length]),
                Err(error) => panic!("{error}"),
            }
        }
    }
    contents.into_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Read what is there until it holds `text`.
pub(crate) fn read_until(file: &impl AsFd, text: &str) -> String {
    let mut content = String::new();
    let mut file = std::fs::File::from(file.as_fd().try_clone_to_owned().unwrap());
    while !content.contains(text) {
        let mut buffer = [0; 4096];
        let length = file.read(&mut buffer).unwrap();
        assert!(length > 0, "ended after {content:?}");
        content.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    content
}

pub(crate) fn mount(kind: &str, source: &str, destination: &str, options: &str) -> Mount {
    Mount {
        destination: destination.to_owned(),
        kind: kind.to_owned(),
        source: source.to_owned(),
        options: options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect(),
        ..Mount::default()
    }
}

/// Docker's default capabilities.
pub(crate) const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

fn default_spec(script: &str) -> Spec {
    serde_json::from_value(json!({
        "ociVersion": "1.2.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["sh", "-c", script],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES
            },
        },
        "hostname": "box",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
            {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
             "options": ["nosuid", "noexec", "nodev"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"},
                {"type": "ipc"}, {"type": "cgroup"}
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"
            ],
            "readonlyPaths":
                ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        }
    }))
    .unwrap()
}
