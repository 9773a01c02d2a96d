//! A disk that is full, read-only or not ours, and a process out of descriptors.

use std::path::{Path, PathBuf};
use std::process::Command;

use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, image, invariants, programs};

use super::operations::is_clean;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("load on a full disk says so and changes nothing", load_on_a_full_disk);
    suite.add("save on a full disk says so and leaves what was there", save_on_a_full_disk);
    suite.add("save into a pipe that is closed fails", save_into_a_closed_pipe);
    suite.add("run on a full disk says so, and removal works", run_on_a_full_disk);
    suite.add("cp and commit on a full disk say so and leave nothing", copies_on_a_full_disk);
    suite.add("a build on a full disk says so and leaves nothing", build_on_a_full_disk);
    suite.add("builds do not fill the disk with what they keep", builds_one_after_the_other);
    suite.add("a full disk without inodes", without_inodes);
    suite.add("a read-only root is named", a_read_only_root);
    suite.add("without permission the directory is named", without_permission);
    suite.add("with few descriptors everything works or says so", few_descriptors);
    suite.add("with little address space nothing dies", little_memory);
    suite.add("a file of limited size", limited_file_size);
}

/// A file system of its own for a sandbox, unmounted with it.
pub(super) struct Small {
    pub(super) place: PathBuf,
}

impl Small {
    fn new(name: &str, options: &str) -> Small {
        Small::of("tmpfs", name, options)
    }

    pub(super) fn of(kind: &str, name: &str, options: &str) -> Small {
        let place = programs::build_directory().join("sandboxes").join(name);
        std::fs::create_dir_all(&place).expect("make a mount point");
        let done =
            Command::new("mount").args(["-t", kind, "-o", options, kind]).arg(&place).output();
        assert!(done.expect("run mount").status.success(), "mount {}", place.display());
        Small { place }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.place).output();
        assert!(done.expect("run mount").status.success(), "remount with {options}");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).output();
        let _ = std::fs::remove_dir(&self.place);
    }
}

/// An archive of an image of so many bytes, outside the small disk.
fn archive(bytes: usize) -> PathBuf {
    let path = PathBuf::from("/tmp/large.tar");
    let mut seed = 1u32;
    let data: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    })
    .take(bytes)
    .collect();
    let layer = image::Layer::new().file("data", 0o644, &data).finish();
    image::Image::new("large").layer(layer).write_docker_archive(&path);
    path
}

/// The kernel's words, SQLite's, or the unpacker's, which asks before it begins.
fn is_about_space(told: &str) -> bool {
    let told = told.to_lowercase();
    ["no space left", "disk is full", "free here"].iter().any(|words| told.contains(words))
}

fn load_on_a_full_disk() {
    let small = Small::new("full", "size=12m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    let path = archive(20 << 20);
    let done = sandbox.barque(&["load", "--input", &path.to_string_lossy()]);
    assert_ne!(done.code, 0);
    is_clean(&done, "a full disk");
    assert!(is_about_space(&done.stderr), "{}", done.stderr);
    invariants::hold(&sandbox, "a full disk");
    assert_eq!(sandbox.ok(&["images", "--quiet", "--filter", "reference=large"]), "");
    // What was written of it is gone at once.
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "4"]).code,
        4
    );
    small.remount("size=100m");
    sandbox.ok(&["load", "--input", &path.to_string_lossy()]);
    invariants::hold(&sandbox, "the same load with space");
    std::fs::remove_file(path).expect("remove the archive");
}

fn save_on_a_full_disk() {
    let small = Small::new("full-save", "size=1m");
    let sandbox = Sandbox::with_testbox();
    let path = archive(4 << 20);
    sandbox.ok(&["load", "--input", &path.to_string_lossy()]);
    std::fs::remove_file(path).expect("remove the archive");
    let target = small.place.join("saved.tar");
    std::fs::write(&target, "of yesterday").expect("write a file");
    let done = sandbox.barque(&["save", "--output", &target.to_string_lossy(), "large"]);
    assert_ne!(done.code, 0);
    is_clean(&done, "a full disk");
    assert!(is_about_space(&done.stderr), "{}", done.stderr);
    assert!(done.stderr.contains("saved.tar"), "{}", done.stderr);
    assert_eq!(std::fs::read(&target).expect("read the file"), b"of yesterday");
    assert_eq!(std::fs::read_dir(&small.place).expect("list the disk").count(), 1);
    invariants::hold(&sandbox, "a save on a full disk");
}

