//! Requests as a person would type them, and answers as a person would read them.

use serde_json::{Map, Value, json};

/// The arguments of the command that carries out `operation` on `request`.
///
/// # Errors
/// A field that no flag stands for: the scenario cannot be run through the command line and must say so.
pub(super) fn of(operation: &str, request: &str) -> Result<Vec<String>, String> {
    let request: Value = match request {
        "" => json!({}),
        text => serde_json::from_str(text).map_err(|e| e.to_string())?,
    };
    let mut fields = Fields(request.as_object().cloned().unwrap_or_default());
    let mut words: Vec<String> = Vec::new();
    match operation {
        "container.create" => {
            words.push("create".into());
            create(&mut fields, &mut words)?;
        }
        "container.run" => {
            words.push("run".into());
            if let Some(Value::Object(create_fields)) = fields.0.remove("Create") {
                create(&mut Fields(create_fields), &mut words)?;
            }
        }
        "container.start" | "container.inspect" | "container.wait" | "container.pause"
        | "container.unpause" => {
            let verb = &operation["container.".len()..];
            words.push(verb.into());
            if verb == "inspect" {
                words.extend(["--type".into(), "container".into()]);
                fields.switch("Size", "--size", &mut words);
            }
            words.push(fields.text("Id"));
        }
        "container.connect" => {
            words.extend(["container", "connect"].map(String::from));
            if let Some(timeout) = fields.0.remove("TimeoutMs").and_then(|t| t.as_u64()) {
                words.extend(["--timeout".into(), timeout.div_ceil(1000).to_string()]);
            }
            words.push(fields.text("Id"));
            words.push(fields.text("Port"));
        }
        "container.kill" => {
            words.push("kill".into());
            fields.flag("Signal", "--signal", &mut words);
            words.push(fields.text("Id"));
        }
        "container.stop" => {
            words.push("stop".into());
            fields.flag("Timeout", "--time", &mut words);
            fields.flag("Signal", "--signal", &mut words);
            words.push(fields.text("Id"));
        }
        "container.restart" => {
            words.push("restart".into());
            fields.flag("Timeout", "--time", &mut words);
            fields.flag("Signal", "--signal", &mut words);
            words.push(fields.text("Id"));
        }
        "container.rename" => {
            words.push("rename".into());
            words.push(fields.text("Id"));
            words.push(fields.text("Name"));
        }
        "container.update" => {
            words.push("update".into());
            for (name, flag) in [
                ("Memory", "--memory"),
                ("MemorySwap", "--memory-swap"),
                ("MemoryReservation", "--memory-reservation"),
                ("CpuShares", "--cpu-shares"),
                ("CpuPeriod", "--cpu-period"),
                ("CpuQuota", "--cpu-quota"),
                ("CpusetCpus", "--cpuset-cpus"),
                ("PidsLimit", "--pids-limit"),
            ] {
                fields.flag(name, flag, &mut words);
            }
            fields.restart_policy(&mut words);
            words.push(fields.text("Id"));
        }
        "container.remove" => {
            words.push("rm".into());
            fields.switch("Force", "--force", &mut words);
            fields.switch("Volumes", "--volumes", &mut words);
            words.push(fields.text("Id"));
        }
        "container.list" => {
            words.extend(["ps", "--no-trunc", "--format", "{{json .}}"].map(String::from));
            fields.switch("All", "--all", &mut words);
            fields.flag("Limit", "--last", &mut words);
            fields.switch("Size", "--size", &mut words);
            fields.filters(&mut words);
        }
        "container.prune" => {
            words.extend(["container", "prune", "--force"].map(String::from));
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.filters(&mut words);
        }
        "builder.prune" => {
            words.extend(["builder", "prune", "--force"].map(String::from));
            fields.switch("All", "--all", &mut words);
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.flag("ReservedSpace", "--reserved-space", &mut words);
            fields.flag("MaxUsedSpace", "--max-used-space", &mut words);
            fields.flag("MinFreeSpace", "--min-free-space", &mut words);
            fields.filters(&mut words);
        }
        "image.prune" => {
            words.extend(["image", "prune", "--force"].map(String::from));
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.filters(&mut words);
        }
        "system.prune" => {
            words.extend(["system", "prune", "--force"].map(String::from));
            fields.switch("All", "--all", &mut words);
            fields.switch("Volumes", "--volumes", &mut words);
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.filters(&mut words);
        }
        "network.connect" => {
            words.extend(["network", "connect"].map(String::from));
            if let Some(Value::Object(settings)) = fields.0.remove("EndpointConfig") {
                endpoint(&mut Fields(settings), &mut words)?;
            }
            words.extend([fields.text("Id"), fields.text("Container")]);
        }
        "network.create" => {
            words.extend(["network", "create"].map(String::from));
            fields.flag("Driver", "--driver", &mut words);
            fields.flag("Scope", "--scope", &mut words);
            fields.flag("EnableIPv4", "--ipv4", &mut words);
            fields.flag("EnableIPv6", "--ipv6", &mut words);
            fields.switch("Internal", "--internal", &mut words);
            fields.switch("Attachable", "--attachable", &mut words);
            fields.switch("Ingress", "--ingress", &mut words);
            fields.switch("ConfigOnly", "--config-only", &mut words);
            if let Some(Value::Object(ipam)) = fields.0.remove("IPAM") {
                addresses(&mut Fields(ipam), &mut words)?;
            }
            fields.map("Options", "--opt", '=', &mut words);
            fields.map("Labels", "--label", '=', &mut words);
            words.push(fields.text("Name"));
        }
        "network.disconnect" => {
            words.extend(["network", "disconnect"].map(String::from));
            fields.switch("Force", "--force", &mut words);
            words.extend([fields.text("Id"), fields.text("Container")]);
        }
        "network.inspect" => {
            words.extend(["network", "inspect"].map(String::from));
            words.push(fields.text("Id"));
        }
        "network.list" => {
            words.extend(["network", "ls", "--format", "{{json .}}"].map(String::from));
            fields.filters(&mut words);
        }
        "network.prune" => {
            words.extend(["network", "prune", "--force"].map(String::from));
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.filters(&mut words);
        }
        "network.remove" => {
            words.extend(["network", "rm"].map(String::from));
            fields.switch("Force", "--force", &mut words);
            words.push(fields.text("Id"));
        }
        "volume.create" => {
            words.extend(["volume", "create"].map(String::from));
            fields.flag("Driver", "--driver", &mut words);
            fields.map("DriverOpts", "--opt", '=', &mut words);
            fields.map("Labels", "--label", '=', &mut words);
            let name = fields.text("Name");
            words.extend((!name.is_empty()).then_some(name));
        }
        "volume.inspect" => {
            words.extend(["volume", "inspect"].map(String::from));
            words.push(fields.text("Name"));
        }
        "volume.list" => {
            words.extend(["volume", "ls", "--format", "{{json .}}"].map(String::from));
            fields.filters(&mut words);
        }
        "volume.prune" => {
            words.extend(["volume", "prune", "--force"].map(String::from));
            fields.switch("DryRun", "--dry-run", &mut words);
            fields.filters(&mut words);
        }
        "volume.remove" => {
            words.extend(["volume", "rm"].map(String::from));
            fields.switch("Force", "--force", &mut words);
            words.push(fields.text("Name"));
        }
        "container.logs" => {
            words.push("logs".into());
            fields.switch("Follow", "--follow", &mut words);
            fields.switch("Timestamps", "--timestamps", &mut words);
            fields.switch("Details", "--details", &mut words);
            for (name, flag) in [("Tail", "--tail"), ("Since", "--since"), ("Until", "--until")] {
                fields.flag(name, flag, &mut words);
            }
            words.push(fields.text("Id"));
        }
        "container.attach" => {
            words.push("attach".into());
            if fields.0.remove("Stdin") != Some(Value::Bool(true)) {
                words.push("--no-stdin".into());
            }
            fields.0.remove("Stdout");
            fields.0.remove("Stderr");
            words.push(fields.text("Id"));
        }
        "exec.start" => {
            words.push("exec".into());
            fields.0.remove("Id");
            fields.switch("Detach", "--detach", &mut words);
            let Some(Value::Object(create)) = fields.0.remove("Create") else {
                return Err("nothing to run".to_owned());
            };
            let mut create = Fields(create);
            create.switch("AttachStdin", "--interactive", &mut words);
            create.switch("Tty", "--tty", &mut words);
            create.switch("Privileged", "--privileged", &mut words);
            create.flag("User", "--user", &mut words);
            create.flag("WorkingDir", "--workdir", &mut words);
            create.list("Env", "--env", &mut words);
            create.0.remove("AttachStdout");
            create.0.remove("AttachStderr");
            words.push(create.text("Container"));
            if let Some(Value::Array(items)) = create.0.remove("Cmd") {
                words.extend(items.iter().map(text));
            }
            create.none_left()?;
        }
        "archive.get" => {
            words.push("cp".into());
            words.push(format!("{}:{}", fields.text("Id"), fields.text("Path")));
            words.push("-".into());
        }
        "file.copy" => {
            words.push("cp".into());
            fields.switch("Archive", "--archive", &mut words);
            fields.switch("FollowLink", "--follow-link", &mut words);
            for end in ["Source", "Destination"] {
                let Some(Value::Object(place)) = fields.0.remove(end) else { continue };
                let mut place = Fields(place);
                let (id, path) = (place.text("Id"), place.text("Path"));
                words.push(if id.is_empty() { path } else { format!("{id}:{path}") });
            }
        }
        "container.commit" => {
            words.push("commit".into());
            fields.flag("Author", "--author", &mut words);
            fields.flag("Message", "--message", &mut words);
            fields.flag("Pause", "--pause", &mut words);
            fields.list("Changes", "--change", &mut words);
            words.push(fields.text("Id"));
            let reference = fields.text("Reference");
            words.extend((!reference.is_empty()).then_some(reference));
        }
        "container.diff" | "container.export" => {
            words.push(operation["container.".len()..].into());
            words.push(fields.text("Id"));
        }
        "container.top" => {
            words.extend(["top".into(), fields.text("Id")]);
            words.extend(fields.text("PsArgs").split_whitespace().map(String::from));
        }
        "container.stats" => {
            words.extend(["stats", "--no-trunc", "--format", "{{json .}}"].map(String::from));
            if fields.0.remove("Stream") == Some(Value::Bool(false)) {
                words.push("--no-stream".into());
            }
            words.push(fields.text("Id"));
        }
        "system.events" => {
            words.extend(["events", "--format", "{{json .}}"].map(String::from));
            fields.flag("Since", "--since", &mut words);
            fields.flag("Until", "--until", &mut words);
            fields.filters(&mut words);
        }
        "image.list" => {
            words.extend(
                ["images", "--no-trunc", "--digests", "--format", "{{json .}}"].map(String::from),
            );
            fields.switch("All", "--all", &mut words);
            fields.filters(&mut words);
        }
        "image.inspect" => {
            words.extend(["inspect", "--type", "image"].map(String::from));
            words.push(fields.text("Name"));
        }
        "image.history" => {
            words.extend(["history", "--no-trunc", "--format", "{{json .}}"].map(String::from));
            words.push(fields.text("Name"));
        }
        "image.build" => {
            words.extend(["build", "--quiet"].map(String::from));
            let context = match fields.0.remove("Context") {
                Some(Value::Object(context)) => Fields(context).text("Path"),
                _ => String::new(),
            };
            let dockerfile = fields.text("Dockerfile");
            if !dockerfile.is_empty() {
                words.push(format!("--file={context}/{dockerfile}"));
            }
            fields.list("BuildContexts", "--build-context", &mut words);
            fields.list("Tags", "--tag", &mut words);
            fields.list("BuildArgs", "--build-arg", &mut words);
            fields.list("Labels", "--label", &mut words);
            if let Some(Value::Object(secrets)) = fields.0.remove("Secrets") {
                for (id, secret) in secrets {
                    let path = secret["Path"].as_str().ok_or("a secret without a file")?;
                    words.push(format!("--secret=id={id},src={path}"));
                }
            }
            fields.list("SSH", "--ssh", &mut words);
            if let Some(Value::Array(outputs)) = fields.0.remove("Outputs") {
                for output in outputs {
                    let (kind, path) = (text(&output["Type"]), text(&output["Path"]));
                    words.push(format!("--output=type={kind},dest={path}"));
                }
            }
            for (field, flag, place) in
                [("CacheFrom", "--cache-from", "src"), ("CacheTo", "--cache-to", "dest")]
            {
                let Some(Value::Array(stores)) = fields.0.remove(field) else { continue };
                for store in stores {
                    let mut parts = vec![format!("type={}", text(&store["Type"]))];
                    for (field, key) in [("Ref", "ref"), ("Path", place), ("Mode", "mode")] {
                        if let Some(value) = store[field].as_str() {
                            parts.push(format!("{key}={value}"));
                        }
                    }
                    words.push(format!("{flag}={}", parts.join(",")));
                }
            }
            fields.flag("Target", "--target", &mut words);
            fields.flag("Platform", "--platform", &mut words);
            fields.flag("NetworkMode", "--network", &mut words);
            fields.list("ExtraHosts", "--add-host", &mut words);
            fields.flag("Memory", "--memory", &mut words);
            fields.flag("PidsLimit", "--pids-limit", &mut words);
            fields.flag("ShmSize", "--shm-size", &mut words);
            if let Some(cpus) = fields.0.remove("NanoCpus").and_then(|cpus| cpus.as_f64()) {
                words.push(format!("--cpus={}", cpus / 1e9));
            }
            if let Some(Value::Array(ulimits)) = fields.0.remove("Ulimits") {
                for limit in ulimits {
                    let (name, soft, hard) = (text(&limit["Name"]), &limit["Soft"], &limit["Hard"]);
                    words.push(format!("--ulimit={name}={soft}:{hard}"));
                }
            }
            fields.switch("Check", "--check", &mut words);
            fields.switch("NoCache", "--no-cache", &mut words);
            fields.switch("KeepFailed", "--keep-failed", &mut words);
            fields.switch("Pull", "--pull", &mut words);
            words.push(context);
        }
        "image.load" => {
            words.extend(["load", "--input"].map(String::from));
            words.push(fields.input()?);
        }
        "image.pull" => {
            words.push("pull".into());
            fields.flag("Platform", "--platform", &mut words);
            words.push(fields.text("Name"));
        }
        "image.push" => {
            words.push("push".into());
            fields.switch("AllTags", "--all-tags", &mut words);
            words.push(fields.text("Name"));
        }
        "image.search" => {
            words.extend(["search", "--no-trunc", "--format", "{{json .}}"].map(String::from));
            fields.flag("Limit", "--limit", &mut words);
            fields.filters(&mut words);
            words.push(fields.text("Term"));
        }
        "registry.delete" => {
            words.extend(["registry", "delete"].map(String::from));
            words.push(fields.text("Name"));
        }
        "registry.referrers" => {
            words.extend(["registry", "referrers", "--format", "{{json .}}"].map(String::from));
            fields.flag("ArtifactType", "--artifact-type", &mut words);
            words.push(fields.text("Name"));
        }
        "registry.login" => {
            words.push("login".into());
            // The command keeps what it is given, below its own HOME.
            fields.0.remove("CheckOnly");
            if let Some(Value::Object(auth)) = fields.0.remove("Auth") {
                let mut auth = Fields(auth);
                auth.flag("username", "--username", &mut words);
                auth.flag("password", "--password", &mut words);
                words.push(auth.text("serveraddress"));
            }
        }
        "registry.logout" => {
            words.push("logout".into());
            words.push(fields.text("ServerAddress"));
        }
        "image.import" => {
            words.push("import".into());
            fields.flag("Message", "--message", &mut words);
            fields.flag("Platform", "--platform", &mut words);
            fields.list("Changes", "--change", &mut words);
            words.push(fields.input()?);
            let reference = fields.text("Reference");
            words.extend((!reference.is_empty()).then_some(reference));
        }
        "image.save" => {
            words.push("save".into());
            fields.flag("Platform", "--platform", &mut words);
            if let Some(Value::Array(names)) = fields.0.remove("Names") {
                words.extend(names.iter().map(text));
            }
        }
        "image.tag" => {
            words.push("tag".into());
            words.push(fields.text("Name"));
            words.push(fields.text("Reference"));
        }
        "image.remove" => {
            words.push("rmi".into());
            fields.switch("Force", "--force", &mut words);
            fields.switch("NoPrune", "--no-prune", &mut words);
            words.push(fields.text("Name"));
        }
        "system.check" => {
            words.extend(["system", "check", "--format", "{{json .}}"].map(String::from));
            fields.switch("Repair", "--repair", &mut words);
        }
        "system.df" => words.extend(["system", "df", "--format", "{{json .}}"].map(String::from)),
        "system.info" => words.extend(["info", "--format", "{{json .}}"].map(String::from)),
        "system.version" => words.extend(["version", "--format", "{{json .}}"].map(String::from)),
        other => return Err(format!("no command is known for {other}")),
    }
    fields.none_left()?;
    Ok(words)
}

