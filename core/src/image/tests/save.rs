//! What is saved is whole, the same each time, and read by everybody.

use std::os::fd::AsFd;
use std::process::Command;

use barque_monitor::tar::{Reader, Time};

use super::super::digest::Digest;
use super::archive::saved;
use super::shapes::{gzip, layers};
use super::{Sandbox, input};
use crate::api::{ImageLoad, ImageRemove, ImageSave, ImageTag};
use crate::error::{ErrorKind, Result};
use crate::stream::{Deadline, Item, Next};

impl Sandbox {
    pub(super) fn save(&self, names: &[&str]) -> Result<Vec<u8>> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mut stream =
            self.engine.images().save(&ImageSave { names, platform: String::new() })?;
        assert!(stream.as_fd().try_clone_to_owned().is_ok());
        let mut bytes = Vec::new();
        loop {
            match stream.next(Deadline::never())? {
                Next::Item(Item::Chunk(chunk)) => bytes.extend(chunk.data),
                Next::Item(Item::Document(text)) => panic!("{text}"),
                Next::TimedOut => {}
                Next::Done => return Ok(bytes),
            }
        }
    }

    fn remove_all(&self, names: &[&str]) {
        for name in names {
            let request = ImageRemove { name: (*name).into(), ..Default::default() };
            self.engine.images().remove(&request).unwrap();
        }
    }
}

/// The files of an archive by name.
fn files(archive: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut reader = Reader::new(archive);
    let mut files = std::collections::BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert_eq!((entry.mtime, entry.uid, entry.gid), (Time::default(), 0, 0));
        let mut bytes = Vec::new();
        loop {
            let data = reader.data().unwrap();
            let read = data.len();
            if read == 0 {
                break;
            }
            bytes.extend(data);
            reader.consume(read);
        }
        files.insert(String::from_utf8(entry.path).unwrap(), bytes);
    }
    files
}

#[test]
fn an_archive_comes_back_as_the_same_images_with_the_same_blobs() {
    let sandbox = Sandbox::new("save");
    sandbox.load_bytes(&gzip(&saved(&[("app:1", &layers()), ("base:1", &layers()[..1])]))).unwrap();
    let images = sandbox.engine.images();
    images.tag(&ImageTag { name: "app:1".into(), reference: "example.com/a/b:c".into() }).unwrap();
    let ids = |name: &str| images.inspect(name).unwrap().id;
    let before = (ids("app:1"), ids("base:1"));
    let archive = sandbox.save(&["app:1", "base:1", "example.com/a/b:c"]).unwrap();
    assert_eq!(archive, sandbox.save(&["example.com/a/b:c", "base:1", "app:1"]).unwrap());
    let found = files(&archive);
    let mut blobs = 0;
    for (name, bytes) in &found {
        if let Some(hex) = name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) {
            assert_eq!(Digest::of(bytes).hex(), hex);
            blobs += 1;
        }
    }
    assert_eq!(blobs, 6, "two configurations, two manifests, two layers that are there once");
    sandbox.remove_all(&["app:1", "example.com/a/b:c", "base:1"]);
    let loaded = sandbox.load_bytes(&archive).unwrap();
    let mut names: Vec<String> = loaded.images.into_iter().flat_map(|image| image.names).collect();
    names.sort();
    assert_eq!(names, ["app:1", "base:1", "example.com/a/b:c"]);
    assert_eq!((ids("app:1"), ids("base:1")), before);
    assert_eq!(sandbox.save(&["app:1", "base:1", "example.com/a/b:c"]).unwrap(), archive);
}

