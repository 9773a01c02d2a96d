//! Images whose files reach outside: links where the runtime mounts, writes or looks (SEC-004, -005, -008, -013, -014, -033,
//! -046, -054).

use barque_tests::Sandbox;
use barque_tests::image::{Image, Layer};
use barque_tests::suite::Suite;

use super::victim::{Victim, run};

/// Places in an image, each made a link to the victim.
const LINKED: &[(&str, &str)] = &[
    ("SEC-014 /dev", "dev"),
    ("SEC-014 /dev/pts", "dev/pts"),
    ("SEC-014 /dev/shm", "dev/shm"),
    ("SEC-014 /dev/mqueue", "dev/mqueue"),
    ("SEC-014 /dev/ptmx", "dev/ptmx"),
    ("SEC-014 /dev/fd", "dev/fd"),
    ("SEC-005 /dev/console", "dev/console"),
    ("SEC-013 /proc", "proc"),
    ("SEC-013 /sys", "sys"),
    ("SEC-013 /sys/fs", "sys/fs"),
    ("SEC-013 /sys/fs/cgroup", "sys/fs/cgroup"),
    ("SEC-054 /etc", "etc"),
    ("SEC-054 /run", "run"),
];

/// Files that barque mounts over or reads, each made a link to a file of the victim.
const LINKED_FILES: &[(&str, &str)] = &[
    ("SEC-054 /etc/hosts", "etc/hosts"),
    ("SEC-054 /etc/hostname", "etc/hostname"),
    ("SEC-054 /etc/resolv.conf", "etc/resolv.conf"),
    ("SEC-054 /etc/mtab", "etc/mtab"),
    ("SEC-054 /.dockerenv", ".dockerenv"),
    ("SEC-054 /run/.containerenv", "run/.containerenv"),
    ("SEC-004 /dev/null", "dev/null"),
    ("SEC-033 /etc/passwd", "etc/passwd"),
    ("SEC-033 /etc/group", "etc/group"),
];

/// What is put into a layer, and how it is called in messages.
type Shape = (&'static str, fn(Layer) -> Layer);

pub(crate) fn add(suite: &mut Suite) {
    for (name, path) in LINKED {
        for (terminal, options) in [("", &[][..]), (" with a terminal", &["--tty"][..])] {
            suite.add(format!("{name} is a link to the host{terminal}"), move || {
                let sandbox = Sandbox::new();
                let victim = Victim::new(&sandbox);
                let layer = without(path).symlink(path, &short(&sandbox, &victim.path()));
                let image = Image::from_testbox("hostile").layer(layer.finish());
                run(&sandbox, &victim, &image, options, &["report", "mounts", "devices", "paths"]);
            });
        }
    }
    for (name, path) in LINKED_FILES {
        suite.add(format!("{name} is a link to the host"), move || {
            let sandbox = Sandbox::new();
            let victim = Victim::new(&sandbox);
            let target = short(&sandbox, &format!("{}/secret", victim.path()));
            let layer = without(path).symlink(path, &target);
            let image = Image::from_testbox("hostile").layer(layer.finish());
            let done = run(
                &sandbox,
                &victim,
                &image,
                &["--user", "sailor"],
                &["read", "/etc/hosts", "/etc/passwd"],
            );
            assert!(!done.stdout.contains("canary"), "{}", done.stdout);
            assert!(!done.stderr.contains("canary"), "{}", done.stderr);
        });
    }
    suite.add(
        "SEC-004 /dev/null of the image is not what masks",
        dev_null_of_the_image_is_not_what_masks,
    );
    suite.add("SEC-046 a working directory through a link stays inside", workdir_through_a_link);
    suite.add("SEC-008 /proc may not be a file, a fifo or a link inside", proc_of_another_type);
    suite.add(
        "SEC-004 masked paths stay masked when the image has them as links",
        masked_paths_as_links,
    );
    suite.add("SEC-006 SEC-009 a sysctl is written to the kernel's own file", sysctl_beside_links);
    suite.add("SEC-084 a device node of an image is no way to the device", device_of_the_image);
}

/// An empty layer with the parents of `path` as directories.
fn without(path: &str) -> Layer {
    let mut layer = Layer::new();
    let mut parents: Vec<&str> = std::path::Path::new(path)
        .ancestors()
        .skip(1)
        .filter_map(std::path::Path::to_str)
        .filter(|parent| !parent.is_empty())
        .collect();
    parents.reverse();
    for parent in parents {
        layer = layer.directory(parent, 0o755);
    }
    // A whiteout first, where the image below has something of another type there.
    layer
}

/// A link's target has 100 bytes in the header: reach long places by a short link beside the victim.
fn short(sandbox: &Sandbox, target: &str) -> String {
    if target.len() < 100 {
        return target.to_owned();
    }
    let name = format!("/tmp/v-{:x}", target.len() + sandbox.root().to_string_lossy().len());
    let _ = std::fs::remove_file(&name);
    std::os::unix::fs::symlink(target, &name).expect("make a short link");
    name
}

fn dev_null_of_the_image_is_not_what_masks() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let shapes: [Shape; 4] = [
        ("a link to sysrq-trigger", |layer| layer.symlink("dev/null", "/proc/sysrq-trigger")),
        ("a file", |layer| layer.file("dev/null", 0o666, b"not null")),
        ("a directory", |layer| layer.directory("dev/null", 0o755)),
        ("a fifo", |layer| layer.fifo("dev/null")),
    ];
    for (what, shape) in shapes {
        let layer = shape(Layer::new().directory("dev", 0o755));
        let image = Image::from_testbox("hostile").layer(layer.finish());
        let done = run(
            &sandbox,
            &victim,
            &image,
            &[],
            &["probe", "/proc/kcore", "/proc/keys", "/dev/null"],
        );
        if done.code == 0 {
            let seen: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
            assert_eq!(seen["/dev/null"]["type"], "null", "{what}: {seen}");
            for masked in ["/proc/kcore", "/proc/keys"] {
                let found = &seen[masked];
                assert!(
                    found["type"] == "null" || !found["errno"].is_null(),
                    "{what}: {masked} is {found}"
                );
            }
        }
        sandbox.barque(&["rmi", "--force", "hostile"]);
    }
}