fn create(fields: &mut Fields, words: &mut Vec<String>) -> Result<(), String> {
    for (name, flag) in [
        ("Name", "--name"),
        ("Hostname", "--hostname"),
        ("Domainname", "--domainname"),
        ("User", "--user"),
        ("WorkingDir", "--workdir"),
        ("StopSignal", "--stop-signal"),
        ("StopTimeout", "--stop-timeout"),
        ("Platform", "--platform"),
        ("Pull", "--pull"),
    ] {
        fields.flag(name, flag, words);
    }
    fields.switch("Tty", "--tty", words);
    fields.switch("OpenStdin", "--interactive", words);
    for implied in ["StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"] {
        fields.0.remove(implied);
    }
    fields.list("Env", "--env", words);
    fields.map("Labels", "--label", '=', words);
    if let Some(Value::Object(volumes)) = fields.0.remove("Volumes") {
        words.extend(volumes.keys().map(|path| format!("--volume={path}")));
    }
    if let Some(Value::Object(ports)) = fields.0.remove("ExposedPorts") {
        words.extend(ports.keys().map(|port| format!("--expose={port}")));
    }
    if let Some(Value::Object(check)) = fields.0.remove("Healthcheck") {
        health_check(&mut Fields(check), words)?;
    }
    let mut rest = Vec::new();
    match fields.0.remove("Entrypoint") {
        Some(Value::Array(entrypoint)) => {
            let mut entrypoint = entrypoint.iter().map(text);
            words.extend(["--entrypoint".into(), entrypoint.next().unwrap_or_default()]);
            rest.extend(entrypoint);
        }
        Some(entrypoint) => words.extend(["--entrypoint".into(), text(&entrypoint)]),
        None => {}
    }
    fields.flag("MacAddress", "--mac-address", words);
    if let Some(Value::Object(networking)) = fields.0.remove("NetworkingConfig") {
        let mut networking = Fields(networking);
        // The mode is the first of them.
        let mode = fields.0["HostConfig"]["NetworkMode"].clone();
        if let Some(Value::Object(endpoints)) = networking.0.remove("EndpointsConfig") {
            if let Some(host) = fields.0["HostConfig"].as_object_mut() {
                host.remove("NetworkMode");
            }
            let mut named: Vec<_> = endpoints.into_iter().collect();
            named.sort_by_key(|(name, _)| *name != text(&mode));
            for (name, settings) in named {
                let mut settings = Fields(settings.as_object().cloned().unwrap_or_default());
                words.push(format!("--network={}", long_endpoint(&name, &mut settings)?));
            }
        }
        networking.none_left()?;
    }
    if let Some(Value::Object(host)) = fields.0.remove("HostConfig") {
        host_config(&mut Fields(host), words)?;
    }
    words.push(fields.text("Image"));
    words.extend(rest);
    match fields.0.remove("Cmd") {
        Some(Value::Array(items)) => words.extend(items.iter().map(text)),
        Some(one) => words.push(text(&one)),
        None => {}
    }
    fields.none_left()
}

