//! `ADD` of a git repository, by the program `git`.
//!
//! It has no configuration but what is given here, asks nobody for credentials, runs no hooks, and speaks to servers only: neither a path
//! of this machine nor a helper program is a repository (`GIT_ALLOW_PROTOCOL`), in submodules as well (CVE-2022-39253). What the cache
//! goes by is the commit: one that it knows is not fetched.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use barque_monitor::protocol::Gather;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::archive::Seen;
use super::bind;
use super::solver::Site;
use crate::error::{Error, ErrorKind, Result};
use crate::image::digest::Digest;
use crate::registry::{Settings, Url};
use crate::stream::Deadline;
use crate::sys::environment;

/// Longest answer that is kept: the last of what it says on why it failed, and the names of a server.
const LONGEST: usize = 1 << 20;

/// Variables that say how the network is reached.
const PASSED: [&str; 9] = [
    "PATH",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// What holds for every command.
const SETTINGS: [&str; 10] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "credential.helper=",
    "-c",
    "gc.auto=0",
    "-c",
    "advice.detachedHead=false",
];

/// Hosts must be known to whoever calls, keys come from the agent that the build was given, and nothing else of theirs counts.
const SSH: &str =
    "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o IdentityFile=/dev/null";

/// Where files are from: a repository, what of it, and which part of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    address: String,
    /// A branch, a tag or a commit; empty: what the server takes for the head.
    name: String,
    /// A directory in it; empty: all.
    directory: String,
}

/// A repository that is fetched when it is wanted.
pub(super) struct Checkout {
    repository: Repository,
    /// The beginning of the commit, as `--checksum` gives it.
    checksum: String,
    keep: bool,
    wanted: Gather,
    commit: OnceLock<String>,
    path: OnceLock<PathBuf>,
}

