//! What was lost or changed in the store is put right by loading its image again, and the store is a layout for others.

use std::path::Path;

use super::super::digest::Digest;
use super::archive::{Tar, layout, saved};
use super::shapes::{gzip, layers};
use super::{Sandbox, input};
use crate::api::{ImageImport, ImageList, ImageLoad, ImageRemove, ImageTag};
use crate::error::ErrorKind;

/// What is done to something stored, and how.
type Damage = (&'static str, fn(&Path));

impl Sandbox {
    /// Where the unpacked layers of an image are, lowest first.
    fn directories(&self, name: &str) -> Vec<std::path::PathBuf> {
        let image = self.engine.images().resolve(name).unwrap();
        let layout = self.engine.layout();
        image.layers.iter().rev().map(|layer| layout.layer(layer)).collect()
    }

    /// Every blob is what its name says.
    fn blobs_are_whole(&self) -> bool {
        std::fs::read_dir(self.engine.layout().blobs()).unwrap().flatten().all(|blob| {
            let bytes = std::fs::read(blob.path()).unwrap();
            Digest::of(&bytes).hex() == blob.file_name().to_str().unwrap()
        })
    }

    fn index(&self) -> serde_json::Value {
        let bytes = std::fs::read(self.engine.layout().index()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

#[test]
fn a_blob_that_is_missing_cut_or_changed_is_back_after_another_load() {
    let sandbox = Sandbox::new("repair-blobs");
    let archive = gzip(&saved(&[("app:1", &layers())]));
    sandbox.load_bytes(&archive).unwrap();
    let before = std::fs::read_dir(sandbox.engine.layout().blobs()).unwrap().count();
    let blobs: Vec<_> = std::fs::read_dir(sandbox.engine.layout().blobs())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let damages: [Damage; 3] = [
        ("removed", |blob| std::fs::remove_file(blob).unwrap()),
        ("cut", |blob| {
            let file = std::fs::File::options().write(true).open(blob).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("flipped", |blob| {
            let mut bytes = std::fs::read(blob).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(blob, bytes).unwrap();
        }),
    ];
    for (what, damage) in damages {
        for blob in &blobs {
            damage(blob);
            // One image that is damaged must not keep the others from being listed.
            let listed = sandbox.engine.images().list(&ImageList::default()).unwrap();
            assert_eq!(listed[0].repo_tags, ["app:1"], "{what} {blob:?}");
            sandbox.load_bytes(&archive).unwrap();
            assert!(sandbox.blobs_are_whole(), "{what} {blob:?}");
            assert_eq!(
                std::fs::read_dir(sandbox.engine.layout().blobs()).unwrap().count(),
                before,
                "{what} {blob:?}"
            );
            sandbox.engine.images().inspect("app:1").unwrap();
        }
    }
}

#[test]
fn a_missing_configuration_is_told_with_the_remedy_and_its_image_can_be_removed() {
    let sandbox = Sandbox::new("repair-config");
    let id = sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap().images[0].id.clone();
    let blob = sandbox.engine.layout().blobs().join(&id["sha256:".len()..]);
    std::fs::remove_file(blob).unwrap();
    let error = sandbox.engine.images().inspect("app:1").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Corrupt, "damaged_blob"));
    assert!(error.message().contains("load or pull its image again"), "{error}");
    let request = ImageRemove { name: "app:1".into(), ..Default::default() };
    assert_eq!(sandbox.engine.images().remove(&request).unwrap()[0].untagged, "app:1");
}

#[test]
fn a_layer_that_was_changed_is_unpacked_again_by_another_load() {
    let sandbox = Sandbox::new("repair-layers");
    let archive = saved(&[("app:1", &layers())]);
    sandbox.load_bytes(&archive).unwrap();
    let damages: [Damage; 5] = [
        ("removed", |top| std::fs::remove_dir_all(top).unwrap()),
        ("lost a file", |top| std::fs::remove_file(top.join("d/f")).unwrap()),
        ("lost a whiteout", |top| std::fs::remove_file(top.join("d/gone")).unwrap()),
        ("written to", |top| std::fs::write(top.join("d/f"), "HIGH").unwrap()),
        ("replaced by a file", |top| {
            std::fs::remove_dir_all(top).unwrap();
            std::fs::write(top, "x").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let top = sandbox.directories("app:1").pop().unwrap();
        await_tick();
        damage(&top);
        sandbox.load_bytes(&archive).unwrap();
        assert_eq!(std::fs::read(top.join("d/f")).unwrap(), b"high", "{what}");
        assert!(top.join("d/gone").symlink_metadata().is_ok(), "{what}");
        assert_eq!(std::fs::read_dir(sandbox.engine.layout().layers()).unwrap().count(), 2);
    }
    // One whose files are only younger than the record (a copy of a root) is as good as before.
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let top = sandbox.directories("app:1").pop().unwrap();
    let before = inode(&top);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    await_tick();
    std::fs::set_permissions(top.join("d/f"), mode).unwrap();
    assert!(!super::super::sound::layer(&sandbox.engine, &chain_of(&top)).unwrap());
    sandbox.load_bytes(&archive).unwrap();
    assert_eq!(inode(&top), before);
    assert!(super::super::sound::layer(&sandbox.engine, &chain_of(&top)).unwrap());
    // And one that nobody touched stays the directory that it is: a container may have it mounted.
    sandbox.load_bytes(&archive).unwrap();
    assert_eq!(inode(&top), before);
}

/// Wait until a file that is changed now is younger than what was recorded before: file times are those of the kernel's ticks.
fn await_tick() {
    let begin = crate::sys::clock::now();
    loop {
        let tick = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        if tick.tv_sec * 1_000_000_000 + tick.tv_nsec > begin {
            return;
        }
        std::thread::yield_now();
    }
}

fn chain_of(layer: &Path) -> Digest {
    Digest::parse(&format!("sha256:{}", layer.file_name().unwrap().to_str().unwrap())).unwrap()
}

#[test]
fn a_load_wins_against_removals_of_the_same_image() {
    let sandbox = Sandbox::new("race");
    let path = sandbox.root.join("archive");
    std::fs::write(&path, saved(&[("app:1", &layers())])).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            let request = ImageRemove { name: "app:1".into(), ..Default::default() };
            let mut removed = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                match sandbox.engine.images().remove(&request) {
                    Ok(_) => removed += 1,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
                }
            }
            removed
        });
        let loaded: Vec<_> = (0..60)
            .map(|_| sandbox.engine.images().load(&ImageLoad { input: input(&path) }))
            .collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let removed = remover.join().unwrap();
        for load in loaded {
            load.unwrap();
        }
        assert!(removed > 0, "nothing was ever removed in between");
    });
    sandbox.engine.images().load(&ImageLoad { input: input(&path) }).unwrap();
    assert!(sandbox.directories("app:1").iter().all(|layer| layer.is_dir()));
    assert!(sandbox.blobs_are_whole());
}

#[test]
fn the_root_is_a_layout_that_follows_every_name() {
    let sandbox = Sandbox::new("layout");
    let images = sandbox.engine.images();
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    let names = |sandbox: &Sandbox| -> Vec<String> {
        let index = sandbox.index();
        let rows = index["manifests"].as_array().unwrap();
        rows.iter()
            .map(|row| {
                assert_eq!(
                    row["annotations"]["io.containerd.image.name"],
                    row["annotations"]["org.opencontainers.image.ref.name"]
                );
                row["annotations"]["org.opencontainers.image.ref.name"]
                    .as_str()
                    .unwrap_or("-")
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(names(&sandbox), ["docker.io/library/app:1"]);
    images.tag(&ImageTag { name: "app:1".into(), reference: "example.com/other".into() }).unwrap();
    assert_eq!(names(&sandbox), ["docker.io/library/app:1", "example.com/other:latest"]);
    let remove = |name: &str| {
        images.remove(&ImageRemove { name: name.into(), ..Default::default() }).unwrap();
    };
    remove("app:1");
    assert_eq!(names(&sandbox), ["example.com/other:latest"]);
    remove("example.com/other");
    assert_eq!(names(&sandbox), Vec::<String>::new());
    // A name whose giver died before the index was written.
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    sandbox
        .engine
        .store()
        .write(crate::store::Durability::Crash, |transaction| {
            transaction.execute("UPDATE tags SET reference = 'docker.io/library/moved:1'", [])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(names(&sandbox), ["docker.io/library/app:1"]);
    let options =
        crate::EngineOptions::at(sandbox.root.join("root")).run_directory(sandbox.root.join("run"));
    drop(crate::Engine::open(options).unwrap());
    assert_eq!(names(&sandbox), ["docker.io/library/moved:1"]);
    let layout = std::fs::read(sandbox.engine.layout().oci_layout()).unwrap();
    assert_eq!(layout, br#"{"imageLayoutVersion":"1.0.0"}"#);
}

#[test]
fn skopeo_reads_the_root_in_place() {
    if std::process::Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: skopeo is not installed");
        return;
    }
    let sandbox = Sandbox::new("layout-skopeo");
    sandbox.load_bytes(&gzip(&saved(&[("app:1", &layers())]))).unwrap();
    sandbox.load_bytes(&saved(&[("other:1", &layers()[..1])])).unwrap();
    let source = format!("oci:{}:docker.io/library/app:1", sandbox.root.join("root").display());
    let run = |arguments: &[&str]| {
        let done = std::process::Command::new("skopeo").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    };
    let told: serde_json::Value = serde_json::from_slice(&run(&["inspect", &source])).unwrap();
    assert_eq!(told["Layers"].as_array().unwrap().len(), 2, "{told}");
    let copy = format!("oci-archive:{}", sandbox.root.join("copy.tar").display());
    run(&["--insecure-policy", "copy", "-q", &source, &copy]);
}

#[test]
fn an_implied_directory_is_the_one_below_with_its_attributes_and_none_that_is_hidden() {
    let sandbox = Sandbox::new("implied");
    let low = Tar::new()
        .pax(&[("SCHILY.xattr.user.colour", b"blue")])
        .dir_mode("a", 0o751)
        .dir_mode("a/b", 0o711)
        .dir_mode("o", 0o700)
        .dir_mode("o/p", 0o711)
        .end();
    let middle = Tar::new().dir_mode("o", 0o750).file("o/.wh..wh..opq", b"").end();
    let high = Tar::new().file("a/b/x", b"x").file("o/p/x", b"x").end();
    sandbox.load_bytes(&saved(&[("app:1", &[low, middle, high])])).unwrap();
    let top = sandbox.directories("app:1").pop().unwrap();
    let mode = |name: &str| {
        std::os::unix::fs::MetadataExt::mode(&top.join(name).metadata().unwrap()) & 0o7777
    };
    assert_eq!((mode("a"), mode("a/b")), (0o751, 0o711));
    // The layer in the middle hides `o/p` of the lowest one: it is a new directory.
    assert_eq!((mode("o"), mode("o/p")), (0o750, 0o755));
    let mut value = [0; 16];
    let length = rustix::fs::lgetxattr(top.join("a"), c"user.colour", &mut value[..]).unwrap();
    assert_eq!(&value[..length], b"blue");
    // The mark of the middle layer is its own.
    assert!(
        rustix::fs::lgetxattr(top.join("o"), c"trusted.overlay.opaque", &mut value[..]).is_err()
    );
}

#[test]
fn nothing_is_taken_from_below_a_layer_that_hides_all() {
    let sandbox = Sandbox::new("implied-opaque");
    let low = Tar::new().dir_mode("a", 0o700).end();
    let middle = Tar::new().file(".wh..wh..opq", b"").end();
    let high = Tar::new().file("a/x", b"x").end();
    sandbox.load_bytes(&saved(&[("app:1", &[low, middle, high])])).unwrap();
    let top = sandbox.directories("app:1").pop().unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&top.join("a").metadata().unwrap());
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn what_cannot_be_read_is_named_in_the_error() {
    let sandbox = Sandbox::new("named");
    let path = sandbox.root.join("holiday.jpg");
    let images = sandbox.engine.images();
    let xz = b"\xfd7zXZ\0\0\x04".to_vec();
    for (bytes, kind) in [
        (vec![7; 5000], ErrorKind::Corrupt),
        (Vec::new(), ErrorKind::Corrupt),
        (vec![0; 10240], ErrorKind::Corrupt),
        (Tar::new().file("readme", b"x").end(), ErrorKind::Corrupt),
        (gzip(b"no archive at all"), ErrorKind::Corrupt),
        (gzip(&saved(&[("app:1", &layers())]))[..400].to_vec(), ErrorKind::Corrupt),
        (xz, ErrorKind::Unsupported),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = images.load(&ImageLoad { input: input(&path) }).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().starts_with(path.to_str().unwrap()), "{error}");
    }
    std::fs::write(&path, vec![7; 5000]).unwrap();
    let request = ImageImport { input: input(&path), ..Default::default() };
    let error = images.import(&request).unwrap_err();
    assert!(error.message().starts_with(path.to_str().unwrap()), "{error}");
}

#[test]
fn how_a_layer_is_compressed_is_told_by_its_bytes_and_not_by_its_name() {
    let sandbox = Sandbox::new("media-types");
    let layer = Tar::new().file("a", b"1").end();
    let (gzipped, zipped) = (gzip(&layer), zstd::encode_all(&layer[..], 1).unwrap());
    let gzip_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    for (name, blob) in [("plain", &layer), ("gzip", &gzipped), ("zstd", &zipped)] {
        let archive =
            layout(&format!("app:{name}"), std::slice::from_ref(&layer), &[(blob, gzip_type)]);
        let loaded = sandbox.load_bytes(&archive).unwrap();
        assert_eq!(loaded.images[0].names, [format!("app:{name}")]);
    }
}