/// `IPAM` of a network.
fn addresses(ipam: &mut Fields, words: &mut Vec<String>) -> Result<(), String> {
    ipam.flag("Driver", "--ipam-driver", words);
    if let Some(Value::Array(ranges)) = ipam.0.remove("Config") {
        for range in ranges {
            let mut range = Fields(range.as_object().cloned().unwrap_or_default());
            range.flag("Subnet", "--subnet", words);
            range.flag("Gateway", "--gateway", words);
            range.flag("IPRange", "--ip-range", words);
            range.map("AuxiliaryAddresses", "--aux-address", '=', words);
            range.none_left()?;
        }
    }
    ipam.none_left()
}

/// `EndpointSettings`, for a flag each.
fn endpoint(settings: &mut Fields, words: &mut Vec<String>) -> Result<(), String> {
    settings.list("Aliases", "--alias", words);
    settings.list("Links", "--link", words);
    settings.flag("GwPriority", "--gw-priority", words);
    if let Some(Value::Object(addresses)) = settings.0.remove("IPAMConfig") {
        let mut addresses = Fields(addresses);
        addresses.flag("IPv4Address", "--ip", words);
        addresses.flag("IPv6Address", "--ip6", words);
        addresses.list("LinkLocalIPs", "--link-local-ip", words);
        addresses.none_left()?;
    }
    settings.none_left()
}

