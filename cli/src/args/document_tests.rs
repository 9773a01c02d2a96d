use barque::api::ContainerCreate;
use serde_json::{Value, json};

use super::super::create::CreateFlags;
use super::of;
use clap::Args as _;

/// The document of a command line, as `barque create` makes it.
fn parse(words: &str) -> Result<ContainerCreate, String> {
    let verb = crate::args::Verb {
        name: "create",
        about: "",
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        operands: crate::args::Operands::AtLeast(1),
        trailing: true,
        flags: CreateFlags::augment_args,
        run: |_| Ok(0),
    };
    let words = words.split_whitespace().map(Into::into).collect();
    let parsed = verb.parse("barque create", None, words).map_err(|failure| failure.message)?;
    let mut parsed = parsed.ok_or("help")?;
    let flags: CreateFlags = parsed.flags().map_err(|failure| failure.message)?;
    of(flags, &parsed.operands, false)
}

/// The part of a command line's document that differs from that of `create a`.
fn difference(words: &str) -> Value {
    let plain = serde_json::to_value(parse("a").unwrap()).unwrap();
    let mut document = serde_json::to_value(parse(&format!("{words} a")).unwrap()).unwrap();
    subtract(&mut document, &plain);
    document
}

fn subtract(document: &mut Value, plain: &Value) {
    let (Value::Object(fields), Value::Object(plain)) = (document, plain) else { return };
    for (name, value) in plain {
        match fields.get_mut(name) {
            Some(found) if found == value => drop(fields.remove(name)),
            Some(found) => subtract(found, value),
            None => {}
        }
    }
}

