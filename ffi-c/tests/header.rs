//! `include/barque.h` is what the sources say, and strict compilers take it.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toolchain;

use toolchain::{Language, Program, manifest_dir};

/// The files in the order a reader wants them.
const SOURCES: &[&str] = &[
    "version",
    "error",
    "text",
    "cancel",
    "doc",
    "engine",
    "stream",
    "output",
    "container",
    "exec",
    "file",
    "image",
    "network",
    "registry",
    "system",
    "volume",
];

fn generated() -> String {
    let mut config = cbindgen::Config::from_file(manifest_dir().join("cbindgen.toml")).unwrap();
    config.header = Some(include_str!("header/opening.txt").trim_end().to_owned());
    let [major, minor, patch] = [
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
        env!("CARGO_PKG_VERSION_PATCH"),
    ]
    .map(|part| part.parse::<u32>().unwrap());
    config.after_includes = Some(format!(
        "\n/* The header's version; the library's is barque_version(). */\n\
         #define BARQUE_VERSION \"{major}.{minor}.{patch}\"\n\
         #define BARQUE_VERSION_MAJOR {major}\n\
         #define BARQUE_VERSION_MINOR {minor}\n\
         #define BARQUE_VERSION_PATCH {patch}\n\
         #define BARQUE_VERSION_NUMBER {}",
        major * 1_000_000 + minor * 1_000 + patch
    ));
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(manifest_dir().join(format!("src/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    tidy(&String::from_utf8(header).unwrap())
}

/// One-line comments on one line, and negative numbers in parentheses.
fn tidy(header: &str) -> String {
    let lines: Vec<&str> = header.lines().map(str::trim_end).collect();
    let mut tidy = String::new();
    let mut at = 0;
    while at < lines.len() {
        match &lines[at..] {
            ["/**", line, " */", ..] if line.starts_with(" * ") => {
                tidy += &format!("/** {} */", &line[3..]);
                at += 2;
            }
            [line, ..] => match line.rsplit_once(" -") {
                Some((define, number)) if define.starts_with("#define BARQUE_") => {
                    tidy += &format!("{define} (-{number})");
                }
                _ => tidy += line,
            },
            [] => {}
        }
        tidy.push('\n');
        at += 1;
    }
    tidy
}

#[test]
fn the_header_is_what_the_sources_say() {
    toolchain::check_or_bless(&manifest_dir().join("include/barque.h"), &generated());
}

#[test]
fn no_function_is_left_out_of_the_header() {
    let header = generated();
    for file in std::fs::read_dir(manifest_dir().join("src")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in source.lines().filter(|line| line.starts_with("pub extern \"C\" fn ")) {
            let name = line["pub extern \"C\" fn ".len()..].split('(').next().unwrap();
            assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
        }
    }
}

#[test]
fn every_function_stands_behind_the_boundary() {
    // The ways through it, and the one function that can neither panic nor fail.
    let ways =
        ["boundary::", "set(doc", "get(doc", "borrowed(", "current(", "look(", "VERSION", "NUMBER"];
    for file in std::fs::read_dir(manifest_dir().join("src")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for function in source.split("pub extern \"C\" fn ").skip(1) {
            let body = &function[..function.find("\n}").unwrap()];
            let name = body.split('(').next().unwrap();
            let guarded = ways.iter().any(|way| body.contains(way)) || name == "barque_string_free";
            assert!(guarded, "{name} does not catch panics");
        }
    }
}

#[test]
fn everything_in_the_header_is_documented() {
    let header = generated();
    let lines: Vec<&str> = header.lines().collect();
    for (number, line) in lines.iter().enumerate().skip(1) {
        let declares =
            ["int", "void ", "const ", "struct ", "typedef ", "size_t ", "uint", "#define BARQUE_"]
                .iter()
                .any(|start| line.starts_with(start))
                && !line.starts_with("#define BARQUE_H")
                && !line.starts_with("#define BARQUE_VERSION");
        if declares {
            assert!(lines[number - 1].ends_with("*/"), "{}: {line} says nothing", number + 1);
        }
    }
}

#[test]
fn no_type_shows_its_layout_and_nothing_is_called_back() {
    // So there is no size to get wrong between versions, and no code of the host's to slow, leave or re-enter the library.
    let header = generated();
    assert!(header.contains("typedef struct barque_engine barque_engine;"));
    for (number, line) in header.lines().enumerate() {
        let code = line.split("/*").next().unwrap();
        let shows = ["struct", "union", "enum"].iter().any(|word| code.starts_with(word));
        assert!(!shows && !code.contains("(*"), "{}: {line}", number + 1);
    }
}

#[test]
fn strict_compilers_take_it_alone_and_twice() {
    let twice = "#include \"barque.h\"\n#include \"barque.h\"\nint main(void) { return 0; }\n";
    for language in [Language::C99, Language::C11, Language::Cxx11, Language::Cxx20] {
        Program::of_text("twice", twice).language(language).compile_only();
    }
}

#[test]
fn the_header_and_the_library_are_of_one_version() {
    let program = r#"
        #include "barque.h"
        #include <stdio.h>
        #include <string.h>
        int main(void) {
            if (strcmp(barque_version(), BARQUE_VERSION) != 0) { puts(barque_version()); return 1; }
            return barque_version_number() == BARQUE_VERSION_NUMBER ? 0 : 2;
        }"#;
    Program::of_text("version", program).build().run_well();
}
