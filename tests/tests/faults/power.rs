//! The power goes: a file system of its own is shut down without its log (`EXT4_IOC_SHUTDOWN`, linux/fs/ext4/ext4.h), so that only
//! what was synced is there when it is mounted again. Until then every call on it fails with EIO, as on a disk that has died.

use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barque_tests::image::{Image, Layer};
use barque_tests::sandbox::collect;
use barque_tests::suite::{Suite, note, skip};
use barque_tests::{Sandbox, invariants, programs};
use serde_json::Value;

use super::operations::is_clean;

/// Loads that the power goes under, at moments that are spread over the time that one takes.
const CUTS: u32 = 24;

pub(crate) fn add(suite: &mut Suite) {
    suite.add_patient(
        "a power cut while an image is loaded",
        Duration::from_secs(300),
        under_a_load,
    );
    suite.add("an image that was loaded is there after a power cut", after_a_load);
    suite.add("what create and rm have said is so after a power cut", after_create_and_rm);
    suite.add("an archive that was saved is there after a power cut", after_a_save);
    suite.add("a save from a disk that has died fails", a_save_from_a_dead_disk);
}

/// A disk, in a file.
struct Disk {
    file: PathBuf,
    place: PathBuf,
}

impl Disk {
    fn new(name: &str) -> Disk {
        let base = programs::build_directory().join("sandboxes");
        let disk = Disk { file: base.join(format!("{name}.img")), place: base.join(name) };
        std::fs::create_dir_all(&disk.place).expect("make a mount point");
        let file = std::fs::File::create(&disk.file).expect("create a disk");
        file.set_len(128 << 20).expect("size a disk");
        let mut command = Command::new(programs::tool("mkfs.ext4"));
        let made = command.args(["-q", "-F"]).arg(&disk.file).status();
        assert!(made.expect("run mkfs.ext4").success(), "make a file system");
        if !disk.mount() {
            skip("this host mounts no ext4 from a file");
        }
        disk
    }

    fn mount(&self) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", "loop"]).arg(&self.file).arg(&self.place);
        command.stderr(Stdio::null()).status().expect("run mount").success()
    }

    fn unmount(&self) {
        let gone = Command::new("umount").arg(&self.place).status();
        assert!(gone.expect("run umount").success(), "unmount {}", self.place.display());
    }

    /// The power goes.
    fn cut(&self) {
        const EXT4_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
        const NOLOGFLUSH: u32 = 2;
        let place = std::fs::File::open(&self.place).expect("open the mount point");
        // SAFETY: the request reads a u32, and the descriptor is open.
        let done = unsafe { libc::ioctl(place.as_raw_fd(), EXT4_IOC_SHUTDOWN, &NOLOGFLUSH) };
        assert_eq!(done, 0, "shut the file system down: {}", std::io::Error::last_os_error());
    }

    /// It is back, and the log is replayed.
    fn back(&self) {
        self.unmount();
        assert!(self.mount(), "mount {} again", self.file.display());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).output();
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir(&self.place);
    }
}

/// An archive of two layers, outside the disk.
fn archive(name: &str) -> PathBuf {
    let path = programs::build_directory().join("sandboxes").join(format!("{name}.tar"));
    let layer = |name: &str, byte: u8| {
        let mut layer = Layer::new();
        for n in 0..20u8 {
            layer = layer.file(&format!("{name}-{n}"), 0o644, &vec![byte ^ n; 50_000]);
        }
        // One that is begun to be written before the load waits for the disk (core/monitor/src/unpack/layer.rs, `WRITTEN_BACK`).
        layer.file(&format!("{name}-large"), 0o644, &vec![byte; 1_000_000]).finish()
    };
    Image::new("power").layer(layer("one", 1)).layer(layer("two", 2)).write_docker_archive(&path);
    path
}

/// What the check says is wrong with what the store names.
fn damage(sandbox: &Sandbox) -> Vec<Value> {
    let told = sandbox.barque(&["system", "check", "--format", "{{json .Problems}}"]).stdout;
    let problems: Vec<Value> = serde_json::from_str(&told).expect("a list of problems");
    problems
}

