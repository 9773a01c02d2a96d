//! Signals, by name and number.

use crate::error::{Error, Result};

/// By number, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same.
const ALIASES: [(&str, i32); 5] =
    [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31), ("EMT", 7)];

/// The real-time signals a program may use: C libraries keep 32 and 33 for themselves.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal's number: `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn signal(text: &str) -> Result<i32> {
    parse(text).ok_or_else(|| Error::invalid(format!("invalid signal: {text}")))
}

fn parse(text: &str) -> Option<i32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|number| (1..=RTMAX).contains(number));
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let step = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<i32>().ok()).flatten().filter(|step| *step <= RTMAX - RTMIN)
    };
    match name {
        "RTMIN" => return Some(RTMIN),
        "RTMAX" => return Some(RTMAX),
        _ => {}
    }
    if let Some(rest) = name.strip_prefix("RTMIN+") {
        return Some(RTMIN + step(rest)?);
    }
    if let Some(rest) = name.strip_prefix("RTMAX-") {
        return Some(RTMAX - step(rest)?);
    }
    let known = NAMES.iter().position(|known| *known == name).map(|index| index as i32 + 1);
    known.or_else(|| ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, number)| *number))
}

/// A signal's name, `SIGTERM`; a number that has none is written as one.
pub fn signal_name(number: i32) -> String {
    let named = usize::try_from(number).ok().and_then(|number| NAMES.get(number.checked_sub(1)?));
    match (named, number) {
        (Some(name), _) => format!("SIG{name}"),
        (None, RTMIN) => "SIGRTMIN".to_owned(),
        (None, RTMAX) => "SIGRTMAX".to_owned(),
        (None, RTMIN..=RTMAX) => format!("SIGRTMIN+{}", number - RTMIN),
        _ => number.to_string(),
    }
}
