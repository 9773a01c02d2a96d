//! Who changes what others look for while they look, and what must not change meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use barque_tests::Sandbox;

/// Somebody who swaps a directory and a link for each other as fast as the kernel can, until dropped.
pub(crate) struct Hammer {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Hammer {
    /// On `directory/d`, which is a directory with `inner` and `file` in it, and now and then a link to `target`.
    pub(crate) fn new(directory: PathBuf, target: &str) -> Hammer {
        std::fs::create_dir_all(directory.join("d/inner")).expect("make a directory");
        std::fs::write(directory.join("d/file"), "in the volume").expect("write a file");
        std::os::unix::fs::symlink(target, directory.join("link")).expect("make a link");
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            let path = |name: &str| {
                std::ffi::CString::new(directory.join(name).to_string_lossy().as_bytes())
                    .expect("a path")
            };
            let (one, other) = (path("d"), path("link"));
            while !stopped.load(Ordering::Relaxed) {
                // SAFETY: two paths that live as long as the loop.
                let result = unsafe {
                    libc::renameat2(
                        libc::AT_FDCWD,
                        one.as_ptr(),
                        libc::AT_FDCWD,
                        other.as_ptr(),
                        libc::RENAME_EXCHANGE,
                    )
                };
                counted.fetch_add(u64::from(result == 0), Ordering::Relaxed);
            }
        });
        Hammer { stop, swaps, thread: Some(thread) }
    }

    /// How often it has swapped.
    pub(crate) fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join).transpose().expect("the hammer ends");
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn host_mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("read the mount table")
}

/// A new volume's files, as the host has them.
pub(crate) fn data(sandbox: &Sandbox, volume: &str) -> PathBuf {
    sandbox.ok(&["volume", "create", volume]);
    sandbox.root().join("volumes").join(volume).join("_data")
}