#[test]
fn each_flag_sets_its_field() {
    for (words, wanted) in [
        ("--name web", json!({"Name": "web"})),
        ("--platform linux/arm64", json!({"Platform": "linux/arm64"})),
        ("-h ship --domainname sea", json!({"Hostname": "ship", "Domainname": "sea"})),
        ("-u 1000:1000 -w /srv", json!({"User": "1000:1000", "WorkingDir": "/srv"})),
        ("-e A=1 --env B=x=y", json!({"Env": ["A=1", "B=x=y"]})),
        ("-l a=1 --label b", json!({"Labels": {"a": "1", "b": ""}})),
        ("--entrypoint sh", json!({"Entrypoint": ["sh"]})),
        ("--entrypoint=", json!({"Entrypoint": [""]})),
        ("--stop-signal INT --stop-timeout 3", json!({"StopSignal": "INT", "StopTimeout": 3})),
        ("--mac-address 92:d0:c6:0a:29:33", json!({"MacAddress": "92:d0:c6:0a:29:33"})),
        ("-it", json!({"Tty": true, "OpenStdin": true, "StdinOnce": true, "AttachStdin": true})),
        ("-t=true -i=false", json!({"Tty": true})),
        ("-a stdout", json!({"AttachStderr": false})),
        (
            "-a STDIN -i",
            json!({"AttachStdin": true, "AttachStdout": false, "AttachStderr": false, "OpenStdin": true, "StdinOnce": true}),
        ),
        ("--expose 53/udp", json!({"ExposedPorts": {"53/udp": {}}})),
        ("-v /data", json!({"Volumes": {"/data": {}}})),
        (
            "--health-cmd true --health-interval 5s --health-retries 3",
            json!({"Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_i64, "Retries": 3}}),
        ),
        ("--no-healthcheck", json!({"Healthcheck": {"Test": ["NONE"]}})),
        (
            "--network web --network-alias db --ip 172.20.0.5",
            json!({"HostConfig": {"NetworkMode": "web"}, "NetworkingConfig": {"EndpointsConfig": {"web":
                endpoint(&json!({"Aliases": ["db"], "IPAMConfig": {"IPv4Address": "172.20.0.5"}}))}}}),
        ),
        (
            "--network name=web,alias=a,driver-opt=K=V --network two",
            json!({"HostConfig": {"NetworkMode": "web"}, "NetworkingConfig": {"EndpointsConfig": {
                "two": endpoint(&json!({})),
                "web": endpoint(&json!({"Aliases": ["a"], "DriverOpts": {"k": "V"}}))}}}),
        ),
    ] {
        assert_eq!(difference(words), wanted, "{words}");
    }
}

/// The settings with these fields, and no others.
fn endpoint(fields: &Value) -> Value {
    let settings: barque::api::EndpointSettings = serde_json::from_value(fields.clone()).unwrap();
    serde_json::to_value(settings).unwrap()
}

#[test]
fn each_host_flag_sets_its_field() {
    for (words, wanted) in [
        ("--add-host db:10.0.0.1", json!({"ExtraHosts": ["db:10.0.0.1"]})),
        ("--annotation a=b", json!({"Annotations": {"a": "b"}})),
        ("--blkio-weight 300", json!({"BlkioWeight": 300})),
        (
            "--blkio-weight-device /dev/sda:200",
            json!({"BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 200}]}),
        ),
        (
            "--cap-add NET_ADMIN --cap-drop ALL",
            json!({"CapAdd": ["NET_ADMIN"], "CapDrop": ["ALL"]}),
        ),
        (
            "--cgroup-parent /x --cgroupns host",
            json!({"CgroupParent": "/x", "CgroupnsMode": "host"}),
        ),
        ("--cidfile /tmp/id", json!({"ContainerIDFile": "/tmp/id"})),
        ("--cpu-period 50000 --cpu-quota 25000", json!({"CpuPeriod": 50000, "CpuQuota": 25000})),
        (
            "--cpu-rt-period 9 --cpu-rt-runtime 8",
            json!({"CpuRealtimePeriod": 9, "CpuRealtimeRuntime": 8}),
        ),
        ("-c 512 --cpus 1.5", json!({"CpuShares": 512, "NanoCpus": 1_500_000_000})),
        ("--cpuset-cpus 0-1 --cpuset-mems 0", json!({"CpusetCpus": "0-1", "CpusetMems": "0"})),
        (
            "--device /dev/fuse:/dev/f:rw",
            json!({"Devices": [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/f", "CgroupPermissions": "rw"}]}),
        ),
        ("--device-cgroup-rule c_1:3_rwm", json!({"DeviceCgroupRules": ["c_1:3_rwm"]})),
        (
            "--device-read-bps /dev/sda:1mb",
            json!({"BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 1 << 20}]}),
        ),
        (
            "--device-write-iops /dev/sda:9",
            json!({"BlkioDeviceWriteIOps": [{"Path": "/dev/sda", "Rate": 9}]}),
        ),
        (
            "--dns 1.1.1.1 --dns-opt ndots:2 --dns-search a.test",
            json!({"Dns": ["1.1.1.1"], "DnsOptions": ["ndots:2"], "DnsSearch": ["a.test"]}),
        ),
        ("--gpus all", json!({"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]})),
        ("--group-add 7", json!({"GroupAdd": ["7"]})),
        ("--init", json!({"Init": true})),
        ("--init=false", json!({"Init": false})),
        (
            "--ipc host --pid host --uts host --userns host",
            json!({"IpcMode": "host", "PidMode": "host", "UTSMode": "host", "UsernsMode": "host"}),
        ),
        ("--kernel-memory 4m", json!({"KernelMemory": 4 << 20})),
        ("--link a:b", json!({"Links": ["a:b"]})),
        (
            "--log-driver none --log-opt max-size=1m",
            json!({"LogConfig": {"Type": "none", "Config": {"max-size": "1m"}}}),
        ),
        (
            "-m 64m --memory-reservation 32m",
            json!({"Memory": 64 << 20, "MemoryReservation": 32 << 20}),
        ),
        (
            "--memory-swap -1 --memory-swappiness 0",
            json!({"MemorySwap": -1, "MemorySwappiness": 0}),
        ),
        (
            "--mount type=bind,source=/a,target=/b,readonly",
            json!({"Mounts": [{"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true, "Consistency": ""}]}),
        ),
        ("--network none", json!({"NetworkMode": "none"})),
        ("--net=host", json!({"NetworkMode": "host"})),
        (
            "--oom-kill-disable --oom-score-adj -5",
            json!({"OomKillDisable": true, "OomScoreAdj": -5}),
        ),
        ("--pids-limit 100", json!({"PidsLimit": 100})),
        (
            "--privileged --read-only --rm -P",
            json!({"Privileged": true, "ReadonlyRootfs": true, "AutoRemove": true, "PublishAllPorts": true}),
        ),
        (
            "--restart on-failure:3",
            json!({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}),
        ),
        ("--runtime runc --isolation default", json!({"Runtime": "runc", "Isolation": "default"})),
        ("--security-opt no-new-privileges", json!({"SecurityOpt": ["no-new-privileges"]})),
        ("--security-opt systempaths=unconfined", json!({"MaskedPaths": [], "ReadonlyPaths": []})),
        (
            "--shm-size 1g --storage-opt size=1G",
            json!({"ShmSize": 1 << 30, "StorageOpt": {"size": "1G"}}),
        ),
        ("--sysctl net.ipv4.ip_forward=1", json!({"Sysctls": {"net.ipv4.ip_forward": "1"}})),
        ("--tmpfs /run:size=64m --tmpfs /tmp", json!({"Tmpfs": {"/run": "size=64m", "/tmp": ""}})),
        (
            "--ulimit nofile=1024:2048",
            json!({"Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]}),
        ),
        (
            "-v /a:/b:ro --volumes-from x --volume-driver local",
            json!({"Binds": ["/a:/b:ro"], "VolumesFrom": ["x"], "VolumeDriver": "local"}),
        ),
        (
            "--cpu-count 2 --cpu-percent 3 --io-maxiops 4 --io-maxbandwidth 5",
            json!({"CpuCount": 2, "CpuPercent": 3, "IOMaximumIOps": 4, "IOMaximumBandwidth": 5}),
        ),
    ] {
        assert_eq!(difference(words), json!({"HostConfig": wanted}), "{words}");
    }
}

#[test]
fn published_ports_are_exposed_too() {
    assert_eq!(
        difference("-p 127.0.0.1:8080:80 -p 53:53/udp"),
        json!({
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
            "HostConfig": {"PortBindings": {
                "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
                "53/udp": [{"HostIp": "", "HostPort": "53"}]}},
        })
    );
}

#[test]
fn what_follows_the_image_is_the_containers() {
    let create = parse("--rm busybox sh -c --name x -- -h").unwrap();
    assert_eq!(create.image, "busybox");
    assert_eq!(create.cmd.unwrap(), ["sh", "-c", "--name", "x", "--", "-h"]);
    assert_eq!(create.name, "");
    let create = parse("-- busybox").unwrap();
    assert_eq!((create.image.as_str(), create.cmd), ("busybox", None));
}

#[test]
fn the_last_of_a_repeated_flag_counts_and_lists_grow() {
    let create = parse("--name a --name b -m 1g -m 2g -e A=1 -e A=2 x").unwrap();
    assert_eq!((create.name.as_str(), create.host_config.memory), ("b", 2 << 30));
    assert_eq!(create.env, ["A=1", "A=2"]);
}

#[test]
fn mistakes_are_told_in_dockers_words() {
    for (words, wanted) in [
        (
            "--memory abc x",
            "invalid argument \"abc\" for \"-m, --memory\" flag: invalid size: 'abc'",
        ),
        ("--name", "flag needs an argument: --name"),
        ("--bogus x", "unknown flag: --bogus"),
        ("--memori 1 x", "unknown flag: --memori\nDid you mean '--memory'?"),
        ("-Z x", "unknown shorthand flag: 'Z' in -Z"),
        ("", "barque: 'barque create' requires at least 1 argument"),
        ("--rm=perhaps x", "invalid argument \"perhaps\" for \"--rm\" flag: "),
        ("--rm --restart always x", "conflicting options: cannot specify both --restart and --rm"),
        ("--no-healthcheck --health-cmd x y", "--no-healthcheck conflicts with --health-* options"),
        ("--env-file /nowhere x", "open /nowhere: no such file or directory"),
        ("-p 99999:80 x", "invalid argument \"99999:80\" for \"-p, --publish\" flag: "),
        ("-v /a:/b:nonsense x", "invalid mode: nonsense"),
        ("-a stdlog x", "invalid argument \"stdlog\" for \"-a, --attach\" flag: valid streams are"),
    ] {
        let got = parse(words).expect_err(words);
        assert!(got.starts_with(wanted), "{words}: {got}");
    }
}

#[test]
fn files_of_variables_and_labels_come_before_flags() {
    let path = std::env::temp_dir().join(format!("barque-cli-{}", std::process::id()));
    std::fs::write(&path, "# comment\nA=file\nB=file\n").unwrap();
    let file = path.display();
    let create =
        parse(&format!("-e A=flag --env-file {file} -l A=flag --label-file {file} x")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(create.env, ["A=file", "B=file", "A=flag"]);
    assert_eq!(create.labels["A"], "flag");
    assert_eq!(create.labels["B"], "file");
}

#[test]
fn a_relative_mount_is_relative_to_this_process() {
    let here = std::env::current_dir().unwrap();
    let create = parse("-v ./data/../x:/in:ro -v name:/named a").unwrap();
    let wanted = format!("{}/x:/in:ro", here.display());
    assert_eq!(create.host_config.binds, [wanted.as_str(), "name:/named"]);
}