fn save_into_a_closed_pipe() {
    let sandbox = Sandbox::with_testbox();
    let mut command = sandbox.command_of(Path::new("bash"), &["-c"]);
    command
        .arg("\"$@\" | head --bytes 1000 > /dev/null; exit ${PIPESTATUS[0]}")
        .arg("bash")
        .arg(programs::barque())
        .args(["save", "testbox"]);
    let done = finish(command, b"");
    assert_ne!(done.code, 0, "half an archive counts as one");
    invariants::hold(&sandbox, "a closed pipe");
}

fn fill(place: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(place.join("ballast")).expect("create ballast");
    while file.write(&[1; 4096]).is_ok_and(|n| n > 0) {}
}

fn run_on_a_full_disk() {
    let small = Small::new("filled", "size=16m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    sandbox.ok(&["create", "--name", "old", "--network", "none", "testbox", "exit", "5"]);
    sandbox.ok(&["volume", "create", "kept"]);
    sandbox.ok(&[
        "run",
        "--detach",
        "--name",
        "busy",
        "--network",
        "none",
        "testbox",
        "sleep",
        "forever",
    ]);
    fill(&small.place);
    for arguments in [
        &["run", "--rm", "--network", "none", "testbox", "exit", "0"][..],
        &["create", "--network", "none", "testbox"],
        &["start", "old"],
    ] {
        let done = sandbox.barque(arguments);
        is_clean(&done, "a full disk");
        if done.code != 0 && done.code != 5 {
            assert!(is_about_space(&done.stderr), "{arguments:?}: {}", done.stderr);
        }
    }
    // Removal needs no space: it is how space is made.
    sandbox.ok(&["rm", "--force", "busy"]);
    for id in sandbox.ok(&["ps", "--all", "--quiet"]).lines() {
        sandbox.ok(&["rm", id]);
    }
    sandbox.ok(&["volume", "rm", "kept"]);
    sandbox.ok(&["rmi", "testbox"]);
    std::fs::remove_file(small.place.join("ballast")).expect("remove the ballast");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "a full disk");
    sandbox.load_testbox();
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "6"]).code,
        6
    );
}

fn copies_on_a_full_disk() {
    let small = Small::new("copied", "size=24m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    let outside = PathBuf::from(format!("/tmp/copied-{}", std::process::id()));
    std::fs::write(&outside, vec![b'c'; 6 << 20]).expect("write a file");
    let path = outside.to_string_lossy().into_owned();
    for name in ["running", "stopped"] {
        sandbox.ok(&["create", "--name", name, "--network", "none", "testbox", "sleep", "forever"]);
    }
    sandbox.ok(&["start", "running"]);
    sandbox.ok(&["cp", &path, "running:/data/old"]);
    fill(&small.place);
    for arguments in [
        &["cp", &path, "running:/data/new"][..],
        &["cp", &path, "stopped:/data/new"],
        &["commit", "running", "made"],
    ] {
        let done = sandbox.barque(arguments);
        assert_ne!(done.code, 0, "{arguments:?}");
        is_clean(&done, "a full disk");
        assert!(is_about_space(&done.stderr), "{arguments:?}: {}", done.stderr);
    }
    std::fs::remove_file(small.place.join("ballast")).expect("remove the ballast");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "copies on a full disk");
    let changed = sandbox.ok(&["diff", "running"]);
    assert!(!changed.contains("/data/new") && !changed.contains(".barque"), "{changed}");
    // What was there is as it was, and goes on.
    let out = PathBuf::from(format!("{path}-out"));
    sandbox.ok(&["cp", "running:/data/old", &out.to_string_lossy()]);
    assert!(std::fs::read(&out).expect("read the copy") == vec![b'c'; 6 << 20]);
    sandbox.ok(&["rm", "--force", "running", "stopped"]);
    for path in [outside, out] {
        std::fs::remove_file(path).expect("remove a copy");
    }
}

