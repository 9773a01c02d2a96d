//! The ABI: which symbols there are, and that it only grows.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toolchain;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use toolchain::header::functions;
use toolchain::{library_dir, manifest_dir, scratch, succeed};

fn exported() -> Vec<String> {
    let library = library_dir().join("libbarque.so");
    let listing =
        succeed(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library));
    listing.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn every_symbol_is_in_the_header_and_nothing_else_is_exported() {
    let mut declared: Vec<String> = functions().into_iter().map(|function| function.name).collect();
    declared.sort_unstable();
    let mut exported = exported();
    exported.sort_unstable();
    assert_eq!(exported, declared);
}

#[test]
fn the_symbol_list_only_grows() {
    let path = manifest_dir().join("abi/symbols.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut symbols: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(symbol, since)| (symbol.to_owned(), since.to_owned()))
        .collect();
    let exported = exported();
    for symbol in symbols.keys() {
        assert!(exported.contains(symbol), "{symbol} is gone: that breaks the ABI (docs/c-api.md)");
    }
    for symbol in exported {
        symbols.entry(symbol).or_insert_with(|| env!("CARGO_PKG_VERSION").to_owned());
    }
    let mut wanted = String::new();
    for (symbol, since) in symbols {
        writeln!(wanted, "{symbol} {since}").unwrap();
    }
    toolchain::check_or_bless(&path, &wanted);
}

/// A library with the header's functions and nothing in them: libabigail then compares what C sees, not how Rust calls its
/// types.
fn stub() -> PathBuf {
    let mut text = String::from("#include \"barque.h\"\n");
    for function in functions() {
        let parameters: Vec<String> = function
            .parameters
            .iter()
            .map(|parameter| format!("{} {}", parameter.kind, parameter.name))
            .collect();
        let parameters =
            if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
        let body = if function.returns == "void" { "{}" } else { "{ return 0; }" };
        writeln!(text, "{} {}({parameters}) {body}", function.returns, function.name).unwrap();
    }
    let (source, library) = (scratch().join("stub.c"), scratch().join("libbarque-stub.so"));
    std::fs::write(&source, text).unwrap();
    succeed(
        Command::new("cc")
            // Where the tree and the target directory lie is not part of the ABI.
            .arg(format!("-ffile-prefix-map={}=.", manifest_dir().display()))
            .arg(format!("-ffile-prefix-map={}=.", scratch().display()))
            .args(["-shared", "-fPIC", "-g", "-O0", "-Wno-unused-parameter", "-I"])
            .arg(manifest_dir().join("include"))
            .args(["-Wl,-soname,libbarque.so.0", "-o"])
            .args([&library, &source]),
    );
    library
}

#[test]
fn signatures_and_constants_stay_as_they_were() {
    if Command::new("abidiff").arg("--version").output().is_err() {
        eprintln!("SKIPPED: abidiff (package abigail-tools) is not installed");
        return;
    }
    let (baseline, stub) = (manifest_dir().join("abi/barque.abi"), stub());
    // abidiff(1): bit 2 is a change, bit 3 an incompatible one; additions are changes only. The texts themselves are not
    // compared: they depend on the compiler and on libabigail.
    let report = Command::new("abidiff").arg(&baseline).arg(&stub).output().unwrap();
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    let code = report.status.code().unwrap();
    let broken = code & 0b1011 != 0 || text.contains("[C]") || text.contains("[D]");
    assert!(!broken, "the ABI breaks (a new shape is a new function, docs/c-api.md):\n{text}");
    if code == 0 {
        return;
    }
    let mut describe = Command::new("abidw");
    describe.args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs"]);
    let description = succeed(describe.args(["--type-id-style", "hash"]).arg(&stub));
    toolchain::check_or_bless(&baseline, &description);
}

#[test]
fn constants_keep_their_values() {
    let header = std::fs::read_to_string(manifest_dir().join("include/barque.h")).unwrap();
    let constants: String = header
        .lines()
        .filter(|line| line.starts_with("#define BARQUE_") && line.split(' ').count() > 2)
        .filter(|line| !line.contains("BARQUE_VERSION"))
        .map(|line| format!("{}\n", &line["#define ".len()..]))
        .collect();
    let path = manifest_dir().join("abi/constants.txt");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    for line in before.lines() {
        assert!(
            constants.lines().any(|now| now == line),
            "{line} has changed: that breaks the ABI"
        );
    }
    toolchain::check_or_bless(&path, &constants);
}

#[test]
fn the_library_has_the_soname_programs_will_look_for_and_stays_loaded() {
    let dynamic =
        succeed(Command::new("readelf").arg("-d").arg(library_dir().join("libbarque.so")));
    assert!(dynamic.contains("Library soname: [libbarque.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}
