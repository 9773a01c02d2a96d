//! Volumes and mounts whose places change while they are looked for (SEC-007, -012), lead outside (SEC-048, the sub-paths of
//! CVE-2017-1002101 and CVE-2021-25741), or would hide what isolation rests on (SEC-008, -010).

use std::path::Path;

use barque_tests::image::{Image, Layer};
use barque_tests::sandbox::Finished;
use barque_tests::suite::{Suite, note};
use barque_tests::{Sandbox, invariants};
use serde_json::json;

use super::hammer::{Hammer, data, host_mounts};
use super::victim::{Victim, is_clean, run};

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-007 SEC-012 mounts into a shared volume that is being changed", changed_targets);
    suite.add("SEC-007 a sub-path of a volume that is being changed", changed_subpath);
    suite.add("a sub-path that is a link stays in the volume", linked_subpath);
    suite.add("SEC-048 a volume is filled from the image and not from the host", filled_volume);
    suite.add("SEC-008 SEC-010 nothing is mounted over what isolation rests on", special_places);
    suite.add("a volume with links is removed and what they lead to stays", removal_of_links);
    suite.add("a device of a container through a link of its image", device_through_a_link);
}

fn mounting(sandbox: &Sandbox, mounts: &[&str], command: &[&str]) -> Finished {
    let mut arguments = vec!["run", "--rm", "--network", "none"];
    arguments.extend(mounts);
    arguments.push("testbox");
    arguments.extend(command);
    let done = sandbox.barque(&arguments);
    is_clean(&done);
    done
}

fn changed_targets() {
    const ROUNDS: u32 = 150;
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let shared = data(&sandbox, "shared");
    data(&sandbox, "other");
    let source = sandbox.work().join("a-file");
    std::fs::write(&source, "of the host").expect("write a file");
    let before = host_mounts();
    let hammer = Hammer::new(shared, &victim.path());
    let file = format!("{}:/vol/d/new/file", source.display());
    let mut worked = 0;
    for _ in 0..ROUNDS {
        let done = mounting(
            &sandbox,
            &["-v", "shared:/vol", "-v", "other:/vol/d/inner", "-v", &file],
            &["list", "/vol/d"],
        );
        assert!(!done.stdout.contains("secret"), "the victim is seen: {}", done.stdout);
        worked += u32::from(done.code == 0);
    }
    let swaps = hammer.end();
    victim.is_untouched("mounts into a changing volume");
    assert_eq!(host_mounts(), before, "the host's mounts");
    invariants::hold(&sandbox, "mounts into a changing volume");
    assert!(swaps > u64::from(ROUNDS), "the hammer swapped only {swaps} times");
    note(&format!(
        "SEC-007: {ROUNDS} containers beside {swaps} swaps of a mount's place, {worked} of them ran"
    ));
}

fn changed_subpath() {
    const ROUNDS: u32 = 100;
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let hammer = Hammer::new(data(&sandbox, "shared"), &victim.path());
    for _ in 0..ROUNDS {
        let mount = "--mount=type=volume,src=shared,dst=/x,volume-subpath=d";
        let done = mounting(&sandbox, &[mount], &["list", "/x"]);
        assert!(!done.stdout.contains("secret"), "the victim is seen: {}", done.stdout);
        assert!(done.code != 0 || done.stdout.contains("file"), "{done:?}");
    }
    assert!(hammer.end() > u64::from(ROUNDS));
    victim.is_untouched("sub-paths of a changing volume");
}

fn linked_subpath() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    let volume = data(&sandbox, "linked");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, volume.join(name)).expect("make a link");
    };
    link(&victim.path(), "absolute");
    let depth = volume.components().count();
    link(&format!("{}{}", "../".repeat(depth), victim.path()), "relative");
    link("/proc/self/root", "magic");
    for path in ["absolute", "relative", "relative/inner", "magic", "magic/etc"] {
        let mount = format!("--mount=type=volume,src=linked,dst=/x,volume-subpath={path}");
        let done = mounting(&sandbox, &[&mount], &["list", "/x"]);
        assert_ne!(done.code, 0, "{path} leads out of the volume: {}", done.stdout);
    }
    victim.is_untouched("sub-paths through links");
}

fn filled_volume() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    for (target, place) in [
        (victim.path(), "/link"),
        (victim.path(), "/link/inner"),
        (format!("../../../../../../../..{}", victim.path()), "/link"),
        ("/proc/1/root".to_owned(), "/link/etc"),
        ("/proc/self/cwd".to_owned(), "/link"),
    ] {
        let layer = Layer::new().symlink("link", &target);
        let image = Image::from_testbox("hostile")
            .layer(layer.finish())
            .config(json!({"Volumes": {place: {}}}));
        run(&sandbox, &victim, &image, &["-v", "mine:/link"], &["list", "/link"]);
        run(&sandbox, &victim, &image, &["--name", "kept"], &["list", place]);
        for (path, content) in invariants::fingerprint(&sandbox.root().join("volumes")) {
            let name = Path::new(&path).file_name().unwrap_or_default();
            assert!(name != "secret" && name != "passwd", "{place}: {path} {content}");
        }
        sandbox.barque(&["rmi", "--force", "hostile"]);
        sandbox.barque(&["volume", "prune", "--all", "--force"]);
    }
}

fn special_places() {
    let sandbox = Sandbox::with_testbox();
    data(&sandbox, "mine");
    let before = host_mounts();
    for place in [
        "/proc",
        "/proc/sys",
        "/proc/self/attr",
        "/proc/sysrq-trigger",
        "/sys",
        "/",
        "/x/../proc",
        "/proc/../proc/sys",
    ] {
        for mount in [
            format!("--volume=mine:{place}"),
            format!("--mount=type=volume,src=mine,dst={place}"),
            format!("--mount=type=tmpfs,dst={place}"),
            format!("--tmpfs={place}"),
            format!("--volume={place}"),
        ] {
            let done = mounting(&sandbox, &[&mount], &["exit", "0"]);
            assert_ne!(done.code, 0, "{mount} was mounted");
            assert!(!done.stderr.is_empty(), "{mount}: {done:?}");
        }
    }
    assert_eq!(host_mounts(), before, "the host's mounts");
    invariants::hold(&sandbox, "mounts over what isolation rests on");
}

fn removal_of_links() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    for removal in [
        &["volume", "rm", "linked"][..],
        &["volume", "prune", "--all", "--force"],
        &["system", "prune", "--volumes", "--force", "--filter", "label=linked"],
    ] {
        sandbox.ok(&["volume", "create", "--label", "linked", "linked"]);
        let volume = sandbox.root().join("volumes/linked/_data");
        std::os::unix::fs::symlink(victim.path(), volume.join("to-the-host")).expect("make a link");
        let hammer = Hammer::new(volume, &victim.path());
        // Beside the hammer it may fail to find a directory empty, and says so.
        is_clean(&sandbox.barque(removal));
        hammer.end();
        sandbox.barque(&["volume", "rm", "linked"]);
        victim.is_untouched("the removal of a volume with links");
        assert_eq!(sandbox.ok(&["volume", "ls", "--quiet", "--filter", "label=linked"]), "");
    }
}

fn device_through_a_link() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let layer = Layer::new().symlink("link", &victim.path());
    let image = Image::from_testbox("hostile").layer(layer.finish());
    for device in ["/dev/zero:/link/zero", "/dev/zero:/link/secret", "/dev/zero:/link/inner/x"] {
        run(&sandbox, &victim, &image, &["--device", device], &["report", "devices"]);
    }
}
