//! Credential helpers: programs `docker-credential-NAME` that keep secrets elsewhere (docker-credential-helpers, "Development").
//!
//! They are the user's programs and need the user's environment, so they are started with the host's, unlike the monitor. The answer is
//! limited in size and time, and whatever it holds is shown to nobody.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::secret::Secret;
use crate::error::{Error, ErrorKind, Result};
use crate::stream::{Backoff, Canceller, Deadline};

/// Longest that a helper may take: it may ask its user something.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest that it may live after its answer.
const ENDING: Duration = Duration::from_secs(5);
/// Longest answer.
const LONGEST: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    #[serde(default, rename = "ServerURL")]
    server: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: String,
}

/// User name and secret for a registry. Nothing when the helper has none, or when there is no such helper: a configuration from another
/// machine must not keep everybody from public images, and nothing is sent anywhere for it.
pub(super) fn get(
    helper: &str,
    key: &str,
    canceller: &Canceller,
) -> Result<Option<(String, Secret)>> {
    let answer = match run(helper, "get", key.as_bytes(), canceller)? {
        None => return Ok(None),
        Some(answer) if !answer.succeeded => {
            if answer.text.contains("credentials not found") {
                return Ok(None);
            }
            return Err(failed(helper, "error getting credentials"));
        }
        Some(answer) => answer,
    };
    let kept: Kept = serde_json::from_str(&answer.text)
        .map_err(|_| failed(helper, "error getting credentials: the answer is not JSON"))?;
    let same = |a: &str, b: &str| {
        let bare = |text: &str| {
            text.trim_start_matches("https://")
                .trim_start_matches("http://")
                .trim_end_matches('/')
                .to_owned()
        };
        bare(a) == bare(b)
    };
    if !kept.server.is_empty() && !same(&kept.server, key) {
        return Err(failed(helper, "error getting credentials: they are for another registry"));
    }
    let known = !kept.username.is_empty() || !kept.secret.is_empty();
    Ok(known.then(|| (kept.username, Secret::new(kept.secret))))
}

/// Have it keep a secret.
pub(super) fn store(
    helper: &str,
    key: &str,
    username: &str,
    secret: &Secret,
    canceller: &Canceller,
) -> Result<()> {
    let text = json!({"ServerURL": key, "Username": username, "Secret": secret.expose()});
    expect(helper, "store", text.to_string().as_bytes(), canceller)
}

/// Have it forget one.
pub(super) fn erase(helper: &str, key: &str, canceller: &Canceller) -> Result<()> {
    expect(helper, "erase", key.as_bytes(), canceller)
}

fn expect(helper: &str, verb: &str, input: &[u8], canceller: &Canceller) -> Result<()> {
    let what = format!("error in \"{verb}\" of credentials");
    match run(helper, verb, input, canceller)? {
        Some(answer) if answer.succeeded => Ok(()),
        Some(answer) if verb == "erase" && answer.text.contains("credentials not found") => Ok(()),
        Some(_) => Err(failed(helper, &what)),
        None => Err(failed(helper, &format!("{what}: executable file not found in $PATH"))),
    }
}

fn failed(helper: &str, what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} (docker-credential-{helper})"))
        .with_reason("credential_helper")
}

struct Answer {
    succeeded: bool,
    text: String,
}

/// Run a helper; nothing when there is none of that name.
fn run(helper: &str, verb: &str, input: &[u8], canceller: &Canceller) -> Result<Option<Answer>> {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !helper.bytes().all(is_name) {
        return Err(Error::invalid(format!("not the name of a credential helper: {helper:?}")));
    }
    let child = Command::new(format!("docker-credential-{helper}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => Running(child),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(_) => return Err(failed(helper, "it cannot be executed")),
    };
    if let Some(mut stdin) = child.0.stdin.take() {
        // What it does not read it does not want. (A pipe holds 64 KiB: no secret is as long, so this does not wait.)
        let _ = quietly(|| stdin.write_all(&input[..input.len().min(60 << 10)]));
    }
    let Some(stdout) = child.0.stdout.take() else { return Err(failed(helper, "it is silent")) };
    let deadline = Deadline::after(PATIENCE);
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if !canceller.wait_readable(stdout.as_fd(), deadline)? {
            return Err(failed(helper, "it does not answer"));
        }
        match rustix::io::read(&stdout, &mut piece) {
            Ok(0) => break,
            Ok(read) => text.extend_from_slice(&piece[..read]),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(failed(helper, "it does not answer")),
        }
        if text.len() > LONGEST {
            return Err(failed(helper, "its answer is too long"));
        }
    }
    let text = String::from_utf8(text).map_err(|_| failed(helper, "its answer is not text"))?;
    let (ending, mut backoff) = (Deadline::after(ENDING), Backoff::new(ENDING / 5000, ENDING / 50));
    let succeeded = loop {
        match child.0.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if ending.remaining() == Some(Duration::ZERO) => {
                return Err(failed(helper, "it does not end"));
            }
            Ok(None) => canceller.sleep(backoff.pause())?,
            // Somebody else may have reaped it (a host that ignores SIGCHLD): then the answer itself has to do.
            Err(_) => break true,
        }
    };
    Ok(Some(Answer { succeeded, text }))
}

/// Write to a pipe whose reader may be gone, without the signal that would end a host program that does not ignore it: it is kept from
/// this thread, and taken away if it came.
fn quietly<T>(write: impl FnOnce() -> T) -> T {
    crate::sys::thread::without_sigpipe(write)
}

/// A helper that does not outlive the question.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing when it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