fn build_on_a_full_disk() {
    let small = Small::new("built", "size=24m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    let context = PathBuf::from(format!("/tmp/built-{}", std::process::id()));
    std::fs::create_dir_all(&context).expect("make a directory");
    let text = "FROM testbox\nRUN [\"/testbox\", \"write\", \"/small\", \"x\"]\nCOPY large /large\n\
                RUN [\"/testbox\", \"write\", \"/more\", \"y\"]\n";
    std::fs::write(context.join("Dockerfile"), text).expect("write a file");
    std::fs::write(context.join("large"), vec![b'l'; 12 << 20]).expect("write a file");
    let path = context.to_string_lossy().into_owned();
    let build = || sandbox.barque(&["build", "--tag", "made", &path]);
    // Too large for it, both as a file and as a layer's archive.
    let done = build();
    assert_ne!(done.code, 0);
    is_clean(&done, "a full disk");
    assert!(is_about_space(&done.stderr), "{}", done.stderr);
    invariants::hold(&sandbox, "a build that did not fit");
    // Full before it begins.
    fill(&small.place);
    let done = build();
    assert_ne!(done.code, 0);
    is_clean(&done, "a full disk");
    assert!(is_about_space(&done.stderr), "{}", done.stderr);
    sandbox.ok(&["builder", "prune", "--all", "--force"]);
    std::fs::remove_file(small.place.join("ballast")).expect("remove the ballast");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "a build on a full disk");
    assert_eq!(sandbox.ok(&["images", "--quiet", "--filter", "reference=made"]), "");
    small.remount("size=100m");
    let done = build();
    assert_eq!(done.code, 0, "{}", done.stderr);
    sandbox.ok(&["run", "--rm", "--network", "none", "made", "stat", "/small", "/large", "/more"]);
    invariants::hold(&sandbox, "the same build with space");
    std::fs::remove_dir_all(context).expect("remove the context");
}

fn builds_one_after_the_other() {
    let small = Small::new("kept", "size=100m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    let context = PathBuf::from(format!("/tmp/kept-{}", std::process::id()));
    std::fs::create_dir_all(&context).expect("make a directory");
    std::fs::write(context.join("Dockerfile"), "FROM testbox\nCOPY large /large\n").expect("write");
    // Each keeps twice that, so five would not fit.
    for letter in *b"abcdefgh" {
        std::fs::write(context.join("large"), vec![letter; 10 << 20]).expect("write a file");
        sandbox.ok(&["build", "--output", "type=cacheonly", &context.to_string_lossy()]);
    }
    let told = Command::new("stat").args(["-f", "-c", "%a %b"]).arg(&small.place).output();
    let told = String::from_utf8(told.expect("run stat").stdout).expect("numbers");
    let blocks: Vec<u64> = told.split_whitespace().flat_map(str::parse).collect();
    assert!(blocks[0] * 5 >= blocks[1], "a fifth stays free: {told}");
    invariants::hold(&sandbox, "builds on a small disk");
    std::fs::remove_dir_all(context).expect("remove the context");
}

fn without_inodes() {
    let small = Small::new("inodes", "size=64m,nr_inodes=160");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    for n in 0..160 {
        if std::fs::write(small.place.join(format!("ballast-{n}")), "").is_err() {
            break;
        }
    }
    let done = sandbox.barque(&["run", "--network", "none", "testbox", "exit", "0"]);
    is_clean(&done, "no inodes");
    assert_ne!(done.code, 0);
    for n in 0..160 {
        let _ = std::fs::remove_file(small.place.join(format!("ballast-{n}")));
    }
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "no inodes");
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "6"]).code,
        6
    );
}