impl Repository {
    /// Read one; `None`: it is no repository's address. `https://HOST/PATH.git`, `git://…`, `ssh://…` or `USER@HOST:PATH`, each with
    /// `#NAME:DIRECTORY` behind it or not.
    pub(super) fn parse(text: &str) -> Result<Option<Repository>> {
        let (address, part) = text.split_once('#').unwrap_or((text, ""));
        let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
        let is_one = match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" if address.ends_with(".git") => {
                // No user and no password: they would be in the image's history.
                Url::parse(address)?;
                true
            }
            "git" | "ssh" => true,
            "" => is_of_ssh(address),
            _ => false,
        };
        if !is_one {
            return Ok(None);
        }
        let (name, directory) = part.split_once(':').unwrap_or((part, ""));
        let wrong = |what: &str| Err(Error::invalid(format!("the git {what} of {address:?}")));
        let is_plain = |text: &str| !text.contains(|c: char| c.is_control() || c.is_whitespace());
        if !is_plain(address) || address.starts_with('-') || has_password(address) {
            return Err(Error::invalid(format!("not an address of a git repository: {address:?}")));
        }
        if !is_plain(name) || name.starts_with('-') || name.contains([':', '*', '?', '[', '\\']) {
            return wrong("reference cannot be that");
        }
        Ok(Some(Repository {
            address: address.to_owned(),
            name: name.to_owned(),
            directory: directory.to_owned(),
        }))
    }

    /// The commit that its name stands for now.
    fn resolve(&self, git: &Git<'_>) -> Result<String> {
        let name = self.name.as_str();
        if is_commit(name) {
            return Ok(name.to_owned());
        }
        let names = match name {
            "" => vec!["HEAD".to_owned()],
            name => {
                let bare = name.strip_prefix("refs/").unwrap_or(name);
                // A tag's commit, the tag, a branch, anything else of that name.
                vec![
                    format!("refs/tags/{bare}^{{}}"),
                    format!("refs/tags/{bare}"),
                    format!("refs/heads/{bare}"),
                    format!("refs/{bare}^{{}}"),
                    format!("refs/{bare}"),
                ]
            }
        };
        let mut arguments = vec!["ls-remote", "--quiet", "--", self.address.as_str()];
        arguments.extend(names.iter().map(String::as_str));
        let answer = git.run(None, &arguments)?;
        let known: Vec<(&str, &str)> =
            answer.lines().filter_map(|line| line.split_once('\t')).collect();
        let found = names
            .iter()
            .find_map(|name| known.iter().find(|(_, known)| known == name))
            .filter(|(commit, _)| is_commit(commit));
        match found {
            Some((commit, _)) => Ok((*commit).to_owned()),
            None => {
                let what = if name.is_empty() { "HEAD" } else { name };
                let message = format!("{}: the repository has no {what}", self.address);
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }
}

impl Checkout {
    pub(super) fn of(
        repository: Repository,
        checksum: &str,
        keep: bool,
        wanted: Gather,
    ) -> Result<Checkout> {
        let is_hex = checksum.bytes().all(|b| b.is_ascii_hexdigit());
        if !checksum.is_empty() && (checksum.len() < 7 || !is_hex) {
            return Err(Error::invalid(format!(
                "--checksum={checksum} is not the beginning of a commit's number"
            )));
        }
        let mut wanted = Gather {
            sources: vec![bind::literal(&format!("/{}", repository.directory))],
            ..wanted
        };
        if wanted.chmod.is_empty() {
            // Git goes by the mask of this process.
            wanted.chmod = "u=rwX,go=rX".to_owned();
        }
        if !keep {
            wanted.ignore = "**/.git\n".to_owned();
        }
        let checksum = checksum.to_ascii_lowercase();
        Ok(Checkout {
            repository,
            checksum,
            keep,
            wanted,
            commit: OnceLock::new(),
            path: OnceLock::new(),
        })
    }

    /// What it is, which is known without fetching it.
    pub(super) fn look(&self, site: &Site<'_>) -> Result<Seen> {
        let told = json!({
            "git": self.commit(site)?,
            // A directory of git's own says where it is from.
            "address": self.keep.then_some(&self.repository.address),
            "wanted": self.wanted,
        });
        Ok(Seen {
            digest: Digest::of(told.to_string().as_bytes()),
            bytes: 0,
            directory: true,
            files: 0,
            archives: Vec::new(),
        })
    }

    /// What of the tree is copied.
    pub(super) fn wanted(&self) -> Gather {
        self.wanted.clone()
    }

    fn commit(&self, site: &Site<'_>) -> Result<&str> {
        if let Some(commit) = self.commit.get() {
            return Ok(commit);
        }
        let commit = self.repository.resolve(&Git { site })?;
        if !commit.starts_with(&self.checksum) {
            let message = format!(
                "{}: expected checksum to match {}, got {commit}",
                self.repository.address, self.checksum
            );
            return Err(Error::new(ErrorKind::Corrupt, message).with_reason("digest_mismatch"));
        }
        Ok(self.commit.get_or_init(|| commit))
    }

    /// The directory that its tree is in.
    pub(super) fn tree(&self, site: &Site<'_>) -> Result<&Path> {
        if let Some(path) = self.path.get() {
            return Ok(path);
        }
        let path = self.fetch(site)?;
        Ok(self.path.get_or_init(|| path))
    }

    fn fetch(&self, site: &Site<'_>) -> Result<PathBuf> {
        let git = Git { site };
        let commit = self.commit(site)?;
        let Repository { address, name, .. } = &self.repository;
        let path = site.lease.path().join(format!("git-{}", site.number()));
        let text = path.to_string_lossy();
        git.run(None, &["init", "--quiet", "--template=", &text])?;
        let inside = Some(path.as_path());
        git.run(inside, &["remote", "add", "origin", address])?;
        let shallow = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1"];
        let fetch = |what: &str| {
            let arguments: Vec<&str> = shallow.iter().copied().chain(["origin", what]).collect();
            git.run(inside, &arguments)
        };
        // Not every server gives a commit by its number, nor one without all before it.
        let fetched = fetch(commit).or_else(|error| match error.kind() {
            ErrorKind::Cancelled => Err(error),
            _ if name.is_empty() || is_commit(name) => Err(error),
            _ => fetch(name),
        });
        if let Err(error) = fetched {
            if error.kind() == ErrorKind::Cancelled {
                return Err(error);
            }
            let all = "+refs/heads/*:refs/remotes/origin/*";
            git.run(
                inside,
                &["fetch", "--quiet", "--tags", "--no-recurse-submodules", "origin", all],
            )
            .map_err(|_| error)?;
        }
        git.run(inside, &["checkout", "--quiet", "--detach", commit])?;
        if path.join(".gitmodules").symlink_metadata().is_ok_and(|found| found.is_file()) {
            git.run(
                inside,
                &["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"],
            )?;
        }
        Ok(path)
    }
}

/// `USER@HOST:PATH`, as ssh knows it.
fn is_of_ssh(address: &str) -> bool {
    let is_word = |text: &str| {
        let is_of_words = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_of_words)
    };
    address.split_once(':').is_some_and(|(before, path)| {
        !path.is_empty()
            && before.split_once('@').is_some_and(|(user, host)| is_word(user) && is_word(host))
    })
}

