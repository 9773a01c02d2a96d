//! What a further process of a container is: its container's first one, with another command and what else was asked for.

use barque_monitor::oci;

use super::capabilities::Capabilities;
use super::host::Host;
use super::{process, security};
use crate::api::{ContainerConfig, ExecCreate, HostConfig};
use crate::error::{Error, Result};
use crate::shorthand;

/// A further process, in the monitor's words.
pub(crate) struct Further {
    pub(crate) process: oci::Process,
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

/// Plan a process for a container that has this configuration.
pub(crate) fn plan(
    config: &ContainerConfig,
    host_config: &HostConfig,
    create: &ExecCreate,
    host: &dyn Host,
) -> Result<Further> {
    let available = host.capabilities();
    let capabilities = match create.privileged {
        true => Capabilities::all(available),
        false => Capabilities::of(host_config, available)?,
    };
    // An exec asks for its own words and terminal, and for the rest is what the container's first process is.
    let asked =
        |asked: &String, own: &String| if asked.is_empty() { own.clone() } else { asked.clone() };
    let config = ContainerConfig {
        tty: create.tty,
        env: config.env.iter().chain(&create.env).cloned().collect(),
        cmd: create.cmd.clone(),
        entrypoint: None,
        hostname: config.hostname.clone(),
        working_dir: asked(&create.working_dir, &config.working_dir),
        user: asked(&create.user, &config.user),
        ..ContainerConfig::default()
    };
    let no_new_privileges = security::parse(host_config, host)?.no_new_privileges;
    let process = oci::Process {
        console_size: process::console_size(create.tty, create.console_size),
        ..process::process(&config, host_config, capabilities, no_new_privileges)?
    };
    Ok(Further { process, user: process::user(&config), group_add: host_config.group_add.clone() })
}
