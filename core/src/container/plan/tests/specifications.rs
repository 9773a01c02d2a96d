//! Whole plans against what is committed in `expected/`. `BARQUE_BLESS=1` writes it anew.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::Plan;
use super::{TestHost, image, plan_with};
use crate::api::ContainerConfig;

/// A plan as a document, without the program of the default system call filter: its rules have tests of their own.
fn document(plan: &Plan) -> Value {
    let mut launch = serde_json::to_value(&plan.launch).unwrap();
    if let Some(program) = launch.pointer_mut("/spec/linux/seccomp/barqueProgram") {
        *program = json!([]);
    }
    let files: serde_json::Map<String, Value> = plan
        .files
        .iter()
        .map(|(name, content)| ((*name).to_owned(), content.as_str().into()))
        .collect();
    json!({"config": plan.config, "launch": launch, "files": files, "warnings": plan.warnings})
}

fn check(name: &str, request: Value, image: &ContainerConfig) {
    let plan = plan_with(request, image, &TestHost::default()).unwrap();
    let spec: oci_spec::runtime::Spec =
        serde_json::from_value(serde_json::to_value(&plan.launch.spec).unwrap())
            .unwrap_or_else(|error| panic!("{name} is no OCI specification: {error}"));
    assert_eq!(spec.version(), "1.2.0");
    assert_eq!(spec.process().as_ref().unwrap().args().as_ref().unwrap().len(), plan_args(&plan));

    let text = format!("{:#}\n", document(&plan));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("src/container/plan/tests/expected/{name}.json"));
    if std::env::var_os("BARQUE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != text {
        let differing = expected.lines().zip(text.lines()).find(|(expected, got)| expected != got);
        panic!("{name}.json is not what is planned (BARQUE_BLESS=1 writes it): {differing:?}");
    }
}

fn plan_args(plan: &Plan) -> usize {
    plan.launch.spec.process.args.len()
}

#[test]
fn a_request_that_asks_for_nothing() {
    check("default", json!({"Image": "busybox"}), &image());
}

#[test]
fn a_request_that_asks_for_everything_about_the_process() {
    let image = ContainerConfig {
        entrypoint: Some(vec!["/entry".to_owned()]),
        cmd: Some(vec!["--default".to_owned()]),
        env: vec!["PATH=/bin".to_owned(), "A=image".to_owned(), "SECRET_TOKEN".to_owned()],
        labels: [("a".to_owned(), "image".to_owned())].into(),
        user: "nobody".to_owned(),
        working_dir: "/srv".to_owned(),
        stop_signal: "SIGQUIT".to_owned(),
        volumes: Some([("/data".to_owned(), crate::api::Empty {})].into()),
        ..ContainerConfig::default()
    };
    let request = json!({
        "Image": "web", "Hostname": "web", "Domainname": "example.com", "User": "1000:data", "Tty": true,
        "OpenStdin": true, "StdinOnce": true, "Env": ["A=request", "B=2", "HOSTNAME"], "Cmd": ["serve", "80"],
        "WorkingDir": "/work", "Labels": {"b": "2"}, "StopSignal": "INT", "StopTimeout": 3,
        "ExposedPorts": {"80/tcp": {}},
        "HostConfig": {
            "Init": true, "AutoRemove": true, "GroupAdd": ["audio", "99"], "ConsoleSize": [24, 80],
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": -1}, {"Name": "core", "Soft": 0, "Hard": 0}],
            "OomScoreAdj": 500, "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            "SecurityOpt": ["no-new-privileges"], "Annotations": {"org.example": "1"},
            "Dns": ["10.0.0.53"], "DnsSearch": ["example.com"], "DnsOptions": ["ndots:2"],
            "ExtraHosts": ["db:10.0.0.2", "six=[::6]"]
        }
    });
    check("process", request, &image);
}

#[test]
fn a_request_with_every_limit() {
    let request = json!({"Image": "busybox", "HostConfig": {
        "Memory": 64 << 20, "MemorySwap": 128 << 20, "MemoryReservation": 32 << 20, "MemorySwappiness": 10,
        "OomKillDisable": true, "CpuShares": 512, "CpuPeriod": 50000, "CpuQuota": 25000, "CpusetCpus": "0-1,3",
        "CpusetMems": "0", "CpuRealtimePeriod": 1_000_000, "CpuRealtimeRuntime": 950_000, "PidsLimit": 100,
        "BlkioWeight": 300, "BlkioWeightDevice": [{"Path": "/dev/dm-0", "Weight": 400}],
        "BlkioDeviceReadBps": [{"Path": "/dev/dm-0", "Rate": 1 << 20}],
        "BlkioDeviceWriteBps": [{"Path": "/dev/dm-0", "Rate": 2 << 20}],
        "BlkioDeviceReadIOps": [{"Path": "/dev/dm-0", "Rate": 100}],
        "BlkioDeviceWriteIOps": [{"Path": "/dev/dm-0", "Rate": 200}],
        "ShmSize": 1 << 20, "Devices": [{"PathOnHost": "/dev/fuse", "CgroupPermissions": "rw"},
                                        {"PathOnHost": "/dev/snd", "PathInContainer": "/dev/sound"}],
        "DeviceCgroupRules": ["c 42:* rw"], "ReadonlyRootfs": true, "Tmpfs": {"/run": "size=64m,exec", "/tmp": ""},
        "Sysctls": {"net.core.somaxconn": "1024", "kernel.shmmax": "1000"}
    }});
    check("limits", request, &image());
}

#[test]
fn a_privileged_request() {
    check("privileged", json!({"Image": "busybox", "HostConfig": {"Privileged": true}}), &image());
}

#[test]
fn a_request_that_shares_the_host_s_namespaces() {
    let request = json!({"Image": "busybox", "HostConfig": {
        "NetworkMode": "host", "PidMode": "host", "IpcMode": "host", "UTSMode": "host", "CgroupnsMode": "host",
        "SecurityOpt": ["seccomp=unconfined", "systempaths=unconfined", "apparmor=unconfined", "label=disable"],
        "ExtraHosts": ["db:10.0.0.2"]
    }});
    check("host", request, &image());
}
