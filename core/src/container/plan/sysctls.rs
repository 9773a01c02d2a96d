//! Kernel parameters: only those of a namespace that is the container's own.
//!
//! CVE-2022-0811: a value with a `+` in it made a helper set a second parameter, `kernel.core_pattern` of the host. Here a
//! name is checked as a name, and name and value stay apart until each is written to its own file.

use std::collections::BTreeMap;

use super::namespaces::{Ipc, Namespaces, NetworkMode};
use crate::error::{Error, Result};

/// Parameters of the IPC namespace, beside all of `fs.mqueue`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Check the parameters of a request.
pub(super) fn check(
    sysctls: &BTreeMap<String, String>,
    namespaces: Namespaces<'_>,
) -> Result<BTreeMap<String, String>> {
    for (name, value) in sysctls {
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = name.split('.').all(|part| !part.is_empty() && part.chars().all(letters));
        let is_value = value.chars().all(|c| c.is_ascii_graphic() || matches!(c, ' ' | '\t'));
        if !is_name || !is_value {
            return Err(Error::invalid(format!(
                "sysctl {:?} is not allowed",
                format!("{name}={value}")
            )));
        }
        let (shared, namespace) = if name.starts_with("net.") {
            (namespaces.network == NetworkMode::Host, "network")
        } else if name.starts_with("fs.mqueue.") || IPC.contains(&name.as_str()) {
            (matches!(namespaces.ipc, Ipc::Host | Ipc::Container(_)), "ipc")
        } else {
            return Err(Error::invalid(format!(
                "sysctl {name:?} is not in a separate kernel namespace"
            )));
        };
        if shared {
            return Err(Error::invalid(format!(
                "sysctl {name:?} is not allowed in the hosts {namespace} namespace"
            )));
        }
    }
    Ok(sysctls.clone())
}
