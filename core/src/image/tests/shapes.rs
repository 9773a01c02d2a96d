//! Archives of every shape come to the same image, and import makes one of a tree.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::archive::{Tar, config, saved};
use super::{Sandbox, input};
use crate::api::{ImageImport, ImageLoad, ImageLoaded, Input};
use crate::error::{ErrorKind, Result};

pub(super) fn layers() -> Vec<Vec<u8>> {
    vec![
        Tar::new().dir_mode("tmp", 0o1777).dir("d").file("d/gone", b"1").file("d/f", b"low").end(),
        Tar::new().file("tmp/x", b"x").file("d/.wh.gone", b"").file("d/f", b"high").end(),
    ]
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Two members, as pigz and eStargz make them.
    let half = bytes.len() / 2;
    [&bytes[..half], &bytes[half..]]
        .iter()
        .flat_map(|part| {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap()
        })
        .collect()
}

impl Sandbox {
    pub(super) fn load_bytes(&self, bytes: &[u8]) -> Result<ImageLoaded> {
        let path = self.root.join("archive");
        std::fs::write(&path, bytes).unwrap();
        self.engine.images().load(&ImageLoad { input: input(&path) })
    }
}

#[test]
fn every_compression_and_a_pipe_bring_the_same_image() {
    let sandbox = Sandbox::new("shapes");
    let plain = saved(&[("app:1", &layers())]);
    let id = sandbox.load_bytes(&plain).unwrap().images[0].id.clone();
    for packed in [gzip(&plain), zstd::encode_all(&plain[..], 1).unwrap()] {
        let loaded = sandbox.load_bytes(&packed).unwrap();
        assert_eq!(
            (&loaded.images[0].id, &loaded.images[0].names[..]),
            (&id, &["app:1".to_owned()][..])
        );
    }
    let (read, write) = std::io::pipe().unwrap();
    let writer = std::thread::spawn(move || {
        let mut write = write;
        // A first piece that is shorter than a magic number.
        write.write_all(&plain[..1]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write.write_all(&plain[1..]).unwrap();
    });
    let request = ImageLoad { input: Input { path: String::new(), fd: Some(read.as_raw_fd()) } };
    assert_eq!(sandbox.engine.images().load(&request).unwrap().images[0].id, id);
    writer.join().unwrap();

    let image = sandbox.engine.images().resolve("app:1").unwrap();
    let layout = sandbox.engine.layout();
    let top = layout.layer(&image.layers[0]);
    // The directory that the upper layer implies is the one below it.
    assert_eq!(top.join("tmp").metadata().unwrap().mode() & 0o7777, 0o1777);
    let whiteout = top.join("d/gone").metadata().unwrap();
    assert_eq!((whiteout.mode() & libc::S_IFMT, whiteout.rdev()), (libc::S_IFCHR, 0));
    assert_eq!(std::fs::read(top.join("d/f")).unwrap(), b"high");
    // Nothing is stored that no image refers to.
    let rows: i64 = sandbox
        .engine
        .store()
        .read(|connection| connection.query_row("SELECT count(*) FROM blobs", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(rows, 4, "configuration, manifest, two layers");
    assert_eq!(std::fs::read_dir(layout.blobs()).unwrap().count(), 4);
}

#[test]
fn what_does_not_fit_its_digest_is_refused_and_leaves_the_store_as_it_was() {
    let sandbox = Sandbox::new("wrong");
    let good = saved(&[("app:1", &layers())]);
    let mut wrong = good.clone();
    let at = wrong.windows(4).position(|bytes| bytes == b"high").unwrap();
    wrong[at] = b'H';
    let error = sandbox.load_bytes(&wrong).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Corrupt, "digest_mismatch"), "{error}");
    let twice = Tar::new().file("manifest.json", b"[]").file("manifest.json", b"[]").end();
    assert!(sandbox.load_bytes(&twice).unwrap_err().message().contains("stands twice"));
    let missing = Tar::new()
        .file("manifest.json", br#"[{"Config":"../../etc/passwd","RepoTags":null,"Layers":[]}]"#)
        .end();
    assert_eq!(sandbox.load_bytes(&missing).unwrap_err().kind(), ErrorKind::Corrupt);
    for cut in [good.len() / 3, good.len() / 2] {
        assert!(sandbox.load_bytes(&good[..cut]).is_err());
    }
    let layout = sandbox.engine.layout();
    assert_eq!(std::fs::read_dir(layout.temporary()).unwrap().count(), 0);
    assert!(!layout.blobs().exists() || std::fs::read_dir(layout.blobs()).unwrap().count() == 0);
    assert!(sandbox.engine.images().resolve("app:1").is_err());
}

#[test]
fn two_engines_load_the_same_image_at_once() {
    let sandbox = Sandbox::new("both");
    let path = sandbox.root.join("archive");
    std::fs::write(&path, saved(&[("app:1", &layers())])).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let options = crate::EngineOptions::at(sandbox.root.join("root"))
                    .run_directory(sandbox.root.join("run"));
                let engine = crate::Engine::open(options).unwrap();
                engine.images().load(&ImageLoad { input: input(&path) }).unwrap();
            });
        }
    });
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().layers()).unwrap().count(), 2);
}

