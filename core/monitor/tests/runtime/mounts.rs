//! The root file system, mounts and devices.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use barque_monitor::oci::{Device, Root};
use barque_monitor::protocol::{FailureClass, Overlay};

use crate::container::Plan;
use crate::scene::Base;
use crate::tests;

tests![
    the_overlay_is_written_above_its_layers,
    an_overlay_that_goes_with_its_run_is_volatile,
    layers_with_long_and_odd_names_are_mounted,
    layers_are_mounted_the_old_way_on_old_kernels,
    a_missing_layer_is_named,
    a_root_without_a_writable_directory_is_read_only,
    a_directory_can_be_the_root,
    overlay_attributes_of_a_layer_are_not_obeyed,
    default_devices_and_links_are_there,
    devices_of_the_specification_are_made,
    devices_that_cannot_be_made_are_the_hosts,
    a_volume_is_mounted_with_its_options,
    a_file_is_mounted_on_a_file_that_is_made,
    a_directory_is_not_mounted_on_a_file,
    read_only_counts_for_the_mounts_below_when_asked_for,
    mounts_follow_the_host_only_when_asked_to,
    targets_are_made_through_links_inside_the_root,
    a_tmpfs_has_the_mode_of_what_it_hides,
    a_read_only_tmpfs_takes_the_targets_of_others_first,
    the_host_sees_no_mount,
    the_roots_propagation_is_set,
    many_mounts_and_layers_work,
];

fn the_overlay_is_written_above_its_layers(base: &Base) {
    let scene = base.scene();
    scene.write("etc/here", "image\n");
    let plan = Plan::new(&scene, "cat /etc/here; rm /etc/here; echo new > /etc/new; ls /etc");
    assert_eq!(plan.output(), "image\ngroup\nnew\npasswd\n");
    assert_eq!(fs::read_to_string(scene.image("etc/here")).unwrap(), "image\n");
    assert_eq!(fs::read_to_string(scene.upper("etc/new")).unwrap(), "new\n");
    assert_eq!(Plan::new(&scene, "ls /etc").output(), "group\nnew\npasswd\n");
}

fn layers_with_long_and_odd_names_are_mounted(base: &Base) {
    let scene = base.scene();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let long = scene.place(&format!("{}/{}", "d".repeat(200), "e".repeat(200)));
    let odd = scene.place("a:b,c\\d e");
    for (i, path) in [&long, &odd].into_iter().enumerate() {
        fs::create_dir_all(path).unwrap();
        fs::write(path.join(format!("file{i}")), "").unwrap();
    }
    let upper = scene.place("up:per,\\ x");
    let work = scene.place("wo:rk,\\ x");
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    let mut plan = Plan::new(&scene, "ls -d /file*; touch /new");
    plan.rootfs = Some(Overlay {
        lower: vec![text(&long), text(&odd), text(scene.base())],
        upper: Some(barque_monitor::protocol::UpperWork {
            upper: text(&upper),
            work: text(&work),
            volatile: false,
        }),
    });
    assert_eq!(plan.output(), "/file0\n/file1\n");
    assert!(upper.join("new").exists());
}

fn an_overlay_that_goes_with_its_run_is_volatile(base: &Base) {
    for volatile in [false, true] {
        let scene = base.scene();
        let mut plan = Plan::new(&scene, "grep ' / / ' /proc/self/mountinfo");
        plan.rootfs.as_mut().unwrap().upper.as_mut().unwrap().volatile = volatile;
        let mount = plan.output();
        assert_eq!(mount.contains("volatile"), volatile, "{mount}");
    }
}

