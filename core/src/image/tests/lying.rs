//! Archives whose documents lie: about where things are (SEC-062), what the image may do (SEC-063), how large it is (SEC-074), and again
//! and again (SEC-076, SEC-078).

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::blob;
use super::super::content::Content;
use super::super::digest::Digest;
use super::archive::{Tar, config, saved};
use super::{Sandbox, input};
use crate::api::{ImageImport, ImageLoad};

/// An archive of `docker save` with this `manifest.json`, and a layer and a configuration that it may name.
fn with_manifest(manifest: &Value, config: &[u8], layer: &[u8]) -> Vec<u8> {
    Tar::new()
        .file("manifest.json", manifest.to_string().as_bytes())
        .file("config.json", config)
        .file("layer.tar", layer)
        .end()
}

#[test]
fn a_name_in_an_archive_is_one_of_the_archive_and_no_path() {
    let sandbox = Sandbox::new("lying-names");
    let path = sandbox.root.join("archive");
    let secret = sandbox.root.join("secret");
    std::fs::write(&secret, "canary").unwrap();
    let layer = Tar::new().file("a", b"1").end();
    let own = config(std::slice::from_ref(&layer));
    let good = json!([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}]);
    let load = |manifest: &Value, config: &[u8]| {
        std::fs::write(&path, with_manifest(manifest, config, &layer)).unwrap();
        sandbox.engine.images().load(&ImageLoad { input: input(&path) })
    };
    let up = format!("../../../../../../../..{}", secret.display());
    let hex = "a".repeat(64);
    for name in [
        up.as_str(),
        secret.to_str().unwrap(),
        "",
        ".",
        "..",
        "/",
        "layer.tar/",
        "LAYER.TAR",
        &format!("sha256:{hex}"),
        &format!("blobs/sha256/{}", &hex[..63]),
        &format!("blobs/sha256/{hex}a"),
        "blobs/sha256/../../../secret",
        "sha256:",
        &format!("sha512:{hex}{hex}"),
        "layer.tar\0",
        "layer.tar\n",
    ] {
        for place in ["Config", "Layers"] {
            let mut manifest = good.clone();
            manifest[0][place] = if place == "Config" { json!(name) } else { json!([name]) };
            let error = load(&manifest, &own).expect_err(name);
            assert_ne!(error.kind(), crate::ErrorKind::Internal, "{place} {name:?}: {error}");
            assert!(!error.to_string().contains("canary"), "{place} {name:?}: {error}");
        }
    }
    // A digest in the configuration is compared, and is no path either.
    for digest in ["sha256:../../x", "sha256:", "../x", &format!("sha256:{}", hex.to_uppercase())] {
        let mut document: Value = serde_json::from_slice(&own).unwrap();
        document["rootfs"]["diff_ids"] = json!([digest]);
        load(&good, document.to_string().as_bytes()).expect_err(digest);
    }
    assert!(sandbox.engine.images().list(&Default::default()).unwrap().is_empty());
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
    load(&good, &own).unwrap();
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "canary");
}

#[test]
fn an_image_does_not_say_what_its_containers_may_do() {
    let sandbox = Sandbox::new("lying-rights");
    let path = sandbox.root.join("archive");
    let layer = Tar::new().file("a", b"1").end();
    let mut document: Value =
        serde_json::from_slice(&config(std::slice::from_ref(&layer))).unwrap();
    let rights = json!({
        "Privileged": true, "SecurityOpt": ["seccomp=unconfined"], "CapAdd": ["ALL"], "PidMode": "host",
        "Binds": ["/:/host"], "Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}],
        "NetworkMode": "host", "Devices": [{"PathOnHost": "/dev/null"}], "UsernsMode": "host",
    });
    document["HostConfig"] = rights.clone();
    document["config"]["HostConfig"] = rights.clone();
    document["container_config"] = json!({"HostConfig": rights});
    for (field, value) in rights.as_object().unwrap() {
        document["config"][field] = value.clone();
        document[field] = value.clone();
    }
    let manifest = json!([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}]);
    let archive = with_manifest(&manifest, document.to_string().as_bytes(), &layer);
    std::fs::write(&path, archive).unwrap();
    sandbox.engine.images().load(&ImageLoad { input: input(&path) }).unwrap();
    let host_config = |image: &str| {
        let create = crate::api::ContainerCreate {
            image: image.into(),
            cmd: Some(vec!["/a".into()]),
            ..Default::default()
        };
        let made = sandbox.engine.containers().create(&create).unwrap();
        let seen = sandbox.engine.containers().inspect(&made.id).unwrap();
        assert!(seen.mounts.is_empty(), "{image}: {:?}", seen.mounts);
        serde_json::to_value(seen.host_config).unwrap()
    };
    assert_eq!(host_config("x:1"), host_config("hello"));
}