/// `EndpointSettings` of a network in the long form, `name=web,ip=172.20.0.5`.
fn long_endpoint(name: &str, settings: &mut Fields) -> Result<String, String> {
    let mut words = Vec::new();
    endpoint(settings, &mut words)?;
    let fields = words.iter().map(|word| word.trim_start_matches("--"));
    Ok(std::iter::once(format!("name={name}"))
        .chain(fields.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(","))
}

fn health_check(check: &mut Fields, words: &mut Vec<String>) -> Result<(), String> {
    match check.0.remove("Test") {
        Some(Value::Array(test)) if test == ["NONE"] => words.push("--no-healthcheck".into()),
        Some(Value::Array(test)) if test.first() == Some(&"CMD-SHELL".into()) => {
            words.push(format!("--health-cmd={}", test.get(1).map(text).unwrap_or_default()));
        }
        Some(other) => return Err(format!("no flag says {other}")),
        None => {}
    }
    for (name, flag) in [
        ("Interval", "--health-interval"),
        ("Timeout", "--health-timeout"),
        ("StartPeriod", "--health-start-period"),
        ("StartInterval", "--health-start-interval"),
    ] {
        if let Some(nanoseconds) = check.0.remove(name) {
            words.push(format!("{flag}={nanoseconds}ns"));
        }
    }
    check.flag("Retries", "--health-retries", words);
    check.none_left()
}

fn host_config(host: &mut Fields, words: &mut Vec<String>) -> Result<(), String> {
    for (name, flag) in [
        ("NetworkMode", "--network"),
        ("IpcMode", "--ipc"),
        ("PidMode", "--pid"),
        ("UTSMode", "--uts"),
        ("UsernsMode", "--userns"),
        ("CgroupnsMode", "--cgroupns"),
        ("CgroupParent", "--cgroup-parent"),
        ("OomScoreAdj", "--oom-score-adj"),
        ("ShmSize", "--shm-size"),
        ("CpuShares", "--cpu-shares"),
        ("CpuPeriod", "--cpu-period"),
        ("CpuQuota", "--cpu-quota"),
        ("CpusetCpus", "--cpuset-cpus"),
        ("CpusetMems", "--cpuset-mems"),
        ("Memory", "--memory"),
        ("MemoryReservation", "--memory-reservation"),
        ("MemorySwap", "--memory-swap"),
        ("MemorySwappiness", "--memory-swappiness"),
        ("PidsLimit", "--pids-limit"),
        ("BlkioWeight", "--blkio-weight"),
        ("Runtime", "--runtime"),
    ] {
        host.flag(name, flag, words);
    }
    for (name, flag) in [
        ("AutoRemove", "--rm"),
        ("PublishAllPorts", "--publish-all"),
        ("Privileged", "--privileged"),
        ("ReadonlyRootfs", "--read-only"),
        ("Init", "--init"),
        ("OomKillDisable", "--oom-kill-disable"),
    ] {
        host.switch(name, flag, words);
    }
    for (name, flag) in [
        ("CapAdd", "--cap-add"),
        ("CapDrop", "--cap-drop"),
        ("GroupAdd", "--group-add"),
        ("UidMap", "--uidmap"),
        ("GidMap", "--gidmap"),
        ("SecurityOpt", "--security-opt"),
        ("Binds", "--volume"),
        ("VolumesFrom", "--volumes-from"),
        ("DeviceCgroupRules", "--device-cgroup-rule"),
        ("ExtraHosts", "--add-host"),
        ("Links", "--link"),
        ("Dns", "--dns"),
        ("DnsSearch", "--dns-search"),
        ("DnsOptions", "--dns-option"),
    ] {
        host.list(name, flag, words);
    }
    host.restart_policy(words);
    if let Some(Value::Array(mounts)) = host.0.remove("Mounts") {
        for mount in mounts {
            words.push(format!("--mount={}", mount_words(mount)?));
        }
    }
    if let Some(Value::Object(ports)) = host.0.remove("PortBindings") {
        for (port, bindings) in ports {
            for binding in bindings.as_array().into_iter().flatten() {
                let part = |name: &str| binding[name].as_str().unwrap_or_default().to_owned();
                let (ip, number) = (part("HostIp"), part("HostPort"));
                words.push(match ip.is_empty() {
                    true => format!("--publish={number}:{port}"),
                    false => format!("--publish={ip}:{number}:{port}"),
                });
            }
        }
    }
    host.map("Sysctls", "--sysctl", '=', words);
    if let Some(Value::Array(devices)) = host.0.remove("Devices") {
        for device in devices {
            let mut device = Fields(device.as_object().cloned().unwrap_or_default());
            let parts = ["PathOnHost", "PathInContainer", "CgroupPermissions"];
            let parts: Vec<String> = parts.iter().map(|part| device.text(part)).collect();
            device.none_left()?;
            words.push(format!("--device={}", parts.join(":").trim_end_matches(':')));
        }
    }
    host.map("Tmpfs", "--tmpfs", ':', words);
    if let Some(nano) = host.0.remove("NanoCpus").and_then(|v| v.as_f64()) {
        words.extend(["--cpus".into(), (nano / 1e9).to_string()]);
    }
    if let Some(Value::Array(limits)) = host.0.remove("Ulimits") {
        for limit in limits {
            let (name, soft, hard) = (text(&limit["Name"]), &limit["Soft"], &limit["Hard"]);
            words.extend(["--ulimit".into(), format!("{name}={soft}:{hard}")]);
        }
    }
    if let Some(Value::Object(log)) = host.0.remove("LogConfig") {
        let mut log = Fields(log);
        log.flag("Type", "--log-driver", words);
        log.map("Config", "--log-opt", '=', words);
        log.none_left()?;
    }
    host.none_left()
}

/// A mount in the long form, `type=bind,source=/a,target=/b`.
fn mount_words(mount: Value) -> Result<String, String> {
    let mut mount = Fields(mount.as_object().cloned().unwrap_or_default());
    let mut words = Vec::new();
    for (name, key) in [("Type", "type"), ("Source", "source"), ("Target", "target")] {
        mount.flag(name, key, &mut words);
    }
    mount.flag("ReadOnly", "readonly", &mut words);
    for (name, keys) in [
        (
            "BindOptions",
            &[
                ("Propagation", "bind-propagation"),
                ("NonRecursive", "bind-nonrecursive"),
                ("CreateMountpoint", "bind-create-src"),
            ][..],
        ),
        ("VolumeOptions", &[("NoCopy", "volume-nocopy"), ("Subpath", "volume-subpath")]),
        ("TmpfsOptions", &[("SizeBytes", "tmpfs-size")]),
    ] {
        let Some(Value::Object(options)) = mount.0.remove(name) else { continue };
        let mut options = Fields(options);
        for (name, key) in keys {
            options.flag(name, key, &mut words);
        }
        if let Some(mode) = options.0.remove("Mode").and_then(|mode| mode.as_u64()) {
            words.push(format!("tmpfs-mode={mode:o}"));
        }
        if let Some(Value::Object(labels)) = options.0.remove("Labels") {
            words.extend(labels.iter().map(|(k, v)| format!("volume-label={k}={}", text(v))));
        }
        options.none_left()?;
    }
    mount.none_left()?;
    Ok(words.join(","))
}

/// Fields of a request that no flag was made of yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn text(&mut self, name: &str) -> String {
        self.0.remove(name).map(|value| text(&value)).unwrap_or_default()
    }

    /// `--flag=value`, since a value may begin with a dash or be negative.
    fn flag(&mut self, name: &str, flag: &str, words: &mut Vec<String>) {
        if let Some(value) = self.0.remove(name) {
            words.push(format!("{flag}={}", text(&value)));
        }
    }

    fn switch(&mut self, name: &str, flag: &str, words: &mut Vec<String>) {
        if self.0.remove(name) == Some(Value::Bool(true)) {
            words.push(flag.into());
        }
    }

    fn list(&mut self, name: &str, flag: &str, words: &mut Vec<String>) {
        match self.0.remove(name) {
            Some(Value::Array(items)) => {
                words.extend(items.iter().map(|item| format!("{flag}={}", text(item))));
            }
            Some(Value::Object(map)) => {
                words.extend(map.iter().map(|(k, v)| format!("{flag}={k}={}", text(v))));
            }
            _ => {}
        }
    }

    fn map(&mut self, name: &str, flag: &str, between: char, words: &mut Vec<String>) {
        if let Some(Value::Object(map)) = self.0.remove(name) {
            for (key, value) in map {
                let value = text(&value);
                let between = if value.is_empty() { String::new() } else { between.to_string() };
                words.push(format!("{flag}={key}{between}{value}"));
            }
        }
    }

    fn restart_policy(&mut self, words: &mut Vec<String>) {
        if let Some(policy) = self.0.remove("RestartPolicy") {
            let name = text(&policy["Name"]);
            words.push(match policy["MaximumRetryCount"].as_i64() {
                Some(most) => format!("--restart={name}:{most}"),
                None => format!("--restart={name}"),
            });
        }
    }

    fn filters(&mut self, words: &mut Vec<String>) {
        if let Some(Value::Object(filters)) = self.0.remove("Filters") {
            for (name, values) in filters {
                for value in values.as_array().into_iter().flatten() {
                    words.push(format!("--filter={name}={}", text(value)));
                }
            }
        }
    }

    fn input(&mut self) -> Result<String, String> {
        match self.0.remove("Input") {
            Some(Value::Object(input)) => {
                let mut input = Fields(input);
                let path = input.text("Path");
                input.none_left().map(|()| path)
            }
            _ => Ok(String::new()),
        }
    }

    fn none_left(&self) -> Result<(), String> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("no flag stands for the field {name}")),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// As much of the operation's answer as the command's output shows.