/// Before Linux 6.8, which this process pretends to run on.
fn layers_are_mounted_the_old_way_on_old_kernels(base: &Base) {
    /// `linux/personality.h`: uname(2) says 2.6.
    const UNAME26: libc::c_ulong = 0x0002_0000;
    let personality = |value: libc::c_ulong| {
        // SAFETY: plain integers.
        let old = unsafe { libc::personality(value) };
        assert_ne!(old, -1);
    };
    personality(UNAME26);
    let results = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let scene = base.scene();
        let version = Plan::new(&scene, "uname -r").output();
        assert!(version.starts_with("2.6."), "{version}");
        the_overlay_is_written_above_its_layers(base);
        an_overlay_that_goes_with_its_run_is_volatile(base);
        layers_with_long_and_odd_names_are_mounted(base);
        a_root_without_a_writable_directory_is_read_only(base);
        many_mounts_and_layers_work(base);
        let mut plan = Plan::new(&scene, "true");
        let overlay = plan.rootfs.as_mut().unwrap();
        let layer = overlay.lower[0].clone();
        overlay.lower.extend(std::iter::repeat_n(layer, 2000));
        plan.failure().message
    }));
    personality(0);
    assert_eq!(results.unwrap(), "mount the overlay: argument list too long");
}

fn a_missing_layer_is_named(base: &Base) {
    let scene = base.scene();
    let mut plan = Plan::new(&scene, "true");
    plan.rootfs.as_mut().unwrap().lower.insert(0, "/not/there".into());
    assert_eq!(plan.failure().message, "open the layer /not/there: no such file or directory");
    plan.rootfs.as_mut().unwrap().lower.clear();
    assert_eq!(plan.failure().message, "the root has no layers");
}

fn a_root_without_a_writable_directory_is_read_only(base: &Base) {
    let scene = base.scene();
    for layers in [1, 2] {
        let mut plan = Plan::new(&scene, "touch /x 2>&1 || ls /etc");
        let overlay = plan.rootfs.as_mut().unwrap();
        overlay.upper = None;
        overlay.lower.drain(..2 - layers);
        assert_eq!(plan.output(), "touch: /x: Read-only file system\ngroup\npasswd\n");
    }
    assert!(!scene.base().join("x").exists());
}

fn a_directory_can_be_the_root(base: &Base) {
    let scene = base.scene();
    let copy = scene.place("root");
    let copied = std::process::Command::new("cp").arg("-a").arg(scene.base()).arg(&copy).status();
    assert!(copied.unwrap().success());
    let mut plan = Plan::new(&scene, "touch /new; ls /etc");
    plan.rootfs = None;
    assert!(plan.failure().message.contains("root.path"));
    let plan = plan.with(|spec| {
        spec.root = Some(Root { path: copy.to_str().unwrap().into(), readonly: false });
    });
    assert_eq!(plan.output(), "group\npasswd\n");
    assert!(copy.join("new").exists());
}

/// reliability SEC-083.
fn overlay_attributes_of_a_layer_are_not_obeyed(base: &Base) {
    let scene = base.scene();
    scene.write("innocent/x", "");
    fs::create_dir(scene.base().join("hidden")).unwrap();
    fs::write(scene.base().join("hidden/file"), "").unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(scene.image("innocent"), "trusted.overlay.redirect", b"/hidden", flags)
        .unwrap();
    let outcome = Plan::new(&scene, "ls /innocent").run().unwrap();
    fs::remove_dir_all(scene.base().join("hidden")).unwrap();
    // Linux refuses to look into a directory whose redirection it must not follow.
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr, "ls: /innocent: Operation not permitted\n");
}

fn default_devices_and_links_are_there(base: &Base) {
    let scene = base.scene();
    let script = "cd /dev; ls -A; stat -c '%n %t:%T %a %u:%g' full null random tty urandom zero; \
                  for l in core fd ptmx stderr stdin stdout; do readlink $l; done; echo x > null; head -c 3 zero | wc -c";
    let expected = "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\
        full 1:7 666 0:0\nnull 1:3 666 0:0\nrandom 1:8 666 0:0\ntty 5:0 666 0:0\nurandom 1:9 666 0:0\nzero 1:5 666 0:0\n\
        /proc/kcore\n/proc/self/fd\npts/ptmx\n/proc/self/fd/2\n/proc/self/fd/0\n/proc/self/fd/1\n3\n";
    assert_eq!(Plan::new(&scene, script).output(), expected);
    // With no mount on /dev they are made in the image's.
    let plan = Plan::new(&scene, "cd /dev; stat -c '%n %t:%T' null zero; readlink fd")
        .with(|spec| spec.mounts.retain(|m| !m.destination.starts_with("/dev")));
    assert_eq!(plan.output(), "null 1:3\nzero 1:5\n/proc/self/fd\n");
    assert_eq!(plan.output(), "null 1:3\nzero 1:5\n/proc/self/fd\n");
}

