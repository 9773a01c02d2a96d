//! Builds the monitor that the library carries inside itself and says where it is: `BARQUE_MONITOR_BIN`.
//!
//! The monitor is a program of its own: static, optimised for size, aborting on panic, while the library is a shared
//! object that unwinds. Cargo has no stable way to say that of a dependency (artifact dependencies are nightly, and
//! they take the profile of their user), so a second cargo builds it, in a target directory of its own: the outer one
//! holds the lock of the first.
//!
//! A packager who builds the monitor apart sets `BARQUE_MONITOR_BIN` to its path.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = here.parent().ok_or("core stands in no workspace")?;
    let out = PathBuf::from(variable("OUT_DIR")?);

    println!("cargo:rerun-if-env-changed=BARQUE_MONITOR_BIN");
    for input in
        ["core/build.rs", "core/monitor/Cargo.toml", "core/monitor/src", "Cargo.lock", "Cargo.toml"]
    {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }

    // A copy, since builds with other features of this crate share the directory that cargo writes to.
    let carried = out.join("barque-monitor");
    let built = match env::var_os("BARQUE_MONITOR_BIN") {
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo:rerun-if-changed={}", path.display());
            path
        }
        None => build(&here.join("monitor"), &out)?,
    };
    std::fs::copy(&built, &carried).map_err(|e| format!("copy {}: {e}", built.display()))?;
    println!("cargo:rustc-env=BARQUE_MONITOR_BIN={}", carried.display());
    let digest = Sha256::digest(std::fs::read(&carried)?);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo:rustc-env=BARQUE_MONITOR_SHA256={digest}");
    Ok(())
}

/// Build the package in `package`; the program's path.
fn build(package: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    // OUT_DIR is TARGET_DIR[/TRIPLE]/PROFILE/build/PACKAGE-HASH/out.
    let target_dir = out.ancestors().nth(4).ok_or("OUT_DIR is not below a target directory")?;
    let target_dir = target_dir.join("monitor-image");
    let (host, target) = (variable("HOST")?, variable("TARGET")?);

    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .args(["rustc", "--locked", "--offline", "--quiet", "--profile", "monitor"])
        .args(["--package", "barque-monitor", "--bin", "barque-monitor"])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir);
    let mut program = target_dir;
    if host != target {
        cargo.args(["--target", &target]);
        program.push(&target);
    }
    if env::var_os("CARGO_FEATURE_FAILPOINTS").is_some() {
        cargo.args(["--features", "failpoints"]);
    }
    cargo.args(["--", "-C", "target-feature=+crt-static", "-C", "relocation-model=static"]);
    for (name, _) in env::vars_os() {
        if is_of_the_outer_build(&name.to_string_lossy()) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().map_err(|e| format!("cargo, to build the monitor: {e}"))?;
    if !status.success() {
        return Err(format!("building the monitor: cargo ended with {status}").into());
    }
    Ok(program.join("monitor/barque-monitor"))
}

/// Whether the variable is one that cargo or its user set for the outer build: its flags (instrumentation, a linker for
/// shared objects), its profile's changes (but for those of the monitor's own profile), its wrapper
/// (clippy) and what it tells build scripts.
fn is_of_the_outer_build(name: &str) -> bool {
    const KEPT: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_NET_OFFLINE",
        "CARGO_TERM_COLOR",
        "CARGO_HTTP_CAINFO",
        "CARGO_BUILD_JOBS",
    ];
    const WRAPPERS: [&str; 4] =
        ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "RUSTDOCFLAGS"];
    let linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
    let own_profile = name.starts_with("CARGO_PROFILE_MONITOR_");
    (name.starts_with("CARGO") && !linker && !own_profile && !KEPT.contains(&name))
        || WRAPPERS.contains(&name)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("cargo sets no {name}"))
}
