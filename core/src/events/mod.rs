//! Events: what happens to the things of an engine, told to everybody who wants to know.
//!
//! Whoever changes something tells it here when it is done: `events::container(engine, &record, "rename", &[("oldName", old)])`.
//! What becomes of a running container its monitor tells, in the same journal ([`barque_monitor::journal`]). An event is
//! told after the change is committed, so one that was told has happened; a process that is killed in between has changed
//! something that nobody is told of (docs/decisions/0008-events.md).

mod filter;
mod follow;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use barque_monitor::journal::{self, Actor};

use crate::Engine;
use crate::container::Record;
use crate::sys::clock;

/// Something has happened to a container: `rename`, `pause`, `exec_start: sh`. Its name, image and labels are added.
pub(crate) fn container(engine: &Engine, record: &Record, action: &str, more: &[(&str, &str)]) {
    let mut attributes = container_attributes(record);
    attributes.extend(owned(more));
    tell(engine, "container", action, &record.id, attributes);
}

/// Something has happened to an image: `tag`, `delete`. `name` is what docker has there, a name or once more the id.
pub(crate) fn image(engine: &Engine, action: &str, id: &str, name: &str) {
    tell(engine, "image", action, id, owned(&[("name", name)]).collect());
}

/// Something has happened to a volume: `create`, `destroy`, `mount`.
pub(crate) fn volume(engine: &Engine, action: &str, name: &str, more: &[(&str, &str)]) {
    let driver = [("driver", "local")];
    tell(engine, "volume", action, name, owned(&driver).chain(owned(more)).collect());
}

/// Something has happened to a network: `create`, `connect`, `destroy`.
pub(crate) fn network(engine: &Engine, action: &str, id: &str, name: &str, more: &[(&str, &str)]) {
    tell(engine, "network", action, id, owned(&[("name", name)]).chain(owned(more)).collect());
}

/// There was a clean-up of things of a kind: `container`, `image`, `volume`, `builder`.
pub(crate) fn pruned(engine: &Engine, kind: &str, bytes: i64) {
    let attributes = [("reclaimed".to_owned(), bytes.to_string())].into();
    tell(engine, kind, "prune", "", attributes);
}

/// What all events of a container say about it.
pub(crate) fn container_attributes(record: &Record) -> BTreeMap<String, String> {
    let own = [("image", record.config.image.as_str()), ("name", record.name.as_str())];
    journal::attributes(&record.config.labels, own)
}

fn owned<'a>(pairs: &'a [(&str, &str)]) -> impl Iterator<Item = (String, String)> + 'a {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

fn tell(engine: &Engine, kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) {
    let now = clock::now();
    let record = journal::Record {
        kind: kind.to_owned(),
        action: action.to_owned(),
        actor: Actor { id: id.to_owned(), attributes },
        scope: "local".to_owned(),
        time: now / 1_000_000_000,
        time_nano: now,
    };
    // It has happened, whether or not there is room to write it down.
    let _ = engine.journal().map(|journal| journal.append(&record));
}
