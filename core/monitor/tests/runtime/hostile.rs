//! Images and volumes that attack the set-up. In each test the victim, a directory of the host that only root can enter, must
//! be afterwards what it was before; the container may fail, or run with the attack contained.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use barque_monitor::oci::NamespaceKind;
use barque_monitor::protocol::FailureClass;
use barque_monitor::runtime::Stdio;
use rustix::process::{Signal, pidfd_send_signal};

use crate::container::{Outcome, Plan, read_until, reap};
use crate::scene::{Base, Scene};
use crate::tests;

tests![
    special_directories_that_are_links_are_refused,
    links_below_dev_do_no_harm,
    what_is_in_the_images_dev_does_no_harm,
    a_volume_on_dev_with_hostile_nodes_does_no_harm,
    nothing_may_be_mounted_over_proc_and_sys,
    a_working_directory_outside_is_never_reached,
    a_working_directory_through_a_link_stays_inside,
    targets_through_links_stay_inside,
    masks_through_links_stay_inside,
    executing_the_runtime_itself_gains_nothing,
    whoever_shares_the_pid_namespace_sees_nothing_of_the_set_up,
    targets_swapped_while_they_are_mounted_stay_inside,
];

/// Run it; whatever comes, the victim is unharmed.
fn attack(scene: &Scene, plan: &Plan) -> Result<Outcome, barque_monitor::protocol::Failure> {
    let before = scene.fingerprint();
    let result = plan.run();
    assert_eq!(scene.fingerprint(), before, "{result:?}");
    if let Ok(outcome) = &result {
        assert!(!outcome.stdout.contains("secret"), "{outcome:?}");
    }
    result
}

/// A place in the image's layer, cleared.
fn clear(scene: &Scene, path: &str) {
    let place = scene.image(path);
    let _ = fs::remove_dir_all(&place);
    let _ = fs::remove_file(&place);
}

/// CVE-2025-54867, CVE-2026-41579, CVE-2019-19921, CVE-2023-28642.
fn special_directories_that_are_links_are_refused(base: &Base) {
    for path in ["proc", "sys", "dev"] {
        for terminal in [false, true] {
            let scene = base.scene();
            let victim = scene.victim();
            for target in [victim.as_path(), Path::new("../../../../../../.."), Path::new("/tmp")] {
                clear(&scene, path);
                scene.link(path, target);
                let plan = Plan::new(&scene, "cat /proc/file /sys/file /dev/file")
                    .with(|spec| spec.process.terminal = terminal);
                let failure = attack(&scene, &plan).unwrap_err();
                assert_eq!(failure.class, FailureClass::Invalid, "{failure:?}");
                assert!(
                    failure.message.contains(&format!("mount /{path}: there is a symbolic link"))
                );
            }
        }
    }
}

/// CVE-2026-41579, CVE-2025-52565: with and without a mount on `/dev` that hides them.
fn links_below_dev_do_no_harm(base: &Base) {
    for hidden in [true, false] {
        for path in [
            "dev/pts",
            "dev/shm",
            "dev/mqueue",
            "dev/null",
            "dev/console",
            "dev/ptmx",
            "dev/fd",
            "dev/pts/ptmx",
        ] {
            for terminal in [false, true] {
                let scene = base.scene();
                for target in
                    [scene.victim(), scene.victim().join("file"), scene.victim().join("new")]
                {
                    clear(&scene, "dev");
                    scene.link(path, target);
                    let plan = Plan::new(&scene, "cat /dev/pts/file /dev/shm/file; ls -la /dev")
                        .with(|spec| {
                            spec.process.terminal = terminal;
                            if !hidden {
                                spec.mounts.retain(|mount| mount.destination != "/dev");
                            }
                        });
                    let result = attack(&scene, &plan);
                    assert!(!hidden || result.is_ok(), "{path} {result:?}");
                }
            }
        }
    }
}

fn what_is_in_the_images_dev_does_no_harm(base: &Base) {
    let scene = base.scene();
    scene.write("dev/null", "a file\n");
    let plan = Plan::new(&scene, "stat -c %t:%T /dev/null");
    assert_eq!(plan.output(), "1:3\n");
    let plan = plan.with(|spec| spec.mounts.retain(|mount| !mount.destination.starts_with("/dev")));
    let failure = plan.failure();
    assert_eq!(failure.message, "make the device /dev/null: file exists");
}

