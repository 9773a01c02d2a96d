//! Output, input and files.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::time::Duration;

use serde_json::json;

use crate::say;

pub(crate) fn echo(arguments: &[String]) -> Result<u8, String> {
    say(&arguments.join(" "))?;
    Ok(0)
}

pub(crate) fn warn(arguments: &[String]) -> Result<u8, String> {
    writeln!(io::stderr(), "{}", arguments.join(" ")).map_err(|e| format!("write: {e}"))?;
    Ok(0)
}

/// `lines N [PREFIX]`: numbered lines, from 1.
pub(crate) fn lines(arguments: &[String]) -> Result<u8, String> {
    let count: u64 = number(arguments, 0)?;
    let prefix = arguments.get(1).map_or("line", String::as_str);
    let mut out = io::BufWriter::with_capacity(64 << 10, io::stdout().lock());
    for n in 1..=count {
        writeln!(out, "{prefix} {n}").map_err(|e| format!("write: {e}"))?;
    }
    out.flush().map_err(|e| format!("write: {e}"))?;
    Ok(0)
}

/// `both N`: N lines to standard output and N to standard error, in turn.
pub(crate) fn both(arguments: &[String]) -> Result<u8, String> {
    for n in 1..=number::<u64>(arguments, 0)? {
        say(&format!("out {n}"))?;
        writeln!(io::stderr(), "err {n}").map_err(|e| format!("write: {e}"))?;
    }
    Ok(0)
}

/// `flood BYTES [LINE-LENGTH]`: as fast as the reader takes it. A line length of 0 writes no newline at all.
pub(crate) fn flood(arguments: &[String]) -> Result<u8, String> {
    let total: u64 = number(arguments, 0)?;
    let line: usize = number(arguments, 1).unwrap_or(100);
    let mut block = vec![b'x'; 1 << 16];
    if line > 0 {
        block.iter_mut().skip(line - 1).step_by(line).for_each(|byte| *byte = b'\n');
        block.truncate(block.len() / line * line);
    }
    let mut out = io::stdout().lock();
    let mut left = total;
    while left > 0 {
        let now = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.write_all(&block[..now]).map_err(|e| format!("write: {e}"))?;
        left -= now as u64;
    }
    out.flush().map_err(|e| format!("write: {e}"))?;
    Ok(0)
}

/// `cat [PATH]`: standard input, or a file, to standard output.
pub(crate) fn cat(arguments: &[String]) -> Result<u8, String> {
    let mut from: Box<dyn Read> = match arguments.first() {
        Some(path) => Box::new(fs::File::open(path).map_err(|e| format!("open {path}: {e}"))?),
        None => Box::new(io::stdin()),
    };
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).map_err(|e| format!("read: {e}"))?;
        if read == 0 {
            return Ok(0);
        }
        let mut out = io::stdout().lock();
        out.write_all(&buffer[..read]).and_then(|()| out.flush()).map_err(|e| e.to_string())?;
    }
}

/// `ask SOCKET HEX…`: the first answer to each message that is written to a Unix socket, in hexadecimal digits.
pub(crate) fn ask(arguments: &[String]) -> Result<u8, String> {
    let [path, messages @ ..] = arguments else { return Err("ask SOCKET HEX".into()) };
    let mut socket = std::os::unix::net::UnixStream::connect(path)
        .map_err(|error| format!("connect {path}: {error}"))?;
    for message in messages {
        let digits = |at: usize| message.get(at..at + 2).ok_or("half a byte");
        let bytes: Result<Vec<u8>, String> = (0..message.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits(at)?, 16).map_err(|e| e.to_string()))
            .collect();
        let mut answer = [0; 256];
        let read = socket.write_all(&bytes?).and_then(|()| socket.read(&mut answer));
        let read = read.map_err(|error| format!("ask: {error}"))?;
        say(&answer[..read].iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
    }
    Ok(0)
}

pub(crate) fn count_stdin(_arguments: &[String]) -> Result<u8, String> {
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|e| format!("read: {e}"))?;
    say(&bytes.len().to_string())?;
    Ok(0)
}

/// `read PATH…`: each file's content as JSON, or the error.
pub(crate) fn read(arguments: &[String]) -> Result<u8, String> {
    let mut answer = serde_json::Map::new();
    for path in arguments {
        let value = match fs::read(path) {
            Ok(bytes) => json!({"text": String::from_utf8_lossy(&bytes)}),
            Err(error) => json!({"errno": error.raw_os_error()}),
        };
        answer.insert(path.clone(), value);
    }
    say(&serde_json::Value::from(answer).to_string())?;
    Ok(0)
}

/// `write PATH TEXT`: exit code 0, or 1 with the error number on standard error.
pub(crate) fn write(arguments: &[String]) -> Result<u8, String> {
    let [path, text @ ..] = arguments else { return Err("write PATH TEXT".into()) };
    match fs::write(path, text.join(" ")) {
        Ok(()) => Ok(0),
        Err(error) => {
            let _ = writeln!(io::stderr(), "write {path}: {error}");
            Ok(1)
        }
    }
}

pub(crate) fn mkdir(arguments: &[String]) -> Result<u8, String> {
    for path in arguments {
        fs::create_dir_all(path).map_err(|e| format!("mkdir {path}: {e}"))?;
    }
    Ok(0)
}

/// `list PATH`: the names in a directory, sorted, one a line.
pub(crate) fn list(arguments: &[String]) -> Result<u8, String> {
    let path = arguments.first().map_or("/", String::as_str);
    let entries = fs::read_dir(path).map_err(|e| format!("list {path}: {e}"))?;
    let mut names: Vec<String> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        say(&name)?;
    }
    Ok(0)
}

/// `stat PATH…`: what `lstat` says, as JSON.
pub(crate) fn stat(arguments: &[String]) -> Result<u8, String> {
    let mut answer = serde_json::Map::new();
    for path in arguments {
        let value = match fs::symlink_metadata(path) {
            Ok(found) => describe(path, &found),
            Err(error) => json!({"errno": error.raw_os_error()}),
        };
        answer.insert(path.clone(), value);
    }
    say(&serde_json::Value::from(answer).to_string())?;
    Ok(0)
}

/// A file's type, mode, owner, device number, size and link target.
pub(crate) fn describe(path: &str, found: &fs::Metadata) -> serde_json::Value {
    let kind = found.file_type();
    let name = if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "symlink"
    } else if kind.is_char_device() {
        "character"
    } else if kind.is_block_device() {
        "block"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else {
        "file"
    };
    json!({
        "type": name,
        "mode": format!("{:o}", found.mode() & 0o7777),
        "uid": found.uid(),
        "gid": found.gid(),
        "size": found.size(),
        "rdev": format!("{}:{}", libc::major(found.rdev()), libc::minor(found.rdev())),
        "target": fs::read_link(path).ok().map(|t| t.display().to_string()),
    })
}

/// `sleep SECONDS`, fractions allowed, or `sleep forever`.
pub(crate) fn sleep(arguments: &[String]) -> Result<u8, String> {
    match arguments.first().map(String::as_str) {
        Some("forever") | None => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Some(text) => {
            let seconds: f64 = text.parse().map_err(|e| format!("sleep {text}: {e}"))?;
            std::thread::sleep(Duration::from_secs_f64(seconds));
        }
    }
    Ok(0)
}

/// An argument as a number.
pub(crate) fn number<T: std::str::FromStr>(arguments: &[String], at: usize) -> Result<T, String> {
    let text = arguments.get(at).ok_or("a number is missing")?;
    text.parse().map_err(|_| format!("not a number: {text}"))
}
