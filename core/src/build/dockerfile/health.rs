//! `HEALTHCHECK`: `NONE`, or options and `CMD command`.

use serde_json::{Value, json};

use super::command::strings;
use super::flags::Flags;
use crate::shorthand;

/// The check as an image's configuration has it.
pub(super) fn parse(text: &str, escape: char) -> Result<Value, String> {
    let (mut flags, rest) = Flags::take(text, escape);
    let mut document = serde_json::Map::new();
    for (name, field) in [
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start-period", "StartPeriod"),
        ("start-interval", "StartInterval"),
    ] {
        let value = flags.value(name)?;
        if !value.is_empty() {
            document.insert(field.to_owned(), nanoseconds(&value)?);
        }
    }
    let retries = flags.value("retries")?;
    if !retries.is_empty() {
        let retries: u32 =
            retries.parse().map_err(|_| format!("{retries:?} is not a number of retries"))?;
        document.insert("Retries".to_owned(), json!(retries));
    }
    flags.end(&["interval", "timeout", "start-period", "start-interval", "retries"])?;
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let test = match (kind.to_ascii_uppercase().as_str(), command.trim()) {
        ("", _) => return Err("HEALTHCHECK requires at least one argument".to_owned()),
        ("NONE", "") if document.is_empty() => vec!["NONE".to_owned()],
        ("NONE", _) => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        ("CMD", "") => return Err("Missing command after HEALTHCHECK CMD".to_owned()),
        ("CMD", command) => match strings(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        (other, _) => return Err(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)")),
    };
    document.insert("Test".to_owned(), json!(test));
    Ok(Value::Object(document))
}

fn nanoseconds(text: &str) -> Result<Value, String> {
    let duration = shorthand::duration(text).map_err(|error| error.message().to_owned())?;
    let nanoseconds =
        i64::try_from(duration.as_nanos()).map_err(|_| format!("{text} is too long"))?;
    Ok(json!(nanoseconds))
}
