//! The corpus of hostile layers (T1 to T23), through load and import: each is refused or stays inside, and a directory
//! beside the engine is what it was.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::archive::{Tar, layout, saved};
use super::shapes::gzip;
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
        ("T18 name without an end", tar().block(true, |b| b[..100].fill(b'n'), b"x")),
        ("T18 long name of 1 MiB", tar().raw_name(&"n/".repeat(1 << 19))),
        ("T18 negative size", tar().block(true, |b| b[124..136].copy_from_slice(&[0xff; 12]), b"")),
        ("T18 negative owner", tar().block(true, |b| b[108..116].copy_from_slice(&[0xff; 8]), b"")),
        ("T18 negative time", tar().block(true, |b| b[136..148].copy_from_slice(&[0xff; 12]), b"")),
        (
            "T18 octal with blanks",
            tar().block(true, |b| b[124..136].copy_from_slice(b"          1 "), b"x"),
        ),
        ("T18 wrong checksum", tar().block(false, |b| b[0] ^= 1, b"")),
        ("T18 no magic", tar().block(true, |b| b[257..265].fill(0), b"x").file("after", b"x")),
        (
            "T18 star",
            tar().block(
                true,
                |b| {
                    b[257..265].copy_from_slice(b"ustar\x0000");
                    b[508..512].copy_from_slice(b"tar\0");
                    b[345..350].copy_from_slice(b"../..");
                },
                b"x",
            ),
        ),
        (
            "T20 the same name a thousand times",
            (0..1000).fold(tar(), |tar, _| tar.file("f", b"x").link("f", victim).file("f/x", b"")),
        ),
        ("T20 names of nothing", tar().dir(".").dir("./").dir("./.").dir("").dir("/").dir("//")),
        ("T20 a hundred thousand levels", tar().raw_name(&"d/".repeat(100_000))),
        ("T20 two thousand levels", tar().raw_name(&"d/".repeat(2000))),
        (
            "T21 sparse, of 4 EiB",
            tar()
                .pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", b"s"),
                    ("GNU.sparse.realsize", b"4611686018427387904"),
                ])
                .file("s", b"0\n"),
        ),
        (
            "T21 sparse, extents one over the other",
            tar()
                .pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", b"s"),
                    ("GNU.sparse.realsize", b"1099511627776"),
                ])
                .file("s", &sparse_map(&[(0, 512), (0, 512), (1 << 39, 512)])),
        ),
        (
            "T21 sparse, more extents than bytes",
            tar()
                .pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", b"s"),
                    ("GNU.sparse.realsize", b"1099511627776"),
                ])
                .file("s", b"999999999999\n"),
        ),
        ("root is a link", tar().link("./", victim).file("x", b"x")),
        ("root is a hard link", tar().hard("/", "x")),
    ]
}

/// A sparse map as PAX version 1.0 has it, padded to its block, and data for the extents.
fn sparse_map(extents: &[(u64, u64)]) -> Vec<u8> {
    let mut map = format!("{}\n", extents.len()).into_bytes();
    for (offset, length) in extents {
        map.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
    }
    map.resize(map.len().next_multiple_of(512), 0);
    map.resize(map.len() + extents.iter().map(|(_, length)| *length as usize).sum::<usize>(), b'x');
    map
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
    for number in [
        "T1 ",
        "T13",
        "T15",
        "T17",
        "T18 negative size",
        "T18 negative owner",
        "T18 wrong",
        "T21",
        "T23",
        "root",
    ] {
        let cases = corpus("/nowhere").into_iter();
        for (name, tar) in cases.filter(|(name, _)| name.starts_with(number)) {
            std::fs::write(&path, tar.end()).unwrap();
            let request = ImageImport { input: input(&path), ..Default::default() };
            assert!(images.import(&request).is_err(), "{name} passed");
        }
    }
}

