//! The filters of a list: values of one name are alternatives, names must all hold.

use std::collections::{BTreeMap, BTreeSet};

use barque_monitor::state::HealthStatus;

use super::Containers;
use super::listed::Listed;
use super::mount_point::Source;
use super::state::Standing;
use crate::error::{Error, ErrorKind, Result};
use crate::filters::{Labels, truth, unknown};
use crate::shorthand::{self, Port};

/// Which containers a list has.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ids: Vec<String>,
    names: Vec<String>,
    labels: Labels,
    statuses: Vec<String>,
    exited: Vec<i32>,
    networks: Vec<String>,
    /// Ids of images, and the names that were given for them.
    ancestors: Option<Vec<String>>,
    before: Option<i64>,
    since: Option<i64>,
    /// Names of volumes, sources of binds, and places in the container.
    volumes: Vec<String>,
    /// Ports of the container that are published, and such that it listens on: `80/tcp`.
    published: Option<Vec<String>>,
    exposed: Option<Vec<String>>,
    health: Vec<String>,
    /// Containers of swarm services are asked for; there are none.
    tasks: bool,
}

const STATUSES: [&str; 7] =
    ["created", "restarting", "running", "removing", "paused", "exited", "dead"];

/// Docker's words for a container's health; `none`: it has no health check.
const HEALTHS: [&str; 4] = [
    HealthStatus::Starting.word(),
    HealthStatus::Healthy.word(),
    HealthStatus::Unhealthy.word(),
    NO_CHECK,
];
const NO_CHECK: &str = "none";

impl Filter {
    /// Read what was asked for. Names of containers and images are looked up.
    pub(super) fn parse(
        containers: &Containers<'_>,
        filters: &BTreeMap<String, Vec<String>>,
    ) -> Result<Filter> {
        let mut filter = Filter::default();
        for (name, values) in filters {
            let invalid = |value: &str| Error::invalid(format!("invalid filter '{name}={value}'"));
            match name.as_str() {
                "id" => filter.ids.clone_from(values),
                "name" => filter.names.clone_from(values),
                "network" => filter.networks.clone_from(values),
                "label" => filter.labels.add(name, values),
                "volume" => filter.volumes.clone_from(values),
                "publish" => filter.published = Some(ports(name, values)?),
                "expose" => filter.exposed = Some(ports(name, values)?),
                "is-task" => filter.tasks = truth(name, values)?.unwrap_or(false),
                "health" => {
                    if let Some(value) = values.iter().find(|v| !HEALTHS.contains(&v.as_str())) {
                        return Err(Error::invalid(format!(
                            "unrecognised filter value for health: {value}"
                        )));
                    }
                    filter.health.clone_from(values);
                }
                "status" => {
                    if let Some(value) = values.iter().find(|v| !STATUSES.contains(&v.as_str())) {
                        return Err(invalid(value));
                    }
                    filter.statuses.clone_from(values);
                }
                "exited" => {
                    filter.exited = values
                        .iter()
                        .map(|value| value.parse().map_err(|_| invalid(value)))
                        .collect::<Result<_>>()?;
                }
                "ancestor" => filter.ancestors = Some(ancestors(containers, values)?),
                "before" => {
                    for value in values {
                        let created = containers.find(value)?.created;
                        filter.before = Some(filter.before.map_or(created, |b| b.min(created)));
                    }
                }
                "since" => {
                    for value in values {
                        let created = containers.find(value)?.created;
                        filter.since = Some(filter.since.map_or(created, |s| s.max(created)));
                    }
                }
                _ => return Err(unknown(name)),
            }
        }
        Ok(filter)
    }

    /// Whether the filters speak about containers that don't run: then these are listed too, as docker does.
    pub(super) fn implies_all(&self) -> bool {
        !self.statuses.is_empty()
            || !self.exited.is_empty()
            || self.before.is_some()
            || self.since.is_some()
    }

