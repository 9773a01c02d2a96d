//! A host directory that nothing may touch, and the check of a hostile image against it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use barque_tests::image::Image;
use barque_tests::sandbox::Finished;
use barque_tests::{Sandbox, invariants};

pub(crate) struct Victim {
    pub(crate) place: PathBuf,
    before: BTreeMap<String, String>,
    host: Vec<(&'static str, String)>,
}

/// Files of the host that exploits write to.
const HOST_FILES: [&str; 4] = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/sys/kernel/uevent_helper",
    "/proc/sys/kernel/sysrq",
];

fn host_files() -> Vec<(&'static str, String)> {
    HOST_FILES
        .into_iter()
        .map(|path| (path, std::fs::read_to_string(path).unwrap_or_default()))
        .collect()
}

impl Victim {
    pub(crate) fn new(sandbox: &Sandbox) -> Victim {
        let place = sandbox.work().join("victim");
        std::fs::create_dir_all(place.join("inner")).expect("make a victim");
        std::fs::write(place.join("secret"), "canary").expect("write a secret");
        std::fs::write(place.join("inner/passwd"), "root:x:0:0::/:/bin/sh\n").expect("write");
        for (path, mode) in [("", 0o700), ("secret", 0o600), ("inner", 0o700)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(place.join(path), mode).expect("chmod a victim");
        }
        let before = invariants::fingerprint(&place);
        Victim { place, before, host: host_files() }
    }

    pub(crate) fn path(&self) -> String {
        self.place.to_string_lossy().into_owned()
    }

    /// It, and the host's own files, are as they were.
    #[track_caller]
    pub(crate) fn is_untouched(&self, after: &str) {
        assert_eq!(invariants::fingerprint(&self.place), self.before, "after {after}");
        assert_eq!(host_files(), self.host, "after {after}");
    }
}

/// Load the image and run it with these options and this command. The victim must be untouched, the engine whole, and the
/// command line must have said something sensible.
#[track_caller]
pub(crate) fn run(
    sandbox: &Sandbox,
    victim: &Victim,
    image: &Image,
    options: &[&str],
    command: &[&str],
) -> Finished {
    let archive = sandbox.work().join("hostile.tar");
    image.write_docker_archive(&archive);
    let loaded = sandbox.barque(&["load", "--quiet", "--input", &archive.to_string_lossy()]);
    if loaded.code != 0 {
        is_clean(&loaded);
        victim.is_untouched("load");
        return loaded;
    }
    let mut arguments = vec!["run", "--rm", "--network", "none"];
    arguments.extend(options);
    arguments.push("hostile");
    arguments.extend(command);
    let done = sandbox.barque(&arguments);
    is_clean(&done);
    victim.is_untouched("run");
    invariants::hold(sandbox, "a hostile image");
    done
}

/// A result, or an error with words: no panic, no death by a signal of ours.
#[track_caller]
pub(crate) fn is_clean(done: &Finished) {
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    assert!(!(128..=136).contains(&done.code), "{done:?}");
    assert!(
        done.code == 0 || !done.stderr.is_empty() || done.code < 125,
        "failed without a word: {done:?}"
    );
}
