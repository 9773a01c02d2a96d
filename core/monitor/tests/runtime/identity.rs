//! Who a container runs as.

use std::ffi::CString;
use std::fs;

use crate::container::Plan;
use crate::scene::Base;
use crate::tests;

tests![
    users_and_groups_are_looked_up_in_the_image,
    a_numeric_user_is_not_a_name,
    unknown_and_impossible_users_are_refused,
    a_user_can_open_its_standard_streams_again,
    a_group_that_is_kept_out_is_kept_out,
    passwd_files_that_are_no_files_are_refused_at_once,
    a_huge_passwd_file_is_refused,
];

const WHO: &str = "id -u; id -g; id -G; echo $HOME";

fn users_and_groups_are_looked_up_in_the_image(base: &Base) {
    let scene = base.scene();
    for (user, expected) in [
        ("", "0\n0\n0\n/root\n"),
        ("root", "0\n0\n0 29\n/root\n"),
        ("user", "1000\n1000\n1000 29\n/home/user\n"),
        ("1000", "1000\n1000\n1000 29\n/home/user\n"),
        ("user:audio", "1000\n29\n29\n/home/user\n"),
        ("4711:4712", "4711\n4712\n4712\n/\n"),
        ("4711", "4711\n0\n0\n/\n"),
    ] {
        assert_eq!(Plan::new(&scene, WHO).user(user).output(), expected, "{user:?}");
    }
    let mut plan = Plan::new(&scene, WHO).user("user");
    plan.group_add = vec!["77".into(), "root".into()];
    assert_eq!(plan.output(), "1000\n1000\n1000 0 29 77\n/home/user\n");
    let plan = Plan::new(&scene, WHO).with(|spec| {
        spec.process.user.uid = 1000;
        spec.process.user.gid = 5;
        spec.process.user.additional_gids = vec![6];
        spec.process.user.umask = Some(0o077);
    });
    assert_eq!(plan.output(), "1000\n5\n5 6\n/home/user\n");
}

fn a_numeric_user_is_not_a_name(base: &Base) {
    let scene = base.scene();
    scene.write("etc/passwd", "1000:x:0:0::/:/bin/sh\n");
    assert_eq!(Plan::new(&scene, "id -u").user("1000").output(), "1000\n");
}

fn unknown_and_impossible_users_are_refused(base: &Base) {
    let scene = base.scene();
    for (user, message) in [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("0:nogroup", "unable to find group nogroup: no matching entries in group file"),
        ("4294967296", "uids and gids must be in range 0-2147483647"),
    ] {
        assert_eq!(Plan::new(&scene, "true").user(user).failure().message, message);
    }
}

fn a_user_can_open_its_standard_streams_again(base: &Base) {
    let scene = base.scene();
    let script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin";
    let mut plan = Plan::new(&scene, script).user("user");
    plan.stdin = Some(b"in\n".to_vec());
    let outcome = plan.run().unwrap();
    assert_eq!(outcome.stdout, "out\nin\n");
    assert_eq!(outcome.stderr, "err\n");
}

/// CVE-2022-36109: the file can be read by all but the group, which the process has as its primary one.
fn a_group_that_is_kept_out_is_kept_out(base: &Base) {
    let scene = base.scene();
    let script = "cat /keep-out 2>&1";
    scene.write("keep-out", "secret\n");
    std::os::unix::fs::chown(scene.image("keep-out"), Some(0), Some(1000)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o604);
    fs::set_permissions(scene.image("keep-out"), mode).unwrap();
    let outcome = Plan::new(&scene, script).user("user").run().unwrap();
    assert_eq!(outcome.stdout, "cat: can't open '/keep-out': Permission denied\n");
    assert_eq!(Plan::new(&scene, "id -G").user("user").output(), "1000 29\n");
    assert_eq!(Plan::new(&scene, script).user("4711").output(), "secret\n");
}

/// CVE-2024-9676.
fn passwd_files_that_are_no_files_are_refused_at_once(base: &Base) {
    for kind in ["fifo", "directory", "device", "magic link", "socket", "victim"] {
        let scene = base.scene();
        let path = scene.image("etc/passwd");
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        match kind {
            // SAFETY: the path is null-terminated.
            "fifo" => drop(unsafe { libc::mkfifo(c_path.as_ptr(), 0o666) }),
            "directory" => fs::create_dir(&path).unwrap(),
            "device" => scene.link("etc/passwd", "/dev/zero"),
            "magic link" => scene.link("etc/passwd", "/proc/self/fd/0"),
            "socket" => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
            // Outside of the root: there is no such file inside.
            _ => scene.link("etc/passwd", scene.victim().join("file")),
        }
        let started = std::time::Instant::now();
        let failure = Plan::new(&scene, "true").user("nobody").failure();
        assert!(started.elapsed().as_secs() < 2, "{kind}");
        let expected = match kind {
            "magic link" => "open /etc/passwd of the image: too many levels of symbolic links",
            "victim" => "unable to find user nobody: no matching entries in passwd file",
            _ => "/etc/passwd of the image is not a regular file",
        };
        assert_eq!(failure.message, expected, "{kind}");
    }
}

/// CVE-2026-47262.
fn a_huge_passwd_file_is_refused(base: &Base) {
    let scene = base.scene();
    scene.write("etc/group", "");
    let file = fs::OpenOptions::new().write(true).open(scene.image("etc/group")).unwrap();
    file.set_len(10 << 30).unwrap();
    let failure = Plan::new(&scene, "true").user("user").failure();
    assert!(failure.message.contains("/etc/group of the image is longer than"), "{failure:?}");
    file.set_len(9 << 20).unwrap();
    let failure = Plan::new(&scene, "true").user("user").failure();
    assert!(failure.message.contains("line longer than"), "{failure:?}");
}
