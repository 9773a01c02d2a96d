//! How output is kept: `HostConfig.LogConfig`.

use barque_monitor::protocol::{LogConfig, LogDriver};

use crate::api;
use crate::error::{Error, Result};
use crate::shorthand;

/// Parse the driver's options.
pub(super) fn plan(config: &api::LogConfig) -> Result<LogConfig> {
    let name = match config.driver.as_str() {
        "" => "json-file",
        name => name,
    };
    // Docker's `local` is its `json-file` in another form, and with limits. The form here is one anyway.
    let (driver, max_size, max_file) = match name {
        "json-file" => (LogDriver::JsonFile, 0, 1),
        "local" => (LogDriver::JsonFile, 20 << 20, 5),
        "none" => (LogDriver::None, 0, 1),
        other => {
            return Err(Error::unsupported(format!(
                "logger: no log driver named '{other}' is registered: use json-file, local or none"
            )));
        }
    };
    let mut log = LogConfig { driver, max_size, max_file };
    for (option, value) in &config.config {
        let wrong = || Error::invalid(format!("invalid value for log opt '{option}': {value}"));
        match option.as_str() {
            _ if driver == LogDriver::None => {
                return Err(Error::invalid(format!(
                    "unknown log opt '{option}' for none log driver"
                )));
            }
            "max-size" if value == "-1" => log.max_size = 0,
            "max-size" => {
                log.max_size = shorthand::size(value)
                    .ok()
                    .and_then(|size| u64::try_from(size).ok())
                    .ok_or_else(wrong)?;
            }
            "max-file" => {
                log.max_file = value.parse().map_err(|_| wrong())?;
                if log.max_file == 0 {
                    return Err(Error::invalid("max-file cannot be less than 1"));
                }
            }
            // Read when the log is: `container::log::details`.
            "labels" | "env" => {}
            // What is always so here: a log never holds up its container.
            "mode" if matches!(value.as_str(), "blocking" | "non-blocking") => {}
            "max-buffer-size" if shorthand::size(value).is_ok() => {}
            "mode" | "max-buffer-size" => return Err(wrong()),
            "compress" if value == "false" => {}
            "compress" | "labels-regex" | "env-regex" | "tag" => {
                return Err(super::unsupported::not_yet(&format!("log opt {option}={value}")));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "unknown log opt '{option}' for {name} log driver"
                )));
            }
        }
    }
    Ok(log)
}
