//! The flags of health checks.

use barque::api::HealthConfig;
use clap::Args;

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
    /// The health check, if there is anything in it.
    pub(super) fn document(&self) -> Result<Option<HealthConfig>, String> {
        let times = [
            ("interval", self.health_interval),
            ("timeout", self.health_timeout),
            ("start-period", self.health_start_period),
            ("start-interval", self.health_start_interval),
            ("retries", self.health_retries),
        ];
        let asked = !self.health_cmd.is_empty() || times.iter().any(|(_, value)| *value != 0);
        if self.no_healthcheck {
            return match asked {
                true => Err("--no-healthcheck conflicts with --health-* options".to_owned()),
                false => Ok(Some(HealthConfig {
                    test: vec!["NONE".to_owned()],
                    ..HealthConfig::default()
                })),
            };
        }
        if let Some((flag, _)) = times.iter().find(|(_, value)| *value < 0) {
            return Err(format!("--health-{flag} cannot be negative"));
        }
        let test = match self.health_cmd.as_str() {
            "" => Vec::new(),
            command => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        };
        Ok(asked.then_some(HealthConfig {
            test,
            interval: self.health_interval,
            timeout: self.health_timeout,
            start_period: self.health_start_period,
            start_interval: self.health_start_interval,
            retries: self.health_retries,
        }))
    }
}
