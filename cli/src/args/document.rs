//! From the flags of `create` and `run` to the document that core takes.

use std::collections::BTreeMap;

use barque::api::{ContainerCreate, Empty, HostConfig, LogConfig, PortBinding};
use barque::shorthand;

use super::create::CreateFlags;

type Result<T> = std::result::Result<T, String>;

/// What the flags ask for. `command` is the image and what follows it; a detached container attaches to nothing.
pub(crate) fn of(
    flags: CreateFlags,
    command: &[String],
    detached: bool,
) -> Result<ContainerCreate> {
    let CreateFlags { attach, interactive, tty, .. } = &flags;
    if detached && !attach.is_empty() {
        return Err("conflicting options: cannot specify both --attach and --detach".to_owned());
    }
    let restarts = flags.restart.as_ref().is_some_and(|policy| !matches!(&*policy.name, "" | "no"));
    if flags.rm && restarts {
        return Err("conflicting options: cannot specify both --restart and --rm".to_owned());
    }
    let attaches = |name: &str, otherwise: bool| match &attach[..] {
        _ if detached => false,
        [] => otherwise,
        names => names.iter().any(|known| known == name),
    };
    let attach_stdin = attaches("stdin", *interactive);
    let [image, arguments @ ..] = command else { return Err("no image was named".to_owned()) };
    let (network_mode, networking_config) = flags.network.documents()?;
    let (binds, volumes) = volumes(&flags.volume)?;
    let ports: Vec<&shorthand::Port> = flags.publish.iter().flatten().collect();
    let exposed = ports.iter().copied().chain(flags.expose.iter().flatten());
    Ok(ContainerCreate {
        exposed_ports: exposed.map(|port| (port.key(), Empty {})).collect(),
        host_config: HostConfig {
            network_mode,
            binds,
            port_bindings: bindings(&ports),
            ..host_config(&flags)?
        },
        env: environment(&flags.env_file, &flags.env)?,
        labels: labels(&flags)?,
        healthcheck: flags.health.document()?,
        networking_config,
        volumes,
        attach_stdin,
        attach_stdout: attaches("stdout", true),
        attach_stderr: attaches("stderr", true),
        tty: *tty,
        open_stdin: *interactive,
        stdin_once: *interactive && attach_stdin,
        cmd: (!arguments.is_empty()).then(|| arguments.to_vec()),
        // An empty one clears the image's.
        entrypoint: flags.entrypoint.map(|program| vec![program]),
        image: image.clone(),
        name: flags.name,
        platform: flags.platform,
        hostname: flags.hostname,
        domainname: flags.domainname,
        user: flags.user,
        working_dir: flags.workdir,
        mac_address: flags.network.mac_address,
        stop_signal: flags.stop_signal,
        stop_timeout: flags.stop_timeout,
        ..ContainerCreate::default()
    })
}

