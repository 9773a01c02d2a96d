//! An engine of its own for each test, and the command on it. Its image is the built-in one.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct Engine {
    directory: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Engine {
    pub(crate) fn new(name: &str) -> Engine {
        assert!(nix::unistd::geteuid().is_root(), "containers need root");
        let name = format!("cli-{name}-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Engine { directory }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The command, its words separated by blanks.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barque"));
        command
            .args(words.split_whitespace())
            .env("BARQUE_ROOT", self.directory.join("root"))
            .env("BARQUE_RUN", self.directory.join("run"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, words: &str) -> Done {
        done(self.command(words).output().unwrap())
    }

    /// The same engine, in this process.
    pub(crate) fn open(&self) -> barque::Engine {
        let options = barque::EngineOptions::at(self.file("root")).run_directory(self.file("run"));
        barque::Engine::open(options).unwrap()
    }

    /// Start it with pipes for everything.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Wait until a container runs; its id.
    pub(crate) fn running(&self, name: &str) -> String {
        wait_for(&format!("{name} to run"), || {
            let done =
                self.run(&format!("inspect --format {{{{.State.Running}}}},{{{{.Id}}}} {name}"));
            done.out.trim().strip_prefix("true,").map(str::to_owned)
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for id in self.run("ps -aq").out.lines() {
            self.run(&format!("rm -f {id}"));
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn done(output: Output) -> Done {
    Done {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
