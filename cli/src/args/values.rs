//! Values of flags that core has no short form for.

use barque::shorthand;

/// A switch's value, as Go reads booleans.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
    }
}

/// A duration in nanoseconds, as health checks have them.
pub(super) fn nanoseconds(text: &str) -> Result<i64, String> {
    let duration = shorthand::duration(text).map_err(|error| error.to_string())?;
    i64::try_from(duration.as_nanos()).map_err(|_| format!("invalid duration: '{text}'"))
}

/// `KEY=VALUE` of `--storage-opt` and `--annotation`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text} must be formatted as key=value")),
    }
}

/// What `-a` attaches to.
pub(super) fn channel(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase() {
        name if matches!(name.as_str(), "stdin" | "stdout" | "stderr") => Ok(name),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// When to pull.
pub(super) fn pull(text: &str) -> Result<String, String> {
    match text {
        "always" | "missing" | "never" => Ok(text.to_owned()),
        _ => Err("must be one of always, missing or never".to_owned()),
    }
}
