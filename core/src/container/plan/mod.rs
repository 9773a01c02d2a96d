//! From Docker's documents to what the monitor runs: every default and every refusal of a container's configuration.
//!
//! Planning is pure. What it must know about the machine it asks of a [`Host`]; nothing is made, opened or resolved here,
//! and a path inside the container is only passed on. So `create` can plan to find out whether a request can be carried
//! out, throw the plan away, and `start` plan again.

mod capabilities;
mod config;
mod devices;
mod exec;
mod files;
mod health;
mod host;
mod log;
mod mounts;
mod namespaces;
mod ports;
mod process;
mod resources;
mod seccomp;
mod security;
mod sysctls;
#[cfg(test)]
mod tests;
mod this_host;
mod unsupported;
mod user;

pub(crate) use exec::{Further, check as check_exec, plan as exec};
pub(crate) use files::{inside as resolv_conf_inside, name_servers};
pub(crate) use host::Host;
pub(crate) use mounts::tmpfs;
pub(crate) use namespaces::{NetworkMode, mode_name, named_mode, network_mode};
pub(crate) use ports::{Wanted as WantedPort, any_published, port};
pub(crate) use security::read_profiles;
pub(crate) use this_host::ThisHost;
pub(crate) use unsupported::refuses as is_refused;
pub(crate) use user::{RANGE, User};

use barque_monitor::oci;
use barque_monitor::protocol::{self, Launch, Overlay, Resolver, Restart, Stdin};
use barque_monitor::seccomp::Seccomp as Filter;

use crate::api::{ContainerConfig, ContainerCreate, HostConfig, RestartPolicy};
use crate::error::{Error, Result};
use crate::shorthand;
use capabilities::Capabilities;
use namespaces::Namespaces;
use security::{Seccomp, Security};

/// Version of the runtime specification that the plans are written in.
const OCI_VERSION: &str = "1.2.0";

