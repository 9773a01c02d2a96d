mod archive;
mod hostile;
mod lying;
mod prune;
mod repair;
mod save;
mod shapes;
mod store;

use std::path::PathBuf;

use crate::api::{ImageList, ImageLoad, ImageRemove, ImageTag, Input};
use crate::{Engine, EngineOptions};

/// An engine of one's own, gone with the test.
struct Sandbox {
    root: PathBuf,
    engine: Engine,
}

impl Sandbox {
    fn new(name: &str) -> Sandbox {
        let root =
            std::env::temp_dir().join(format!("barque-images-{name}-{}", std::process::id()));
        let options = EngineOptions::at(root.join("root")).run_directory(root.join("run"));
        Sandbox { engine: Engine::open(options).unwrap(), root }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn input(path: &std::path::Path) -> Input {
    Input { path: path.to_str().unwrap().to_owned(), fd: None }
}

#[test]
fn the_built_in_image_is_there_when_it_is_asked_for_and_goes_like_any_other() {
    let sandbox = Sandbox::new("built-in");
    let images = sandbox.engine.images();
    assert!(images.list(&ImageList::default()).unwrap().is_empty());
    let image = images.inspect("hello").unwrap();
    assert_eq!(image.repo_tags, ["hello:latest"]);
    assert_eq!(image.root_fs.layers.len(), 1);
    let layer = sandbox.engine.layout().layer(&image.root_fs.layers[0]["sha256:".len()..]);
    assert!(layer.join("bin/barque").metadata().unwrap().len() > 100_000);
    assert_eq!(std::fs::read_link(layer.join("bin/true")).unwrap(), PathBuf::from("barque"));

    images.tag(&ImageTag { name: "hello".into(), reference: "mine:1".into() }).unwrap();
    let remove =
        |name: &str| images.remove(&ImageRemove { name: name.into(), ..Default::default() });
    assert_eq!(remove("mine:1").unwrap().len(), 1);
    let removed = remove("hello").unwrap();
    assert_eq!(removed[0].untagged, "hello:latest");
    assert_eq!(removed[1].deleted, image.id);
    assert!(!layer.exists());
    let left = std::fs::read_dir(sandbox.engine.layout().blobs()).unwrap().count();
    assert_eq!(left, 0, "blobs of a removed image are gone");
    assert!(remove("hello").is_err(), "removing does not bring it back");
    assert_eq!(images.inspect("hello").unwrap().id, image.id, "its id is always the same");
}

#[test]
fn what_is_not_an_image_archive_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new("not-an-archive");
    let load = |path: &str| {
        let input = Input { path: path.to_owned(), fd: None };
        sandbox.engine.images().load(&ImageLoad { input })
    };
    let file = sandbox.root.join("file");
    std::fs::write(&file, vec![7; 5000]).unwrap();
    let error = load(file.to_str().unwrap()).unwrap_err();
    assert_eq!(error.reason(), "bad_archive", "{error}");
    std::fs::write(&file, vec![0; 10240]).unwrap();
    let error = load(file.to_str().unwrap()).unwrap_err();
    assert_eq!(error.reason(), "not_an_image_archive", "{error}");
    assert_eq!(load("/nowhere").unwrap_err().kind(), crate::ErrorKind::NotFound);
    assert_eq!(std::fs::read_dir(sandbox.engine.layout().temporary()).unwrap().count(), 0);
}
