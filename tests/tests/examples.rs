//! What the manuals show is true: every block of code in README.md and docs/*.md that can be run is run, and paths that
//! documents name exist.
//!
//! A block is run by its language: `python`, `js`, `c` (a whole program, with `main`), `sh` (lines that begin with `barque`). A
//! block that is a fragment, needs an image that is not there, or must not be run says so in a comment before it:
//! `<!-- not run: why -->`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use barque_tests::sandbox::finish;
use barque_tests::suite::Suite;
use barque_tests::{Sandbox, faces, programs};

fn main() -> std::process::ExitCode {
    let mut suite = Suite::default();
    for page in pages() {
        for block in blocks(&page) {
            let name = format!("{}:{} ({})", block.page, block.line, block.language);
            suite.add(name, move || run(&block));
        }
    }
    suite.add("paths_that_documents_name_exist", paths_exist);
    suite.run()
}

fn pages() -> Vec<PathBuf> {
    let workspace = programs::workspace();
    let mut found = vec![workspace.join("README.md")];
    let docs = fs::read_dir(workspace.join("docs")).into_iter().flatten().flatten();
    found.extend(
        docs.map(|entry| entry.path()).filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    found.sort();
    found
}

struct Block {
    page: String,
    line: usize,
    language: String,
    code: String,
}

/// The blocks of a page that are to be run.
fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).expect("read a page");
    let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut previous = "";
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            if !line.trim().is_empty() {
                previous = line;
            }
            continue;
        };
        let code: Vec<&str> = lines
            .by_ref()
            .map(|(_, l)| l)
            .take_while(|l| !l.trim_start().starts_with("```"))
            .collect();
        let excused = previous.trim_start().starts_with("<!-- not run:");
        previous = "";
        let code = code.join("\n") + "\n";
        let whole = match language {
            "python" => code.contains("import barque"),
            "js" => code.contains("from \"barque\"") || code.contains("from 'barque'"),
            "c" => code.contains("int main("),
            "sh" => code.lines().any(|line| line.starts_with("barque ")),
            _ => false,
        };
        if whole && !excused {
            found.push(Block {
                page: name.clone(),
                line: number + 1,
                language: language.to_owned(),
                code,
            });
        }
    }
    found
}

fn run(block: &Block) {
    let sandbox = Sandbox::with_testbox();
    let place = sandbox.work();
    let command = match block.language.as_str() {
        "python" => {
            let file = place.join("block.py");
            fs::write(&file, &block.code).expect("write a block");
            sandbox.command_of(&programs::python(), &[file])
        }
        "js" => {
            let package = programs::node_package();
            let modules = place.join("node_modules");
            fs::create_dir_all(&modules).expect("make node_modules");
            std::os::unix::fs::symlink(package, modules.join("barque")).expect("link the package");
            let file = place.join("block.mjs");
            fs::write(&file, &block.code).expect("write a block");
            sandbox.command_of(&programs::tool("node"), &[file])
        }
        "c" => {
            let file = place.join("block.c");
            fs::write(&file, &block.code).expect("write a block");
            let program = faces::compile_c("block", &[&file], &[]);
            sandbox.command_of(&program, &[""; 0])
        }
        _ => {
            // The command is the one that was built.
            let file = place.join("block.sh");
            fs::write(&file, format!("set -e\n{}", block.code)).expect("write a block");
            let mut command = sandbox.command_of(Path::new("bash"), &[file]);
            let path = std::env::var("PATH").unwrap_or_default();
            let built = programs::barque();
            let built = built.parent().unwrap_or(Path::new("/")).display().to_string();
            command.env("PATH", format!("{built}:{path}"));
            command
        }
    };
    let done = finish(command, b"");
    assert_eq!(done.code, 0, "\n{}\n{}", done.stdout, done.stderr);
}

/// Paths in backquotes that begin with one of the repository's folders.
fn paths_exist() {
    let workspace = programs::workspace();
    let mut pages = pages();
    pages.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| workspace.join(name)));
    let mut missing = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap_or_default();
        for quoted in text.split('`').skip(1).step_by(2) {
            let folders = [
                "core/",
                "cli/",
                "ffi-c/",
                "bindings-python/",
                "bindings-node/",
                "tests/",
                "docs/",
                "examples/",
            ];
            let plain = quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            // Shorter forms such as `api/` name a folder below one of these.
            if plain
                && folders.iter().any(|f| quoted.starts_with(f))
                && !workspace.join(quoted).exists()
            {
                missing.push(format!("{}: {quoted}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "these are named and not there:\n{}", missing.join("\n"));
    // And the tools that documents tell of.
    for name in ["Makefile", ".ci/run", "deny.toml", "LICENSE-APACHE", "LICENSE-MIT"] {
        assert!(workspace.join(name).exists(), "{name}");
    }
    let done = Command::new("make")
        .args(["--dry-run", "test"])
        .current_dir(workspace)
        .output()
        .expect("run make");
    assert!(done.status.success());
}
