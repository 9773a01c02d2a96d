//! `RUN`: a command, and what it is run with.

use super::command::Command;
use super::flags::Flags;
use super::instruction::{Instruction, did_you_mean};
use super::lines::Heredoc;

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) command: Command,
    pub(crate) heredocs: Vec<Heredoc>,
    pub(crate) mounts: Vec<Mount>,
    /// `default`, `none` or `host`; empty: as the build has it.
    pub(crate) network: String,
}

/// What `RUN --mount` mounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) kind: MountKind,
    /// Every other option, in order; `name` alone is `true`.
    pub(crate) options: Vec<(String, String)>,
}

impl Mount {
    /// The stage or image that it is from, as it is written; empty: none.
    pub(crate) fn from(&self) -> &str {
        let mut options = self.options.iter().rev();
        options.find(|(name, _)| name == "from").map_or("", |(_, value)| value)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MountKind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// Read one.
pub(super) fn parse(
    rest: &str,
    heredocs: &[Heredoc],
    mut flags: Flags,
) -> Result<Instruction, String> {
    let network = flags.value("network")?;
    if !matches!(network.as_str(), "" | "default" | "none" | "host") {
        return Err(format!("invalid network mode {network:?}: must be default, none or host"));
    }
    match flags.value("security")?.as_str() {
        "" | "sandbox" => {}
        other => {
            return Err(format!(
                "security mode {other:?} is not allowed: a step has what every container has"
            ));
        }
    }
    if !flags.values("device")?.is_empty() {
        return Err("device is not allowed: no device is given to builds".to_owned());
    }
    let mounts = flags.values("mount")?;
    let mounts = mounts.iter().map(|text| mount(text)).collect::<Result<_, _>>()?;
    flags.end(&["network", "security", "mount", "device"])?;
    let command = Command::parse(rest);
    Ok(Instruction::Run(Run { command, heredocs: heredocs.to_vec(), mounts, network }))
}

fn mount(text: &str) -> Result<Mount, String> {
    let mut mount = Mount::default();
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, "true"));
        let name = match name.to_ascii_lowercase().as_str() {
            "dst" | "destination" => "target".to_owned(),
            "src" => "source".to_owned(),
            "ro" => "readonly".to_owned(),
            "rw" => "readwrite".to_owned(),
            name => name.to_owned(),
        };
        if name == "type" {
            mount.kind = match value {
                "bind" => MountKind::Bind,
                "cache" => MountKind::Cache,
                "tmpfs" => MountKind::Tmpfs,
                "secret" => MountKind::Secret,
                "ssh" => MountKind::Ssh,
                other => return Err(format!("unsupported mount type {other:?}")),
            };
        } else {
            mount.options.push((name, value.to_owned()));
        }
    }
    let known: &[&str] = match mount.kind {
        MountKind::Bind => &["target", "source", "from", "readonly", "readwrite"],
        MountKind::Cache => &[
            "id",
            "target",
            "source",
            "from",
            "sharing",
            "mode",
            "uid",
            "gid",
            "readonly",
            "readwrite",
        ],
        MountKind::Tmpfs => &["target", "size"],
        MountKind::Secret => &["id", "target", "required", "mode", "uid", "gid", "env"],
        MountKind::Ssh => &["id", "target", "required", "mode", "uid", "gid"],
    };
    match mount.options.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => {
            Err(format!("unexpected key '{name}' in '{text}'{}", did_you_mean(name, known, "")))
        }
        None => Ok(mount),
    }
}