fn workdir_through_a_link() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let target = short(&sandbox, &victim.path());
    for directory in ["/w/newdir", "/w", "/w/inner", "/w/../../x", "/up/newdir"] {
        let layer = Layer::new().symlink("w", &target).symlink("up", "../../../../../..");
        let image = Image::from_testbox("hostile")
            .layer(layer.finish())
            .config(serde_json::json!({"WorkingDir": directory}));
        let done = run(&sandbox, &victim, &image, &[], &["report", "cwd"]);
        assert!(!done.stdout.contains("(unreachable)"), "{directory}: {}", done.stdout);
        run(&sandbox, &victim, &image, &["--workdir", directory], &["report", "cwd"]);
        sandbox.barque(&["rmi", "--force", "hostile"]);
    }
}

fn proc_of_another_type() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let shapes: [Shape; 4] = [
        ("a link inside", |layer| layer.directory("x", 0o755).symlink("proc", "/x")),
        ("a link to a link", |layer| layer.symlink("proc", "y").symlink("y", "proc")),
        ("a file", |layer| layer.file("proc", 0o644, b"")),
        ("a fifo", |layer| layer.fifo("proc")),
    ];
    for (what, shape) in shapes {
        let image = Image::from_testbox("hostile").layer(shape(Layer::new()).finish());
        let done = run(&sandbox, &victim, &image, &[], &["report", "mounts", "paths"]);
        if done.code == 0 {
            let seen: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
            let found = &seen["paths"]["/proc/sys/kernel/core_pattern"];
            assert!(
                !found["write_errno"].is_null() || !found["errno"].is_null(),
                "{what}: {found}"
            );
        }
        sandbox.barque(&["rmi", "--force", "hostile"]);
    }
}

fn masked_paths_as_links() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let layer = Layer::new()
        .directory("sys", 0o755)
        .symlink("sys/firmware", "/data")
        .directory("proc", 0o755)
        .symlink("proc/kcore", "/data/kcore")
        .directory("data", 0o777)
        .file("data/kcore", 0o666, b"x");
    let image = Image::from_testbox("hostile").layer(layer.finish());
    let done = run(&sandbox, &victim, &image, &[], &["probe", "/proc/kcore", "/data/kcore"]);
    let seen: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_default();
    // A kernel without it has nothing to mask.
    let masked = &seen["/proc/kcore"];
    assert!(masked["type"] == "null" || masked["errno"] == libc::ENOENT, "{done:?}");
    assert_eq!(seen["/data/kcore"]["read"], 1, "{seen}");
}

fn sysctl_beside_links() {
    const OWN: &str = "/proc/sys/net/ipv4/ip_default_ttl";
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let host = std::fs::read_to_string(OWN).expect("read a sysctl");
    let shapes: [Shape; 5] = [
        ("a link to the container's data", |layer| layer.symlink("proc", "/data")),
        ("a link for its directory", |layer| {
            layer.directory("proc", 0o755).symlink("proc/sys", "/data")
        }),
        ("a link for its file", |layer| {
            let layer = layer.directory("proc", 0o755).directory("proc/sys", 0o755);
            let layer =
                layer.directory("proc/sys/net", 0o755).directory("proc/sys/net/ipv4", 0o755);
            layer.symlink("proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/core_pattern")
        }),
        ("a link for the label", |layer| {
            let layer = layer.directory("proc", 0o755).directory("proc/self", 0o755);
            layer.symlink("proc/self/attr", "/data")
        }),
        ("nothing", |layer| layer),
    ];
    let mut worked = 0;
    for (what, shape) in shapes {
        for volume in [None, Some("/proc"), Some("/proc/sys/net")] {
            let mut image = Image::from_testbox("hostile").layer(shape(Layer::new()).finish());
            if let Some(volume) = volume {
                image = image.config(serde_json::json!({"Volumes": {volume: {}}}));
            }
            let sysctl = ["--sysctl", "net.ipv4.ip_default_ttl=77"];
            let done = run(&sandbox, &victim, &image, &sysctl, &["read", OWN]);
            if done.code == 0 {
                let seen: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
                assert_eq!(seen[OWN]["text"], "77\n", "{what}, volume {volume:?}");
                worked += 1;
            }
            assert_eq!(std::fs::read_to_string(OWN).expect("read a sysctl"), host, "{what}");
            sandbox.barque(&["rmi", "--force", "hostile"]);
        }
    }
    assert!(worked > 0, "nothing was ever run");
}

/// Of the disk that the engine's root is on.
fn device_of_the_image() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let disk = std::fs::metadata(sandbox.root()).expect("look at the root").dev();
    let layer = Layer::new().block_device("disk", libc::major(disk), libc::minor(disk));
    let image = Image::from_testbox("hostile").layer(layer.finish());
    for user in ["root", "sailor"] {
        let done = run(&sandbox, &victim, &image, &["--user", user], &["probe", "/disk"]);
        let seen: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
        for way in ["read_errno", "write_errno"] {
            assert_eq!(seen["/disk"][way], libc::EPERM, "{user}: {seen}");
        }
    }
}
