//! Namespaces, capabilities, devices, mounts, kernel parameters.

use serde_json::{Value, json};

use super::{TestHost, image, invalid, plan_of, plan_with, spec_of, unsupported};

fn refused(host_config: Value) -> String {
    invalid(json!({"HostConfig": host_config}))
}

fn namespaces(host_config: Value) -> Vec<String> {
    let spec = spec_of(host_config);
    let list = spec["linux"]["namespaces"].as_array().unwrap();
    list.iter().map(|namespace| namespace["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_namespace_is_the_container_s_own_unless_it_asks_for_the_host_s() {
    let all = ["mount", "network", "uts", "pid", "ipc", "cgroup"];
    assert_eq!(namespaces(json!({})), all);
    assert_eq!(
        namespaces(json!({"NetworkMode": "none", "IpcMode": "private", "CgroupnsMode": "private"})),
        all
    );
    for (host_config, missing) in [
        (json!({"NetworkMode": "host"}), "network"),
        (json!({"PidMode": "host"}), "pid"),
        (json!({"IpcMode": "host"}), "ipc"),
        (json!({"UTSMode": "host"}), "uts"),
        (json!({"CgroupnsMode": "host"}), "cgroup"),
    ] {
        let rest: Vec<_> = all.iter().filter(|name| **name != missing).collect();
        assert_eq!(namespaces(host_config).iter().collect::<Vec<_>>(), rest);
    }
}

#[test]
fn a_namespace_of_another_container_is_named_and_looked_for_later() {
    let spec = spec_of(json!({
        "PidMode": "container:web", "IpcMode": "container:db", "NetworkMode": "container:net",
    }));
    let path = |kind: &str| {
        let list = spec["linux"]["namespaces"].as_array().unwrap();
        list.iter().find(|namespace| namespace["type"] == kind).unwrap()["path"].clone()
    };
    assert_eq!((path("pid"), path("ipc")), (json!("container:web"), json!("container:db")));
    assert_eq!(path("network"), json!("container:net"));
    assert_eq!(path("uts"), Value::Null);
    let mounts = spec["mounts"].as_array().unwrap();
    let memory = mounts.iter().find(|mount| mount["destination"] == "/dev/shm").unwrap();
    let options = memory["options"].as_array().unwrap();
    assert!(options.contains(&json!("X-barque.namespace=container:db")), "{options:?}");
}

#[test]
fn modes_that_are_not_there_are_refused_as_such() {
    assert_eq!(refused(json!({"NetworkMode": "container:"})), "invalid network mode: container:");
    assert_eq!(
        invalid(json!({"Hostname": "web", "HostConfig": {"NetworkMode": "container:web"}})),
        "conflicting options: hostname and the container type network mode"
    );
    assert_eq!(refused(json!({"PidMode": "container:"})), "invalid PID mode: container:");
    assert_eq!(refused(json!({"UTSMode": "container:web"})), "invalid UTS mode: container:web");
    assert_eq!(refused(json!({"PidMode": "mine"})), "invalid PID mode: mine");
    assert_eq!(refused(json!({"IpcMode": "mine"})), "invalid IPC mode: mine");
    assert_eq!(refused(json!({"UTSMode": "mine"})), "invalid UTS mode: mine");
    assert_eq!(refused(json!({"CgroupnsMode": "mine"})), "invalid cgroup namespace mode: mine");
    assert_eq!(refused(json!({"UsernsMode": "mine"})), "invalid USER mode: mine");
    assert_eq!(
        invalid(json!({"Hostname": "web", "HostConfig": {"UTSMode": "host"}})),
        "conflicting options: hostname and the UTS mode"
    );
}

#[test]
fn the_host_name_is_the_beginning_of_the_id_unless_it_is_given() {
    let name = |request| plan_of(request).launch.spec.hostname;
    assert_eq!(name(json!({})), "0123456789ab");
    assert_eq!(name(json!({"Hostname": "web"})), "web");
    assert_eq!(name(json!({"HostConfig": {"NetworkMode": "host"}})), "machine");
    assert_eq!(name(json!({"HostConfig": {"UTSMode": "host"}})), "");
    assert!(invalid(json!({"Hostname": "a\nb"})).starts_with("invalid hostname format"));
    assert!(invalid(json!({"Domainname": "a b"})).starts_with("invalid domain name"));
}

fn capabilities(host_config: Value) -> Vec<String> {
    let spec = spec_of(host_config);
    let sets = spec["process"]["capabilities"].clone();
    assert_eq!(sets["bounding"], sets["effective"]);
    assert_eq!(sets["bounding"], sets["permitted"]);
    let names: Vec<String> = serde_json::from_value(sets["bounding"].clone()).unwrap();
    names.into_iter().map(|name| name.strip_prefix("CAP_").unwrap().to_owned()).collect()
}

#[test]
fn capabilities_are_docker_s_fourteen_with_additions_and_without_drops() {
    let default = capabilities(json!({}));
    assert_eq!(
        default.join(" "),
        "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD \
         AUDIT_WRITE SETFCAP"
    );
    assert_eq!(capabilities(json!({"CapDrop": ["ALL"]})), [""; 0]);
    assert_eq!(
        capabilities(json!({"CapDrop": ["all"], "CapAdd": ["chown", "CAP_KILL"]})),
        ["CHOWN", "KILL"]
    );
    assert_eq!(capabilities(json!({"CapAdd": ["ALL"]})).len(), 41);
    assert_eq!(capabilities(json!({"CapAdd": ["ALL"], "CapDrop": ["SYS_ADMIN"]})).len(), 40);
    assert_eq!(capabilities(json!({"Privileged": true, "CapDrop": ["ALL"]})).len(), 41);
    let without = capabilities(json!({"CapDrop": ["NET_RAW"], "CapAdd": ["SYS_TIME"]}));
    assert_eq!(without.len(), 14);
    assert!(without.contains(&"SYS_TIME".to_owned()) && !without.contains(&"NET_RAW".to_owned()));
    assert_eq!(refused(json!({"CapAdd": ["NET_WORK"]})), "unknown capability: \"CAP_NET_WORK\"");
    assert_eq!(refused(json!({"CapDrop": ["CAP_NOPE"]})), "unknown capability: \"CAP_NOPE\"");
    assert_eq!(
        refused(json!({"Privileged": true, "CapAdd": ["x"]})),
        "unknown capability: \"CAP_X\""
    );
}

#[test]
fn a_capability_that_barque_does_not_have_cannot_be_asked_for_by_name() {
    let mut host = TestHost::default();
    // Without SYS_RESOURCE (24) and AUDIT_WRITE (29).
    host.capabilities &= !(1 << 24 | 1 << 29);
    let asked = json!({"HostConfig": {"CapAdd": ["SYS_RESOURCE"]}});
    assert!(unsupported(asked, &host).contains("CAP_SYS_RESOURCE"));
    let count = |request| {
        let plan = plan_with(request, &image(), &host).unwrap();
        plan.launch.spec.process.capabilities.unwrap().bounding.len()
    };
    assert_eq!(count(json!({})), 13);
    assert_eq!(count(json!({"HostConfig": {"Privileged": true}})), 39);
    assert_eq!(count(json!({"HostConfig": {"CapAdd": ["ALL"]}})), 39);
}

#[test]
fn security_options() {
    let spec = |options: Value| spec_of(json!({"SecurityOpt": options}));
    assert_eq!(spec(json!([]))["process"]["noNewPrivileges"], false);
    for option in ["no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"] {
        assert_eq!(spec(json!([option]))["process"]["noNewPrivileges"], true, "{option}");
    }
    assert_eq!(spec(json!(["no-new-privileges=false"]))["process"]["noNewPrivileges"], false);
    assert_eq!(spec(json!(["seccomp=unconfined"]))["linux"].get("seccomp"), None);
    let unmasked = spec(json!(["systempaths=unconfined"]));
    assert_eq!(
        (unmasked["linux"].get("maskedPaths"), unmasked["linux"].get("readonlyPaths")),
        (None, None)
    );
    assert_eq!(
        refused(json!({"SecurityOpt": ["nothing"]})),
        "invalid --security-opt 1: \"nothing\""
    );
    assert_eq!(refused(json!({"SecurityOpt": ["a=b"]})), "invalid --security-opt 2: \"a=b\"");
    assert!(
        refused(json!({"SecurityOpt": ["no-new-privileges=x"]}))
            .starts_with("invalid --security-opt 2")
    );
}

#[test]
fn a_protection_that_is_not_there_is_refused_and_not_left_out() {
    let host = TestHost::default();
    let asked = |option: &str| json!({"HostConfig": {"SecurityOpt": [option]}});
    assert!(
        unsupported(asked("apparmor=docker-default"), &host).contains("not enabled on this host")
    );
    assert!(unsupported(asked("label=type:svirt_t"), &host).contains("not enabled on this host"));
    plan_of(asked("apparmor=unconfined"));
    plan_of(asked("label=disable"));
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

// SEC-030.
#[test]
fn files_that_leak_or_control_the_hardware_are_hidden() {
    let spec = spec_of(json!({}));
    let masked = strings(&spec["linux"]["maskedPaths"]);
    for path in [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
        "/sys/devices/system/cpu/cpu0/thermal_throttle",
        "/sys/devices/system/cpu/cpu1/thermal_throttle",
    ] {
        assert!(masked.contains(&path), "{path}");
    }
    assert_eq!(
        strings(&spec["linux"]["readonlyPaths"]),
        ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    );
    let own = spec_of(json!({"MaskedPaths": ["/proc/keys"], "ReadonlyPaths": []}));
    assert_eq!(strings(&own["linux"]["maskedPaths"]), ["/proc/keys"]);
    assert_eq!(own["linux"].get("readonlyPaths"), None);
}

fn mount(spec: &Value, destination: &str) -> Option<Value> {
    let mounts = spec["mounts"].as_array().unwrap();
    let mut found = mounts.iter().filter(|mount| mount["destination"] == destination);
    let mount = found.next().cloned();
    assert_eq!(found.next(), None, "{destination} is mounted twice");
    mount
}

fn options(spec: &Value, destination: &str) -> String {
    let mount = mount(spec, destination).unwrap_or_else(|| panic!("{destination} is not mounted"));
    strings(&mount["options"]).join(",")
}

#[test]
fn sys_and_cgroups_cannot_be_written_unless_privileged() {
    let spec = spec_of(json!({}));
    assert_eq!(options(&spec, "/sys"), "nosuid,noexec,nodev,ro");
    assert_eq!(options(&spec, "/sys/fs/cgroup"), "nosuid,noexec,nodev,relatime,ro");
    let spec = spec_of(json!({"Privileged": true}));
    assert_eq!(options(&spec, "/sys"), "nosuid,noexec,nodev,rw");
    assert_eq!(options(&spec, "/sys/fs/cgroup"), "nosuid,noexec,nodev,relatime,rw");
    assert_eq!(spec["linux"].get("maskedPaths"), None);
    assert_eq!(spec["linux"].get("readonlyPaths"), None);
    assert_eq!(spec["linux"].get("seccomp"), None);
}

#[test]
fn shared_memory_follows_the_ipc_mode() {
    assert_eq!(
        options(&spec_of(json!({})), "/dev/shm"),
        "nosuid,noexec,nodev,mode=1777,size=67108864"
    );
    assert!(options(&spec_of(json!({"ShmSize": "1m"})), "/dev/shm").ends_with("size=1048576"));
    assert_eq!(mount(&spec_of(json!({"IpcMode": "none"})), "/dev/shm"), None);
    let host = mount(&spec_of(json!({"IpcMode": "host"})), "/dev/shm").unwrap();
    assert_eq!((&host["type"], &host["source"]), (&json!("bind"), &json!("/dev/shm")));
}

#[test]
fn in_memory_file_systems_are_safe_unless_said_otherwise() {
    let tmpfs =
        |options_given: &str| options(&spec_of(json!({"Tmpfs": {"/run": options_given}})), "/run");
    assert_eq!(tmpfs(""), "noexec,nosuid,nodev");
    assert_eq!(tmpfs("size=64m,exec"), "nosuid,nodev,exec,size=64m");
    assert_eq!(tmpfs("mode=1777,suid,dev,ro"), "noexec,suid,dev,ro,mode=1777");
    let spec = spec_of(json!({"Tmpfs": {"//run/./lock/": "", "/dev/shm": "size=1m"}}));
    assert!(mount(&spec, "/run/lock").is_some());
    assert_eq!(options(&spec, "/dev/shm"), "noexec,nosuid,nodev,size=1m");
    for (path, options) in [
        ("run", ""),
        ("/", ""),
        ("/a/../proc", ""),
        ("/proc", ""),
        ("/proc/sys", ""),
        ("/sys", ""),
        ("/dev", ""),
        ("/run", "bind"),
        ("/run", "size="),
        ("/run", "size=1,context=x"),
        ("/run", "mode=1\n"),
    ] {
        refused(json!({"Tmpfs": {path: options}}));
    }
}

#[test]
fn a_mount_comes_after_the_one_it_is_in() {
    let spec = spec_of(json!({"Tmpfs": {"/a/b/c": "", "/a": "", "/a/b": ""}}));
    let mounts: Vec<_> = spec["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| mount["destination"].as_str().unwrap())
        .collect();
    for (index, destination) in mounts.iter().enumerate() {
        let before = &mounts[..index];
        let parents = mounts.iter().filter(|other| destination.starts_with(&format!("{other}/")));
        assert!(parents.into_iter().all(|parent| before.contains(parent)), "{mounts:?}");
    }
}

#[test]
fn a_read_only_root_makes_its_generated_files_read_only_too() {
    let spec = spec_of(json!({"ReadonlyRootfs": true}));
    assert_eq!(spec["root"]["readonly"], true);
    for file in ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"] {
        assert_eq!(options(&spec, file), "rbind,rprivate,ro");
        assert_eq!(options(&spec_of(json!({})), file), "rbind,rprivate,rw");
    }
}

#[test]
fn devices_are_denied_but_for_the_usual_ones() {
    let spec = spec_of(json!({}));
    assert_eq!(spec["linux"].get("devices"), None);
    let rules = spec["linux"]["resources"]["devices"].as_array().unwrap();
    assert_eq!(rules[0], json!({"allow": false, "access": "rwm"}));
    assert!(rules[1..].iter().all(|rule| rule["allow"] == true));
    let allowed = |kind: &str, major: i64, minor: i64| {
        rules[1..].iter().any(|rule| {
            rule["type"] == kind
                && rule["major"] == major
                && (rule["minor"] == minor || rule.get("minor").is_none())
                && rule["access"] == "rwm"
        })
    };
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 7)]
    {
        assert!(allowed("c", major, minor), "{major}:{minor}");
    }
    assert!(!allowed("c", 10, 229) && !allowed("c", 1, 1) && !allowed("b", 253, 0));
}

#[test]
fn a_device_that_is_asked_for_is_made_and_allowed() {
    let spec =
        spec_of(json!({"Devices": [{"PathOnHost": "/dev/fuse", "CgroupPermissions": "rw"}]}));
    let node = json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o660, "uid": 0, "gid": 6});
    assert_eq!(spec["linux"]["devices"], json!([node]));
    let last = |spec: &Value| {
        spec["linux"]["resources"]["devices"].as_array().unwrap().last().unwrap().clone()
    };
    assert_eq!(
        last(&spec),
        json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"})
    );
    let spec =
        spec_of(json!({"Devices": [{"PathOnHost": "/dev/snd/", "PathInContainer": "/dev/sound"}]}));
    let paths: Vec<_> =
        spec["linux"]["devices"].as_array().unwrap().iter().map(|node| &node["path"]).collect();
    assert_eq!(paths, ["/dev/sound/pcm", "/dev/sound/seq"]);
    let spec = spec_of(json!({"DeviceCgroupRules": ["b *:* rm", "c 42:7 w"]}));
    assert_eq!(
        last(&spec),
        json!({"allow": true, "type": "c", "major": 42, "minor": 7, "access": "w"})
    );
    for (host_config, part) in [
        (json!({"Devices": [{"PathOnHost": "/dev/no"}]}), "\"/dev/no\": no such file or directory"),
        (json!({"Devices": [{"PathOnHost": "/dev/file"}]}), "\"/dev/file\": not a device node"),
        (json!({"Devices": [{"PathOnHost": "dev/fuse"}]}), "'dev/fuse' is not an absolute path"),
        (json!({"Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/../x"}]}), "'/../x'"),
        (
            json!({"Devices": [{"PathOnHost": "/dev/fuse", "CgroupPermissions": "x"}]}),
            "invalid device mode: x",
        ),
        (json!({"DeviceCgroupRules": ["c 1:2"]}), "invalid device cgroup rule format: 'c 1:2'"),
        (json!({"DeviceCgroupRules": ["d 1:2 r"]}), "invalid device cgroup rule format"),
        (json!({"DeviceCgroupRules": ["c 1:+2 r"]}), "invalid device cgroup rule format"),
    ] {
        let message = refused(host_config);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_privileged_container_has_the_host_s_devices_but_not_its_terminals() {
    let spec = spec_of(json!({"Privileged": true}));
    let paths: Vec<_> =
        spec["linux"]["devices"].as_array().unwrap().iter().map(|node| &node["path"]).collect();
    assert_eq!(paths, ["/dev/dm-0", "/dev/fuse", "/dev/snd/pcm", "/dev/snd/seq"]);
    assert_eq!(spec["linux"]["resources"]["devices"], json!([{"allow": true, "access": "rwm"}]));
}

// SEC-021, CVE-2022-0811.
#[test]
fn kernel_parameters_are_those_of_the_container_s_own_namespaces() {
    let sysctls =
        json!({"net.ipv4.ip_forward": "1", "kernel.shmmax": "1", "fs.mqueue.msg_max": "10"});
    assert_eq!(spec_of(json!({"Sysctls": sysctls}))["linux"]["sysctl"], sysctls);
    // A plus is a character like any other: it can't begin a second parameter.
    let odd = json!({"net.ipv4.ip_forward": "1+kernel.core_pattern=|/x"});
    assert_eq!(spec_of(json!({"Sysctls": odd}))["linux"]["sysctl"], odd);
    for (name, value) in [
        ("kernel.core_pattern", "|/x"),
        ("kernel.hostname", "x"),
        ("vm.swappiness", "1"),
        ("fs.file-max", "1"),
        ("kernel.shm_next_id", "1"),
        ("net", "1"),
        ("net.", "1"),
        ("net..ipv4", "1"),
        ("net.ipv4.../../kernel", "1"),
        ("net/ipv4/ip_forward", "1"),
        ("net.ipv4/../../kernel/core_pattern", "1"),
        ("nеt.ipv4.ip_forward", "1"),
        ("net.ipv4.ip_forward", "1\nkernel.core_pattern=|/x"),
        ("net.ipv4.ip_forward\n", "1"),
        ("net.ipv4.ip_forward\u{0}", "1"),
        ("", "1"),
    ] {
        refused(json!({"Sysctls": {name: value}}));
    }
    assert_eq!(
        refused(json!({"NetworkMode": "host", "Sysctls": {"net.ipv4.ip_forward": "1"}})),
        "sysctl \"net.ipv4.ip_forward\" is not allowed in the hosts network namespace"
    );
    assert_eq!(
        refused(json!({"IpcMode": "host", "Sysctls": {"kernel.shmmax": "1"}})),
        "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace"
    );
}

#[test]
fn what_is_not_implemented_is_refused_with_its_name() {
    let host = TestHost::default();
    for (request, field) in [
        (json!({"HostConfig": {"StorageOpt": {"size": "1g"}}}), "HostConfig.StorageOpt"),
        (json!({"HostConfig": {"DeviceRequests": [{}]}}), "HostConfig.DeviceRequests"),
    ] {
        assert_eq!(unsupported(request, &host), format!("not implemented yet: {field}"));
    }
    assert_eq!(
        invalid(json!({"HostConfig": {"NetworkMode": "host", "Links": ["a:b"]}})),
        "conflicting options: host type networking can't be used with links"
    );
    unsupported(json!({"HostConfig": {"KernelMemory": 1 << 24}}), &host);
    unsupported(json!({"HostConfig": {"LogConfig": {"Type": "syslog"}}}), &host);
    assert_eq!(
        invalid(json!({"HostConfig": {"Runtime": "kata"}})),
        "unknown or invalid runtime name: kata"
    );
}

#[test]
fn what_the_docker_command_always_sends_is_no_request() {
    plan_of(json!({
        "NetworkingConfig": {"EndpointsConfig": {"default": {"Aliases": [], "IPAMConfig": {}, "MacAddress": "", "GwPriority": 0}}},
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "default", "RestartPolicy": {"Name": "no"}, "PortBindings": {}, "VolumeDriver": "",
            "LogConfig": {"Type": "", "Config": {}}, "ConsoleSize": [24, 80], "MemorySwappiness": -1, "PidsLimit": 0,
            "OomKillDisable": false, "Isolation": "", "Runtime": ""
        }
    }));
}
