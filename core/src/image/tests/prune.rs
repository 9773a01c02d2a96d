//! What a clean-up takes, and what it says that frees.

use super::{Sandbox, input};
use crate::api::{ImageImport, ImagePrune, ImagesPruned};

fn import(sandbox: &Sandbox, label: &str, content: &[u8]) -> String {
    let tree = sandbox.root.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let file = tree.join("file");
    // The same tree twice is the same layer, times included.
    if std::fs::read(&file).ok().as_deref() != Some(content) {
        std::fs::write(&file, content).unwrap();
    }
    let request = ImageImport {
        input: input(&tree),
        changes: vec![format!("LABEL for={label}")],
        ..Default::default()
    };
    sandbox.engine.images().import(&request).unwrap().id
}

fn prune(sandbox: &Sandbox, label: &str, dry_run: bool) -> ImagesPruned {
    let filters = [("label".to_owned(), vec![format!("for={label}")])].into();
    sandbox.engine.images().prune(&ImagePrune { filters, dry_run }).unwrap()
}

/// Bytes of all files below the directories that hold what images are made of.
fn on_disk(sandbox: &Sandbox) -> i64 {
    let layout = sandbox.engine.layout();
    let (layers, blobs) = (layout.layers(), layout.blobs());
    let size = |path: &std::path::Path| crate::sys::directory::content_size(path).unwrap();
    size(&layers) + size(&blobs)
}

#[test]
fn a_clean_up_frees_to_the_byte_what_it_says_and_what_its_dry_run_said() {
    let sandbox = Sandbox::new("prune");
    let content = [7; 12_345];
    import(&sandbox, "one", &content);
    import(&sandbox, "two", &content);
    import(&sandbox, "other", b"something else");
    for (label, frees_the_layer) in [("one", false), ("two", true), ("nobody", false)] {
        let before = on_disk(&sandbox);
        let said = prune(&sandbox, label, true);
        assert_eq!(on_disk(&sandbox), before, "a dry run takes nothing");
        let done = prune(&sandbox, label, false);
        assert_eq!(done, said);
        assert_eq!(before - on_disk(&sandbox), done.space_reclaimed);
        assert_eq!(done.space_reclaimed > 12_345, frees_the_layer, "{label}");
    }
    let (layers, blobs) = sandbox.engine.images().sizes().unwrap();
    assert_eq!(layers + blobs, on_disk(&sandbox), "the record says what is on disk");
    assert_eq!(sandbox.engine.images().list(&Default::default()).unwrap().len(), 1);
}