fn devices_of_the_specification_are_made(base: &Base) {
    let scene = base.scene();
    let device = |path: &str, kind: &str, major, minor| Device {
        path: path.into(),
        kind: kind.into(),
        major,
        minor,
        ..Device::default()
    };
    let script = "stat -c '%n %t:%T %a %u:%g %F' /dev/net/tun /dev/fuse /opt/zero /dev/pipe";
    let plan = Plan::new(&scene, script).with(|spec| {
        spec.linux.devices = vec![
            device("/dev/net/tun", "c", 10, 200),
            Device { file_mode: Some(0o640), uid: 5, gid: 6, ..device("/dev/fuse", "u", 10, 229) },
            device("/opt/zero", "c", 1, 5),
            device("/dev/pipe", "p", 0, 0),
            // One that is there anyway.
            device("/dev/null", "c", 1, 3),
        ];
    });
    let expected = "/dev/net/tun a:c8 666 0:0 character special file\n\
        /dev/fuse a:e5 640 5:6 character special file\n\
        /opt/zero 1:5 666 0:0 character special file\n\
        /dev/pipe 0:0 666 0:0 fifo\n";
    assert_eq!(plan.output(), expected);
    for wrong in [device("/dev/x", "z", 1, 1), device("x", "c", 1, 1), device("/dev", "c", 1, 1)] {
        let plan = Plan::new(&scene, "true").with(|spec| spec.linux.devices = vec![wrong]);
        assert_eq!(plan.failure().class, FailureClass::Invalid);
    }
    let plan = Plan::new(&scene, "true")
        .with(|spec| spec.linux.devices = vec![device("/etc/passwd", "c", 1, 1)]);
    assert_eq!(plan.failure().message, "make the device /etc/passwd: file exists");
}

fn devices_that_cannot_be_made_are_the_hosts(base: &Base) {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let scene = base.scene();
    let mine = capabilities(None).unwrap();
    let mut fewer = mine;
    fewer.effective -= CapabilitySet::MKNOD;
    set_capabilities(None, fewer).unwrap();
    let script = "stat -c '%n %t:%T' /dev/null /dev/tty; echo x > /dev/null; head -c 3 /dev/zero | wc -c; \
                  cut -d' ' -f5 /proc/self/mountinfo | grep -c '^/dev/[nzfrut]'; wc -c < /proc/keys";
    let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Plan::new(&scene, script).output()
    }));
    set_capabilities(None, mine).unwrap();
    assert_eq!(output.unwrap(), "/dev/null 1:3\n/dev/tty 5:0\n3\n6\n0\n");
}

fn a_volume_is_mounted_with_its_options(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir(&volume).unwrap();
    let source = volume.to_str().unwrap();
    let plan = Plan::new(
        &scene,
        "touch /v/a /w/b && grep -o ' /[vwx] [^ ]*' /proc/self/mountinfo; touch /x/c 2>&1; true",
    )
    .mount("bind", source, "/v", "rbind,rprivate")
    .mount("", source, "/w", "bind,nosuid,nodev,noexec,noatime")
    .mount("none", source, "/x", "rbind,ro");
    let expected = " /v rw,relatime\n /w rw,nosuid,nodev,noexec,noatime\n /x ro,relatime\ntouch: /x/c: Read-only file system\n";
    assert_eq!(plan.output(), expected);
    assert!(volume.join("a").exists() && volume.join("b").exists());
    for (kind, options) in [("bind", ""), ("bind", "bind,size=3"), ("bind", "bind,shift")] {
        let plan = Plan::new(&scene, "true").mount(kind, source, "/v", options);
        assert_eq!(plan.failure().class, FailureClass::Invalid, "{options}");
    }
    let plan = Plan::new(&scene, "true").mount("bind", "relative", "/v", "bind");
    assert!(plan.failure().message.contains("absolute"));
}

