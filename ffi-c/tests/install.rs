//! An installed library is found by pkg-config and by the loader, shared and static.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toolchain;

use std::process::Command;

use toolchain::{library_dir, manifest_dir, scratch, succeed};

#[test]
fn a_program_is_built_against_an_installed_library() {
    let prefix = scratch().join("prefix");
    let _ = std::fs::remove_dir_all(&prefix);
    succeed(
        Command::new(manifest_dir().join("install.sh"))
            .env("PREFIX", &prefix)
            .env("BUILD", library_dir())
            .env_remove("DESTDIR"),
    );
    let library = std::fs::read_link(prefix.join("lib/libbarque.so.0")).unwrap();
    assert_eq!(library.to_str().unwrap(), concat!("libbarque.so.", env!("CARGO_PKG_VERSION")));

    for (mode, link) in [("--libs", "shared"), ("--static", "static")] {
        let flags = succeed(
            Command::new("pkg-config")
                .args(["--cflags", "--libs", mode, "barque"])
                .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")),
        );
        if link == "static" {
            std::fs::remove_file(prefix.join("lib/libbarque.so")).unwrap();
        }
        let program = scratch().join(link);
        succeed(
            Command::new("cc")
                .arg(manifest_dir().join("tests/c/doc.c"))
                .args(flags.split_whitespace())
                .arg("-o")
                .arg(&program),
        );
        let mut run = Command::new(&program);
        if link == "shared" {
            run.env("LD_LIBRARY_PATH", prefix.join("lib"));
        }
        succeed(&mut run);
    }
    std::fs::remove_dir_all(&prefix).unwrap();
}