///
/// # Errors
/// The output is not what the command should print.
pub(super) fn answer(operation: &str, request: &str, stdout: &str) -> Result<Value, String> {
    let line = stdout.trim_end_matches('\n');
    let rows = || -> Result<Vec<Value>, String> {
        line.lines()
            .map(|row| serde_json::from_str(row).map_err(|e| format!("{e} in {row}")))
            .collect()
    };
    match operation {
        "container.create" => Ok(json!({"Id": line})),
        "container.connect" => Ok(json!({"Heard": stdout})),
        "builder.prune" => pruned(&["Caches"], line),
        "container.prune" => pruned(&["Containers"], line),
        "image.prune" => pruned(&["Images"], line),
        "volume.prune" => pruned(&["Volumes"], line),
        // It says nothing of space.
        "network.prune" => {
            let section = if line.is_empty() { String::new() } else { format!("{line}\n\n") };
            pruned(&["Networks"], &format!("{section}Total reclaimed space: 0B"))
        }
        "system.prune" => pruned(&["Containers", "Networks", "Volumes", "Images", "Caches"], line),
        "network.create" => Ok(json!({"Id": line})),
        "network.connect" | "network.disconnect" => match line {
            "" => Ok(json!({})),
            _ => Err(format!("printed {line:?}")),
        },
        "volume.create" => Ok(json!({"Name": line})),
        "volume.list" => Ok(json!({"Volumes": rows()?})),
        "volume.remove" => {
            let asked: Value = serde_json::from_str(request).map_err(|e| e.to_string())?;
            if asked["Name"] == line { Ok(json!({})) } else { Err(format!("printed {line:?}")) }
        }
        "container.inspect" | "image.inspect" | "network.inspect" | "volume.inspect" => {
            let mut documents: Vec<Value> =
                serde_json::from_str(line).map_err(|e| format!("{e} in {line}"))?;
            documents.pop().ok_or_else(|| "inspect printed an empty list".to_owned())
        }
        // Verbs that print what they were done to.
        "container.start" | "container.stop" | "container.kill" | "container.remove"
        | "container.pause" | "container.unpause" | "container.restart" | "container.update"
        | "network.remove" => {
            let asked: Value = serde_json::from_str(request).map_err(|e| e.to_string())?;
            if asked["Id"] == line { Ok(json!({})) } else { Err(format!("printed {line:?}")) }
        }
        "image.tag" | "container.rename" => {
            if line.is_empty() {
                Ok(json!({}))
            } else {
                Err(format!("printed {line:?}"))
            }
        }
        "image.import" | "container.commit" => Ok(json!({"Id": line})),
        // What it says of the size goes to standard error.
        "file.copy" => Ok(json!({"printed": line})),
        "container.top" => {
            let mut rows = line.lines();
            let titles: Vec<&str> = rows.next().unwrap_or_default().split_whitespace().collect();
            Ok(json!({"Titles": titles, "Processes": rows.collect::<Vec<_>>()}))
        }
        "container.diff" => line
            .lines()
            .map(|line| match line.split_once(' ') {
                Some((kind, path)) => {
                    let kind = ["C", "A", "D"].iter().position(|letter| *letter == kind);
                    Ok(json!({"Kind": kind, "Path": path}))
                }
                None => Err(format!("printed {line:?}")),
            })
            .collect(),
        "registry.login" => Ok(json!({"Status": line})),
        "registry.delete" | "registry.logout" => Ok(json!({})),
        "image.load" => Ok(json!({
            "Images": line.lines().map(|line| match line.split_once(": ") {
                Some(("Loaded image", name)) => json!({"Names": [name]}),
                Some(("Loaded image ID", id)) => json!({"Id": id, "Names": []}),
                _ => json!({"printed": line}),
            }).collect::<Vec<_>>(),
        })),
        "image.remove" => Ok(line
            .lines()
            .map(|line| match line.split_once(": ") {
                Some((what, name)) => json!({what: name}),
                None => json!({"printed": line}),
            })
            .collect()),
        "container.list" | "image.list" | "network.list" | "image.history" | "image.search"
        | "registry.referrers" | "system.df" => rows().map(Value::from),
        "system.check" | "system.info" | "system.version" => {
            serde_json::from_str(line).map_err(|e| format!("{e} in {line}"))
        }
        other => Err(format!("no output is known for {other}")),
    }
}