/// What a plan is made from.
pub(crate) struct PlanInput<'a> {
    /// The container's id, 64 hexadecimal digits.
    pub(crate) id: &'a str,
    /// The request.
    pub(crate) create: &'a ContainerCreate,
    /// The image's configuration.
    pub(crate) image: &'a ContainerConfig,
    /// The image's architecture, `amd64`; decides which 32-bit calls the seccomp profile has.
    pub(crate) image_architecture: &'a str,
    /// This machine.
    pub(crate) host: &'a dyn Host,
    /// The root file system to mount.
    pub(crate) rootfs: Option<Overlay>,
    /// What it has mounted beside what every container has.
    pub(crate) mounts: &'a [oci::Mount],
    /// The container's directory, absolute: where [`Plan::files`] will be.
    pub(crate) directory: &'a str,
    /// The container's cgroup, below the root of every hierarchy.
    pub(crate) cgroup: &'a str,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The configuration the container has: the request's and the image's, merged. `Config` of an inspect document.
    pub(crate) config: ContainerConfig,
    /// What to send to the monitor, once it is [complete](Plan::complete). `attach`, `auto_start`, `tied`, `owner`, `timeout_ms`, `attributes`,
    /// `boot_id` and `failpoints` are the caller's to set.
    pub(crate) launch: Launch,
    /// Files to write into the container's directory before it starts: name and content.
    pub(crate) files: [(&'static str, String); 3],
    /// Whose user ids it has. The maps of its specification are made when it starts.
    pub(crate) user: User,
    /// Ports to be published.
    pub(crate) ports: Vec<WantedPort>,
    /// What the caller of `create` should know.
    pub(crate) warnings: Vec<String>,
    /// What the default system call filter is to be made for, which the specification does not have yet.
    filter: Option<seccomp::Circumstances>,
}

impl Plan {
    /// Put the default system call filter into the specification, if it is to have that. To make it takes longer than all else, and only
    /// who starts a container needs it. Until then there is one that forbids everything.
    pub(crate) fn complete(&mut self) -> Result<()> {
        if let Some(circumstances) = self.filter.take() {
            self.launch.spec.linux.seccomp = Some(seccomp::default(&circumstances)?);
        }
        Ok(())
    }

    /// Add lines to `/etc/hosts`.
    pub(crate) fn names(&mut self, lines: &str) {
        let [_, (_, hosts), _] = &mut self.files;
        hosts.push_str(lines);
    }

    /// The host has this address for the container: where `/etc/hosts` speaks of it.
    pub(crate) fn reach_host_at(&mut self, gateway: &str) {
        let [_, (_, hosts), _] = &mut self.files;
        *hosts = files::with_gateway(hosts, gateway);
    }

    /// Have names resolved at 127.0.0.11.
    pub(crate) fn use_resolver(&mut self) {
        let [_, _, (_, resolv_conf)] = &mut self.files;
        if let Some(resolver) = &self.launch.resolver {
            *resolv_conf = files::inside(resolv_conf, &resolver.servers);
        }
    }
}

/// Plan a container.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what cannot be,
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for what this version or machine cannot do.
pub(crate) fn plan(input: &PlanInput<'_>) -> Result<Plan> {
    let PlanInput { create, image, host, .. } = *input;
    let host_config = &create.host_config;
    unsupported::refuse(create)?;
    let namespaces = Namespaces::of(create)?;
    let user = User::of(host_config)?;
    user.check(host_config, namespaces.network, namespaces.pid)?;
    let config = config::merge(create, image, hostname(input, namespaces)?)?;
    let security = security::parse(host_config, host)?;
    let mut warnings = Vec::new();
    if create.healthcheck.is_none() {
        warnings.extend(health::warning(image.healthcheck.as_ref()));
    }
    let ports = ports::published(create, &config)?;
    warnings.extend(ports::warning(create));
    let (spec, filter, more) = spec(input, &config, namespaces, &user, &security)?;
    warnings.extend(more);
    for group in &host_config.group_add {
        shorthand::id(group)?;
    }
    let launch = Launch {
        version: protocol::VERSION,
        id: input.id.to_owned(),
        spec,
        rootfs: input.rootfs.clone(),
        user: process::user(&config),
        group_add: host_config.group_add.clone(),
        init: host_config.init.unwrap_or(false),
        stdin: match (config.open_stdin, config.stdin_once) {
            (false, _) => Stdin::Null,
            (true, false) => Stdin::Open,
            (true, true) => Stdin::Once,
        },
        log: log::plan(&host_config.log_config)?,
        attach: false,
        auto_start: false,
        tied: false,
        owner: None,
        restart: restart(host_config)?,
        auto_remove: host_config.auto_remove,
        timeout_ms: 0,
        health: None,
        resolver: match namespaces.network {
            NetworkMode::Named(_) => {
                Some(Resolver { servers: files::name_servers(host_config, host)? })
            }
            _ => None,
        },
        attributes: Default::default(),
        boot_id: String::new(),
        failpoints: None,
    };
    let files = files::contents(host_config, namespaces, &config.hostname, host)?;
    let mut plan = Plan { config, launch, files, user, ports, warnings, filter };
    plan.launch.health = health::plan(&plan.config, host_config, host)?;
    Ok(plan)
}

/// The container's cgroup, where its parent may be one.
fn cgroup(host_config: &HostConfig, path: &str) -> Result<String> {
    let parent = &host_config.cgroup_parent;
    let wrong = |why: &str| {
        Err(Error::invalid(format!("invalid cgroup parent {parent:?}: {why}"))
            .about("field", "HostConfig.CgroupParent"))
    };
    if parent.contains(['\n', '\0']) || parent.split('/').any(|name| matches!(name, "." | "..")) {
        return wrong("it must be a path below the root of the cgroups");
    }
    // What is in a container's own ends with that, and counts for its limits.
    if parent.split('/').any(|name| name.starts_with("barque-")) {
        return wrong("it is a container's own");
    }
    Ok(path.to_owned())
}

/// The restart policy, in docker's words where it is none.
fn restart(host_config: &HostConfig) -> Result<Restart> {
    let RestartPolicy { name, maximum_retry_count } = &host_config.restart_policy;
    let policy = match name.as_str() {
        "" | "no" => Restart::No,
        // Without a daemon nobody is there to tell them apart: after a stop neither starts by itself.
        "always" | "unless-stopped" => Restart::Always,
        "on-failure" => match u32::try_from(*maximum_retry_count) {
            Ok(most) => Restart::OnFailure { most },
            Err(_) => {
                return Err(Error::invalid("maximum retry count cannot be negative")
                    .about("field", "HostConfig.RestartPolicy.MaximumRetryCount"));
            }
        },
        other => {
            return Err(Error::invalid(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            ))
            .about("field", "HostConfig.RestartPolicy.Name"));
        }
    };
    if *maximum_retry_count != 0 && name != "on-failure" {
        return Err(Error::invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        )
        .about("field", "HostConfig.RestartPolicy.MaximumRetryCount"));
    }
    if policy != Restart::No && host_config.auto_remove {
        return Err(Error::invalid("can't create 'AutoRemove' container with restart policy")
            .about("field", "HostConfig.AutoRemove"));
    }
    Ok(policy)
}

