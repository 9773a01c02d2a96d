//! Health checks: `Healthcheck` of a request and of the image, and what the monitor runs.

use std::time::Duration;

use barque_monitor::protocol::{Exec, HealthCheck};

use super::exec::{self, Further};
use super::host::Host;
use crate::api::{ContainerConfig, ExecCreate, HealthConfig, HostConfig};
use crate::error::{Error, Result};

const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// The shortest time that docker takes, nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// A request's health check, with the image's where the request says nothing. What makes no sense in an image is not taken over.
pub(super) fn merge(
    request: Option<&HealthConfig>,
    image: Option<&HealthConfig>,
) -> Result<Option<HealthConfig>> {
    let image = image.filter(|image| check(image).is_ok());
    let Some(request) = request else { return Ok(image.cloned()) };
    check(request)?;
    let (false, Some(image)) = (is_none(request), image) else { return Ok(Some(request.clone())) };
    let first = |request: i64, image: i64| if request == 0 { image } else { request };
    Ok(Some(HealthConfig {
        test: if request.test.is_empty() { &image.test } else { &request.test }.clone(),
        interval: first(request.interval, image.interval),
        timeout: first(request.timeout, image.timeout),
        start_period: first(request.start_period, image.start_period),
        start_interval: first(request.start_interval, image.start_interval),
        retries: first(request.retries, image.retries),
    }))
}

/// What the caller should know about an image's health check.
pub(super) fn warning(image: Option<&HealthConfig>) -> Option<String> {
    let error = check(image?).err()?;
    Some(format!("the image's health check is not run: {}", error.message()))
}

fn is_none(config: &HealthConfig) -> bool {
    config.test.first().is_some_and(|kind| kind == "NONE")
}

fn check(config: &HealthConfig) -> Result<()> {
    let wrong = |field: &str, message: String| {
        Err(Error::invalid(message).about("field", format!("Healthcheck.{field}")))
    };
    match config.test.split_first().map(|(kind, words)| (kind.as_str(), words)) {
        None | Some(("NONE", [])) => {}
        Some(("CMD" | "CMD-SHELL", words)) if words.iter().any(|word| word.contains('\0')) => {
            return wrong("Test", "the health check's command has a null byte in it".to_owned());
        }
        Some(("CMD" | "CMD-SHELL", [word, ..])) if !word.is_empty() => {}
        Some((kind @ ("CMD" | "CMD-SHELL"), _)) => {
            return wrong("Test", format!("Missing command after {kind} in Healthcheck"));
        }
        Some((kind, _)) => {
            return wrong("Test", format!("Unknown type {kind:?} in Healthcheck (try CMD)"));
        }
    }
    for (field, time) in [
        ("Interval", config.interval),
        ("Timeout", config.timeout),
        ("StartPeriod", config.start_period),
        ("StartInterval", config.start_interval),
    ] {
        if time != 0 && time < SHORTEST {
            return wrong(field, format!("{field} in Healthcheck cannot be less than 1ms"));
        }
    }
    if config.retries < 0 {
        return wrong("Retries", "Retries in Healthcheck cannot be negative".to_owned());
    }
    Ok(())
}

/// What the monitor of a container that is planned so runs to see how it is.
pub(super) fn plan(
    config: &ContainerConfig,
    host_config: &HostConfig,
    host: &dyn Host,
) -> Result<Option<HealthCheck>> {
    let Some(check) = config.healthcheck.as_ref().filter(|check| !is_none(check)) else {
        return Ok(None);
    };
    let Some((kind, words)) = check.test.split_first() else { return Ok(None) };
    let mut command = match kind.as_str() {
        "CMD" => Vec::new(),
        _ => config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]),
    };
    command.extend(words.iter().cloned());
    let request = ExecCreate { cmd: Some(command), ..ExecCreate::default() };
    let Further { process, user, group_add } = exec::plan(config, host_config, &request, host)?;
    let time = |nanoseconds: i64, default: Duration| match u64::try_from(nanoseconds) {
        Ok(0) | Err(_) => default,
        Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
    };
    Ok(Some(HealthCheck {
        exec: Box::new(Exec {
            id: String::new(),
            process,
            // The container's, which the monitor has already.
            user,
            group_add,
            stdin: false,
            stdout: true,
            stderr: true,
            document: serde_json::Value::Null,
        }),
        interval: time(check.interval, INTERVAL),
        timeout: time(check.timeout, TIMEOUT),
        start_period: time(check.start_period, Duration::ZERO),
        start_interval: time(check.start_interval, START_INTERVAL),
        retries: match u32::try_from(check.retries) {
            Ok(0) => RETRIES,
            retries => retries.unwrap_or(u32::MAX),
        },
    }))
}