    /// Whether the container is listed, as far as the record says.
    pub(super) fn admits_record(&self, record: &Listed) -> bool {
        let ids = self.ids.is_empty() || self.ids.iter().any(|id| record.id.starts_with(id));
        let names =
            self.names.is_empty() || self.names.iter().any(|n| name_matches(n, &record.name));
        let ancestors = self.ancestors.as_ref().is_none_or(|images| {
            images.contains(&record.image_id) || images.contains(&record.config.image)
        });
        ids && names
            && !self.tasks
            && self.labels.admit(&record.config.labels)
            && self.admits_mounts(record)
            && self.admits_ports(record)
            && ancestors
            && self.before.is_none_or(|before| record.created < before)
            && self.since.is_none_or(|since| record.created > since)
    }

    /// Whether it matters which networks containers are in.
    pub(super) fn asks_for_networks(&self) -> bool {
        !self.networks.is_empty()
    }

    /// Whether it is listed, being in these networks, of which there are names and ids.
    pub(super) fn admits_networks(
        &self,
        record: &Listed,
        networks: &BTreeMap<String, BTreeSet<String>>,
    ) -> bool {
        let mode = record.network_mode();
        let is_in = |name: &String| {
            *name == mode || networks.get(&record.id).is_some_and(|names| names.contains(name))
        };
        self.networks.is_empty() || self.networks.iter().any(is_in)
    }

    /// Whether it is, as far as its state says.
    pub(super) fn admits_state(&self, standing: &Standing, removing: bool) -> bool {
        let status = self.statuses.is_empty()
            || self.statuses.iter().any(|status| status == standing.status(removing));
        let exited = self.exited.is_empty()
            || standing.ended().is_some_and(|run| self.exited.contains(&run.exit_code));
        let health = self.health.is_empty()
            || self.health.iter().any(|wanted| {
                wanted == standing.health().map_or(NO_CHECK, |health| health.status.word())
            });
        status && exited && health
    }

    fn admits_mounts(&self, record: &Listed) -> bool {
        self.volumes.is_empty()
            || record.mounts.iter().any(|point| {
                self.volumes.iter().any(|wanted| match &point.source {
                    _ if *wanted == point.destination => true,
                    Source::Volume { name, .. } => wanted == name,
                    Source::Bind { path, .. } => wanted == path,
                    Source::Tmpfs { .. } => false,
                })
            })
    }

    fn admits_ports(&self, record: &Listed) -> bool {
        let bindings = &record.document.host_config.port_bindings;
        let published = |port: &String| bindings.get(port).is_some_and(|to| !to.is_empty());
        let exposed = |port: &String| record.config.exposed_ports.contains_key(port);
        self.published.as_ref().is_none_or(|ports| ports.iter().any(published))
            && self.exposed.as_ref().is_none_or(|ports| ports.iter().any(exposed))
    }
}

/// The ports of a filter's values: `80`, `53/udp`, `8000-8080/tcp`.
fn ports(name: &str, values: &[String]) -> Result<Vec<String>> {
    let mut ports = Vec::new();
    for value in values {
        if value.contains(':') {
            return Err(Error::invalid(format!("invalid filter '{name}={value}'")));
        }
        ports.extend(shorthand::port(value)?.iter().map(Port::key));
    }
    Ok(ports)
}

/// Docker takes a regular expression. What people write is a part of the name, or the whole of it between `^` and `$`, with or
/// without the slash.
fn name_matches(pattern: &str, name: &str) -> bool {
    let (start, pattern) = match pattern.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (end, pattern) = match pattern.strip_suffix('$') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let (start, pattern) = match pattern.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (start, pattern),
    };
    match (start, end) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

/// Names stand for the images that have them now; a container whose image lost the name since is found by the name it was
/// created with.
fn ancestors(containers: &Containers<'_>, values: &[String]) -> Result<Vec<String>> {
    let mut images = values.to_vec();
    for value in values {
        match containers.engine.images().resolve(value) {
            Ok(image) => images.push(image.id),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::name_matches;

    #[test]
    fn names_match_in_part_or_whole_with_or_without_the_slash() {
        for (pattern, matches) in [
            ("web", true),
            ("eb", true),
            ("^web", true),
            ("^eb", false),
            ("^/web-1$", true),
            ("^web-1$", true),
            ("/web-1", true),
            ("/eb", false),
            ("web$", false),
            ("1$", true),
            ("", true),
            ("^$", false),
        ] {
            assert_eq!(name_matches(pattern, "web-1"), matches, "{pattern}");
        }
    }
}