/// CVE-2025-31133: masks made of a `/dev/null` that is something else.
fn a_volume_on_dev_with_hostile_nodes_does_no_harm(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    for kind in ["link", "file", "directory", "fifo", "nothing", "zero"] {
        let _ = fs::remove_dir_all(&volume);
        fs::create_dir(&volume).unwrap();
        let null = volume.join("null");
        let c_null = std::ffi::CString::new(null.to_str().unwrap()).unwrap();
        match kind {
            "link" => symlink("/proc/sysrq-trigger", &null).unwrap(),
            "file" => fs::write(&null, "").unwrap(),
            "directory" => fs::create_dir(&null).unwrap(),
            // SAFETY: the path is null-terminated.
            "fifo" => drop(unsafe { libc::mkfifo(c_null.as_ptr(), 0o666) }),
            // SAFETY: as above.
            "zero" => drop(unsafe {
                libc::mknod(c_null.as_ptr(), libc::S_IFCHR | 0o666, libc::makedev(1, 5))
            }),
            _ => {}
        }
        for stdin in [false, true] {
            let mut plan = Plan::new(&scene, "cat /proc/kcore | head -c 9")
                .with(|spec| spec.mounts.retain(|mount| !mount.destination.starts_with("/dev")))
                .mount("bind", volume.to_str().unwrap(), "/dev", "rbind");
            plan.stdin = stdin.then(Vec::new);
            let failure = attack(&scene, &plan).unwrap_err();
            assert!(failure.message.contains("/dev/null"), "{kind}: {failure:?}");
        }
    }
}

/// CVE-2019-16884, CVE-2023-27561.
fn nothing_may_be_mounted_over_proc_and_sys(base: &Base) {
    let scene = base.scene();
    let victim = scene.victim();
    let source = victim.to_str().unwrap();
    for destination in [
        "/proc",
        "/proc/",
        "/x/../proc",
        "/proc/self/attr",
        "/proc/sys",
        "/proc/1/ns",
        "/sys",
        "/",
        "/x/..",
    ] {
        for (kind, options) in [("bind", "rbind"), ("tmpfs", "")] {
            let plan = Plan::new(&scene, "true").mount(kind, source, destination, options);
            let failure = attack(&scene, &plan).unwrap_err();
            assert_eq!(failure.class, FailureClass::Invalid, "{destination}: {failure:?}");
        }
    }
    let plan = Plan::new(&scene, "cat /proc/meminfo; cat /sys/kernel/mm/x 2>/dev/null; true")
        .mount("bind", victim.join("file").to_str().unwrap(), "/proc/meminfo", "rbind,ro");
    assert_eq!(plan.output(), "secret\n");
    let plan = Plan::new(&scene, "test -e /proc/self/status && echo ok").with(|spec| {
        spec.mounts[0] = crate::container::mount("bind", "/proc", "/proc", "rbind");
    });
    assert_eq!(plan.output(), "ok\n");
}

/// CVE-2024-21626.
fn a_working_directory_outside_is_never_reached(base: &Base) {
    let scene = base.scene();
    let kept: Vec<fs::File> = (0..30).map(|_| fs::File::open("/").unwrap()).collect();
    scene.link("link", "/proc/self/fd/8");
    let mut paths: Vec<String> = (0..128).map(|fd| format!("/proc/self/fd/{fd}")).collect();
    paths.extend(
        [
            "/proc/1/cwd",
            "/proc/thread-self/fd/9",
            "/proc/self/root",
            "/proc/self/cwd",
            "/link",
            "/link/x",
            "relative",
            "",
        ]
        .map(str::to_owned),
    );
    for path in &paths {
        let plan = Plan::new(&scene, "pwd; ls; ls ..").with(|spec| spec.process.cwd = path.clone());
        let failure = attack(&scene, &plan).expect_err(path);
        assert!(failure.message.contains("working directory"), "{path}: {failure:?}");
    }
    drop(kept);
}

/// CVE-2026-55686.
fn a_working_directory_through_a_link_stays_inside(base: &Base) {
    let scene = base.scene();
    scene.link("w", scene.victim());
    scene.link("up", "../../../../../../../../..");
    let plan = Plan::new(&scene, "pwd -P; ls").with(|spec| spec.process.cwd = "/w/newdir".into());
    let outcome = attack(&scene, &plan).unwrap();
    assert_eq!(outcome.stdout, format!("{}/newdir\n", scene.victim().to_str().unwrap()));
    let plan = plan.with(|spec| spec.process.cwd = "/up/etc".into());
    let outcome = attack(&scene, &plan).unwrap();
    assert_eq!(outcome.stdout, "/etc\ngroup\npasswd\n");
}

/// CVE-2021-30465, CVE-2024-45310.
fn targets_through_links_stay_inside(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir(&volume).unwrap();
    fs::write(volume.join("mark"), "").unwrap();
    symlink(scene.victim(), volume.join("out")).unwrap();
    symlink("/proc/self/fd/5", volume.join("magic")).unwrap();
    scene.link("out", scene.victim());
    scene.link("etc/hosts", scene.victim().join("file"));
    let source = volume.to_str().unwrap().to_owned();
    for destination in ["/out", "/out/new", "/v/out", "/v/out/a/b", "/v/magic/x", "/etc/hosts"] {
        let from =
            if destination == "/etc/hosts" { format!("{source}/mark") } else { source.clone() };
        let plan = Plan::new(&scene, "cat /out/file /v/out/file")
            .mount("bind", &source, "/v", "rbind")
            .mount("bind", &from, destination, "rbind");
        let _ = attack(&scene, &plan);
    }
    for kind in ["tmpfs", "mqueue"] {
        let plan = Plan::new(&scene, "cat /out/file").mount(kind, kind, "/out/t", "");
        attack(&scene, &plan).unwrap();
    }
}

