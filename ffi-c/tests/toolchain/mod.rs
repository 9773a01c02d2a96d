//! Building and running C programs against the library that was just built.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod header;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub(crate) fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory that `libbarque.so` and `libbarque.a` are in. Cargo does not build a cdylib for integration tests
/// (rust-lang/cargo#8628), so this does, with the same profile and into the same target directory.
pub(crate) fn library_dir() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This program is TARGET_DIR/PROFILE/deps/NAME-HASH.
        let profile_dir =
            std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
        let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev".to_owned(),
            other => other.to_owned(),
        };
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--package", "barque-ffi-c", "--lib"])
            .args(["--profile", &profile, "--target-dir"])
            .arg(profile_dir.parent().unwrap())
            .current_dir(manifest_dir())
            .status()
            .unwrap();
        assert!(built.success(), "the library does not build");
        profile_dir
    })
}

/// Compare a generated file with the one in the tree, or write it with BARQUE_BLESS=1.
pub(crate) fn check_or_bless(path: &Path, wanted: &str) {
    if std::env::var_os("BARQUE_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let difference = wanted.lines().zip(found.lines()).find(|(wanted, found)| wanted != found);
    assert!(
        wanted == found,
        "{} is out of date (BARQUE_BLESS=1 writes it); first difference: {difference:?}",
        path.display()
    );
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    C99,
    C11,
    Cxx11,
    Cxx20,
}

/// A C program to be.
pub(crate) struct Program {
    name: String,
    source: PathBuf,
    language: Language,
    link_static: bool,
    flags: Vec<String>,
}

impl Program {
    /// A program given as text.
    pub(crate) fn of_text(name: &str, text: &str) -> Program {
        let source = scratch().join(format!("{name}.c"));
        std::fs::write(&source, text).unwrap();
        Program::of_file(&source)
    }

    /// A program in a file.
    pub(crate) fn of_file(source: &Path) -> Program {
        Program {
            name: source.file_stem().unwrap().to_str().unwrap().to_owned(),
            source: source.to_owned(),
            language: Language::C99,
            link_static: false,
            flags: Vec::new(),
        }
    }

    /// Call what is built so that nobody else builds it at the same time.
    pub(crate) fn apart(mut self, suffix: &str) -> Program {
        self.name = format!("{}-{suffix}", self.name);
        self
    }

    pub(crate) fn language(mut self, language: Language) -> Program {
        self.language = language;
        self
    }

    /// Link `libbarque.a`.
    pub(crate) fn link_static(mut self) -> Program {
        self.link_static = true;
        self
    }

    pub(crate) fn flag(mut self, flag: &str) -> Program {
        self.flags.push(flag.to_owned());
        self
    }

    fn compiler(&self) -> Command {
        let (compiler, standard, kind) = match self.language {
            Language::C99 => ("cc", "-std=c99", "c"),
            Language::C11 => ("cc", "-std=c11", "c"),
            Language::Cxx11 => ("c++", "-std=c++11", "c++"),
            Language::Cxx20 => ("c++", "-std=c++20", "c++"),
        };
        let mut command = Command::new(compiler);
        command
            .args([standard, "-x", kind, "-D_DEFAULT_SOURCE"])
            .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wwrite-strings", "-g"])
            .args(&self.flags)
            .arg("-I")
            .arg(manifest_dir().join("include"))
            .arg(&self.source)
            .args(["-x", "none"]);
        command
    }

    /// See whether the compiler has anything to say.
    pub(crate) fn compile_only(&self) {
        succeed(self.compiler().args(["-fsyntax-only"]));
    }

    /// Compile and link.
    pub(crate) fn build(&self) -> Built {
        let kind = match self.language {
            Language::C99 | Language::C11 => "c",
            Language::Cxx11 | Language::Cxx20 => "cxx",
        };
        let linked = if self.link_static { "static" } else { "shared" };
        let program = scratch().join(format!("{}-{kind}-{linked}", self.name));
        let mut command = self.compiler();
        command.arg("-o").arg(&program);
        if self.link_static {
            command.arg(library_dir().join("libbarque.a"));
            command.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"]);
        } else {
            command.arg("-L").arg(library_dir()).args(["-lbarque", "-lpthread"]);
        }
        succeed(&mut command);
        Built { program }
    }
}

/// A program that was built.
pub(crate) struct Built {
    pub(crate) program: PathBuf,
}

impl Built {
    /// A command that finds the library and an engine root of its own.
    pub(crate) fn command(&self) -> Command {
        self.below(Command::new(&self.program))
    }

    /// The same under valgrind(1).
    pub(crate) fn valgrind(&self) -> Command {
        let mut command = Command::new("valgrind");
        command
            .args([
                "--quiet",
                "--error-exitcode=99",
                "--leak-check=full",
                "--errors-for-leak-kinds=definite",
            ])
            .arg(&self.program);
        self.below(command)
    }

    fn below(&self, mut command: Command) -> Command {
        // The SONAME is libbarque.so.0, which only an installed library has as a file name.
        let links = library_dir().join("ffi-c-links");
        std::fs::create_dir_all(&links).unwrap();
        let _ = std::os::unix::fs::symlink("../libbarque.so", links.join("libbarque.so.0"));
        command.env("LD_LIBRARY_PATH", links).env_remove("BARQUE_ROOT").env_remove("BARQUE_RUN");
        command
    }

    /// Run it; it must exit with 0. Its standard output.
    pub(crate) fn run_well(&self) -> String {
        succeed(&mut self.command())
    }
}

/// Run a command that must succeed; its standard output.
pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// A directory for what this test program makes.
pub(crate) fn scratch() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(env!("CARGO_CRATE_NAME"));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
