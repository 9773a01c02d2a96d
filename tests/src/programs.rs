//! Where the things under test are: what `make test` builds before it runs the suites.
//!
//! Everything is found from the running test program's own place, `TARGET/PROFILE/deps/`, so a suite always tests what was
//! built with it. A thing that is not there skips the tests that need it, or fails them where
//! `BARQUE_TESTS_COMPLETE` is set (CI), so that nothing is left out in silence.

use std::path::{Path, PathBuf};

use crate::suite::skip;

/// The static payload program.
pub const TESTBOX: &str = env!("BARQUE_TESTBOX");

/// The benchmark's floor program.
pub const FLOOR: &str = env!("BARQUE_FLOOR");

/// The repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// `TARGET/PROFILE`.
pub fn build_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let here = program.parent().unwrap_or(Path::new("/"));
    if here.ends_with("deps") { here.parent().unwrap_or(here).to_owned() } else { here.to_owned() }
}

/// The path, if there is something; otherwise the test is skipped, or fails where all must be there.
pub fn need(what: &str, path: PathBuf) -> PathBuf {
    if path.exists() {
        return path;
    }
    missing(&format!("{what} is not built: no {}", path.display()))
}

/// The program of that name on `PATH`, or skip as [`need`] does.
pub fn tool(name: &str) -> PathBuf {
    match find_tool(name) {
        Some(path) => path,
        None => missing(&format!("{name} is not installed")),
    }
}

/// The program of that name on `PATH`.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|p| p.is_file())
}

/// Skip, or fail where everything must be there.
pub fn missing(what: &str) -> ! {
    assert!(std::env::var_os("BARQUE_TESTS_COMPLETE").is_none(), "{what}");
    skip(what)
}

/// Settings for podman, for its variable CONTAINERS_CONF: it then keeps its locks in files below its root, not in a shared memory
/// that outlives it (`lock_type`, containers.conf(5)).
pub fn podman_settings(directory: &Path) -> PathBuf {
    let path = directory.join("containers.conf");
    std::fs::write(&path, "[engine]\nlock_type = \"file\"\n").expect("write podman's settings");
    path
}

/// The command line.
pub fn barque() -> PathBuf {
    need("the command line", build_directory().join("barque"))
}

/// The command line with failpoints in it.
pub fn barque_with_failpoints() -> PathBuf {
    need("the command line with failpoints", build_directory().join("failpoints/barque"))
}

/// The C library.
pub fn shared_library() -> PathBuf {
    need("the C library", build_directory().join("libbarque.so"))
}

/// The header of the C library.
pub fn header() -> PathBuf {
    need("the C header", workspace().join("ffi-c/include/barque.h"))
}

/// A Python that has the package.
pub fn python() -> PathBuf {
    match std::env::var_os("BARQUE_PYTHON") {
        Some(path) => need("Python with barque", path.into()),
        None => {
            let target = build_directory();
            let target = target.parent().unwrap_or(&target);
            need("Python with barque", target.join("venv/bin/python"))
        }
    }
}

/// The directory of the Node package, built.
pub fn node_package() -> PathBuf {
    let package = workspace().join("bindings-node");
    let built = std::fs::read_dir(package.join("dist")).into_iter().flatten().flatten();
    let addon =
        built.map(|entry| entry.path()).find(|p| p.extension().is_some_and(|e| e == "node"));
    if addon.is_none() {
        missing("the Node addon is not built");
    }
    package
}
