//! Capabilities: what a container's root may do (capabilities(7)).

use crate::error::{Error, Result};

use crate::api::HostConfig;

/// By number (linux/capability.h).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// What Docker gives by default.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// A set of capabilities: bit n is capability n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities(u64);

impl Capabilities {
    /// Those of a container on a machine where `available` can be given at all.
    pub(super) fn of(host_config: &HostConfig, available: u64) -> Result<Capabilities> {
        let added = Request::parse(&host_config.cap_add)?;
        let dropped = Request::parse(&host_config.cap_drop)?;
        if host_config.privileged {
            return Ok(Capabilities(available));
        }
        if let Some(missing) = Capabilities(added.named & !available).names().first() {
            return Err(Error::unsupported(format!(
                "capability {missing} cannot be given: barque itself does not have it here"
            )));
        }
        let default: u64 =
            DEFAULT.iter().filter_map(|name| named(name)).map(|number| 1 << number).sum();
        let set = if added.all {
            available & !dropped.named
        } else if dropped.all {
            added.named
        } else {
            (default & !dropped.named) | added.named
        };
        // What is only there by default and can't be given makes a container that can do less, which is no one's loss.
        Ok(Capabilities(set & available))
    }

    /// All that can be given.
    pub(super) fn all(available: u64) -> Capabilities {
        Capabilities(available)
    }

    pub(super) fn has(self, number: usize) -> bool {
        self.0 & (1 << number) != 0
    }

    pub(super) fn names(self) -> Vec<String> {
        let held = NAMES.iter().enumerate().filter(|(number, _)| self.has(*number));
        held.map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// The number of a capability.
pub(super) fn named(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// A `CapAdd` or `CapDrop`.
struct Request {
    all: bool,
    named: u64,
}

impl Request {
    fn parse(names: &[String]) -> Result<Request> {
        let mut request = Request { all: false, named: 0 };
        for name in names {
            let mut upper = name.to_ascii_uppercase();
            if upper == "ALL" {
                request.all = true;
                continue;
            }
            if !upper.starts_with("CAP_") {
                upper.insert_str(0, "CAP_");
            }
            let number = named(&upper).ok_or_else(|| {
                Error::invalid(format!("unknown capability: {upper:?}")).about("capability", name)
            })?;
            request.named |= 1 << number;
        }
        Ok(request)
    }
}
