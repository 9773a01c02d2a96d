//! `--link`: another container known by an alias, as docker did it before networks had names, and still does.
//!
//! In the default network the alias stands in `/etc/hosts`, and variables say which ports the other container's image exposes. In
//! networks of one's own it is one more name, which only this container knows: [`network`] sees to that.

use super::plan::{self, NetworkMode, Plan};
use super::record::Record;
use super::state::Standing;
use crate::Engine;
use crate::api::HostConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::network;

/// A link, `CONTAINER`, `CONTAINER:ALIAS`, or as `inspect` shows it, `/CONTAINER:/SELF/ALIAS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link<'a> {
    pub(crate) container: &'a str,
    pub(crate) alias: &'a str,
}

impl<'a> Link<'a> {
    /// Read one.
    pub(crate) fn parse(text: &'a str) -> Result<Link<'a>> {
        let (container, alias) = text.split_once(':').unwrap_or((text, text));
        let (container, alias) =
            (container.trim_start_matches('/'), alias.rsplit('/').next().unwrap_or_default());
        if container.is_empty() || !network::is_name(alias) {
            let error = Error::invalid(format!(
                "invalid format for links: {text:?}: use CONTAINER or CONTAINER:ALIAS"
            ));
            return Err(error.about("field", "HostConfig.Links"));
        }
        Ok(Link { container, alias })
    }
}

/// Write ids for the names of linked containers: a name may be another's later.
pub(super) fn identify(engine: &Engine, host_config: &mut HostConfig) -> Result<()> {
    let mut links: Vec<String> = Vec::new();
    for text in &host_config.links {
        let link = Link::parse(text)?;
        let end = format!(":{}", link.alias);
        if links.iter().any(|other| other.ends_with(&end)) {
            return Err(Error::invalid(format!("two links with the alias {}", link.alias))
                .about("field", "HostConfig.Links"));
        }
        links.push(engine.containers().find(link.container)?.id + &end);
    }
    host_config.links = links;
    Ok(())
}

/// A container's links as docker shows them, by the names that are so now.
pub(super) fn shown(engine: &Engine, record: &Record) -> Vec<String> {
    let shown = |text: &String| {
        let Ok(Link { container, alias }) = Link::parse(text) else { return text.clone() };
        // Of one that was removed there is only the id.
        let name = engine.containers().name_of(container);
        format!("/{}:/{}/{alias}", name.unwrap_or_else(|_| container.to_owned()), record.name)
    };
    record.document.host_config.links.iter().map(shown).collect()
}

/// A linked container that runs.
pub(super) struct Linked {
    record: Record,
    alias: String,
    address: String,
}

/// The containers that one in the default network is linked to, which must run and be in it too.
pub(super) fn in_default_network(engine: &Engine, record: &Record) -> Result<Vec<Linked>> {
    links(record).iter().map(|text| linked(engine, record, text)).collect()
}

/// Those of them that still do and are.
pub(super) fn still_in_default_network(engine: &Engine, record: &Record) -> Vec<Linked> {
    links(record).iter().filter_map(|text| linked(engine, record, text).ok()).collect()
}

/// A container's links, where it is in the default network.
fn links(record: &Record) -> &[String] {
    match plan::network_mode(&record.document) {
        NetworkMode::Named(network::DEFAULT) => &record.document.host_config.links,
        _ => &[],
    }
}

fn linked(engine: &Engine, record: &Record, text: &str) -> Result<Linked> {
    let link = Link::parse(text)?;
    let other = engine.containers().find(link.container)?;
    let conflict = |reason: &'static str, message: String| {
        Error::new(ErrorKind::Conflict, message).with_reason(reason).about("container", &other.id)
    };
    if !Standing::of(engine, &other.id)?.is_running() {
        return Err(conflict(
            "not_running",
            format!(
                "cannot link to a non running container: /{} AS /{}/{}",
                other.name, record.name, link.alias
            ),
        ));
    }
    let Some(address) = network::address_in_default(engine, &other.id)? else {
        return Err(conflict(
            "not_connected",
            format!("cannot link to /{}, as it does not belong to the default network", other.name),
        ));
    };
    let (alias, address) = (link.alias.to_owned(), address.to_string());
    Ok(Linked { record: other, alias, address })
}

/// Have a container that is about to start know them.
pub(super) fn tell(plan: &mut Plan, name: &str, linked: &[Linked]) {
    for Linked { record, alias, address } in linked {
        let mut names = vec![alias.as_str()];
        for name in [record.config.hostname.as_str(), &record.name] {
            if !name.is_empty() && !names.contains(&name) {
                names.push(name);
            }
        }
        plan.names(&format!("{address}\t{}\n", names.join(" ")));
    }
    tell_process(&mut plan.launch.spec.process.env, name, linked);
}

/// Have a process of the container `name` know them by its environment.
pub(super) fn tell_process(env: &mut Vec<String>, name: &str, linked: &[Linked]) {
    for Linked { record, alias, address } in linked {
        for (name, value) in variables(name, alias, address, record) {
            let before = format!("{name}=");
            // What was asked for itself goes before.
            if !env.iter().any(|entry| entry.starts_with(&before)) {
                env.push(before + &value);
            }
        }
    }
}

/// The variables about one, which docker's `--link` has been known for.
fn variables(
    container: &str,
    alias: &str,
    address: &str,
    linked: &Record,
) -> Vec<(String, String)> {
    let prefix = alias.replace('-', "_").to_uppercase();
    let mut ports: Vec<(u16, String)> =
        linked.config.exposed_ports.keys().filter_map(|key| plan::port(key).ok()).collect();
    ports.sort_unstable();
    let mut variables = vec![(format!("{prefix}_NAME"), format!("/{container}/{alias}"))];
    for (number, (port, protocol)) in ports.iter().enumerate() {
        let url = format!("{protocol}://{address}:{port}");
        if number == 0 {
            variables.push((format!("{prefix}_PORT"), url.clone()));
        }
        let prefix = format!("{prefix}_PORT_{port}_{}", protocol.to_uppercase());
        variables.push((format!("{prefix}_ADDR"), address.to_owned()));
        variables.push((format!("{prefix}_PORT"), port.to_string()));
        variables.push((format!("{prefix}_PROTO"), protocol.clone()));
        variables.push((prefix, url));
    }
    for entry in &linked.config.env {
        // Docker leaves out these two.
        match entry.split_once('=') {
            Some(("HOME" | "PATH", _)) | None => {}
            Some((name, value)) => {
                variables.push((format!("{prefix}_ENV_{name}"), value.to_owned()))
            }
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::Link;

    #[test]
    fn links_are_read_as_they_are_given_and_shown() {
        for (text, container, alias) in [
            ("db", "db", "db"),
            ("db:store", "db", "store"),
            ("/db:/web/store", "db", "store"),
            ("db:a.b-c_d", "db", "a.b-c_d"),
        ] {
            assert_eq!(Link::parse(text).unwrap(), Link { container, alias }, "{text}");
        }
        for text in
            ["", ":", "db:", ":x", "db:a:b", "db:a b", "db:x\n1.2.3.4 y", "/:/x/y", "db:a..b"]
        {
            assert!(Link::parse(text).is_err(), "{text}");
        }
    }
}
