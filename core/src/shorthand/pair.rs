//! Pairs of a name and a value.

use crate::api::RestartPolicy;
use crate::error::{Error, Result};

/// `KEY=VALUE`, or `KEY` alone, whose value is empty.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a label without a key.
pub fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err(Error::invalid(format!("invalid label '{text}': empty name")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// `net.core.somaxconn=1024`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what isn't a pair. Which parameters may be set is
/// decided by the container's namespaces, when it is planned.
pub fn sysctl(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("sysctl '{text}' is not allowed"))),
    }
}

/// `max-size=10m`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what isn't a pair.
pub fn log_option(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::invalid(format!("invalid logging opt: {text}"))),
    }
}

/// `no`, `always`, `unless-stopped`, `on-failure` and `on-failure:5`.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument), naming the text.
pub fn restart_policy(text: &str) -> Result<RestartPolicy> {
    let (name, count) = match text.split_once(':') {
        Some((name, count)) => (name, Some(count)),
        None => (text, None),
    };
    let maximum_retry_count = match count {
        None => 0,
        Some(count)
            if name == "on-failure"
                && !count.is_empty()
                && count.bytes().all(|b| b.is_ascii_digit()) =>
        {
            count.parse().map_err(|_| {
                Error::invalid(format!("maximum retry count must be an integer: {count}"))
            })?
        }
        Some(_) if name == "on-failure" => {
            return Err(Error::invalid("maximum retry count must be an integer"));
        }
        Some(_) => {
            return Err(Error::invalid(format!(
                "maximum retry count cannot be used with restart policy '{name}'"
            )));
        }
    };
    match name {
        "" | "no" | "always" | "unless-stopped" | "on-failure" => {
            Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count })
        }
        _ => Err(Error::invalid(format!(
            "invalid restart policy: unknown policy '{name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        ))),
    }
}
