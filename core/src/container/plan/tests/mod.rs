//! Plans of requests on a machine that is made up, so that they are the same wherever the tests run.

mod command;
mod files;
mod health;
mod isolation;
mod limits;
mod seccomp;
mod specifications;
mod speed;

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::host::{DeviceNode, Host, HostFacts};
use super::{Plan, PlanInput, plan};
use crate::api::{self, ContainerConfig, ContainerCreate};
use crate::error::{ErrorKind, Result};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A machine with four CPUs, cgroup v1 and full capabilities.
struct TestHost {
    capabilities: u64,
    facts: HostFacts,
    files: BTreeMap<&'static str, &'static str>,
    devices: Vec<DeviceNode>,
}

impl Default for TestHost {
    fn default() -> TestHost {
        let device = |path: &str, kind, major, minor| DeviceNode {
            path: path.to_owned(),
            kind,
            major,
            minor,
            mode: 0o660,
            uid: 0,
            gid: 6,
        };
        TestHost {
            capabilities: (1 << 41) - 1,
            facts: HostFacts {
                architecture: "amd64",
                kernel: (6, 1),
                cpus: 4,
                cpuset_cpus: "0-3".to_owned(),
                cpuset_mems: "0".to_owned(),
                throttled_cpus: vec![0, 1],
                cgroup_v2: false,
                swap_limit: true,
                apparmor: false,
                selinux: false,
                hostname: "machine".to_owned(),
            },
            files: BTreeMap::from([
                ("/etc/hosts", "127.0.0.1 localhost\n10.0.0.7 machine"),
                (
                    "/etc/resolv.conf",
                    "# made by hand\nnameserver 10.0.0.1\nsearch example.com\noptions ndots:1\n",
                ),
                ("/profile.json", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#),
            ]),
            devices: vec![
                device("/dev/console", 'c', 5, 1),
                device("/dev/dm-0", 'b', 253, 0),
                device("/dev/fuse", 'c', 10, 229),
                device("/dev/pts/0", 'c', 136, 0),
                device("/dev/snd/pcm", 'c', 116, 2),
                device("/dev/snd/seq", 'c', 116, 1),
            ],
        }
    }
}

impl Host for TestHost {
    fn capabilities(&self) -> u64 {
        self.capabilities
    }

    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn read(&self, path: &str) -> io::Result<String> {
        self.files.get(path).map(|text| (*text).to_owned()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn devices(&self, path: &str) -> io::Result<Vec<DeviceNode>> {
        if path == "/dev/file" {
            return Ok(Vec::new());
        }
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        let is = |device: &&DeviceNode| device.path == path || device.path.starts_with(&below);
        let found: Vec<_> = self.devices.iter().filter(is).cloned().collect();
        if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
    }
}

/// An image with a command and little else.
fn image() -> ContainerConfig {
    ContainerConfig {
        cmd: Some(vec!["/bin/sh".to_owned()]),
        env: vec!["PATH=/bin".to_owned()],
        ..ContainerConfig::default()
    }
}

/// Read a request as a face would.
fn create(request: Value) -> ContainerCreate {
    api::parse(&request.to_string()).unwrap()
}

fn plan_with(request: Value, image: &ContainerConfig, host: &TestHost) -> Result<Plan> {
    let mut plan = plan(&PlanInput {
        id: ID,
        create: &create(request),
        image,
        image_architecture: "amd64",
        host,
        rootfs: None,
        mounts: &[],
        directory: "/var/lib/barque/containers/0123456789ab",
        cgroup: "/barque/1-2/0123456789ab",
    })?;
    plan.complete()?;
    Ok(plan)
}

fn plan_of(request: Value) -> Plan {
    plan_with(request, &image(), &TestHost::default()).unwrap()
}

/// The specification for a request that has only these host options.
fn spec_of(host_config: Value) -> Value {
    serde_json::to_value(plan_of(json!({"HostConfig": host_config})).launch.spec).unwrap()
}

/// The message with which a request is refused as impossible.
fn invalid(request: Value) -> String {
    let error = plan_with(request.clone(), &image(), &TestHost::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{request}: {error}");
    error.message().to_owned()
}

/// The message with which a request is refused as impossible here or yet.
fn unsupported(request: Value, host: &TestHost) -> String {
    let error = plan_with(request.clone(), &image(), host).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{request}: {error}");
    error.message().to_owned()
}
