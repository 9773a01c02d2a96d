//! The files made from core's documents are what the documents say. `BARQUE_BLESS=1` (`make bless`) writes them.

use std::path::{Path, PathBuf};

use barque_tests::schema;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").into()
}

/// Compare a generated file with what it should be, or write it.
fn check(path: &str, text: &str) {
    let file = workspace().join(path);
    if std::env::var_os("BARQUE_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(file.parent().expect("a file has a directory"))
            .expect("a directory to write to");
        std::fs::write(&file, text).expect("a file to write");
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(found == text, "{path} is not what core/src/api says: run `make bless`");
}

fn modules() -> Vec<schema::Module> {
    schema::read(&workspace().join("core/src/api"))
}

#[test]
fn the_python_types_are_those_of_core() {
    check("bindings-python/python/barque/_types.py", &schema::typed_dicts(&modules()));
}

#[test]
fn the_typescript_types_are_those_of_core() {
    check("bindings-node/lib/types.generated.ts", &schema::interfaces(&modules()));
}

#[test]
fn the_page_of_documents_is_that_of_core() {
    check("docs/documents.md", &schema::documents(&modules()));
}

#[test]
fn the_page_of_operations_is_that_of_core() {
    check("docs/operations.md", &schema::operations(&modules()));
}

#[test]
fn the_generator_reads_names_as_serde_writes_them() {
    let modules = modules();
    let written = serde_json::to_value(barque::api::HostConfig::default()).unwrap();
    let mut written: Vec<&String> = written.as_object().unwrap().keys().collect();
    let mut read: Vec<&String> =
        schema::find(&modules, "HostConfig").fields.iter().map(|field| &field.name).collect();
    written.sort();
    read.sort();
    assert_eq!(written, read);
}
