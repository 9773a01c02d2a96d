//! The command line: each step a command, its request turned into arguments and its output into as much of the answer as the
//! command shows ([`arguments`]).

mod arguments;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::{Face, Failure, Streamed, broken};
use crate::Sandbox;
use crate::sandbox::{Finished, collect, finish};

pub(super) struct CommandLine {
    root: std::path::PathBuf,
    run: std::path::PathBuf,
    work: std::path::PathBuf,
    running: BTreeMap<String, (String, Child)>,
    /// What is to be run when `exec.start` asks for it: the command creates and starts at once.
    execs: Vec<Value>,
}

impl CommandLine {
    pub(super) fn open(sandbox: &Sandbox) -> CommandLine {
        let (root, run, work) = (sandbox.root(), sandbox.run(), sandbox.work());
        CommandLine { root, run, work, running: BTreeMap::new(), execs: Vec::new() }
    }

    fn command(&self, arguments: &[String]) -> Command {
        let mut command = Command::new(crate::programs::barque());
        command
            .args(arguments)
            .env("BARQUE_ROOT", &self.root)
            .env("BARQUE_RUN", &self.run)
            .env("HOME", &self.work)
            .current_dir(&self.work)
            .stdin(Stdio::null());
        command
    }
}

impl CommandLine {
    /// The request of the create that `exec.start` names, with what it asks for itself.
    fn exec(&self, request: &str) -> Result<String, Failure> {
        let mut start: Value = serde_json::from_str(request).map_err(broken)?;
        let number = start["Id"].as_str().and_then(|id| id.strip_prefix("exec-")?.parse().ok());
        let create = number.and_then(|number: usize| self.execs.get(number));
        start["Create"] = create.cloned().ok_or_else(|| broken("no such exec"))?;
        Ok(start.to_string())
    }
}

/// Exit codes that are the command's own and not the container's.
fn failed(done: &Finished) -> Failure {
    let message = done.stderr.trim();
    let message = message
        .strip_prefix("barque: Error: ")
        .or_else(|| message.strip_prefix("Error response from daemon: "))
        .or_else(|| message.strip_prefix("Error: "))
        .unwrap_or(message);
    Failure(json!({"message": message, "exit_code": done.code}))
}

impl Face for CommandLine {
    fn name(&self) -> &'static str {
        "cli"
    }

    fn shows_documents(&self) -> bool {
        false
    }

    fn call(&mut self, operation: &str, request: &str) -> Result<Value, Failure> {
        if operation == "exec.create" {
            self.execs.push(serde_json::from_str(request).map_err(broken)?);
            return Ok(json!({"Id": format!("exec-{}", self.execs.len() - 1)}));
        }
        let arguments = arguments::of(operation, request).map_err(broken)?;
        let done = finish(self.command(&arguments), b"");
        if done.code != 0 {
            return Err(failed(&done));
        }
        arguments::answer(operation, request, &done.stdout).map_err(broken)
    }

    fn begin(&mut self, id: &str, operation: &str, request: &str) -> Result<(), Failure> {
        let request = match operation {
            "exec.start" => self.exec(request)?,
            _ => request.to_owned(),
        };
        let arguments = arguments::of(operation, &request).map_err(broken)?;
        let child = self
            .command(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(broken)?;
        self.running.insert(id.to_owned(), (operation.to_owned(), child));
        Ok(())
    }

    fn input(&mut self, id: &str, data: &[u8]) -> Result<(), Failure> {
        let (_, child) = self.running.get_mut(id).ok_or_else(|| broken("no such stream"))?;
        if data.is_empty() {
            child.stdin = None;
        } else if let Some(stdin) = &mut child.stdin {
            std::io::Write::write_all(stdin, data).map_err(broken)?;
        }
        Ok(())
    }

    /// What cancels a command is Ctrl-C.
    fn cancel(&mut self, id: &str) -> Result<(), Failure> {
        let (_, child) = self.running.get(id).ok_or_else(|| broken("no such stream"))?;
        // SAFETY: the child was not waited for yet, so the pid is its own.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        Ok(())
    }

    fn end(&mut self, id: &str) -> Result<Streamed, Failure> {
        let (operation, mut child) =
            self.running.remove(id).ok_or_else(|| broken("no such stream"))?;
        child.stdin = None;
        let done = collect(child);
        let ours =
            matches!(operation.as_str(), "container.run" | "container.attach" | "exec.start");
        // 125 is the command's own failure, 126 and 127 are those of starting the container's program.
        if (ours && done.stderr.starts_with("barque: "))
            || (ours && (125..=127).contains(&done.code) && !done.stderr.is_empty())
            || (!ours && done.code != 0)
        {
            return Err(failed(&done));
        }
        let mut streamed = Streamed {
            stdout: done.stdout.clone().into_bytes(),
            stderr: done.stderr.into_bytes(),
            documents: Vec::new(),
        };
        match operation.as_str() {
            "container.wait" => {
                let code: i64 = done.stdout.trim().parse().map_err(broken)?;
                streamed.stdout.clear();
                streamed.documents.push(json!({"StatusCode": code}));
            }
            "image.build" => {
                streamed.documents.push(json!({"Id": done.stdout.trim()}));
                streamed.stdout.clear();
            }
            "image.pull" => {
                let told = |begins: &str| {
                    done.stdout
                        .lines()
                        .find_map(|line| line.strip_prefix(begins))
                        .unwrap_or_default()
                };
                streamed.documents.push(json!({
                    "Name": done.stdout.lines().last().unwrap_or_default(),
                    "Digest": told("Digest: "),
                    "Downloaded": told("Status: ").starts_with("Downloaded"),
                }));
                streamed.stdout.clear();
            }
            "image.push" => {
                let lines = done.stdout.lines();
                let tags: Vec<Value> = lines
                    .filter_map(|line| {
                        let (tag, rest) = line.split_once(": digest: ")?;
                        let (digest, size) = rest.split_once(" size: ")?;
                        let size: i64 = size.parse().ok()?;
                        Some(json!({"Tag": tag, "Digest": digest, "Size": size}))
                    })
                    .collect();
                streamed.documents.push(json!({"Tags": tags}));
                streamed.stdout.clear();
            }
            "container.run" | "container.attach" => {
                streamed.documents.push(json!({"StatusCode": done.code}));
            }
            // One a line, and no output of a container.
            "container.stats" | "system.events" => {
                let lines = std::mem::take(&mut streamed.stdout);
                for line in String::from_utf8_lossy(&lines).lines() {
                    streamed.documents.push(serde_json::from_str(line).map_err(broken)?);
                }
            }
            "exec.start" => {
                streamed.documents.push(json!({"ExitCode": done.code, "Running": done.code == 0}));
            }
            _ => {}
        }
        Ok(streamed)
    }
}

impl Drop for CommandLine {
    fn drop(&mut self) {
        for (_, child) in self.running.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