/// A password in an address would be in the image's history.
fn has_password(address: &str) -> bool {
    let authority = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

/// A commit's number, whole: of SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The program.
struct Git<'a> {
    site: &'a Site<'a>,
}

impl Git<'_> {
    /// Run it to its end; what it says.
    fn run(&self, directory: Option<&Path>, arguments: &[&str]) -> Result<String> {
        let site = self.site;
        let canceller = site.engine.canceller();
        canceller.check()?;
        if Settings::read(site.engine)?.is_offline() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "no git repository is asked: the engine is offline",
            )
            .with_reason("offline"));
        }
        let home = site.lease.path();
        let mut command = Command::new("git");
        command.args(SETTINGS).args(arguments).env_clear();
        for name in PASSED {
            if let Some(value) = environment::trusted(name) {
                command.env(name, value);
            }
        }
        command.envs(site.globals.proxies());
        if let Some(socket) = site.request.agents.get("default") {
            command.env("SSH_AUTH_SOCK", socket);
        }
        command
            .env("HOME", &home)
            .current_dir(directory.unwrap_or(&home))
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "git:http:https:ssh")
            .env("GIT_SSH_COMMAND", SSH)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // What it starts ends with it.
            .process_group(0);
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::unsupported(
                "ADD of a git repository needs the program git, which is not in PATH; install it",
            ),
            _ => Error::system("start git", error),
        })?;
        let mut running = Running(child);
        let (Some(mut output), Some(mut errors)) =
            (running.0.stdout.take(), running.0.stderr.take())
        else {
            return Err(Error::internal("git without its outputs"));
        };
        // Both are read as they come: it waits for whoever does not.
        let told = std::thread::scope(|scope| {
            let errors = std::thread::Builder::new()
                .spawn_scoped(scope, move || read(&mut errors))
                .map_err(|error| Error::system("start a thread", error));
            let mut said = Vec::new();
            let mut chunk = [0; 4096];
            let waited = loop {
                if let Err(error) = canceller.wait_readable(output.as_fd(), Deadline::never()) {
                    break Err(error);
                }
                match output.read(&mut chunk) {
                    Ok(0) => break Ok(()),
                    Ok(read) if said.len() < LONGEST => said.extend_from_slice(&chunk[..read]),
                    Ok(_) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => break Err(Error::system("read what git says", error)),
                }
            };
            if waited.is_err() {
                running.kill();
            }
            let errors = errors.map(|thread| thread.join().unwrap_or_default());
            waited.and(errors).map(|errors| (said, errors))
        });
        let (said, errors) = told?;
        // Somebody else may have reaped it (a host that ignores SIGCHLD): then what it leaves has to do.
        if running.0.wait().is_ok_and(|status| !status.success()) {
            return Err(failed(arguments[0], &errors));
        }
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

/// All that somebody says; the end of it, if it is long.
fn read(source: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if bytes.len() > LONGEST {
            bytes.drain(..LONGEST / 2);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Its own words, in one line: the reason stands in the line that says `fatal`.
fn failed(verb: &str, errors: &str) -> Error {
    let lines = || errors.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.starts_with("fatal:")).or_else(|| lines().next_back());
    let line: String = line
        .unwrap_or("it does not say why")
        .chars()
        .filter(|c| !c.is_control())
        .take(400)
        .collect();
    Error::new(ErrorKind::Unavailable, format!("git {verb}: {line}")).with_reason("git")
}

/// A program that does not outlive its use, nor what it has started.
struct Running(std::process::Child);

impl Running {
    fn kill(&mut self) {
        // Before it was waited for, the number is its own.
        if let (Ok(None), Some(pid)) =
            (self.0.try_wait(), i32::try_from(self.0.id()).ok().and_then(Pid::from_raw))
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}