fn host_config(flags: &CreateFlags) -> Result<HostConfig> {
    let mut security_opt = flags.security_opt.clone();
    // docker's command line turns this one into two lists; the engine never hears of it.
    let unmasked = security_opt.iter().any(|option| option == "systempaths=unconfined");
    security_opt.retain(|option| option != "systempaths=unconfined");
    let extra_hosts = flags.add_host.iter().map(|(name, address)| format!("{name}:{address}"));
    Ok(HostConfig {
        container_id_file: flags.cidfile.clone().unwrap_or_default(),
        log_config: LogConfig {
            driver: flags.log_driver.clone(),
            config: flags.log_opt.iter().cloned().collect(),
        },
        restart_policy: flags.restart.clone().unwrap_or_default(),
        auto_remove: flags.rm,
        volume_driver: flags.volume_driver.clone(),
        volumes_from: flags.volumes_from.clone(),
        mounts: flags.mount.clone(),
        annotations: flags.annotation.iter().cloned().collect(),
        cap_add: flags.cap_add.clone(),
        cap_drop: flags.cap_drop.clone(),
        cgroupns_mode: flags.cgroupns.clone(),
        dns: flags.dns.clone(),
        dns_options: flags.dns_option.clone(),
        dns_search: flags.dns_search.clone(),
        extra_hosts: extra_hosts.collect(),
        group_add: flags.group_add.clone(),
        ipc_mode: flags.ipc.clone(),
        links: flags.network.link.clone(),
        oom_score_adj: flags.oom_score_adj,
        pid_mode: flags.pid.clone(),
        privileged: flags.privileged,
        publish_all_ports: flags.publish_all,
        readonly_rootfs: flags.read_only,
        security_opt,
        masked_paths: unmasked.then(Vec::new),
        readonly_paths: unmasked.then(Vec::new),
        storage_opt: flags.storage_opt.iter().cloned().collect(),
        tmpfs: flags.tmpfs.iter().cloned().collect(),
        uts_mode: flags.uts.clone(),
        userns_mode: flags.userns.clone(),
        uid_map: flags.uidmap.clone(),
        gid_map: flags.gidmap.clone(),
        shm_size: flags.shm_size,
        sysctls: flags.sysctl.iter().cloned().collect(),
        runtime: flags.runtime.clone(),
        isolation: flags.isolation.clone(),
        init: flags.init,
        cpu_shares: flags.cpu_shares,
        memory: flags.memory,
        nano_cpus: flags.cpus.unwrap_or(0),
        cgroup_parent: flags.cgroup_parent.clone(),
        blkio_weight: flags.blkio_weight,
        blkio_weight_device: flags.blkio_weight_device.clone(),
        blkio_device_read_bps: flags.device_read_bps.clone(),
        blkio_device_write_bps: flags.device_write_bps.clone(),
        blkio_device_read_iops: flags.device_read_iops.clone(),
        blkio_device_write_iops: flags.device_write_iops.clone(),
        cpu_period: flags.cpu_period,
        cpu_quota: flags.cpu_quota,
        cpu_realtime_period: flags.cpu_rt_period,
        cpu_realtime_runtime: flags.cpu_rt_runtime,
        cpuset_cpus: flags.cpuset_cpus.clone(),
        cpuset_mems: flags.cpuset_mems.clone(),
        devices: flags.device.clone(),
        device_cgroup_rules: flags.device_cgroup_rule.clone(),
        device_requests: flags.gpus.clone(),
        kernel_memory: flags.kernel_memory,
        memory_reservation: flags.memory_reservation,
        memory_swap: flags.memory_swap,
        memory_swappiness: (flags.memory_swappiness != -1).then_some(flags.memory_swappiness),
        oom_kill_disable: flags.oom_kill_disable,
        pids_limit: flags.pids_limit,
        ulimits: flags.ulimit.clone(),
        cpu_count: flags.cpu_count,
        cpu_percent: flags.cpu_percent,
        io_maximum_iops: flags.io_maxiops,
        io_maximum_bandwidth: flags.io_maxbandwidth.unsigned_abs(),
        ..HostConfig::default()
    })
}

/// Variables from files first, so that flags change them.
pub(crate) fn environment(files: &[String], given: &[String]) -> Result<Vec<String>> {
    let own = |name: &str| std::env::var(name).ok();
    let mut variables = Vec::new();
    for path in files {
        variables
            .extend(shorthand::env_file(&read(path)?, &own).map_err(|e| format!("{path}: {e}"))?);
    }
    for text in given {
        variables.push(shorthand::env(text, &own).map_err(|error| error.to_string())?);
    }
    Ok(variables)
}

fn labels(flags: &CreateFlags) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for path in &flags.label_file {
        for line in
            shorthand::env_file(&read(path)?, &|_| None).map_err(|e| format!("{path}: {e}"))?
        {
            let label = shorthand::label(&line).map_err(|error| error.to_string())?;
            labels.extend([label]);
        }
    }
    labels.extend(flags.label.iter().cloned());
    Ok(labels)
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| format!("open {path}: {}", crate::failure::describe(&error)))
}

/// Short mounts, apart from those that only name a place for a new volume.
fn volumes(texts: &[String]) -> Result<(Vec<String>, BTreeMap<String, Empty>)> {
    let (mut binds, mut volumes) = (Vec::new(), BTreeMap::new());
    for text in texts {
        // Paths are this process's: relative to its directory, where the engine knows none.
        let text = match text.split_once(':') {
            Some((source, rest))
                if source == "." || source.starts_with("./") || source.starts_with("..") =>
            {
                let here = std::env::current_dir().map_err(|error| {
                    format!("the current directory: {}", crate::failure::describe(&error))
                })?;
                format!("{}:{rest}", normal(&here.join(source)).display())
            }
            _ => text.clone(),
        };
        let bind = shorthand::bind(&text).map_err(|error| error.to_string())?;
        match bind.source.is_empty() {
            true => drop(volumes.insert(bind.target, Empty {})),
            false => binds.push(text),
        }
    }
    Ok((binds, volumes))
}

/// A path without `.` and `..`, by its text.
fn normal(path: &std::path::Path) -> std::path::PathBuf {
    let mut normal = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(normal.pop()),
            part => normal.push(part),
        }
    }
    normal
}

fn bindings(ports: &[&shorthand::Port]) -> BTreeMap<String, Vec<PortBinding>> {
    let mut bindings: BTreeMap<String, Vec<PortBinding>> = BTreeMap::new();
    for port in ports {
        bindings
            .entry(port.key())
            .or_default()
            .push(PortBinding { host_ip: port.host_ip.clone(), host_port: port.host_port.clone() });
    }
    bindings
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
