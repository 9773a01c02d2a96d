//! C, Python and Node, as child processes that speak a small protocol over their standard input and output.
//!
//! To the driver: `VERB ID OPERATION LENGTH\n` and LENGTH bytes (`-` for a word that is not used). The verbs are those of
//! [`Face`], and `open`, whose bytes are the engine root. From it: frames `KIND LENGTH\n` and the bytes; `stdout`, `stderr`
//! and `document` come before the closing `ok` or `error`, whose bytes are the answer or the error document. Lengths and
//! bytes, and not lines of JSON, so that the C driver needs no JSON reader and output stays what it is.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::{Face, Failure, Streamed, broken};
use crate::{Sandbox, programs};

pub(super) struct Driver {
    name: &'static str,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Driver {
    pub(super) fn c(sandbox: &Sandbox) -> Driver {
        Driver::start("c", sandbox, &mut Command::new(c_driver()))
    }

    pub(super) fn python(sandbox: &Sandbox) -> Driver {
        let program = programs::workspace().join("tests/drivers/python/driver.py");
        // -W error: a driver that warns (an unclosed stream) fails; -X dev adds the interpreter's own checks.
        let mut command = Command::new(programs::python());
        Driver::start("python", sandbox, command.args(["-X", "dev", "-W", "error"]).arg(program))
    }

    pub(super) fn node(sandbox: &Sandbox) -> Driver {
        let package = programs::node_package();
        let program = programs::workspace().join("tests/drivers/node/driver.mjs");
        let mut command = Command::new(programs::tool("node"));
        Driver::start("node", sandbox, command.arg(program).env("BARQUE_PACKAGE", package))
    }

    fn start(name: &'static str, sandbox: &Sandbox, command: &mut Command) -> Driver {
        let mut child = command
            .env("BARQUE_RUN", sandbox.run())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start the {name} driver: {error}"));
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut driver = Driver { name, child, to, from };
        let root = sandbox.root();
        if let Err(failure) = driver.ask("open", "-", "-", root.as_os_str().as_encoded_bytes()) {
            panic!("the {name} driver does not open: {failure:?}");
        }
        driver
    }

    /// Send a request and read the frames of its answer.
    fn ask(
        &mut self,
        verb: &str,
        id: &str,
        op: &str,
        data: &[u8],
    ) -> Result<(Streamed, Vec<u8>), Failure> {
        let head = format!("{verb} {id} {op} {}\n", data.len());
        let sent = self.to.write_all(head.as_bytes()).and_then(|()| self.to.write_all(data));
        sent.and_then(|()| self.to.flush()).map_err(broken)?;
        let mut seen = Streamed::default();
        loop {
            let mut head = String::new();
            if self.from.read_line(&mut head).map_err(broken)? == 0 {
                let status = self.child.wait().map_err(broken)?;
                return Err(broken(format!("the {} driver ended with {status}", self.name)));
            }
            let (kind, length) = head.trim_end().split_once(' ').ok_or_else(|| broken(&head))?;
            let mut bytes = vec![0; length.parse().map_err(broken)?];
            self.from.read_exact(&mut bytes).map_err(broken)?;
            match kind {
                "stdout" => seen.stdout.extend(bytes),
                "stderr" => seen.stderr.extend(bytes),
                "document" => {
                    seen.documents.push(serde_json::from_slice(&bytes).map_err(broken)?);
                }
                "ok" => return Ok((seen, bytes)),
                "error" => return Err(Failure(serde_json::from_slice(&bytes).map_err(broken)?)),
                other => return Err(broken(format!("the {} driver said {other}", self.name))),
            }
        }
    }
}

impl Face for Driver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn call(&mut self, operation: &str, request: &str) -> Result<Value, Failure> {
        let (_, answer) = self.ask("call", "-", operation, request.as_bytes())?;
        serde_json::from_slice(&answer).map_err(broken)
    }

    fn begin(&mut self, id: &str, operation: &str, request: &str) -> Result<(), Failure> {
        self.ask("begin", id, operation, request.as_bytes()).map(drop)
    }

    fn input(&mut self, id: &str, data: &[u8]) -> Result<(), Failure> {
        self.ask("input", id, "-", data).map(drop)
    }

    fn cancel(&mut self, id: &str) -> Result<(), Failure> {
        self.ask("cancel", id, "-", b"").map(drop)
    }

    fn end(&mut self, id: &str) -> Result<Streamed, Failure> {
        self.ask("end", id, "-", b"").map(|(seen, _)| seen)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let asked = self.ask("close", "-", "-", b"");
        if asked.is_err() {
            // It has ended, or hangs: either way it must be gone before the leak check.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Compile a C program against the library, once a run; where it is. `sources` are below the workspace.
///
/// # Panics
/// When the compiler refuses it.
pub fn compile_c(name: &str, sources: &[&Path], options: &[&str]) -> PathBuf {
    let library = programs::shared_library();
    let directory = programs::build_directory().join("c-programs");
    std::fs::create_dir_all(&directory).expect("make a directory for C programs");
    let program = directory.join(format!("{name}-{}", std::process::id()));
    let header = programs::header();
    let library_directory = library.parent().unwrap_or(Path::new("."));
    let done = Command::new(programs::tool("gcc"))
        .args(["-std=c99", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"])
        .args(options)
        .arg("-I")
        .arg(header.parent().unwrap_or(Path::new(".")))
        .args(sources.iter().map(|source| programs::workspace().join(source)))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library_directory)
        .arg("-lbarque")
        .arg(rpath(library_directory.as_os_str()))
        .output()
        .expect("run gcc");
    assert!(done.status.success(), "gcc {name}: {}", String::from_utf8_lossy(&done.stderr));
    // The SONAME's link, which an installed library has beside it.
    let link = library_directory.join("libbarque.so.0");
    if !link.exists() {
        let _ = std::os::unix::fs::symlink("libbarque.so", link);
    }
    program
}

fn rpath(directory: &OsStr) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from("-Wl,-rpath,");
    option.push(directory);
    option
}

fn c_driver() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM
        .get_or_init(|| compile_c("driver", &[Path::new("tests/drivers/c/driver.c")], &[]))
        .clone()
}