fn a_file_is_mounted_on_a_file_that_is_made(base: &Base) {
    let scene = base.scene();
    let file = scene.victim().join("file");
    let plan = Plan::new(&scene, "cat /new/place/file").mount(
        "bind",
        file.to_str().unwrap(),
        "/new/place/file",
        "rbind,ro",
    );
    assert_eq!(plan.output(), "secret\n");
    assert_eq!(scene.upper("new/place/file").metadata().unwrap().len(), 0);
}

fn a_directory_is_not_mounted_on_a_file(base: &Base) {
    let scene = base.scene();
    let victim = scene.victim();
    for (source, destination) in [(victim.clone(), "/etc/passwd"), (victim.join("file"), "/etc")] {
        let plan =
            Plan::new(&scene, "true").mount("bind", source.to_str().unwrap(), destination, "rbind");
        assert!(plan.failure().message.contains("trying to mount a directory onto a file"));
    }
}

/// Runs `act` while a tmpfs is mounted on `place` in a mount namespace of this process's own. `shared`: mounts there are
/// shared with whoever clones the namespace, as on most hosts.
fn with_mount_on(place: &Path, act: impl FnOnce()) {
    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
    };
    let own = fs::File::open("/proc/self/ns/mnt").unwrap();
    // SAFETY: it is about mounts only.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).unwrap();
    mount("tmpfs", place, "tmpfs", MountFlags::empty(), None).unwrap();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    act();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    unmount(place, UnmountFlags::DETACH).unwrap();
    let kind = Some(rustix::thread::LinkNameSpaceType::Mount);
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&own), kind).unwrap();
    std::env::set_current_dir("/work").or_else(|_| std::env::set_current_dir("/")).unwrap();
}

fn read_only_counts_for_the_mounts_below_when_asked_for(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir_all(volume.join("below")).unwrap();
    let directory = std::env::current_dir().unwrap();
    with_mount_on(&volume.join("below"), || {
        let source = volume.to_str().unwrap();
        let script =
            "touch /v/x 2>/dev/null && echo top; touch /v/below/x 2>/dev/null && echo below; true";
        for (options, expected) in
            [("rbind", "top\nbelow\n"), ("rbind,ro", "below\n"), ("rbind,rro", ""), ("bind,ro", "")]
        {
            let plan = Plan::new(&scene, script).mount("bind", source, "/v", options);
            assert_eq!(plan.output(), expected, "{options}");
        }
    });
    std::env::set_current_dir(directory).unwrap();
}

fn mounts_follow_the_host_only_when_asked_to(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir_all(volume.join("below")).unwrap();
    let directory = std::env::current_dir().unwrap();
    with_mount_on(&volume, || {
        let source = volume.to_str().unwrap();
        for (options, expected) in [
            ("rbind", ""),
            ("rbind,rprivate", ""),
            ("rbind,rslave", "master"),
            ("rbind,slave", "master"),
            ("rbind,rshared", "shared"),
        ] {
            let script = "grep -oE ' /(v|w) .* (shared|master):' /proc/self/mountinfo | grep -oE '/[vw]|shared|master' | xargs";
            // Beside one that follows, another must not.
            let plan = Plan::new(&scene, script)
                .mount("bind", source, "/v", options)
                .mount("bind", source, "/w", "rbind");
            let output = plan.output();
            let expected =
                if expected.is_empty() { "\n".to_owned() } else { format!("/v {expected}\n") };
            assert_eq!(output, expected, "{options}");
        }
    });
    std::env::set_current_dir(directory).unwrap();
}

