//! `barque login`.

use std::io::{self, BufRead, Read};
use std::os::fd::AsFd;

use barque::api;
use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, raise};

use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result, describe};
use crate::session::signals::{self, Signals};
use crate::{output, terminal};

pub(crate) const VERB: Verb = Verb {
    name: "login",
    about: "Authenticate to a registry",
    usage: "[OPTIONS] [SERVER]",
    operands: Operands::AtMost(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long, value_name = "string")]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long, value_name = "string")]
    username: Option<String>,
}

/// Longest password that is read: a token of a cloud has some thousand characters.
const LONGEST: u64 = 64 << 10;

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let server = parsed.operands.first().cloned().unwrap_or_default();
    let (username, password) = credentials(flags)?;
    let auth = api::AuthConfig { username, password, server_address: server, ..Default::default() };
    let request = api::RegistryLogin { auth, check_only: false };
    let answer = parsed.engine()?.registries().login(&request)?;
    if answer.kept.starts_with('/') {
        output::say(&format!(
            "\nWARNING! Your credentials are stored unencrypted in '{}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n",
            output::printable(&answer.kept)
        ));
    }
    output::out(format!("{}\n", answer.status)).map(|()| 0)
}

fn credentials(flags: Flags) -> Result<(String, String)> {
    let Flags { password, password_stdin, username } = flags;
    if password_stdin {
        if password.is_some() {
            return Err(Failure::new(
                "conflicting options: cannot specify both --password and --password-stdin",
            ));
        }
        let Some(username) = username.filter(|name| !name.is_empty()) else {
            return Err(Failure::new("the --password-stdin option requires --username to be set"));
        };
        let mut text = String::new();
        io::stdin()
            .lock()
            .take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|error| unread(&error))?;
        return Ok((username, line(text)));
    }
    if password.is_some() {
        output::say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    match (username, password) {
        (Some(username), Some(password)) => Ok((username, password)),
        _ if !terminal::is_input() => {
            Err(Failure::new("Error: Cannot perform an interactive login from a non TTY device"))
        }
        (username, password) => {
            let username = match username {
                Some(username) => username,
                None => ask("Username: ")?,
            };
            let password = match password {
                Some(password) => password,
                None => ask_in_silence("Password: ")?,
            };
            Ok((username, password))
        }
    }
}

/// The answer is not shown. A signal that ends this program leaves no terminal behind that shows nothing.
fn ask_in_silence(question: &str) -> Result<String> {
    let signals = Signals::take()?;
    let silence = terminal::NoEcho::enter();
    output::err(question.as_bytes())?;
    loop {
        let stdin = io::stdin();
        let mut fds = [signals.as_fd(), stdin.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        // An error of it shows again when the answer is read.
        let _ = poll(&mut fds, PollTimeout::NONE);
        match signals.next() {
            Some(Signal::SIGWINCH) => {}
            Some(Signal::SIGTSTP) => {
                silence.iter().for_each(terminal::NoEcho::restore);
                let _ = raise(Signal::SIGSTOP);
                silence.iter().for_each(terminal::NoEcho::resume);
            }
            Some(signal) => {
                drop(silence);
                output::err(b"\n")?;
                return Err(Failure::quiet(signals::status(signal)));
            }
            None if fds[1].any() == Some(false) => {}
            None => break,
        }
    }
    let answer = read();
    drop(silence);
    signals.give_back();
    output::err(b"\n")?;
    answer
}

fn ask(question: &str) -> Result<String> {
    output::err(question.as_bytes())?;
    read()
}

fn read() -> Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut text).map_err(|error| unread(&error))?;
    Ok(line(text))
}

/// Without the end of its line.
fn line(text: String) -> String {
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.strip_suffix('\r').unwrap_or(text).to_owned()
}

fn unread(error: &io::Error) -> Failure {
    Failure::new(format!("read standard input: {}", describe(error)))
}

/// A registry's name as docker's messages have it.
pub(super) fn shown(server: &str) -> String {
    match server {
        "" | "docker.io" | "index.docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => output::printable(other),
    }
}