#[test]
fn a_cancelled_load_ends_while_it_waits_for_a_pipe() {
    let sandbox = Sandbox::new("cancel");
    let (read, _write) = std::io::pipe().unwrap();
    let canceller = crate::Canceller::new().unwrap();
    let engine = sandbox.engine.with_canceller(&canceller);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            canceller.cancel();
        });
        let input = Input { path: String::new(), fd: Some(read.as_raw_fd()) };
        let error = engine.images().load(&ImageLoad { input }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    });
}

#[test]
fn a_directory_is_imported_the_same_each_time_and_with_what_was_asked_for() {
    let sandbox = Sandbox::new("import");
    let tree = sandbox.root.join("tree");
    std::fs::create_dir_all(tree.join("bin")).unwrap();
    std::fs::write(tree.join("bin/program"), "x").unwrap();
    std::fs::hard_link(tree.join("bin/program"), tree.join("bin/again")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", tree.join("link")).unwrap();
    std::fs::write(tree.join("n".repeat(200)), "long").unwrap();
    let import = |path: &std::path::Path| {
        let request = ImageImport {
            input: input(path),
            reference: "mine".into(),
            changes: vec!["CMD [\"/bin/program\"]".into(), "ENV A=1".into()],
            message: "made by hand".into(),
            ..Default::default()
        };
        sandbox.engine.images().import(&request).unwrap();
        sandbox.engine.images().resolve("mine").unwrap()
    };
    let (first, second) = (import(&tree), import(&tree));
    assert_eq!(first.layers, second.layers);
    assert_eq!(second.config.config.cmd, Some(vec!["/bin/program".to_owned()]));
    assert_eq!(
        (&second.config.config.env[..], &second.config.comment[..]),
        (&["A=1".to_owned()][..], "made by hand")
    );
    let layer = sandbox.engine.layout().layer(&second.layers[0]);
    let (program, again) = (layer.join("bin/program"), layer.join("bin/again"));
    assert_eq!(program.metadata().unwrap().ino(), again.metadata().unwrap().ino());
    assert_eq!(std::fs::read_link(layer.join("link")).unwrap().to_str(), Some("/etc/passwd"));
    let times = |path: &std::path::Path| {
        let metadata = path.metadata().unwrap();
        (metadata.mtime(), metadata.mtime_nsec(), metadata.mode())
    };
    for name in ["bin", "bin/program", "."] {
        assert_eq!(times(&layer.join(name)), times(&tree.join(name)), "{name}");
    }
    assert_eq!(std::fs::read(layer.join("n".repeat(200))).unwrap(), b"long");
    let tar = sandbox.root.join("tree.tar.gz");
    std::fs::write(&tar, gzip(&Tar::new().file("a", b"1").end())).unwrap();
    assert_eq!(import(&tar).size, 1);
    assert_ne!(config(&[]).len(), 0);
}

#[test]
fn what_skopeo_writes_is_loaded() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: skopeo is not installed");
        return;
    }
    let sandbox = Sandbox::new("skopeo");
    let archive = sandbox.root.join("from.tar");
    std::fs::write(&archive, saved(&[("app:1", &layers())])).unwrap();
    let source = format!("docker-archive:{}", archive.display());
    for (kind, file, name) in [
        ("docker-archive", "d.tar", ":example.com/app:2"),
        ("oci-archive", "o.tar", ":example.com/app:3"),
        ("oci", "layout", ":example.com/app:4"),
    ] {
        let path = sandbox.root.join(file);
        let copied = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q", &source])
            .arg(format!("{kind}:{}{name}", path.display()))
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let loaded = sandbox.engine.images().load(&ImageLoad { input: input(&path) }).unwrap();
        assert_eq!(loaded.images[0].names, [&name[1..]], "{kind}");
        let image = sandbox.engine.images().resolve(&name[1..]).unwrap();
        let top = sandbox.engine.layout().layer(&image.layers[0]);
        assert_eq!(std::fs::read(top.join("d/f")).unwrap(), b"high", "{kind}");
    }
}