#[test]
fn a_repository_stands_for_its_tags_and_an_id_for_no_name() {
    let sandbox = Sandbox::new("save-names");
    let id = sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap().images[0].id.clone();
    let images = sandbox.engine.images();
    images.tag(&ImageTag { name: "app:1".into(), reference: "app:2".into() }).unwrap();
    images.tag(&ImageTag { name: "app:1".into(), reference: "app.io/app:3".into() }).unwrap();
    let tags = |names: &[&str]| -> serde_json::Value {
        let found = files(&sandbox.save(names).unwrap());
        let rows: serde_json::Value = serde_json::from_slice(&found["manifest.json"]).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 1);
        rows[0]["RepoTags"].clone()
    };
    assert_eq!(tags(&["app"]), serde_json::json!(["app:1", "app:2"]));
    assert_eq!(tags(&["app:2"]), serde_json::json!(["app:2"]));
    assert_eq!(tags(&[&id]), serde_json::Value::Null);
    assert_eq!(tags(&[&id["sha256:".len()..20], "app:1"]), serde_json::json!(["app:1"]));
}

#[test]
fn a_damaged_blob_ends_the_archive_with_an_error() {
    let sandbox = Sandbox::new("save-damaged");
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    let good = sandbox.save(&["app:1"]).unwrap();
    let blobs: Vec<_> = std::fs::read_dir(sandbox.engine.layout().blobs())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    for blob in blobs {
        let bytes = std::fs::read(&blob).unwrap();
        let mut wrong = bytes.clone();
        wrong[bytes.len() / 3] ^= 4;
        std::fs::write(&blob, &wrong).unwrap();
        let error = sandbox.save(&["app:1"]).unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Corrupt, "damaged_blob"),
            "{blob:?}"
        );
        std::fs::write(&blob, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(sandbox.save(&["app:1"]).unwrap_err().kind(), ErrorKind::Corrupt);
        std::fs::remove_file(&blob).unwrap();
        assert_eq!(sandbox.save(&["app:1"]).unwrap_err().kind(), ErrorKind::Corrupt);
        std::fs::write(&blob, &bytes).unwrap();
    }
    assert_eq!(sandbox.save(&["app:1"]).unwrap(), good);
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
}

#[test]
fn an_image_that_is_removed_while_it_is_saved_is_saved_whole() {
    let sandbox = Sandbox::new("save-removed");
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    let good = sandbox.save(&["app:1"]).unwrap();
    let request = ImageSave { names: vec!["app:1".into()], platform: String::new() };
    let mut stream = sandbox.engine.images().save(&request).unwrap();
    sandbox.remove_all(&["app:1"]);
    let mut bytes = Vec::new();
    while let Next::Item(Item::Chunk(chunk)) = stream.next(Deadline::never()).unwrap() {
        bytes.extend(chunk.data);
    }
    assert_eq!(bytes, good);
}

#[test]
fn skopeo_reads_what_is_saved() {
    if Command::new("skopeo").arg("--version").output().is_err() {
        eprintln!("SKIPPED: skopeo is not installed");
        return;
    }
    let sandbox = Sandbox::new("save-skopeo");
    let plain = layers();
    // Compressed layers too: they are saved as they are stored.
    let packed: Vec<Vec<u8>> = plain.iter().map(|layer| gzip(layer)).collect();
    let gzip_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let blobs: Vec<(&[u8], &str)> = packed.iter().map(|blob| (&blob[..], gzip_type)).collect();
    sandbox.load_bytes(&super::archive::layout("app:1", &plain, &blobs)).unwrap();
    let archive = sandbox.root.join("saved.tar");
    std::fs::write(&archive, sandbox.save(&["app:1"]).unwrap()).unwrap();
    let id = sandbox.engine.images().inspect("app:1").unwrap().id;
    for source in ["docker-archive", "oci-archive"] {
        let copy = sandbox.root.join(format!("{source}.layout"));
        let done = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "-q"])
            .arg(format!("{source}:{}", archive.display()))
            .arg(format!("oci:{}:copy:1", copy.display()))
            .output()
            .unwrap();
        assert!(done.status.success(), "{source}: {}", String::from_utf8_lossy(&done.stderr));
        let back = sandbox.engine.images().load(&ImageLoad { input: input(&copy) }).unwrap();
        assert_eq!(back.images.len(), 1);
        if source == "oci-archive" {
            assert_eq!(back.images[0].id, id);
        }
    }
}
