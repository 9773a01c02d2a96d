//! What is kept, what goes, and whether it is what it should be.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::Sandbox;
use super::archive::{Tar, saved};
use super::shapes::{gzip, layers};
use crate::api::{ImagePrune, ImageTag, SystemCheck};
use crate::image::content::Content;
use crate::image::layer;
use crate::store::lease::Lease;
use crate::{Engine, EngineOptions};

/// What is done to something stored, and how.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

impl Sandbox {
    fn prune(&self, filters: &[(&str, &str)], dry_run: bool) -> crate::api::ImagesPruned {
        let filters = filters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        self.engine.images().prune(&ImagePrune { filters, dry_run }).unwrap()
    }

    /// Kind, whether it was repaired, and the text of each problem.
    fn check(&self, repair: bool) -> Vec<(String, bool, String)> {
        let told = self.engine.check(&SystemCheck { repair }).unwrap();
        told.problems.into_iter().map(|p| (p.kind, p.repaired, p.problem)).collect()
    }

    /// Bytes of all blobs and of all files in layers.
    fn bytes(&self) -> i64 {
        let (layers, blobs) = self.engine.images().sizes().unwrap();
        layers + blobs
    }
}

#[test]
fn pruning_takes_what_has_no_tag_and_tells_what_it_freed_to_the_byte() {
    let sandbox = Sandbox::new("prune");
    // Two images on a layer in common: of the one that goes only what is its own.
    let (one, two) = (layers(), vec![layers()[0].clone(), Tar::new().file("own", b"12345").end()]);
    sandbox.load_bytes(&saved(&[("app:1", &one)])).unwrap();
    sandbox.load_bytes(&saved(&[("app:2", &two)])).unwrap();
    let both = sandbox.bytes();
    assert_eq!(sandbox.prune(&[], false).images_deleted, []);
    // The name moves: its image has none any more.
    let images = sandbox.engine.images();
    images.tag(&ImageTag { name: "app:1".into(), reference: "app:2".into() }).unwrap();
    let dry = sandbox.prune(&[], true);
    assert_eq!(sandbox.bytes(), both, "a dry run removes nothing");
    let wet = sandbox.prune(&[], false);
    assert_eq!(dry, wet);
    assert_eq!(wet.images_deleted.len(), 2, "an image and its own layer: {wet:?}");
    assert_eq!(sandbox.bytes(), both - wet.space_reclaimed);
    assert!(wet.space_reclaimed > 5);
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().layers()).unwrap().count(), 2);
    assert_eq!(sandbox.check(false), []);
    // All that no container stands on.
    let all = sandbox.prune(&[("dangling", "false")], false);
    assert_eq!(all.space_reclaimed, both - wet.space_reclaimed);
    assert_eq!(sandbox.bytes(), 0);
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().blobs()).unwrap().count(), 0);
}

#[test]
fn filters_say_what_may_go() {
    let sandbox = Sandbox::new("prune-filters");
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    // The image is of 2020.
    for (filters, goes) in [
        (vec![("dangling", "true")], false),
        (vec![("dangling", "false"), ("until", "2020-01-01")], false),
        (vec![("dangling", "false"), ("until", "1577836800")], false),
        (vec![("dangling", "false"), ("label", "a")], false),
        (vec![("dangling", "0"), ("until", "24h"), ("label!", "a=b")], true),
    ] {
        let dry = sandbox.prune(&filters, true);
        assert_eq!(!dry.images_deleted.is_empty(), goes, "{filters:?}");
    }
    for filters in [[("dangling", "perhaps")], [("until", "yesterday")], [("before", "app:1")]] {
        let filters = filters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        let request = ImagePrune { filters, dry_run: true };
        let error = sandbox.engine.images().prune(&request).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{error}");
    }
}