/// The host name: what is asked for, the host's where that is shared, else the beginning of the id.
fn hostname(input: &PlanInput<'_>, namespaces: Namespaces<'_>) -> Result<String> {
    let asked = &input.create.hostname;
    if !asked.is_empty() {
        return shorthand::hostname(asked);
    }
    if namespaces.network == NetworkMode::Host || namespaces.host_uts {
        return Ok(input.host.facts().hostname.clone());
    }
    Ok(input.id.chars().take(12).collect())
}

fn spec(
    input: &PlanInput<'_>,
    config: &ContainerConfig,
    namespaces: Namespaces<'_>,
    user: &User,
    security: &Security,
) -> Result<(oci::Spec, Option<seccomp::Circumstances>, Vec<String>)> {
    let host_config = &input.create.host_config;
    let facts = input.host.facts();
    if !(-1000..=1000).contains(&host_config.oom_score_adj) {
        return Err(Error::invalid(format!(
            "invalid value {}, range for oom score adj is [-1000, 1000]",
            host_config.oom_score_adj
        )));
    }
    let capabilities = Capabilities::of(host_config, input.host.capabilities())?;
    let (seccomp, filter, mut warnings) = filter(input, security, capabilities)?;
    let (devices, device_rules) = devices::plan(host_config, input.host)?;
    let (resources, more) = resources::plan(host_config, input.host)?;
    warnings.extend(more);
    let (masked_paths, readonly_paths) = mounts::masks(host_config, security, facts);
    let process = process::process(config, host_config, capabilities, security.no_new_privileges)?;
    let own_name = !namespaces.host_uts;
    let spec = oci::Spec {
        oci_version: OCI_VERSION.to_owned(),
        process,
        root: Some(oci::Root { path: "rootfs".to_owned(), readonly: host_config.readonly_rootfs }),
        hostname: if own_name { config.hostname.clone() } else { String::new() },
        domainname: if own_name { config.domainname.clone() } else { String::new() },
        mounts: mounts::list(host_config, namespaces, user, input.directory, input.mounts)?,
        linux: oci::Linux {
            namespaces: namespaces.list(user),
            devices,
            cgroups_path: cgroup(host_config, input.cgroup)?,
            resources: Some(oci::Resources { devices: device_rules, ..resources }),
            rootfs_propagation: "rprivate".to_owned(),
            seccomp,
            sysctl: sysctls::check(&host_config.sysctls, namespaces)?,
            masked_paths,
            readonly_paths,
            ..oci::Linux::default()
        },
        annotations: host_config.annotations.clone(),
        hooks: None,
    };
    Ok((spec, filter, warnings))
}

/// The system call filter, what the default one is to be made for if it is that, and what the caller should know.
fn filter(
    input: &PlanInput<'_>,
    security: &Security,
    capabilities: Capabilities,
) -> Result<(Option<Filter>, Option<seccomp::Circumstances>, Vec<String>)> {
    let circumstances =
        seccomp::Circumstances::new(input.host.facts(), input.image_architecture, capabilities);
    match &security.seccomp {
        Seccomp::Unconfined => Ok((None, None, Vec::new())),
        Seccomp::Unsaid if input.create.host_config.privileged => Ok((None, None, Vec::new())),
        Seccomp::Unsaid | Seccomp::Builtin => {
            // Without rules every call gets the default answer, which is an error.
            Ok((Some(Filter::default()), Some(circumstances), Vec::new()))
        }
        Seccomp::Profile(text) => seccomp::custom(text, &circumstances)
            .map(|(document, warnings)| (Some(document), None, warnings)),
    }
}
