//! `barque update`.

use barque::api::{self, RestartPolicy};
use barque::shorthand;
use clap::Args;

use super::each;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "update",
    about: "Update configuration of one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)
    #[arg(long, value_name = "uint16", default_value = "0", hide_default_value = true)]
    blkio_weight: u16,
    /// Limit CPU CFS (Completely Fair Scheduler) period
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_period: i64,
    /// Limit CPU CFS (Completely Fair Scheduler) quota
    #[arg(long, value_name = "int", default_value = "0", allow_hyphen_values = true)]
    cpu_quota: i64,
    /// Limit the CPU real-time period in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_rt_period: i64,
    /// Limit the CPU real-time runtime in microseconds
    #[arg(long, value_name = "int", default_value = "0")]
    cpu_rt_runtime: i64,
    /// CPU shares (relative weight)
    #[arg(short, long, value_name = "int", default_value = "0")]
    cpu_shares: i64,
    /// Number of CPUs
    #[arg(long, value_name = "decimal", value_parser = shorthand::cpus)]
    cpus: Option<i64>,
    /// CPUs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string", default_value = "")]
    cpuset_cpus: String,
    /// MEMs in which to allow execution (0-3, 0,1)
    #[arg(long, value_name = "string", default_value = "")]
    cpuset_mems: String,
    /// Memory limit
    #[arg(short, long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    memory: i64,
    /// Memory soft limit
    #[arg(long, value_name = "bytes", value_parser = shorthand::size, default_value = "0")]
    memory_reservation: i64,
    /// Swap limit equal to memory plus swap: -1 to enable unlimited swap
    #[arg(long, value_name = "bytes", value_parser = shorthand::size_or_unlimited, default_value = "0", allow_hyphen_values = true)]
    memory_swap: i64,
    /// Tune container pids limit (set -1 for unlimited)
    #[arg(long, value_name = "int", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Restart policy to apply when a container exits
    #[arg(long, value_name = "string", value_parser = shorthand::restart_policy)]
    restart: Option<RestartPolicy>,
}

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let engine = parsed.engine()?;
    let mut warnings = Vec::new();
    let code = each(&parsed.operands, |id| {
        let request = api::ContainerUpdate {
            id: id.to_owned(),
            memory: flags.memory,
            memory_swap: flags.memory_swap,
            memory_reservation: flags.memory_reservation,
            cpu_shares: flags.cpu_shares,
            cpu_period: flags.cpu_period,
            cpu_quota: flags.cpu_quota,
            cpu_realtime_period: flags.cpu_rt_period,
            cpu_realtime_runtime: flags.cpu_rt_runtime,
            cpuset_cpus: flags.cpuset_cpus.clone(),
            cpuset_mems: flags.cpuset_mems.clone(),
            nano_cpus: flags.cpus.unwrap_or_default(),
            pids_limit: flags.pids_limit,
            blkio_weight: flags.blkio_weight,
            restart_policy: flags.restart.clone(),
        };
        let updated = engine.containers().update(&request)?;
        warnings.extend(updated.warnings);
        Ok(id.to_owned())
    })?;
    for warning in warnings {
        output::say(&format!("WARNING: {warning}"));
    }
    Ok(code)
}
