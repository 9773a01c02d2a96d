//! `env`, `id`, `pwd`, `hostname` and `uname`: what a process can say about where it runs.

use std::ffi::{CStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};

pub(super) fn env(_arguments: &[OsString]) -> io::Result<ExitCode> {
    let mut text = Vec::new();
    for (name, value) in std::env::vars_os() {
        text.extend_from_slice(name.as_bytes());
        text.push(b'=');
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn pwd(_arguments: &[OsString]) -> io::Result<ExitCode> {
    line(std::env::current_dir()?.as_os_str().as_bytes())
}

pub(super) fn hostname(_arguments: &[OsString]) -> io::Result<ExitCode> {
    line(rustix::system::uname().nodename().to_bytes())
}

/// Numbers only: a static program has no name service, and a container's users are its own affair.
pub(super) fn id(arguments: &[OsString]) -> io::Result<ExitCode> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let mut groups: Vec<u32> = getgroups()?.iter().map(|g| g.as_raw()).collect();
    if !groups.contains(&gid) {
        groups.insert(0, gid);
    }
    let groups = groups.iter().map(u32::to_string).collect::<Vec<_>>();
    let option = arguments.first().map(|a| a.to_string_lossy()).unwrap_or_default();
    let text = match &*option {
        "-u" => uid.to_string(),
        "-g" => gid.to_string(),
        "-G" => groups.join(" "),
        "-ru" => getuid().as_raw().to_string(),
        "-rg" => getgid().as_raw().to_string(),
        "" => format!("uid={uid} gid={gid} groups={}", groups.join(",")),
        other => return Err(invalid_option(other)),
    };
    line(text.as_bytes())
}

pub(super) fn uname(arguments: &[OsString]) -> io::Result<ExitCode> {
    let names = rustix::system::uname();
    let option = arguments.first().map(|a| a.to_string_lossy()).unwrap_or_default();
    let parts: &[&CStr] = match &*option {
        "" | "-s" => &[names.sysname()],
        "-n" => &[names.nodename()],
        "-r" => &[names.release()],
        "-v" => &[names.version()],
        "-m" => &[names.machine()],
        "-a" => {
            &[names.sysname(), names.nodename(), names.release(), names.version(), names.machine()]
        }
        other => return Err(invalid_option(other)),
    };
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.to_bytes()).collect();
    line(&parts.join(&b' '))
}

fn line(text: &[u8]) -> io::Result<ExitCode> {
    io::stdout().write_all(&[text, b"\n"].concat())?;
    Ok(ExitCode::SUCCESS)
}

fn invalid_option(option: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("invalid option '{option}'"))
}