fn under_a_load() {
    let disk = Disk::new("power-load");
    let path = archive("power-load-archive");
    let path_text = path.to_string_lossy().into_owned();
    let mut length = Duration::ZERO;
    let (mut there, mut lost) = (0, 0);
    for cut in 0..=CUTS {
        let sandbox = Sandbox::below(&disk.place);
        sandbox.load_testbox();
        let begun = Instant::now();
        let mut command = sandbox.command(&["load", "--input", &path_text]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("start a load");
        if cut == 0 {
            // One that is not disturbed, to know how long it takes.
            assert_eq!(collect(child).code, 0);
            length = begun.elapsed();
        } else {
            std::thread::sleep((length * cut / CUTS).saturating_sub(begun.elapsed()));
            // What it says later nobody hears when the power really goes. Here it goes on, and was seen to end well although what it had
            // written last was not there afterwards.
            let ended = child.try_wait().expect("look at the load");
            let is_said = ended.is_some_and(|status| status.success());
            disk.cut();
            let done = collect(child);
            is_clean(&done, "a power cut");
            disk.back();
            let what = format!("the power cut {cut} of {CUTS}");
            // What was there before is whole, and so is what the record has of the new one.
            sandbox.ok(&["ps", "--all"]);
            invariants::hold(&sandbox, &what);
            assert_eq!(damage(&sandbox), Vec::<Value>::new(), "{what}");
            let arguments = ["run", "--rm", "--network", "none", "testbox", "exit", "4"];
            assert_eq!(sandbox.barque(&arguments).code, 4, "{what}");
            let is_there = !sandbox.ok(&["images", "--quiet", "power"]).is_empty();
            assert!(is_there || !is_said, "{what}: what was said to be loaded is lost");
            if is_there {
                there += 1
            } else {
                lost += 1
            }
            sandbox.ok(&["load", "--input", &path_text]);
            assert_eq!(damage(&sandbox), Vec::<Value>::new(), "{what}, loaded again");
        }
    }
    std::fs::remove_file(path).expect("remove the archive");
    // Cuts that all came too early or too late would have tested nothing.
    assert!(lost > 0, "no cut came before the image was there");
    note(&format!(
        "{CUTS} power cuts under a load: {there} images were there afterwards, {lost} not"
    ));
}

fn after_a_load() {
    let disk = Disk::new("power-loaded");
    let sandbox = Sandbox::below(&disk.place);
    let path = archive("power-loaded-archive");
    sandbox.ok(&["load", "--input", &path.to_string_lossy()]);
    disk.cut();
    disk.back();
    assert_eq!(damage(&sandbox), Vec::<Value>::new());
    assert_ne!(sandbox.ok(&["images", "--quiet", "power"]), "");
    std::fs::remove_file(path).expect("remove the archive");
}

/// The record is all there is of these containers, so each command is one commit, and nothing else syncs anything for it.
fn after_create_and_rm() {
    let disk = Disk::new("power-life");
    let sandbox = Sandbox::below(&disk.place);
    let cut = |names: &[String], what: &str| {
        disk.cut();
        disk.back();
        let there = sandbox.ok(&["ps", "--all", "--format", "{{.Names}}"]);
        let mut there: Vec<&str> = there.lines().collect();
        there.sort_unstable();
        assert_eq!(there, names, "{what}");
        invariants::hold(&sandbox, what);
    };
    let create = |name: &str| {
        sandbox.ok(&["create", "--name", name, "--network", "none", "testbox", "exit", "0"]);
    };
    // The first commit of all, to a log that has just been made.
    sandbox.ok(&["volume", "create", "first"]);
    disk.cut();
    disk.back();
    assert_eq!(sandbox.ok(&["volume", "ls", "--quiet"]), "first");
    sandbox.load_testbox();
    // Enough for the log to begin anew.
    for round in 0..12 {
        let (old, new) = (format!("c{round:02}"), format!("d{round:02}"));
        create(&old);
        cut(std::slice::from_ref(&old), &format!("creation {round}"));
        create(&new);
        sandbox.ok(&["rm", &old]);
        cut(std::slice::from_ref(&new), &format!("removal {round}"));
        sandbox.ok(&["rm", &new]);
        cut(&[], &format!("second removal {round}"));
        if round % 4 == 3 {
            // The last to close a database removes its log, unless told otherwise.
            let mut command = Command::new(programs::tool("sqlite3"));
            command.arg(sandbox.root().join("barque.db")).arg("PRAGMA wal_checkpoint");
            assert!(command.output().expect("run sqlite3").status.success());
            assert!(!sandbox.root().join("barque.db-wal").exists());
        }
    }
}

fn after_a_save() {
    let disk = Disk::new("power-saved");
    let sandbox = Sandbox::with_testbox();
    let target = disk.place.join("saved.tar").to_string_lossy().into_owned();
    sandbox.ok(&["save", "--output", &target, "testbox"]);
    disk.cut();
    disk.back();
    sandbox.ok(&["load", "--input", &target]);
}

fn a_save_from_a_dead_disk() {
    let disk = Disk::new("power-dead");
    let sandbox = Sandbox::below(&disk.place);
    sandbox.load_testbox();
    let target = programs::build_directory().join("sandboxes/from-a-dead-disk.tar");
    disk.cut();
    let done = sandbox.barque(&["save", "--output", &target.to_string_lossy(), "testbox"]);
    assert_ne!(done.code, 0);
    is_clean(&done, "a dead disk");
    assert!(!target.exists(), "half an archive has its name");
    disk.back();
    sandbox.ok(&["save", "--output", &target.to_string_lossy(), "testbox"]);
    std::fs::remove_file(target).expect("remove the archive");
}
