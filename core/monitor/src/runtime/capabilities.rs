//! Capability sets (capabilities(7)).
//!
//! The inheritable and the ambient set are always empty: a file with inheritable capabilities would otherwise give them to
//! any user inside (CVE-2022-24769, CVE-2025-27612). So a process that is not root has none once it has executed a file,
//! as with Docker.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
};

use crate::oci;
use crate::protocol::Failure;

use super::failure::{Doing, invalid, unsupported};

/// By number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The sets of a container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities {
    bounding: CapabilitySet,
    effective: CapabilitySet,
    permitted: CapabilitySet,
}

impl Capabilities {
    /// Parse the names, and make sure that this process has what it is to give.
    pub(crate) fn new(document: Option<&oci::Capabilities>) -> Result<Capabilities, Failure> {
        let none = CapabilitySet::empty();
        let mut sets = Capabilities { bounding: none, effective: none, permitted: none };
        if let Some(document) = document {
            sets.bounding = parse(&document.bounding)?;
            sets.effective = parse(&document.effective)?;
            sets.permitted = parse(&document.permitted)?;
        }
        if let Some(name) = names(sets.effective - sets.permitted).next() {
            return Err(invalid(format!("capability {name} is effective but not permitted")));
        }
        let mine = rustix::thread::capabilities(None).doing(|| "read the capabilities")?.permitted;
        if let Some(name) = names((sets.bounding | sets.permitted) - mine).next() {
            return Err(unsupported(format!(
                "capability {name} cannot be given: barque itself does not have it here"
            )));
        }
        Ok(sets)
    }

    /// Take what is not in the bounding set out of it. Needs CAP_SETPCAP.
    pub(crate) fn limit(&self) -> Result<(), Failure> {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            if self.bounding.contains(capability) {
                continue;
            }
            match remove_capability_from_bounding_set(capability) {
                Ok(()) => {}
                // Beyond the last that this kernel has.
                Err(Errno::INVAL) => break,
                result => return result.doing(|| "limit the capabilities"),
            }
        }
        Ok(())
    }

    /// Set the other sets. The ambient set follows the inheritable one.
    pub(crate) fn set(&self) -> Result<(), Failure> {
        let sets = CapabilitySets {
            effective: self.effective,
            permitted: self.permitted,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets).doing(|| "set the capabilities")
    }
}

/// Make all permitted capabilities effective again, which changing the user id has undone.
pub(crate) fn raise() -> Result<(), Failure> {
    rustix::thread::capabilities(None)
        .and_then(|mut sets| {
            sets.effective = sets.permitted;
            set_capabilities(None, sets)
        })
        .doing(|| "raise the capabilities")
}

fn parse(names: &[String]) -> Result<CapabilitySet, Failure> {
    names.iter().try_fold(CapabilitySet::empty(), |set, name| {
        name.strip_prefix("CAP_")
            .and_then(|short| NAMES.iter().position(|known| *known == short))
            .map(|number| set | CapabilitySet::from_bits_retain(1 << number))
            .ok_or_else(|| invalid(format!("unknown capability {name:?}")))
    })
}

fn names(set: CapabilitySet) -> impl Iterator<Item = String> {
    (0..u64::BITS as usize).filter(move |number| set.bits() & (1 << number) != 0).map(|number| {
        NAMES.get(number).map_or_else(|| number.to_string(), |name| format!("CAP_{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn names_are_at_the_kernels_numbers() {
        for (name, bits) in [
            ("CAP_CHOWN", CapabilitySet::CHOWN),
            ("CAP_SYS_CHROOT", CapabilitySet::SYS_CHROOT),
            ("CAP_MKNOD", CapabilitySet::MKNOD),
            ("CAP_SETFCAP", CapabilitySet::SETFCAP),
            ("CAP_BPF", CapabilitySet::BPF),
            ("CAP_CHECKPOINT_RESTORE", CapabilitySet::CHECKPOINT_RESTORE),
        ] {
            assert_eq!(parse(&strings(&[name])).unwrap(), bits, "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_not_a_missing_capability() {
        for name in ["CAP_FOO", "CHOWN", "cap_chown", "CAP_", ""] {
            assert!(parse(&strings(&[name])).is_err(), "{name}");
        }
    }

    #[test]
    fn without_a_document_there_are_none() {
        let sets = Capabilities::new(None).unwrap();
        assert!((sets.bounding | sets.effective | sets.permitted).is_empty());
    }

    #[test]
    fn the_effective_set_is_part_of_the_permitted_one() {
        let document =
            oci::Capabilities { effective: strings(&["CAP_CHOWN"]), ..Default::default() };
        assert!(Capabilities::new(Some(&document)).is_err());
    }
}
