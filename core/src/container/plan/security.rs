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

/// Put the texts of seccomp profiles in the place of their paths, as the docker command does before it sends them: a container is
/// started again, and something run in it, from another directory and when the file is another or gone.
///
/// # Errors
/// Those of reading the file.
pub(crate) fn read_profiles(host_config: &mut HostConfig, host: &dyn Host) -> Result<()> {
    for option in &mut host_config.security_opt {
        let Some(("seccomp", value)) = split(option) else { continue };
        let is_path =
            !matches!(value, "" | "unconfined" | "builtin") && !value.trim_start().starts_with('{');
        if is_path {
            let text = host.read(value).map_err(|error| {
                Error::system(format!("opening seccomp profile ({value}) failed"), error)
            })?;
            *option = format!("seccomp={text}");
        }
    }
    Ok(())
}

/// Name and value of an option. Docker takes `name=value` and, from its first days, `name:value`.
fn split(option: &str) -> Option<(&str, &str)> {
    let at = option.find(['=', ':'])?;
    Some((&option[..at], &option[at + 1..]))
}

/// Parse the options, of which profiles were read.
pub(super) fn parse(host_config: &HostConfig, host: &dyn Host) -> Result<Security> {
    let mut security = Security::default();
    for option in &host_config.security_opt {
        if option == "no-new-privileges" {
            security.no_new_privileges = true;
            continue;
        }
        let Some((name, value)) = split(option) else {
            return Err(Error::invalid(format!("invalid --security-opt 1: {option:?}")));
        };
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
            "seccomp" => security.seccomp = seccomp(value)?,
            "systempaths" if value == "unconfined" => security.unmasked = true,
            "apparmor" => check_apparmor(value, host.facts())?,
            "label" => check_label(value, host.facts())?,
            _ => return Err(Error::invalid(format!("invalid --security-opt 2: {option:?}"))),
        }
    }
    Ok(security)
}

fn seccomp(value: &str) -> Result<Seccomp> {
    Ok(match value {
        "" => return Err(Error::invalid("invalid --security-opt 2: \"seccomp=\"")),
        "unconfined" => Seccomp::Unconfined,
        "builtin" => Seccomp::Builtin,
        text => Seccomp::Profile(text.to_owned()),
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
