//! The flags of health checks.

use clap::Args;
use serde_json::{Value, json};

use super::values;

#[derive(Args)]
pub(crate) struct HealthFlags {
    /// Command to run to check health
    #[arg(long, value_name = "string", default_value = "")]
    health_cmd: String,
    /// Time between running the check (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = values::nanoseconds, default_value = "0s")]
    health_interval: i64,
    /// Consecutive failures needed to report unhealthy
    #[arg(long, value_name = "int", default_value = "0")]
    health_retries: i64,
    /// Time between running the check during the start period (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = values::nanoseconds, default_value = "0s")]
    health_start_interval: i64,
    /// Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = values::nanoseconds, default_value = "0s")]
    health_start_period: i64,
    /// Maximum time to allow one check to run (ms|s|m|h) (default 0s)
    #[arg(long, value_name = "duration", value_parser = values::nanoseconds, default_value = "0s")]
    health_timeout: i64,
    /// Disable any container-specified HEALTHCHECK
    #[arg(long)]
    no_healthcheck: bool,
}

impl HealthFlags {
    /// Docker's `HealthConfig`, if there is anything in it.
    pub(super) fn document(&self) -> Result<Option<Value>, String> {
        let numbers = [
            ("Interval", self.health_interval),
            ("Retries", self.health_retries),
            ("StartInterval", self.health_start_interval),
            ("StartPeriod", self.health_start_period),
            ("Timeout", self.health_timeout),
        ];
        let asked = !self.health_cmd.is_empty() || numbers.iter().any(|(_, value)| *value != 0);
        if self.no_healthcheck {
            return match asked {
                true => Err("--no-healthcheck conflicts with --health-* options".to_owned()),
                false => Ok(Some(json!({"Test": ["NONE"]}))),
            };
        }
        if !asked {
            return Ok(None);
        }
        let mut document = serde_json::Map::new();
        if !self.health_cmd.is_empty() {
            document.insert("Test".to_owned(), json!(["CMD-SHELL", self.health_cmd]));
        }
        for (name, value) in numbers {
            if value < 0 {
                return Err(format!("--health-{} cannot be negative", name.to_lowercase()));
            }
            if value > 0 {
                document.insert(name.to_owned(), value.into());
            }
        }
        Ok(Some(Value::Object(document)))
    }
}
