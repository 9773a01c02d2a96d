//! Resource limits.

use crate::api::Ulimit;
use crate::error::{Error, Result};

/// The limits of setrlimit(2) by Docker's names for them.
const NAMES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// `nofile=1024:2048`, soft and hard; `nofile=1024`, both; -1 is no limit.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn ulimit(text: &str) -> Result<Ulimit> {
    let wrong = || Error::invalid(format!("invalid ulimit argument: {text}"));
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let limits: Vec<&str> = limits.split(':').collect();
    let (soft, hard) = match limits[..] {
        [both] => (both, both),
        [soft, hard] => (soft, hard),
        _ => {
            return Err(Error::invalid(format!(
                "too many limit value arguments - {}, can only have up to two, `soft[:hard]`",
                limits.join(":")
            )));
        }
    };
    let number = |text: &str| match text {
        "-1" => Ok(-1),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let limit = Ulimit { name: name.to_owned(), soft: number(soft)?, hard: number(hard)? };
    check(&limit)?;
    Ok(limit)
}

/// That a limit has a name and is below its hard limit.
pub(crate) fn check(limit: &Ulimit) -> Result<()> {
    let Ulimit { name, soft, hard } = limit;
    if !NAMES.contains(&name.as_str()) {
        return Err(Error::invalid(format!("invalid ulimit type: {name}")));
    }
    if *soft < -1 || *hard < -1 {
        return Err(Error::invalid(format!(
            "invalid ulimit {name}: use a positive number, or -1 for no limit"
        )));
    }
    if *hard != -1 && (*soft == -1 || soft > hard) {
        return Err(Error::invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(())
}
