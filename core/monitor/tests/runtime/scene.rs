//! Where the containers of a test live, and the traces that they must not leave.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use barque_monitor::protocol::{Overlay, UpperWork};

/// The layer that every container has: busybox.
pub(crate) struct Base {
    place: PathBuf,
    scenes: AtomicUsize,
}

impl Base {
    pub(crate) fn new() -> Base {
        let place = std::env::temp_dir().join(format!("barque-runtime-{}", std::process::id()));
        let bin = place.join("base/bin");
        fs::create_dir_all(&bin).unwrap();
        for directory in ["etc", "tmp", "proc", "sys", "dev", "root"] {
            fs::create_dir(place.join("base").join(directory)).unwrap();
        }
        let busybox = Path::new("/bin/busybox");
        assert!(busybox.exists(), "these tests need Debian's package busybox-static");
        fs::copy(busybox, bin.join("busybox")).unwrap();
        let applets = Command::new(busybox).arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines().filter(|a| *a != "busybox") {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n";
        fs::write(place.join("base/etc/passwd"), passwd).unwrap();
        let group = "root:x:0:\nuser:x:1000:\naudio:x:29:user,root\n";
        fs::write(place.join("base/etc/group"), group).unwrap();
        Base { place, scenes: AtomicUsize::new(0) }
    }

    pub(crate) fn scene(&self) -> Scene {
        let number = self.scenes.fetch_add(1, Ordering::Relaxed);
        let scene =
            Scene { base: self.place.join("base"), place: self.place.join(number.to_string()) };
        for directory in ["image", "upper", "work", "victim"] {
            fs::create_dir_all(scene.place.join(directory)).unwrap();
        }
        fs::write(scene.victim().join("file"), "secret\n").unwrap();
        fs::set_permissions(scene.victim(), fs::Permissions::from_mode(0o700)).unwrap();
        scene
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.place).unwrap();
    }
}

/// The place of one test's containers: a layer of the test's own above the base, a writable directory, and a directory of
/// the host that no container may touch.
pub(crate) struct Scene {
    base: PathBuf,
    place: PathBuf,
}

impl Scene {
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    pub(crate) fn victim(&self) -> PathBuf {
        self.place.join("victim")
    }

    /// A path in the image's layer.
    pub(crate) fn image(&self, path: &str) -> PathBuf {
        let path = self.place.join("image").join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// A file in the image's layer.
    pub(crate) fn write(&self, path: &str, content: &str) {
        fs::write(self.image(path), content).unwrap();
    }

    /// A link in the image's layer.
    pub(crate) fn link(&self, path: &str, target: impl AsRef<Path>) {
        symlink(target, self.image(path)).unwrap();
    }

    /// A path in the writable directory.
    pub(crate) fn upper(&self, path: &str) -> PathBuf {
        self.place.join("upper").join(path.trim_start_matches('/'))
    }

    pub(crate) fn overlay(&self) -> Overlay {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        Overlay {
            lower: vec![text(self.place("image")), text(self.base.clone())],
            upper: Some(UpperWork {
                upper: text(self.place("upper")),
                work: text(self.place("work")),
                volatile: false,
            }),
        }
    }

    /// The same layers with a writable directory of its own.
    pub(crate) fn fresh_overlay(&self, name: &str) -> Overlay {
        let text = |name: String| {
            let path = self.place(&name);
            fs::create_dir(&path).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let upper = text(format!("{name}-upper"));
        let work = text(format!("{name}-work"));
        Overlay { upper: Some(UpperWork { upper, work, volatile: false }), ..self.overlay() }
    }

    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Everything about the victim that a container could have changed.
    pub(crate) fn fingerprint(&self) -> BTreeMap<PathBuf, (u32, u32, i64, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut ahead = vec![self.victim()];
        while let Some(path) = ahead.pop() {
            let about = fs::symlink_metadata(&path).unwrap();
            let mut content = Vec::new();
            if about.is_dir() {
                ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if about.is_file() {
                content = fs::read(&path).unwrap();
            }
            found.insert(path, (about.mode(), about.uid(), about.ctime_nsec(), content));
        }
        found
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.place).unwrap();
        }
    }
}

/// What containers could have left on the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    mounts: String,
    descriptors: usize,
    core_pattern: String,
    namespaces: Vec<PathBuf>,
    directory: PathBuf,
}

impl Traces {
    pub(crate) fn take() -> Traces {
        let namespaces = ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "uts"];
        Traces {
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            core_pattern: fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
            namespaces: namespaces
                .iter()
                .map(|name| fs::read_link(format!("/proc/self/ns/{name}")).unwrap())
                .collect(),
            directory: std::env::current_dir().unwrap(),
        }
    }

    pub(crate) fn check(&self) {
        assert_eq!(children(), [0; 0], "children are left");
        assert_eq!(Traces::take(), *self, "traces are left");
    }
}

fn children() -> Vec<i32> {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    let children = fs::read_to_string(path).expect("needs a kernel with CONFIG_PROC_CHILDREN");
    children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// What a failed test has left must not fail the next.
pub(crate) fn kill_children() {
    for pid in children() {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}