fn masks_through_links_stay_inside(base: &Base) {
    let scene = base.scene();
    scene.link("masked", scene.victim());
    scene.link("file", scene.victim().join("file"));
    let plan = Plan::new(&scene, "ls /masked /file; true").with(|spec| {
        spec.linux.masked_paths = vec!["/masked".into(), "/file".into()];
        spec.linux.readonly_paths = vec!["/masked".into(), "/file".into()];
    });
    attack(&scene, &plan).unwrap();
}

/// CVE-2019-5736: what the container's process 1 executes is not what runs the container.
fn executing_the_runtime_itself_gains_nothing(base: &Base) {
    let scene = base.scene();
    scene.write("x", "");
    for path in ["/proc/self/exe", "/proc/1/exe"] {
        let plan = Plan::new(&scene, "").arguments(&[path]);
        // It would be this test program, for lack of a file of the container's own.
        let result = attack(&scene, &plan);
        assert!(result.as_ref().is_err() || result.as_ref().unwrap().code != 0, "{result:?}");
    }
    fs::set_permissions(scene.image("x"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// CVE-2016-9962: one that may trace processes looks through every new one while others join it.
fn whoever_shares_the_pid_namespace_sees_nothing_of_the_set_up(base: &Base) {
    let scene = base.scene();
    let victim = scene.victim();
    // It must be able to see what there is to see: its own secret, through the others.
    scene.write("own", "own\n");
    let script = format!(
        "echo up; while :; do for p in /proc/[0-9]*; do \
           cat $p/root{0}/file $p/cwd{0}/file $p/fd/*/{0}/file $p/root/own; done; done 2>/dev/null",
        victim.to_str().unwrap()
    );
    let looker = Plan::new(&scene, &script).with(|spec| {
        let capabilities = spec.process.capabilities.as_mut().unwrap();
        for set in
            [&mut capabilities.bounding, &mut capabilities.effective, &mut capabilities.permitted]
        {
            set.push("CAP_SYS_PTRACE".into());
        }
    });
    let mut looker = looker.start().unwrap();
    let Some(Stdio::Pipes { stdout, .. }) = looker.stdio.take() else { panic!() };
    read_until(&stdout, "up");
    rustix::io::ioctl_fionbio(&stdout, true).unwrap();
    let other = base.scene();
    let plan =
        Plan::new(&other, "true").join(NamespaceKind::Pid, format!("/proc/{}/ns/pid", looker.pid));
    let mut seen = Vec::new();
    for i in 0..60 {
        let mut container = plan.begin().unwrap().finish().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(i % 5));
        container.start().unwrap();
        assert_eq!(reap(&container), 0);
        let mut buffer = [0; 65536];
        while let Ok(length @ 1..) = rustix::io::read(&stdout, &mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
        }
    }
    pidfd_send_signal(&looker.pidfd, Signal::KILL).unwrap();
    reap(&looker);
    let seen = String::from_utf8(seen).unwrap();
    assert!(seen.contains("own"));
    assert!(!seen.contains("secret"));
}

/// CVE-2021-30465: another container that shares the volume swaps a directory for a link all the time.
fn targets_swapped_while_they_are_mounted_stay_inside(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir_all(volume.join("d")).unwrap();
    symlink("/", volume.join("link")).unwrap();
    let directory = std::ffi::CString::new(volume.join("d").to_str().unwrap()).unwrap();
    let link = std::ffi::CString::new(volume.join("link").to_str().unwrap()).unwrap();
    // SAFETY: this process has one thread.
    let hammer = unsafe { libc::fork() };
    if hammer == 0 {
        loop {
            // SAFETY: both paths are null-terminated.
            unsafe {
                libc::renameat2(
                    libc::AT_FDCWD,
                    directory.as_ptr(),
                    libc::AT_FDCWD,
                    link.as_ptr(),
                    libc::RENAME_EXCHANGE,
                );
            }
        }
    }
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let source = scene.victim();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..100 {
            let plan = Plan::new(&scene, "cat /etc/hostname; ls /")
                .mount("bind", volume.to_str().unwrap(), "/v", "rbind")
                .mount("bind", source.to_str().unwrap(), "/v/d/sub/x", "rbind")
                .mount("tmpfs", "", "/v/d/t", "");
            if let Ok(outcome) = attack(&scene, &plan) {
                assert!(!outcome.stdout.contains("work"), "{outcome:?}");
            }
        }
    }));
    // SAFETY: the process was started above.
    unsafe {
        libc::kill(hammer, libc::SIGKILL);
        libc::waitpid(hammer, std::ptr::null_mut(), 0);
    }
    result.unwrap();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
}
