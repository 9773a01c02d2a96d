//! What a container's first process is, and with another command its further ones.

use barque_monitor::oci;

use super::capabilities::Capabilities;
use super::config;
use super::resources;
use crate::api::{ContainerConfig, HostConfig};
use crate::error::Result;

/// The process of a container with this configuration. Who it runs as, the container's own files say: see [`user`].
pub(super) fn process(
    config: &ContainerConfig,
    host_config: &HostConfig,
    capabilities: Capabilities,
    no_new_privileges: bool,
) -> Result<oci::Process> {
    let names = capabilities.names();
    Ok(oci::Process {
        terminal: config.tty,
        console_size: console_size(config.tty, host_config.console_size),
        args: config.entrypoint.iter().chain(&config.cmd).flatten().cloned().collect(),
        env: config::process_environment(config),
        cwd: match config.working_dir.as_str() {
            "" => "/".to_owned(),
            directory => directory.to_owned(),
        },
        capabilities: Some(oci::Capabilities {
            bounding: names.clone(),
            effective: names.clone(),
            permitted: names,
        }),
        rlimits: resources::rlimits(&host_config.ulimits)?,
        no_new_privileges,
        oom_score_adj: (host_config.oom_score_adj != 0).then_some(host_config.oom_score_adj),
        ..oci::Process::default()
    })
}

/// Whom the container's own files are asked about.
pub(super) fn user(config: &ContainerConfig) -> String {
    // Docker looks nobody up as user 0, who may well have supplementary groups in the image.
    if config.user.is_empty() { "0".to_owned() } else { config.user.clone() }
}

/// The size of a terminal, rows first, where there is one and somebody has said it.
pub(super) fn console_size(tty: bool, [rows, columns]: [u16; 2]) -> Option<oci::ConsoleSize> {
    let said = tty && rows > 0 && columns > 0;
    said.then_some(oci::ConsoleSize { height: rows, width: columns })
}
