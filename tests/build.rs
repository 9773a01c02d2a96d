//! Builds the two programs that the suites run and that must be static: `testbox`, the payload of every container, and
//! `floor`, the benchmark's lower bound. Cargo can't say of a dependency that it is a static program, so a second cargo
//! builds them, in a directory of its own (the outer one holds the lock of the first).

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = workspace.parent().ok_or("tests stands in no workspace")?;
    // OUT_DIR is TARGET_DIR/PROFILE/build/PACKAGE-HASH/out.
    let target = out.ancestors().nth(3).ok_or("OUT_DIR is not below a target directory")?;
    let target = target.join("static-programs");

    for (package, program, variable, sources) in [
        ("barque-testbox", "testbox", "BARQUE_TESTBOX", "tests/testbox"),
        ("barque-bench-floor", "floor", "BARQUE_FLOOR", "tests/bench/floor"),
    ] {
        println!("cargo:rerun-if-changed={}", workspace.join(sources).display());
        let mut cargo = Command::new(env::var("CARGO")?);
        cargo
            .args(["rustc", "--locked", "--offline", "--quiet", "--profile", "monitor"])
            .args(["--package", package, "--bin", program, "--target-dir"])
            .arg(&target)
            .arg("--manifest-path")
            .arg(workspace.join("Cargo.toml"))
            .args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
        // Wrappers (clippy) and flags of the outer build are not this one's.
        for name in
            ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]
        {
            cargo.env_remove(name);
        }
        cargo.env_remove("CARGO_TARGET_DIR");
        let status = cargo.status()?;
        if !status.success() {
            return Err(format!("building {program}: cargo ended with {status}").into());
        }
        println!("cargo:rustc-env={variable}={}", target.join("monitor").join(program).display());
    }
    Ok(())
}
