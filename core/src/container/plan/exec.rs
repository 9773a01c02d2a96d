//! What a further process of a container is: its container's first one, with another command and what else was asked for.

use barque_monitor::oci;
use serde::Deserialize;
use serde_json::Value;

use super::Plan;
use super::capabilities::Capabilities;
use super::config;
use super::host::Host;
use crate::api::{ContainerConfig, ExecCreate};
use crate::error::{Error, Result};
use crate::shorthand;

/// A further process, in the monitor's words.
pub(crate) struct Process {
    pub(crate) process: Value,
    pub(crate) user: String,
    pub(crate) group_add: Vec<String>,
}

/// Refuse what cannot be in any container.
pub(crate) fn check(create: &ExecCreate) -> Result<()> {
    let words = create.cmd.as_deref().unwrap_or_default();
    if words.first().is_none_or(String::is_empty) {
        return Err(Error::invalid("No exec command specified").about("field", "Cmd"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(Error::invalid("the command has a null byte in it").about("field", "Cmd"));
    }
    for entry in &create.env {
        let name = entry.split_once('=').map_or(entry.as_str(), |(name, _)| name);
        if name.is_empty() || entry.contains('\0') {
            return Err(Error::invalid(format!("invalid environment variable: {entry}")));
        }
    }
    let directory = &create.working_dir;
    if !directory.is_empty() && (!directory.starts_with('/') || directory.contains('\0')) {
        return Err(Error::invalid(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        )));
    }
    shorthand::user(&create.user).map(drop)
}

/// Plan a process for a container that is planned so.
pub(crate) fn plan(plan: &Plan, create: &ExecCreate, host: &dyn Host) -> Result<Process> {
    let unreadable = |error| Error::internal("read the specification").because(error);
    let spec = &plan.launch.spec;
    let mut process = match spec.get("process") {
        Some(process) => oci::Process::deserialize(process).map_err(unreadable)?,
        None => oci::Process::default(),
    };
    let [rows, columns] = create.console_size;
    process.terminal = create.tty;
    process.console_size = (create.tty && rows > 0 && columns > 0)
        .then_some(oci::ConsoleSize { height: rows, width: columns });
    process.args = create.cmd.clone().unwrap_or_default();
    process.env = config::process_environment(&ContainerConfig {
        tty: create.tty,
        env: plan.config.env.iter().chain(&create.env).cloned().collect(),
        hostname: plan.config.hostname.clone(),
        ..ContainerConfig::default()
    });
    if !create.working_dir.is_empty() {
        process.cwd.clone_from(&create.working_dir);
    }
    if create.privileged {
        let names = Capabilities::all(host.facts().capabilities).names();
        process.capabilities = Some(oci::Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            permitted: names,
        });
    }
    let user = match create.user.as_str() {
        "" => &plan.launch.user,
        user => user,
    };
    Ok(Process {
        process: serde_json::to_value(&process)
            .map_err(|error| Error::internal("write the specification").because(error))?,
        user: user.to_owned(),
        group_add: plan.launch.group_add.clone(),
    })
}