#[test]
fn a_check_finds_each_kind_of_damage_and_repairs_what_it_can() {
    let sandbox = Sandbox::new("check");
    let archive = gzip(&saved(&[("app:1", &layers())]));
    sandbox.load_bytes(&archive).unwrap();
    assert_eq!(sandbox.check(false), []);
    let image = sandbox.engine.images().resolve("app:1").unwrap();
    let layout = sandbox.engine.layout().clone();
    let top = layout.layer(&image.layers[0]);

    // A disk that lost a bit leaves no time behind: neither do we.
    let file = top.join("d/f");
    let damages: [Damage<'_>; 6] = [
        ("content", &|_| std::fs::write(&file, "HIGH").unwrap()),
        ("mode", &|_| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
            std::fs::set_permissions(&file, mode).unwrap();
        }),
        ("a file more", &|top| std::fs::write(top.join("new"), "x").unwrap()),
        ("a whiteout less", &|top| std::fs::remove_file(top.join("d/gone")).unwrap()),
        ("a mark", &|top| {
            let path = top.join("tmp");
            let empty = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&path, c"trusted.overlay.opaque", b"y", empty).unwrap();
        }),
        ("all", &|top| std::fs::remove_dir_all(top).unwrap()),
    ];
    for (what, damage) in damages {
        damage(&top);
        let told = sandbox.check(false);
        assert_eq!(told.len(), 1, "{what}: {told:?}");
        assert_eq!((&told[0].0[..], told[0].1), ("layer", false), "{what}");
        let told = sandbox.check(true);
        assert_eq!((&told[0].0[..], told[0].1), ("layer", true), "{what}: {told:?}");
        assert_eq!(sandbox.check(false), [], "{what}");
        assert_eq!(std::fs::read(&file).unwrap(), b"high");
    }

    // A stray blob and a stray layer, and an index that somebody wrote.
    std::fs::write(layout.blobs().join("a".repeat(64)), "x").unwrap();
    std::fs::create_dir(layout.layers().join("b".repeat(64))).unwrap();
    std::fs::write(layout.index(), "{}").unwrap();
    let kinds = |told: Vec<(String, bool, String)>| -> Vec<(String, bool)> {
        told.into_iter().map(|(kind, repaired, _)| (kind, repaired)).collect()
    };
    let row = |kind: &str, repaired| (kind.to_owned(), repaired);
    assert_eq!(
        kinds(sandbox.check(false)),
        [row("stray", false), row("stray", false), row("index", false)]
    );
    assert_eq!(
        kinds(sandbox.check(true)),
        [row("stray", true), row("stray", true), row("index", true)]
    );
    assert_eq!(sandbox.check(false), []);

    // Blobs have no second copy: the remedy is told, and works.
    for blob in std::fs::read_dir(layout.blobs()).unwrap() {
        let blob = blob.unwrap().path();
        let bytes = std::fs::read(&blob).unwrap();
        let mut wrong = bytes.clone();
        wrong[bytes.len() / 2] ^= 1;
        for damage in [Some(wrong), Some(bytes[1..].to_vec()), None] {
            match damage {
                Some(bytes) => std::fs::write(&blob, bytes).unwrap(),
                None => std::fs::remove_file(&blob).unwrap(),
            }
            let told = sandbox.check(true);
            assert_eq!((&told[0].0[..], told[0].1), ("blob", false), "{told:?}");
            assert!(told[0].2.contains("load or pull its image again"), "{told:?}");
            sandbox.load_bytes(&archive).unwrap();
            assert_eq!(sandbox.check(false), [], "{blob:?}");
        }
    }
}

#[test]
fn a_root_from_before_the_index_gets_one() {
    let sandbox = Sandbox::new("before-the-index");
    sandbox.load_bytes(&saved(&[("app:1", &layers())])).unwrap();
    let layout = sandbox.engine.layout().clone();
    let index = std::fs::read(layout.index()).unwrap();
    // As version 2 of the schema left it.
    std::fs::remove_file(layout.index()).unwrap();
    let connection = rusqlite::Connection::open(layout.database()).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT 'DROP TRIGGER ' || name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(triggers.len(), 6);
    triggers.iter().for_each(|drop| assert_eq!(connection.execute(drop, []), Ok(0)));
    connection
        .execute_batch(
            "DROP TABLE endpoints; DROP TABLE networks; DROP TABLE build_cache; DROP TABLE cache_mounts; ALTER TABLE blobs DROP COLUMN damaged; PRAGMA user_version = 2",
        )
        .unwrap();
    drop(connection);
    let options = EngineOptions::at(layout.root()).run_directory(sandbox.root.join("run"));
    let opened = Engine::open(options).unwrap();
    assert_eq!(std::fs::read(layout.index()).unwrap(), index);
    assert_eq!(opened.check(&SystemCheck::default()).unwrap().problems, []);
}

#[test]
fn an_unpacker_whose_layer_comes_to_nothing_before_it_begins_ends() {
    let sandbox = Sandbox::new("no-blob");
    let lease = Lease::take(sandbox.engine.layout()).unwrap();
    // Where the blob is to be is no place for it, as on a disk that has just died.
    std::fs::create_dir(lease.path().join("blob-x")).unwrap();
    let path = sandbox.root.join("layer.tar");
    std::fs::write(&path, Tar::new().file("a", b"b").end()).unwrap();
    let file = Arc::new(std::fs::File::open(path).unwrap());
    let content = Content::Range { size: file.metadata().unwrap().len(), file, offset: 0 };
    let (engine, (send, receive)) = (sandbox.engine.clone(), mpsc::channel());
    std::thread::spawn(move || {
        let staged = layer::stage(&engine, &lease, "x", &content, None, true);
        send.send(staged.unwrap_err()).unwrap();
    });
    let error = receive.recv_timeout(Duration::from_secs(60)).expect("it ends");
    assert_eq!(error.errno(), Some(libc::EEXIST), "{error}");
}
