//! The filters of events, with Docker's rules: which compare whole words and which beginnings.

use std::collections::BTreeMap;

use barque_monitor::journal::Record;

use crate::error::{Error, Result};

/// The names that Docker knows.
const NAMES: [&str; 14] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

/// Which events are wanted.
#[derive(Debug, Default)]
pub(super) struct Filter {
    by_name: BTreeMap<String, Vec<String>>,
}

impl Filter {
    pub(super) fn parse(filters: &BTreeMap<String, Vec<String>>) -> Result<Filter> {
        if let Some(name) = filters.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(Error::invalid(format!("invalid filter '{name}'"))
                .about("field", format!("Filters.{name}")));
        }
        let mut by_name = filters.clone();
        by_name.retain(|_, values| !values.is_empty());
        Ok(Filter { by_name })
    }

    /// Whether the event is wanted.
    pub(super) fn admits(&self, event: &Record) -> bool {
        self.by_name.iter().all(|(name, values)| match name.as_str() {
            "type" => values.contains(&event.kind),
            "event" => action(values, &event.action),
            "scope" => values.contains(&event.scope),
            "label" => values.iter().all(|label| has_label(event, label)),
            "image" => values.iter().any(|value| is_of_image(event, value)),
            // Of everything else by its id or name, or the beginning of either.
            kind => {
                let name = event.actor.attributes.get("name");
                event.kind == kind
                    && values.iter().any(|value| {
                        event.actor.id.starts_with(value.as_str())
                            || name.is_some_and(|name| name.starts_with(value.as_str()))
                    })
            }
        })
    }
}

/// `health_status`, `exec_create` and `exec_start` have more behind a colon: where one of them is asked for, beginnings count.
fn action(wanted: &[String], action: &str) -> bool {
    let beginnings =
        wanted.iter().any(|w| matches!(w.as_str(), "health_status" | "exec_create" | "exec_start"));
    wanted.iter().any(|w| w == action || beginnings && action.starts_with(w.as_str()))
}

fn has_label(event: &Record, label: &str) -> bool {
    let (label, value) = match label.split_once('=') {
        Some((label, value)) => (label, Some(value)),
        None => (label, None),
    };
    let actual = event.actor.attributes.get(label);
    actual.is_some_and(|actual| value.is_none_or(|value| value == actual))
}

/// The image itself, or a container of it; with the tag or without.
fn is_of_image(event: &Record, wanted: &str) -> bool {
    let attribute = if event.kind == "image" { "name" } else { "image" };
    let name = event.actor.attributes.get(attribute).map_or("", String::as_str);
    [event.actor.id.as_str(), name]
        .iter()
        .any(|name| !name.is_empty() && (*name == wanted || without_tag(name) == wanted))
}

fn without_tag(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        // Of a registry's port.
        Some((_, tag)) if tag.contains('/') => name,
        Some((name, _)) => name,
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, action: &str, id: &str, attributes: &[(&str, &str)]) -> Record {
        let mut event = Record {
            kind: kind.into(),
            action: action.into(),
            scope: "local".into(),
            ..Record::default()
        };
        event.actor.id = id.into();
        event.actor.attributes =
            attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        event
    }

    fn admits(filters: &[(&str, &[&str])], event: &Record) -> bool {
        let filters = filters
            .iter()
            .map(|(name, values)| {
                ((*name).to_owned(), values.iter().map(|v| (*v).to_owned()).collect())
            })
            .collect();
        Filter::parse(&filters).unwrap().admits(event)
    }

    #[test]
    fn filters_compare_as_dockers_do() {
        let web = [("name", "web-1"), ("image", "r.io:5000/a/nginx:1"), ("tier", "front")];
        let die = event("container", "die", "0a1b", &web);
        let health = event("container", "health_status: healthy", "0a1b", &web);
        let tag = event("image", "tag", "sha256:12", &[("name", "nginx:1")]);
        let mount = event("volume", "mount", "data", &[("driver", "local")]);
        type Row<'a> = (&'a [(&'a str, &'a [&'a str])], &'a Record, bool);
        let rows: [Row<'_>; 24] = [
            (&[], &die, true),
            (&[("type", &["container"])], &die, true),
            (&[("type", &["image", "container"])], &die, true),
            (&[("type", &["image"])], &die, false),
            (&[("type", &[])], &die, true),
            (&[("event", &["die"])], &die, true),
            (&[("event", &["di"])], &die, false),
            (&[("event", &["health_status"])], &health, true),
            (&[("event", &["health_status: healthy"])], &health, true),
            (&[("event", &["health_status: unhealthy"])], &health, false),
            (&[("container", &["web"])], &die, true),
            (&[("container", &["0a"])], &die, true),
            (&[("container", &["b"])], &die, false),
            (&[("container", &["nginx"])], &tag, false),
            (&[("image", &["r.io:5000/a/nginx"])], &die, true),
            (&[("image", &["r.io:5000/a/nginx:1"])], &die, true),
            (&[("image", &["r.io"])], &die, false),
            (&[("image", &["nginx"])], &tag, true),
            (&[("image", &["nginx"])], &mount, false),
            (&[("volume", &["data"])], &mount, true),
            (&[("label", &["tier"])], &die, true),
            (&[("label", &["tier=front"])], &die, true),
            (&[("label", &["tier=front", "other"])], &die, false),
            (&[("type", &["container"]), ("event", &["start"])], &die, false),
        ];
        for (n, (filters, event, expected)) in rows.into_iter().enumerate() {
            assert_eq!(admits(filters, event), expected, "row {n}: {filters:?}");
        }
    }
}