#[test]
fn a_document_in_an_archive_has_a_bound() {
    let sandbox = Sandbox::new("lying-sizes");
    let path = sandbox.root.join("archive");
    let layer = Tar::new().file("a", b"1").end();
    let own = config(std::slice::from_ref(&layer));
    let manifest = json!([{"Config": "config.json", "RepoTags": ["x:1"], "Layers": ["layer.tar"]}]);
    let blanks = " ".repeat(5 << 20);
    for (what, archive) in [
        (
            "manifest.json",
            Tar::new().file("manifest.json", (blanks.clone() + &manifest.to_string()).as_bytes()),
        ),
        (
            "a configuration",
            Tar::new()
                .file("manifest.json", manifest.to_string().as_bytes())
                .file("config.json", [blanks.as_bytes(), &own[..]].concat().as_slice()),
        ),
        (
            "index.json",
            Tar::new().file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).file(
                "index.json",
                (blanks.clone() + r#"{"schemaVersion":2,"manifests":[]}"#).as_bytes(),
            ),
        ),
        ("levels", Tar::new().file("manifest.json", "[".repeat(1 << 20).as_bytes())),
    ] {
        std::fs::write(&path, archive.file("layer.tar", &layer).end()).unwrap();
        let error =
            sandbox.engine.images().load(&ImageLoad { input: input(&path) }).expect_err(what);
        assert_ne!(error.kind(), crate::ErrorKind::Internal, "{what}: {error}");
    }
    assert!(sandbox.engine.images().list(&Default::default()).unwrap().is_empty());
}

#[test]
fn a_document_is_no_larger_wherever_it_is_read_from() {
    let sandbox = Sandbox::new("lying-bounds");
    let layout = sandbox.engine.layout();
    std::fs::create_dir_all(layout.blobs()).unwrap();
    for (size, fits) in [(4 << 20, true), ((4 << 20) + 1, false)] {
        let bytes = vec![b' '; size];
        let digest = Digest::of(&bytes);
        let path = blob::path(layout, &digest);
        std::fs::write(&path, &bytes).unwrap();
        let file = Arc::new(std::fs::File::open(&path).unwrap());
        let content = Content::Range { file, offset: 0, size: size as u64 };
        let read = [content.document("it"), blob::read(layout, &digest)];
        for read in read {
            assert_eq!(read.is_ok(), fits, "{size}: {:?}", read.err());
        }
    }
}

/// With a look at each file for each of them this would not end: 400,000,000.
#[test]
fn opaque_marks_that_repeat_cost_no_more_than_other_entries() {
    let sandbox = Sandbox::new("lying-opaque");
    let path = sandbox.root.join("archive");
    let files = (0..20_000).fold(Tar::new().dir("d"), |tar, n| tar.file(&format!("d/{n}"), b""));
    let marks = (0..20_000).fold(Tar::new(), |tar, _| tar.file("d/.wh..wh..opq", b""));
    std::fs::write(&path, files.then(marks).end()).unwrap();
    let request = ImageImport { input: input(&path), ..Default::default() };
    let image = sandbox.engine.images().import(&request).unwrap();
    let layers = sandbox.engine.images().inspect(&image.id).unwrap().root_fs.layers;
    let layer = sandbox.engine.layout().layer(&layers[0]["sha256:".len()..]);
    assert_eq!(std::fs::read_dir(layer.join("d")).unwrap().count(), 20_000);
}

#[test]
fn a_thousand_loads_that_fail_hold_no_descriptor() {
    let sandbox = Sandbox::new("lying-often");
    let path = sandbox.root.join("archive");
    let bad = Tar::new().file("a", b"1").node("n", b'3', 0, 0).end();
    std::fs::write(&path, saved(&[("x:1", &[bad])])).unwrap();
    // Those of this root: other tests have theirs open meanwhile.
    let ours = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter(|target| target.starts_with(&sandbox.root))
            .count()
    };
    let load = || sandbox.engine.images().load(&ImageLoad { input: input(&path) });
    load().unwrap_err();
    let before = ours();
    for _ in 0..1000 {
        load().unwrap_err();
    }
    assert_eq!(ours(), before);
}