/// What a clean-up printed: what was removed of each kind, under a heading and with an empty line after it, and how much space
/// that freed.
fn pruned(kinds: &[&str], text: &str) -> Result<Value, String> {
    let (removed, space) = text.rsplit_once('\n').unwrap_or(("", text));
    let space = space
        .strip_prefix("Total reclaimed space: ")
        .ok_or_else(|| format!("no reclaimed space in {text:?}"))?;
    let mut answer = json!({"printed": space});
    for kind in kinds {
        answer[format!("{kind}Deleted")] = json!([]);
    }
    for section in removed.split("\n\n").filter(|section| !section.trim().is_empty()) {
        let (heading, lines) = section.split_once('\n').unwrap_or((section, ""));
        let kind = kinds
            .iter()
            .find(|kind| match **kind {
                "Caches" => heading == "Deleted build cache objects:",
                kind => heading == format!("Deleted {kind}:"),
            })
            .ok_or_else(|| format!("the heading {heading:?} in {text:?}"))?;
        let line = |line: &str| match line.split_once(": ") {
            Some(("untagged", name)) => json!({"Untagged": name}),
            Some(("deleted", id)) => json!({"Deleted": id}),
            _ => json!(line),
        };
        answer[format!("{kind}Deleted")] =
            lines.lines().filter(|line| !line.is_empty()).map(line).collect();
    }
    Ok(answer)
}
