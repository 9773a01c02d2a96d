//! Says no to what a specification asks for and this runtime does not do, before anything is made.
//!
//! The OCI specification lets a runtime ignore what it does not know. But a container that ran without its hooks, its
//! LSM label would be another one than was asked for, so these are errors (reliability D11: fail closed).

use crate::oci::Spec;
use crate::protocol::Failure;

use super::failure::unsupported;

/// Refuse what is not done.
pub(crate) fn check(spec: &Spec) -> Result<(), Failure> {
    let process = &spec.process;
    let linux = &spec.linux;
    let asked = [
        ("hooks", spec.hooks.is_some()),
        ("process.apparmorProfile", !process.apparmor_profile.is_empty()),
        ("process.selinuxLabel", !process.selinux_label.is_empty()),
        ("process.scheduler", process.scheduler.is_some()),
        ("process.ioPriority", process.io_priority.is_some()),
        ("process.execCPUAffinity", process.exec_cpu_affinity.is_some()),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
        ("linux.timeOffsets", linux.time_offsets.is_some()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.personality", linux.personality.is_some()),
        (
            "an id-mapped mount",
            spec.mounts.iter().any(|m| m.uid_mappings.is_some() || m.gid_mappings.is_some()),
        ),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(unsupported(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Spec {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_would_change_the_container_is_refused_by_name() {
        for (json, name) in [
            (r#"{"hooks":{"prestart":[]}}"#, "hooks"),
            (r#"{"process":{"apparmorProfile":"docker-default"}}"#, "process.apparmorProfile"),
            (r#"{"mounts":[{"destination":"/a","uidMappings":[]}]}"#, "an id-mapped mount"),
        ] {
            let failure = check(&spec(json)).unwrap_err();
            assert_eq!(failure.message, format!("{name} is not supported"));
        }
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let json = r#"{"ociVersion":"1.2.0","future":1,"linux":{"future":{}},"process":{"x":[]}}"#;
        check(&spec(json)).unwrap();
    }
}
