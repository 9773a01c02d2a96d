//! `hello`, `echo`, `cat` and `sleep`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::Duration;

pub(super) fn hello(_arguments: &[OsString]) -> io::Result<ExitCode> {
    const GREETING: &str = "Hello from barque!\n\n\
        This text was written by a process in a container of its own: its file system,\n\
        process numbers, network and limits are not those of your machine, and no daemon\n\
        was needed to make it. Try:\n\n    barque run --rm hello id\n";
    io::stdout().write_all(GREETING.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn echo(arguments: &[OsString]) -> io::Result<ExitCode> {
    let (words, end): (_, &[u8]) = match arguments.split_first() {
        Some((first, rest)) if first == "-n" => (rest, b""),
        _ => (arguments, b"\n"),
    };
    let mut line = Vec::new();
    for (n, word) in words.iter().enumerate() {
        if n > 0 {
            line.push(b' ');
        }
        line.extend_from_slice(word.as_bytes());
    }
    line.extend_from_slice(end);
    // One write, so that lines of several processes on one pipe stay whole.
    let mut out = unbuffered_stdout()?;
    out.write_all(&line)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn cat(arguments: &[OsString]) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let standard_input = [OsString::from("-")];
    let names = if arguments.is_empty() { &standard_input[..] } else { arguments };
    for name in names {
        let copied = if name == "-" {
            copy(&mut io::stdin().lock())
        } else {
            File::open(name).and_then(|mut file| copy(&mut file))
        };
        if let Err(error) = copied {
            writeln!(io::stderr(), "cat: {}: {error}", name.display())?;
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Copy to standard output as the bytes come: `cat` on a terminal or a pipe shows each piece at once.
fn copy(from: &mut dyn Read) -> io::Result<()> {
    let mut out = unbuffered_stdout()?;
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => out.write_all(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn unbuffered_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

pub(super) fn sleep(arguments: &[OsString]) -> io::Result<ExitCode> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    if arguments.is_empty() {
        return Err(wrong("missing operand"));
    }
    let mut total = Duration::ZERO;
    for argument in arguments {
        let text = argument.to_str().unwrap_or_default();
        let time = duration(text)
            .ok_or_else(|| wrong(&format!("invalid time interval '{}'", argument.display())))?;
        total = total.saturating_add(time);
    }
    std::thread::sleep(total);
    Ok(ExitCode::SUCCESS)
}

/// `10`, `0.5`, `2m`, `infinity`.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1.0),
        b'm' => (&text[..text.len() - 1], 60.0),
        b'h' => (&text[..text.len() - 1], 3600.0),
        b'd' => (&text[..text.len() - 1], 86400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_reads_numbers_with_units() {
        assert_eq!(duration("10"), Some(Duration::from_secs(10)));
        assert_eq!(duration("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("infinity"), Some(Duration::MAX));
        for wrong in ["", "-1", "x", "1x", "nan"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
