use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// A root, and a directory beside it that nothing may reach.
struct Scene {
    place: PathBuf,
}

impl Scene {
    fn new(name: &str) -> Scene {
        let place = std::env::temp_dir().join(format!("barque-{}-{name}", std::process::id()));
        fs::create_dir_all(place.join("root")).unwrap();
        fs::create_dir_all(place.join("victim")).unwrap();
        fs::write(place.join("victim/file"), "secret").unwrap();
        Scene { place }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.place.join("root").join(path)
    }

    fn link(&self, path: &str, target: impl AsRef<Path>) {
        symlink(target, self.path(path)).unwrap();
    }

    fn root(&self) -> Root {
        let root = self.place.join("root");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Root::new(openat(rustix::fs::CWD, &root, flags, Mode::empty()).unwrap())
    }

    fn victim_is_unharmed(&self) -> bool {
        let names: Vec<_> = fs::read_dir(self.place.join("victim")).unwrap().collect();
        names.len() == 1 && fs::read(self.place.join("victim/file")).unwrap() == b"secret"
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.place).unwrap();
    }
}

fn inode(fd: &OwnedFd) -> u64 {
    fstat(fd).unwrap().st_ino
}

#[test]
fn missing_directories_and_the_file_at_the_end_are_made() {
    let scene = Scene::new("made");
    let file = scene.root().ensure("/a/b/c", Links::Follow, Missing::File).unwrap();
    let made = scene.path("a/b/c").metadata().unwrap();
    assert!(made.is_file());
    assert_eq!(made.ino(), inode(&file));
    let directory = scene.root().ensure("/a/d", Links::Refuse, Missing::Directory).unwrap();
    assert_eq!(scene.path("a/d").metadata().unwrap().ino(), inode(&directory));
}

#[test]
fn what_exists_is_found_and_not_changed() {
    let scene = Scene::new("found");
    fs::write(scene.path("file"), "text").unwrap();
    let found = scene.root().ensure("/file", Links::Follow, Missing::Directory).unwrap();
    assert_eq!(scene.path("file").metadata().unwrap().ino(), inode(&found));
    assert_eq!(fs::read(scene.path("file")).unwrap(), b"text");
}

#[test]
fn an_absolute_link_leads_to_a_place_inside_the_root() {
    let scene = Scene::new("absolute");
    scene.link("out", scene.place.join("victim"));
    scene.root().ensure("/out/new", Links::Follow, Missing::File).unwrap();
    assert!(scene.victim_is_unharmed());
    let inside = scene.place.join("victim/new");
    assert!(scene.path(inside.strip_prefix("/").unwrap().to_str().unwrap()).is_file());
}

#[test]
fn a_relative_link_cannot_climb_out() {
    let scene = Scene::new("relative");
    scene.link("out", "../../../../../..");
    fs::create_dir(scene.path("deep")).unwrap();
    scene.link("deep/victim", "../../victim");
    let root = scene.root();
    let top = root.ensure("/out", Links::Follow, Missing::Directory).unwrap();
    assert_eq!(scene.path("").metadata().unwrap().ino(), inode(&top));
    root.ensure("/deep/victim/new", Links::Follow, Missing::Directory).unwrap();
    assert!(scene.victim_is_unharmed());
    assert!(scene.path("victim/new").is_dir());
}

#[test]
fn a_dangling_link_is_followed_to_make_what_it_names() {
    let scene = Scene::new("dangling");
    fs::create_dir(scene.path("etc")).unwrap();
    scene.link("etc/resolv.conf", "../run/systemd/stub.conf");
    scene.root().ensure("/etc/resolv.conf", Links::Follow, Missing::File).unwrap();
    assert!(scene.path("run/systemd/stub.conf").is_file());
}

#[test]
fn links_that_lead_in_a_circle_end_in_an_error() {
    let scene = Scene::new("circle");
    scene.link("a", "b");
    scene.link("b", "a");
    let result = scene.root().ensure("/a/x", Links::Follow, Missing::File);
    assert_eq!(result.unwrap_err(), Errno::LOOP);
}

#[test]
fn where_links_are_refused_none_is_followed_at_the_end_or_on_the_way() {
    let scene = Scene::new("refused");
    fs::create_dir(scene.path("real")).unwrap();
    scene.link("link", "real");
    scene.link("dangling", "nowhere");
    let root = scene.root();
    for path in ["/link", "/link/new", "/dangling", "/dangling/new"] {
        let result = root.ensure(path, Links::Refuse, Missing::Directory);
        assert_eq!(result.unwrap_err(), Errno::LOOP, "{path}");
    }
    assert!(!scene.path("nowhere").exists());
    assert!(fs::read_dir(scene.path("real")).unwrap().next().is_none());
}

#[test]
fn a_magic_link_is_never_followed() {
    let victim = fs::File::open("/").unwrap();
    let root = Root::new(openat(rustix::fs::CWD, "/", OFlags::PATH, Mode::empty()).unwrap());
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&victim));
    assert_eq!(root.locate(&path, Links::Follow).unwrap_err(), Errno::LOOP);
    assert_eq!(root.locate("/proc/self/root/etc", Links::Follow).unwrap_err(), Errno::LOOP);
}

#[test]
fn a_file_on_the_way_is_an_error() {
    let scene = Scene::new("file");
    fs::write(scene.path("file"), "").unwrap();
    let result = scene.root().ensure("/file/x", Links::Follow, Missing::File);
    assert_eq!(result.unwrap_err(), Errno::NOTDIR);
}

#[test]
fn cleaning_is_dockers() {
    for (path, expected) in [
        ("/a/./b//c/", Some("/a/b/c")),
        ("/a/../../b", Some("/b")),
        ("/", Some("/")),
        ("/..", Some("/")),
        ("a", None),
        ("", None),
    ] {
        assert_eq!(clean(path).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_name_that_only_begins_alike_is_not_within() {
    assert!(is_within("/proc", "/proc"));
    assert!(is_within("/proc/sys", "/proc"));
    assert!(!is_within("/process", "/proc"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever links there are, whatever path is asked for: nothing outside is touched, and the answer lies inside.
    #[test]
    fn nothing_outside_the_root_is_ever_touched(
        links in prop::collection::vec(("[ab]", "(/|\\.\\./){0,4}([ab]|victim|\\.\\.)(/[ab]){0,2}"), 0..3),
        path in "(/(a|b|\\.\\.|victim|new)){1,5}",
        file in any::<bool>(),
    ) {
        let scene = Scene::new("property");
        for (name, target) in links {
            let _ = symlink(target, scene.path(&name));
        }
        let last = if file { Missing::File } else { Missing::Directory };
        if let Ok(found) = scene.root().ensure(&path, Links::Follow, last) {
            let place = fs::read_link(format!(
                "/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found)
            )).unwrap();
            prop_assert!(place.starts_with(scene.place.join("root")), "{:?}", place);
        }
        prop_assert!(scene.victim_is_unharmed());
    }
}