#[test]
fn a_link_in_one_layer_leads_the_next_one_nowhere() {
    // T4: in one layer the link, in the next what goes through it; and all of that the other way round.
    let sandbox = Sandbox::new("hostile-split");
    let victim = sandbox.root.join("victim");
    std::fs::create_dir(&victim).unwrap();
    std::fs::write(victim.join("f"), "kept").unwrap();
    let before = fingerprint(&victim);
    let to = victim.to_str().unwrap();
    let link = || Tar::new().link("e", to).end();
    for (number, second) in [
        Tar::new().file("e/x", b"x"),
        Tar::new().file("e/.wh.f", b""),
        Tar::new().file("e/.wh..wh..opq", b""),
        Tar::new().dir_mode("e", 0o777),
        Tar::new().hard("h", "e/f"),
        Tar::new().file("e/in/x", b"x"),
    ]
    .into_iter()
    .enumerate()
    {
        let second = second.end();
        for layers in [[link(), second.clone()], [second, link()]] {
            let path = sandbox.root.join("archive");
            std::fs::write(&path, saved(&[("app:1", &layers)])).unwrap();
            let loaded = sandbox.engine.images().load(&ImageLoad { input: input(&path) });
            assert_eq!(fingerprint(&victim), before, "{number}: {loaded:?}");
            // A hard link into another layer is no file of this one.
            assert_eq!(loaded.is_ok(), number != 4, "{number}: {loaded:?}");
        }
    }
}

#[test]
fn compressions_that_are_none_of_ours_are_refused_by_name() {
    // T24, as the archive and as a layer in it.
    let sandbox = Sandbox::new("hostile-compressed");
    let images = sandbox.engine.images();
    let path = sandbox.root.join("archive");
    let plain = Tar::new().file("a", b"1").end();
    let mut dictionary = zstd::bulk::compress(&plain, 1).unwrap();
    // The frame header's flag for a dictionary, and an id (RFC 8878, 3.1.1.1).
    dictionary[4] |= 1;
    dictionary.insert(5, 77);
    for (name, bytes) in [
        ("bzip2", b"BZh91AY&SY".to_vec()),
        ("xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46".to_vec()),
        ("lzma", b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec()),
        ("zstd with a dictionary", dictionary),
        ("gzip and rubbish", [&gzip(&plain)[..], b"rubbish"].concat()),
        ("half of gzip", gzip(&plain)[..30].to_vec()),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let request = ImageImport { input: input(&path), ..Default::default() };
        let error = images.import(&request).expect_err(name);
        if matches!(name, "bzip2" | "xz") {
            assert!(error.message().contains(name), "{error}");
        }
        assert!(images.load(&ImageLoad { input: input(&path) }).is_err(), "{name}");
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let archive = layout("app:1", std::slice::from_ref(&plain), &[(&bytes, layer)]);
        std::fs::write(&path, archive).unwrap();
        assert!(images.load(&ImageLoad { input: input(&path) }).is_err(), "{name} as a layer");
    }
    assert!(images.list(&Default::default()).unwrap().is_empty());
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
}

#[test]
fn an_archive_that_is_a_bomb_by_itself_is_refused_before_it_fills_the_disk() {
    let sandbox = Sandbox::new("hostile-bomb");
    // 1.2 GiB of zeros in one entry, of some 100 KiB.
    let mut header = Tar::new().block(
        true,
        |block| {
            block[..8].copy_from_slice(b"blob\0\0\0\0");
            block[124..135].copy_from_slice(format!("{:011o}", 1200u64 << 20).as_bytes());
        },
        b"",
    );
    header = Tar::of(header.end()[..512].to_vec());
    let path = sandbox.root.join("bomb");
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = zstd::Encoder::new(file, 1).unwrap();
    std::io::Write::write_all(&mut encoder, &header.bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(1200 << 20), &mut encoder).unwrap();
    encoder.finish().unwrap();
    let error = sandbox.engine.images().load(&ImageLoad { input: input(&path) }).unwrap_err();
    assert_eq!(error.reason(), "decompression_bomb", "{error}");
    assert!(error.message().contains("bomb"), "{error}");
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
}

#[test]
fn a_million_empty_entries_are_counted_and_not_kept_in_memory() {
    // T20. A tenth of them, for time's sake: what is bounded is bounded for each.
    let sandbox = Sandbox::new("hostile-many");
    let many = (0..100_000).fold(Tar::new(), |tar, n| tar.hard(&format!("{n}"), "f"));
    let path = sandbox.root.join("archive");
    std::fs::write(&path, Tar::new().file("f", b"").then(many).end()).unwrap();
    let request = ImageImport { input: input(&path), ..Default::default() };
    // ext4 allows 65,000 names of a file: a plain error, and nothing left.
    let imported = sandbox.engine.images().import(&request);
    if let Err(error) = imported {
        assert!(error.message().contains("unpack a layer"), "{error}");
    }
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
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
