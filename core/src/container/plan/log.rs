//! How output is kept: `HostConfig.LogConfig`.

use barque_monitor::protocol::{LogConfig, LogDriver};

use crate::api;
use crate::error::{Error, Result};
use crate::shorthand;

/// Parse the driver's options.
pub(super) fn plan(config: &api::LogConfig) -> Result<LogConfig> {
    let driver = match config.driver.as_str() {
        "" | "json-file" => LogDriver::JsonFile,
        "none" => LogDriver::None,
        other => {
            return Err(Error::unsupported(format!(
                "logger: no log driver named '{other}' is registered: use json-file or none"
            )));
        }
    };
    let mut log = LogConfig { driver, max_size: 0, max_file: 1 };
    for (name, value) in &config.config {
        let wrong = || Error::invalid(format!("invalid value for log opt '{name}': {value}"));
        match name.as_str() {
            _ if driver == LogDriver::None => {
                return Err(Error::invalid(format!(
                    "unknown log opt '{name}' for none log driver"
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
            // What is always so here.
            "mode" if value == "blocking" => {}
            "compress" if value == "false" => {}
            "mode" | "compress" | "labels" | "labels-regex" | "env" | "env-regex" | "tag"
            | "max-buffer-size" => {
                return Err(super::unsupported::not_yet(&format!("log opt {name}={value}")));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "unknown log opt '{name}' for json-file log driver"
                )));
            }
        }
    }
    Ok(log)
}
