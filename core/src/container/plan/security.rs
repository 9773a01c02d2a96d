//! `HostConfig.SecurityOpt`.

use super::host::{Host, HostFacts};
use super::unsupported;
use crate::api::HostConfig;
use crate::error::{Error, Result};

/// What the options come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Security {
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Seccomp,
    /// No paths are hidden or read-only.
    pub(super) unmasked: bool,
}

/// Which seccomp profile.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Seccomp {
    /// Nobody said; the default one, unless the container is privileged.
    #[default]
    Unsaid,
    /// The default one.
    Builtin,
    /// None.
    Unconfined,
    /// This one: its text.
    Profile(String),
}

/// Parse the options. Docker takes `name=value` and, from its first days, `name:value`.
pub(super) fn parse(host_config: &HostConfig, host: &dyn Host) -> Result<Security> {
    let mut security = Security::default();
    for option in &host_config.security_opt {
        if option == "no-new-privileges" {
            security.no_new_privileges = true;
            continue;
        }
        let Some(at) = option.find(['=', ':']) else {
            return Err(Error::invalid(format!("invalid --security-opt 1: {option:?}")));
        };
        let (name, value) = (&option[..at], &option[at + 1..]);
        match name {
            "no-new-privileges" => {
                security.no_new_privileges = match value {
                    "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                    "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
                    _ => {
                        return Err(Error::invalid(format!(
                            "invalid --security-opt 2: {option:?}"
                        )));
                    }
                }
            }
            "seccomp" => security.seccomp = seccomp(value, host)?,
            "systempaths" if value == "unconfined" => security.unmasked = true,
            "apparmor" => check_apparmor(value, host.facts())?,
            "label" => check_label(value, host.facts())?,
            _ => return Err(Error::invalid(format!("invalid --security-opt 2: {option:?}"))),
        }
    }
    Ok(security)
}

fn seccomp(value: &str, host: &dyn Host) -> Result<Seccomp> {
    Ok(match value {
        "" => return Err(Error::invalid("invalid --security-opt 2: \"seccomp=\"")),
        "unconfined" => Seccomp::Unconfined,
        "builtin" => Seccomp::Builtin,
        // What the docker command makes of a path before it sends it.
        text if text.trim_start().starts_with('{') => Seccomp::Profile(text.to_owned()),
        path => Seccomp::Profile(host.read(path).map_err(|error| {
            Error::system(format!("opening seccomp profile ({path}) failed"), error)
        })?),
    })
}

fn check_apparmor(profile: &str, facts: &HostFacts) -> Result<()> {
    match profile {
        "unconfined" => Ok(()),
        _ if facts.apparmor => Err(unsupported::not_yet("AppArmor profiles")),
        _ => Err(Error::unsupported(format!(
            "AppArmor profile {profile:?} was asked for, but AppArmor is not enabled on this host"
        ))),
    }
}

fn check_label(label: &str, facts: &HostFacts) -> Result<()> {
    match label {
        "disable" => Ok(()),
        _ if facts.selinux => Err(unsupported::not_yet("SELinux labels")),
        _ => Err(Error::unsupported(format!(
            "SELinux label {label:?} was asked for, but SELinux is not enabled on this host"
        ))),
    }
}
