//! The corpus of hostile layers (T1 to T23), through load and import: each is refused or stays inside, and a directory
//! beside the engine is what it was.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::archive::{Tar, saved};
use super::{Sandbox, input};
use crate::api::{ImageImport, ImageLoad};

/// What the corpus' layers try to change: everything about it, as text.
fn fingerprint(path: &Path) -> String {
    let mut text = String::new();
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    names.insert(0, path.to_owned());
    for name in names {
        let m = name.symlink_metadata().unwrap();
        let content = if m.is_file() { std::fs::read(&name).unwrap() } else { Vec::new() };
        text += &format!(
            "{name:?} {:o} {} {} {} {} {content:?}\n",
            m.mode(),
            m.uid(),
            m.gid(),
            m.nlink(),
            m.mtime()
        );
    }
    text
}

fn corpus(victim: &str) -> Vec<(&'static str, Tar)> {
    let up = format!("../../../../../../../../../..{victim}");
    let tar = Tar::new;
    vec![
        ("T1 dot dot", tar().file("../x", b"x").file("a/../../x", b"x")),
        ("T2 absolute", tar().file(&format!("{victim}/x"), b"x")),
        ("T3 link and below", tar().link("e", victim).file("e/x", b"x")),
        ("T5 relative link", tar().dir("a").link("a/e", &up).file("a/e/x", b"x")),
        ("T6 hard link up", tar().hard("h", &up).file("h", b"x")),
        ("T6 hard link up to a file", tar().hard("h", &format!("{up}/f")).file("h", b"x")),
        ("T7 hard link absolute", tar().hard("h", &format!("{victim}/f")).file("h", b"x")),
        (
            "T8 hard link to a link",
            tar().link("s", &format!("{victim}/f")).hard("h", "s").file("h", b"x"),
        ),
        ("T9 link then directory", tar().link("d", victim).dir_mode("d", 0o777)),
        ("T9 link then file", tar().link("f", &format!("{victim}/f")).file("f", b"x")),
        (
            "T10 replaced by a link",
            tar()
                .dir("a")
                .file("a/x", b"x")
                .link("a", victim)
                .file("a/y", b"y")
                .file("a/.wh.z", b"")
                .hard("l", "a/f"),
        ),
        (
            "T11 links jointly out",
            tar()
                .dir("a")
                .link("a/b", "..")
                .link("c", "a/b/..")
                .file("c/../x", b"x")
                .file("c/x", b"x"),
        ),
        ("T12 whiteout through a link", tar().link("e", victim).file("e/.wh.f", b"")),
        ("T13 whiteout of dot", tar().file(".wh..", b"")),
        ("T13 whiteout of dot dot", tar().file(".wh...", b"")),
        ("T13 whiteout of nothing", tar().file(".wh.", b"")),
        ("T14 opaque at a link", tar().link("e", victim).file("e/.wh..wh..opq", b"")),
        ("T15 device 0:0", tar().node("n", b'3', 0, 0)),
        (
            "T16 overlay attributes",
            tar()
                .pax(&[
                    ("SCHILY.xattr.trusted.overlay.redirect", b"/../../other"),
                    ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
                ])
                .dir("d"),
        ),
        ("T17 NUL in a PAX path", tar().pax(&[("path", b"a\0b")]).file("f", b"")),
        ("T17 two sizes", tar().pax(&[("size", b"0")]).file("f", b"data")),
        ("T17 global path", tar().global(&[("path", victim.as_bytes())]).file("f", b"")),
        (
            "T22 late and early",
            tar()
                .pax(&[("mtime", b"99999999999.999999999")])
                .file("f", b"")
                .pax(&[("mtime", b"-99999999999")])
                .file("g", b""),
        ),
        ("T23 owner -1", tar().pax(&[("uid", b"4294967295")]).file("f", b"")),
        ("root is a link", tar().link("./", victim).file("x", b"x")),
        ("root is a hard link", tar().hard("/", "x")),
    ]
}

#[test]
fn hostile_layers_are_refused_or_stay_inside() {
    let sandbox = Sandbox::new("hostile");
    let victim = sandbox.root.join("victim");
    std::fs::create_dir(&victim).unwrap();
    std::fs::write(victim.join("f"), "kept").unwrap();
    std::fs::set_permissions(&victim, PermissionsExt::from_mode(0o700)).unwrap();
    let before = fingerprint(&victim);
    let images = sandbox.engine.images();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let path = sandbox.root.join("archive");
    for (name, tar) in corpus(victim.to_str().unwrap()) {
        let layer = tar.end();
        std::fs::write(&path, saved(&[("app:1", std::slice::from_ref(&layer))])).unwrap();
        let loaded = images.load(&ImageLoad { input: input(&path) });
        assert_eq!(fingerprint(&victim), before, "{name}: load: {loaded:?}");
        std::fs::write(&path, layer).unwrap();
        let imported = images.import(&ImageImport { input: input(&path), ..Default::default() });
        assert_eq!(fingerprint(&victim), before, "{name}: import: {imported:?}");
        assert_eq!(loaded.is_ok(), imported.is_ok(), "{name}: {loaded:?} / {imported:?}");
        let left = std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count();
        assert_eq!(left, 0, "{name}");
    }
    assert!(!sandbox.root.join("x").exists());
    assert!(descriptors() < 200);
    // Those that must not pass at all.
    for number in ["T1 ", "T13", "T15", "T17", "T23", "root"] {
        let cases = corpus("/nowhere").into_iter();
        for (name, tar) in cases.filter(|(name, _)| name.starts_with(number)) {
            std::fs::write(&path, tar.end()).unwrap();
            let request = ImageImport { input: input(&path), ..Default::default() };
            assert!(images.import(&request).is_err(), "{name} passed");
        }
    }
}

#[test]
fn an_archive_without_its_end_is_not_imported() {
    let sandbox = Sandbox::new("no-end");
    let path = sandbox.root.join("archive");
    let whole = Tar::new().file("a", b"1").file("b", b"2").end();
    std::fs::write(&path, &whole[..1024]).unwrap();
    let import = || {
        let request = ImageImport { input: input(&path), ..Default::default() };
        sandbox.engine.images().import(&request)
    };
    assert!(import().unwrap_err().message().contains("cut short"));
    std::fs::write(&path, &whole).unwrap();
    import().unwrap();
}
