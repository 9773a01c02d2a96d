//! The configuration of a container: what the request says, and for the rest the image.

use std::collections::{BTreeMap, HashMap};

use super::health;
use crate::api::{ContainerConfig, ContainerCreate, Empty};
use crate::error::{Error, Result};
use crate::shorthand;

/// Where programs are looked for when nobody says it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Labels by which barque and other programs know their own: an image may not bring them (CVE-2026-53488).
const RESERVED_LABELS: [&str; 5] = [
    "io.barque.",
    "com.docker.compose.",
    "io.containerd.",
    "io.podman.",
    "org.opencontainers.runtime.",
];

/// Merge a request with its image's configuration. `hostname` is the one the container will have.
pub(super) fn merge(
    create: &ContainerCreate,
    image: &ContainerConfig,
    hostname: String,
) -> Result<ContainerConfig> {
    let (entrypoint, cmd) = command(create, image)?;
    let working_dir = first(&create.working_dir, &image.working_dir);
    if !working_dir.is_empty() && !working_dir.starts_with('/') {
        return Err(Error::invalid(format!(
            "the working directory '{working_dir}' is invalid, it needs to be an absolute path"
        )));
    }
    let user = first(&create.user, &image.user);
    shorthand::user(user)?;
    let stop_signal = if !create.stop_signal.is_empty() {
        shorthand::signal(&create.stop_signal)?;
        create.stop_signal.as_str()
    } else if shorthand::signal(&image.stop_signal).is_ok() {
        image.stop_signal.as_str()
    } else {
        ""
    };
    if !create.domainname.is_empty() {
        shorthand::hostname(&create.domainname)
            .map_err(|_| Error::invalid(format!("invalid domain name: {:?}", create.domainname)))?;
    }
    let mut exposed_ports = image.exposed_ports.clone();
    exposed_ports.extend(create.exposed_ports.iter().map(|(port, set)| (port.clone(), *set)));
    Ok(ContainerConfig {
        hostname,
        domainname: create.domainname.clone(),
        user: user.to_owned(),
        attach_stdin: create.attach_stdin,
        attach_stdout: create.attach_stdout,
        attach_stderr: create.attach_stderr,
        exposed_ports,
        tty: create.tty,
        open_stdin: create.open_stdin,
        stdin_once: create.stdin_once,
        env: environment(&create.env, &image.env)?,
        cmd,
        healthcheck: health::merge(create.healthcheck.as_ref(), image.healthcheck.as_ref())?,
        image: create.image.clone(),
        volumes: volumes(create, image),
        working_dir: working_dir.to_owned(),
        entrypoint,
        on_build: (!create.on_build.is_empty()).then(|| create.on_build.clone()),
        labels: labels(&create.labels, &image.labels),
        stop_signal: stop_signal.to_owned(),
        stop_timeout: create.stop_timeout.or(image.stop_timeout),
        shell: (!create.shell.is_empty())
            .then(|| create.shell.clone())
            .or_else(|| image.shell.clone()),
    })
}

fn volumes(create: &ContainerCreate, image: &ContainerConfig) -> Option<BTreeMap<String, Empty>> {
    let mut volumes = image.volumes.clone().unwrap_or_default();
    volumes.extend(create.volumes.iter().map(|(path, set)| (path.clone(), *set)));
    (!volumes.is_empty()).then_some(volumes)
}

/// The first that isn't empty.
fn first<'a>(request: &'a str, image: &'a str) -> &'a str {
    if request.is_empty() { image } else { request }
}

type Words = Option<Vec<String>>;

/// `Entrypoint` and `Cmd`. A request's entrypoint hides the image's command, which was made for the image's entrypoint.
fn command(create: &ContainerCreate, image: &ContainerConfig) -> Result<(Words, Words)> {
    let given =
        |words: &Option<Vec<String>>| words.as_ref().filter(|words| !words.is_empty()).cloned();
    let mut entrypoint = create.entrypoint.clone();
    let mut cmd = given(&create.cmd);
    if given(&entrypoint).is_none() {
        if cmd.is_none() {
            cmd = given(&image.cmd);
        }
        if entrypoint.is_none() {
            entrypoint = given(&image.entrypoint);
        }
    }
    // What `--entrypoint ""` sends.
    if entrypoint.as_ref().is_some_and(|words| words.len() == 1 && words[0].is_empty()) {
        entrypoint = None;
    }
    let words = || entrypoint.iter().flatten().chain(cmd.iter().flatten());
    if words().next().is_none() {
        return Err(Error::invalid("no command specified"));
    }
    if words().any(|word| word.contains('\0')) {
        return Err(Error::invalid("the command has a null byte in it"));
    }
    Ok((entrypoint, cmd))
}

/// The variable that an entry sets, or takes away where it has no value.
fn key(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(key, _)| key)
}

/// The request's variables, and those of the image that it doesn't have. An entry without a value is only a request's to
/// make; from an image it would mean nothing good (CVE-2026-57231).
fn environment(request: &[String], image: &[String]) -> Result<Vec<String>> {
    let mut entries = Vec::with_capacity(request.len() + image.len());
    for entry in request {
        if key(entry).is_empty() || entry.contains('\0') {
            return Err(Error::invalid(format!("invalid environment variable: {entry}")));
        }
        entries.push(entry.clone());
    }
    let own: std::collections::HashSet<&str> = request.iter().map(|entry| key(entry)).collect();
    let usable =
        |entry: &&String| entry.contains('=') && !key(entry).is_empty() && !entry.contains('\0');
    let inherited = image.iter().filter(usable).filter(|entry| !own.contains(key(entry)));
    entries.extend(inherited.cloned());
    Ok(entries)
}

/// What the process finds in its environment: the defaults, then the configuration's, the last entry of a name counting
/// and one without a value taking it away.
pub(super) fn process_environment(config: &ContainerConfig) -> Vec<String> {
    let mut variables: Vec<Option<String>> = Vec::with_capacity(config.env.len() + 3);
    let mut places: HashMap<&str, usize> = HashMap::new();
    variables.push(Some(PATH.to_owned()));
    places.insert("PATH", 0);
    variables.push(Some(format!("HOSTNAME={}", config.hostname)));
    places.insert("HOSTNAME", 1);
    if config.tty {
        variables.push(Some("TERM=xterm".to_owned()));
        places.insert("TERM", 2);
    }
    for entry in &config.env {
        let variable = entry.contains('=').then(|| entry.clone());
        match places.get(key(entry)) {
            Some(place) => variables[*place] = variable,
            None => {
                places.insert(key(entry), variables.len());
                variables.push(variable);
            }
        }
    }
    variables.into_iter().flatten().collect()
}

fn labels(
    request: &BTreeMap<String, String>,
    image: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let allowed = |name: &str| !RESERVED_LABELS.iter().any(|reserved| name.starts_with(reserved));
    let mut labels: BTreeMap<String, String> = image
        .iter()
        .filter(|(name, _)| allowed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    labels.extend(request.iter().map(|(name, value)| (name.clone(), value.clone())));
    labels
}
