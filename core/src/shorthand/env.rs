//! Environment variables.

use crate::error::{Error, Result};

/// `KEY=VALUE`, or `KEY` alone, whose value is the caller's own if it has one. Without one the entry stays as it is: it
/// then takes the variable out of the container's environment.
///
/// `own` looks up a variable of the calling process; a library passes `|_| None`, for its host's environment is no input.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an entry without a key.
pub fn env(text: &str, own: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if key.is_empty() || text.contains('\0') {
        return Err(Error::invalid(format!("invalid environment variable: {text}")));
    }
    Ok(match (value, own(key)) {
        (None, Some(value)) => format!("{key}={value}"),
        _ => text.to_owned(),
    })
}

/// The variables in a file of lines, `#` beginning a comment. A key alone that the caller has no value for is left out.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for text that isn't UTF-8, and for a line without a key
/// or with a space in it.
pub fn env_file(content: &[u8], own: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>> {
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(content);
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = str::from_utf8(line).map_err(|_| {
            Error::invalid(format!("env file contains invalid utf8 bytes at line {number}"))
        })?;
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = line.split_once('=').map_or(line.trim_end(), |(key, _)| key);
        if key.is_empty() {
            return Err(Error::invalid(format!("no variable name on line '{line}'")));
        }
        if key.contains(char::is_whitespace) {
            return Err(Error::invalid(format!("variable '{key}' contains whitespaces")));
        }
        if line.contains('\0') {
            return Err(Error::invalid(format!("variable '{key}' contains a null byte")));
        }
        if line.contains('=') {
            variables.push(line.to_owned());
        } else if let Some(value) = own(key) {
            variables.push(format!("{key}={value}"));
        }
    }
    Ok(variables)
}