fn targets_are_made_through_links_inside_the_root(base: &Base) {
    let scene = base.scene();
    scene.link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
    let file = scene.victim().join("file");
    let plan = Plan::new(&scene, "cat /etc/resolv.conf").mount(
        "bind",
        file.to_str().unwrap(),
        "/etc/resolv.conf",
        "rbind,ro",
    );
    assert_eq!(plan.output(), "secret\n");
    assert!(scene.upper("run/systemd/resolve/stub-resolv.conf").is_file());
}

fn a_tmpfs_has_the_mode_of_what_it_hides(base: &Base) {
    let scene = base.scene();
    fs::create_dir(scene.image("hidden")).unwrap();
    fs::set_permissions(scene.image("hidden"), fs::Permissions::from_mode(0o751)).unwrap();
    let plan = Plan::new(&scene, "stat -c %a /hidden /new /asked")
        .mount("tmpfs", "tmpfs", "/hidden", "")
        .mount("tmpfs", "tmpfs", "/new", "")
        .mount("tmpfs", "tmpfs", "/asked", "mode=700");
    assert_eq!(plan.output(), "751\n1777\n700\n");
}

fn a_read_only_tmpfs_takes_the_targets_of_others_first(base: &Base) {
    let scene = base.scene();
    let volume = scene.place("volume");
    fs::create_dir(&volume).unwrap();
    let plan = Plan::new(&scene, "touch /t/x 2>&1; touch /t/v/x && echo ok")
        .mount("tmpfs", "tmpfs", "/t", "ro")
        .mount("bind", volume.to_str().unwrap(), "/t/v", "rbind");
    assert_eq!(plan.output(), "touch: /t/x: Read-only file system\nok\n");
    // But nothing is made in a volume that is read-only.
    let plan = Plan::new(&scene, "true")
        .mount("bind", volume.to_str().unwrap(), "/v", "rbind,ro")
        .mount("tmpfs", "tmpfs", "/v/new", "");
    assert_eq!(plan.failure().message, "mount /v/new: read-only file system");
    assert!(!volume.join("new").exists());
}

fn the_host_sees_no_mount(base: &Base) {
    let scene = base.scene();
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let plan = Plan::new(&scene, "true").mount("tmpfs", "", "/t", "");
    let container = plan.begin().unwrap().finish().unwrap();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    let root = format!("/proc/{}/root", container.pid);
    assert_ne!(fs::metadata(root).unwrap().ino(), 0);
}

fn the_roots_propagation_is_set(base: &Base) {
    let scene = base.scene();
    let script = "grep -E ' / / ' /proc/self/mountinfo | grep -c shared:; grep ' /proc ' /proc/self/mountinfo | grep -c shared:; true";
    for (propagation, expected) in [
        ("", "0\n0\n"),
        ("private", "0\n0\n"),
        ("shared", "1\n0\n"),
        ("rshared", "1\n1\n"),
        ("rslave", "0\n0\n"),
    ] {
        let plan = Plan::new(&scene, script)
            .with(|spec| spec.linux.rootfs_propagation = propagation.into());
        assert_eq!(plan.output(), expected, "{propagation}");
    }
    let plan = Plan::new(&scene, "true").with(|spec| spec.linux.rootfs_propagation = "odd".into());
    assert_eq!(plan.failure().class, FailureClass::Invalid);
}

fn many_mounts_and_layers_work(base: &Base) {
    let scene = base.scene();
    let mut plan = (0..300).fold(Plan::new(&scene, "ls / | grep -c '^[ml][0-9]'"), |plan, i| {
        plan.mount("bind", scene.victim().to_str().unwrap(), &format!("/m{i}"), "rbind,ro")
    });
    let overlay = plan.rootfs.as_mut().unwrap();
    for i in 0..150 {
        let layer = scene.place(&format!("layer{i}"));
        fs::create_dir_all(layer.join(format!("l{i}"))).unwrap();
        overlay.lower.insert(0, layer.to_str().unwrap().into());
    }
    assert_eq!(plan.output(), "450\n");
}
