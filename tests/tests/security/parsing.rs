//! Values that engines before this one misread (SEC-017 to -021, -026 to -028, -057).

use std::time::{Duration, Instant};

use barque_tests::image::{Image, Layer};
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, invariants};
use serde_json::{Value, json};

use super::victim::{Victim, is_clean, run};

/// What is put into a layer, and how it is called in messages.
type Shape = (&'static str, fn(Layer) -> Layer);

pub(crate) fn add(suite: &mut Suite) {
    suite.add("SEC-017 a user is what was written or an error", users);
    suite.add("SEC-018 a number is never looked up as a name", a_number_is_no_name);
    suite.add("SEC-019 a number too large is never root", numbers_too_large);
    suite.add("SEC-020 groups are those of the user and no others", groups);
    suite.add("SEC-021 a sysctl sets one value", sysctls);
    suite.add("SEC-035 annotations and labels of a container decide nothing", annotations);
    suite.add("SEC-026 a new line in a value makes no line in a file", new_lines);
    suite.add("SEC-027 the user data base may be anything", strange_passwd);
    suite.add("SEC-028 a group file without end is not read to its end", endless_group);
    suite.add("SEC-057 a digest must be that of the name", name_and_digest);
}

fn ids(sandbox: &Sandbox, user: &str) -> Result<(u64, u64), String> {
    let done = sandbox.barque(&[
        "run",
        "--rm",
        "--network",
        "none",
        &format!("--user={user}"),
        "testbox",
        "report",
        "ids",
    ]);
    is_clean(&done);
    if done.code != 0 {
        return Err(done.stderr);
    }
    let seen: Value = serde_json::from_str(&done.stdout).map_err(|e| e.to_string())?;
    let number = |name: &str| seen["ids"][name][1].as_u64().expect("a number");
    Ok((number("uid"), number("gid")))
}

fn users() {
    let sandbox = Sandbox::with_testbox();
    for (user, expected) in [
        ("1", Some((1, 0))),
        ("1:1", Some((1, 1))),
        ("1000", Some((1000, 1001))),
        ("sailor", Some((1000, 1001))),
        ("sailor:deck", Some((1000, 2001))),
        ("0:2001", Some((0, 2001))),
        ("+1", None),
        (" 1", None),
        ("0x1", None),
        ("1e0", None),
        ("-1", None),
        ("٣", None),
        ("sailor:nogroup", None),
        ("nobody:0", None),
        ("1:1:1", None),
    ] {
        assert_eq!(ids(&sandbox, user).ok(), expected, "--user={user:?}");
    }
    // Docker reads these as a number with no group, or refuses them: never as root where no 0 is written.
    for user in ["1:", "01", "1000 "] {
        if let Ok((uid, _)) = ids(&sandbox, user) {
            assert_ne!(uid, 0, "--user={user:?}");
        }
    }
    invariants::hold(&sandbox, "users");
}

fn a_number_is_no_name() {
    let sandbox = Sandbox::with_testbox();
    // The image has a user called 1234 with uid 0.
    assert_eq!(ids(&sandbox, "1234").ok(), Some((1234, 0)));
}

fn numbers_too_large() {
    let sandbox = Sandbox::with_testbox();
    for user in [
        "4294967296",
        "2147483648",
        "4294967295",
        "18446744073709551616",
        "0:4294967296",
        "4294967297:1",
    ] {
        let got = ids(&sandbox, user);
        assert!(got.is_err(), "--user={user} gives {got:?}");
    }
    let victim = Victim::new(&sandbox);
    let passwd = b"big:x:4294967296:0::/:/\nneg:x:-1:0::/:/\nok:x:7:8::/:/\n";
    let layer = Layer::new().directory("etc", 0o755).file("etc/passwd", 0o644, passwd);
    let image = Image::from_testbox("hostile").layer(layer.finish());
    for user in ["big", "neg"] {
        let done = run(&sandbox, &victim, &image, &["--user", user], &["report", "ids"]);
        assert_ne!(done.code, 0, "{user}: {}", done.stdout);
    }
    let done = run(&sandbox, &victim, &image, &["--user", "ok"], &["report", "ids"]);
    assert!(done.stdout.contains("[7,7,7]"), "{done:?}");
}

fn groups() {
    let sandbox = Sandbox::with_testbox();
    for (options, expected) in [
        (&["--user", "sailor"][..], json!([1001, 2001, 2002])),
        (&["--user", "sailor:deck"][..], json!([2001])),
        (&["--user", "5000:5001"][..], json!([5001])),
        (&["--user", "5000:5001", "--group-add", "6000"][..], json!([5001, 6000])),
        (&[][..], json!([0])),
    ] {
        let seen = sandbox.report(options, &["report", "ids"]);
        let mut groups: Vec<u64> = seen["ids"]["groups"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_u64)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        assert_eq!(json!(groups), expected, "{options:?}");
    }
}

fn sysctls() {
    let sandbox = Sandbox::with_testbox();
    let victim = Victim::new(&sandbox);
    for sysctl in [
        "net.ipv4.ip_forward=1+kernel.core_pattern=|/evil",
        "net.ipv4.ip_forward=1\nkernel.core_pattern=|/evil",
        "net/ipv4/../../kernel/core_pattern=|/evil",
        "net.ipv4...kernel.core_pattern=|/evil",
        "kernel.core_pattern=|/evil",
        "kernel.shm_rmid_forced/../../kernel/core_pattern=|/evil",
        "nét.ipv4.ip_forward=1",
        "=1",
        "net.ipv4.ip_forward",
    ] {
        let done = sandbox.barque(&[
            "run",
            "--rm",
            "--network",
            "none",
            "--sysctl",
            sysctl,
            "testbox",
            "exit",
            "0",
        ]);
        is_clean(&done);
        assert_ne!(done.code, 0, "{sysctl:?} was taken");
        victim.is_untouched(sysctl);
    }
    let text = sandbox
        .report(&["--sysctl", "net.ipv4.ip_forward=1"], &["read", "/proc/sys/net/ipv4/ip_forward"]);
    assert_eq!(text["/proc/sys/net/ipv4/ip_forward"]["text"], "1\n");
    invariants::hold(&sandbox, "sysctls");
}

fn annotations() {
    let sandbox = Sandbox::with_testbox();
    const WHAT: &[&str] = &["report", "ids", "capabilities", "security", "rlimits", "paths"];
    let disk = ["device", "b", "254", "0"];
    let plain = sandbox.report(&[], WHAT);
    let told: Vec<String> = [
        "org.systemd.property.DevicePolicy='auto'",
        "org.systemd.property.ExecStartPre=[('/bin/true',['/bin/true'],false)]",
        "run.oci.systemd.subgroup=x",
        "run.oci.keep_original_groups=1",
        "run.oci.mount_context_type=rootcontext",
        "io.kubernetes.cri-o.userns-mode=auto",
        "io.podman.annotations.privileged=TRUE",
        "org.opencontainers.image.stopSignal=9",
    ]
    .iter()
    .flat_map(|text| ["--annotation", text, "--label", text])
    .map(str::to_owned)
    .collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    let seen = sandbox.report(&told, WHAT);
    assert_eq!(seen, plain);
    assert_eq!(sandbox.report(&told, &disk), sandbox.report(&[], &disk));
    invariants::hold(&sandbox, "annotations");
}

fn new_lines() {
    let sandbox = Sandbox::with_testbox();
    let evil = "x\nroot2::0:0::/:/testbox";
    let done = sandbox.barque(&[
        "run",
        "--rm",
        "--network",
        "none",
        "-e",
        &format!("HOME={evil}"),
        "--user",
        "7777",
        "testbox",
        "read",
        "/etc/passwd",
    ]);
    is_clean(&done);
    if done.code == 0 {
        let seen: Value = serde_json::from_str(&done.stdout).expect("JSON");
        let text = seen["/etc/passwd"]["text"].as_str().unwrap_or_default();
        assert!(!text.lines().any(|line| line.starts_with("root2")), "{text}");
    }
    for options in [
        ["--hostname", "a\nb"],
        ["--add-host", "x\n1.2.3.4 y:1.2.3.4"],
        ["--dns-search", "a\nnameserver 6.6.6.6"],
        ["--domainname", "a\nb"],
    ] {
        let done = sandbox.barque(&[
            "run",
            "--rm",
            "--network",
            "none",
            options[0],
            options[1],
            "testbox",
            "read",
            "/etc/hosts",
            "/etc/resolv.conf",
            "/etc/hostname",
        ]);
        is_clean(&done);
        assert_ne!(done.code, 0, "{options:?} was taken: {}", done.stdout);
    }
}

fn strange_passwd() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    let shapes: [Shape; 5] = [
        ("a link to /proc/self/fd/0", |layer| layer.symlink("etc/passwd", "/proc/self/fd/0")),
        ("a link to /dev/zero", |layer| layer.symlink("etc/passwd", "/dev/zero")),
        ("a fifo", |layer| layer.fifo("etc/passwd")),
        ("a directory", |layer| layer.directory("etc/passwd", 0o755)),
        ("binary", |layer| layer.file("etc/passwd", 0o644, &[0xff; 70_000])),
    ];
    for (what, shape) in shapes {
        let layer = shape(Layer::new().directory("etc", 0o755).file("etc/.wh.passwd", 0o644, b""));
        let image = Image::from_testbox("hostile").layer(layer.finish());
        let begin = Instant::now();
        let done = run(&sandbox, &victim, &image, &["--user", "nobody"], &["exit", "0"]);
        assert_ne!(done.code, 0, "{what}");
        assert!(begin.elapsed() < Duration::from_secs(4), "{what} took {:?}", begin.elapsed());
        sandbox.barque(&["rmi", "--force", "hostile"]);
    }
}

fn endless_group() {
    let sandbox = Sandbox::new();
    let victim = Victim::new(&sandbox);
    // 64 MiB in one line; the limit is 10 MiB a file and 4 KiB a line (P6).
    let line = vec![b'g'; 64 << 20];
    let layer = Layer::new().directory("etc", 0o755).file("etc/group", 0o644, &line);
    let image = Image::from_testbox("hostile").layer(layer.finish());
    let begin = Instant::now();
    let done = run(&sandbox, &victim, &image, &["--group-add", "crew"], &["exit", "0"]);
    assert_ne!(done.code, 0);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

fn name_and_digest() {
    let sandbox = Sandbox::with_testbox();
    let zeros = "0".repeat(64);
    for name in [format!("testbox@sha256:{zeros}"), format!("testbox:latest@sha256:{zeros}")] {
        let done = sandbox.barque(&["run", "--rm", "--network", "none", &name, "exit", "0"]);
        is_clean(&done);
        assert_eq!(done.code, 125, "{name} ran");
    }
}