fn a_read_only_root() {
    let small = Small::new("read-only", "size=32m");
    let sandbox = Sandbox::below(&small.place);
    sandbox.load_testbox();
    small.remount("ro");
    for arguments in [
        &["run", "--rm", "--network", "none", "testbox", "exit", "0"][..],
        &["tag", "testbox", "x"],
        &["rmi", "testbox"],
    ] {
        let done = sandbox.barque(arguments);
        assert_ne!(done.code, 0, "{arguments:?}");
        is_clean(&done, "a read-only root");
        let told = done.stderr.to_lowercase();
        assert!(
            told.contains("read-only") || told.contains("readonly"),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    small.remount("rw");
    invariants::hold(&sandbox, "a read-only root");
    assert_eq!(
        sandbox.barque(&["run", "--rm", "--network", "none", "testbox", "exit", "6"]).code,
        6
    );
}

fn without_permission() {
    let sandbox = Sandbox::with_testbox();
    // The program itself must be reachable for another user: a copy where everybody may look.
    let program = Path::new("/tmp/barque");
    std::fs::copy(programs::barque(), program).expect("copy the command");
    for root in [sandbox.root(), PathBuf::from("/proc/nothing"), PathBuf::from("/dev/null/x")] {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"])
            .arg(program)
            .args(["run", "--rm", "--network", "none", "testbox", "exit", "0"])
            .env("BARQUE_ROOT", &root)
            .env("BARQUE_RUN", "/tmp/run-of-nobody")
            .current_dir("/");
        let done = finish(command, b"");
        assert!(done.code == 125 || done.code == 1, "{done:?}");
        is_clean(&done, "no permission");
        let named =
            sandbox.root().parent().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
        let told = &done.stderr;
        assert!(told.contains(&*root.to_string_lossy()) || told.contains(&named), "{told}");
    }
    std::fs::remove_file(program).expect("remove the copy");
    let _ = std::fs::remove_dir_all("/tmp/run-of-nobody");
    invariants::hold(&sandbox, "a stranger");
}

fn limited(sandbox: &Sandbox, limit: &str) -> barque_tests::sandbox::Finished {
    let mut command = sandbox.command_of(Path::new("bash"), &["-c"]);
    command.arg(format!("{limit}; exec \"$@\"")).arg("bash").arg(programs::barque()).args([
        "run",
        "--rm",
        "--network",
        "none",
        "testbox",
        "exit",
        "9",
    ]);
    finish(command, b"")
}

fn few_descriptors() {
    let sandbox = Sandbox::with_testbox();
    let mut worked = 0;
    for limit in (4..96).step_by(4) {
        let done = limited(&sandbox, &format!("ulimit -n {limit}"));
        is_clean(&done, &format!("{limit} descriptors"));
        if done.code == 9 {
            worked += 1;
        } else {
            assert!(limit < 64, "{limit} descriptors are too few: {}", done.stderr);
        }
        sandbox.ok(&["ps", "--all"]);
        invariants::hold(&sandbox, &format!("{limit} descriptors"));
    }
    assert!(worked >= 8);
    assert_eq!(sandbox.ok(&["ps", "--all", "--quiet"]), "");
}

fn little_memory() {
    let sandbox = Sandbox::with_testbox();
    for kib in [20_000, 40_000, 60_000, 100_000, 200_000] {
        let done = limited(&sandbox, &format!("ulimit -v {kib}"));
        // An allocation that fails ends a Rust program by abort: the store must be whole all the same.
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        sandbox.ok(&["ps", "--all"]);
        invariants::hold(&sandbox, &format!("{kib} KiB"));
    }
}

fn limited_file_size() {
    let sandbox = Sandbox::with_testbox();
    let path = archive(2 << 20);
    let mut command = sandbox.command_of(Path::new("bash"), &["-c"]);
    command
        .arg("trap '' XFSZ; ulimit -f 1000; exec \"$@\"")
        .arg("bash")
        .arg(programs::barque())
        .args(["load", "--input"])
        .arg(&path);
    let done = finish(command, b"");
    is_clean(&done, "a file size limit");
    sandbox.ok(&["ps", "--all"]);
    invariants::hold(&sandbox, "a file size limit");
    std::fs::remove_file(path).expect("remove the archive");
}
