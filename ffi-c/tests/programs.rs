//! The programs of `tests/c` and `examples`: built as their users build them, and run.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toolchain;

use std::path::PathBuf;
use std::process::Command;

use toolchain::{Built, Language, Program, manifest_dir, scratch, succeed};

fn test_program(name: &str) -> Built {
    let directory = manifest_dir().join("tests/c");
    Program::of_file(&directory.join(format!("{name}.c"))).build()
}

/// An engine root that is gone afterwards.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Root {
        let path = scratch().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Root(path)
    }

    fn arguments(&self) -> [PathBuf; 2] {
        [self.0.join("root"), self.0.join("run")]
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn documents_errors_and_cancellers_do_what_the_header_says() {
    test_program("doc").run_well();
}

#[test]
fn documents_errors_and_cancellers_leak_nothing() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED: valgrind is not installed");
        return;
    }
    succeed(&mut test_program("doc").valgrind());
}

#[test]
fn an_engine_opened_and_closed_leaks_nothing() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED: valgrind is not installed");
        return;
    }
    let root = Root::new("leaks");
    let text = r#"
        #include "check.h"
        int main(int argc, char **argv) {
            barque_engine *engine = NULL;
            char *out = NULL;
            int i;
            CHECK(argc == 3);
            for (i = 0; i < 3; i++) {
                CHECK(barque_engine_open(argv[1], argv[2], &engine, NULL) == BARQUE_OK);
                CHECK(barque_call(engine, "no.such", "{}", NULL, &out, NULL) == BARQUE_ERR_NOT_FOUND);
                CHECK(barque_container_start(engine, "nobody", NULL, NULL) != BARQUE_OK);
                barque_engine_free(engine);
            }
            return 0;
        }"#;
    let include = format!("-I{}", manifest_dir().join("tests/c").display());
    let built = Program::of_text("open", text).flag(&include).build();
    succeed(built.valgrind().args(root.arguments()));
}

#[test]
fn no_byte_beyond_a_strings_end_is_read() {
    let source = manifest_dir().join("tests/c/text.c");
    Program::of_file(&source).build().run_well();
}

#[test]
fn a_forked_child_is_refused_and_the_parent_goes_on() {
    let root = Root::new("fork");
    succeed(test_program("fork").command().args(root.arguments()));
}

#[test]
fn handles_are_shared_and_freed_by_64_threads_with_small_stacks() {
    let root = Root::new("threads");
    succeed(test_program("threads").command().args(root.arguments()));
}

#[test]
fn the_library_can_be_loaded_closed_and_used_at_exit() {
    let source = manifest_dir().join("tests/c/loading.c");
    Program::of_file(&source).flag("-ldl").build().run_well();
}

#[test]
fn the_hosts_signals_directory_and_mask_are_let_be() {
    let root = Root::new("signals");
    let output = succeed(test_program("signals").command().args(root.arguments()));
    assert_eq!(output, "", "the library printed something");
}

#[test]
fn a_program_can_be_linked_statically() {
    let source = manifest_dir().join("tests/c/doc.c");
    Program::of_file(&source).link_static().build().run_well();
}

#[test]
fn the_examples_compile_everywhere_and_explain_their_use() {
    for file in std::fs::read_dir(manifest_dir().join("examples")).unwrap() {
        let source = file.unwrap().path();
        for language in [Language::C99, Language::C11, Language::Cxx11, Language::Cxx20] {
            let built = Program::of_file(&source).apart("everywhere").language(language).build();
            let output = built.command().output().unwrap();
            assert_eq!(output.status.code(), Some(125), "{}", source.display());
            assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: "));
        }
    }
}

fn example(name: &str) -> Built {
    Program::of_file(&manifest_dir().join(format!("examples/{name}.c"))).build()
}

/// A command on an engine of its own.
fn on(root: &Root, built: &Built, words: &str) -> Command {
    let [directory, run] = root.arguments();
    let mut command = built.command();
    command.args(words.split_whitespace()).env("BARQUE_ROOT", directory).env("BARQUE_RUN", run);
    command
}

#[test]
fn the_run_example_gives_output_and_exit_code() {
    let root = Root::new("run-example");
    let run = example("run");
    for (words, code, out, err) in [
        ("hello echo one two", 0, "one two\n", "run: exited with 0\n"),
        ("hello false", 1, "", "run: exited with 1\n"),
        ("nothing", 125, "", "run: nothing: No such image: nothing:latest\n"),
    ] {
        let output = on(&root, &run, words).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), out, "{words}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), err, "{words}");
    }
}

#[test]
fn containers_live_their_life_through_c() {
    let root = Root::new("life");
    let include = format!("-I{}", manifest_dir().join("tests/c").display());
    let source = manifest_dir().join("tests/c/life.c");
    let built = Program::of_file(&source).flag(&include).build();
    succeed(built.command().args(root.arguments()));
}
