//! What the monitor writes into the engine's journal: what becomes of its container.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::timestamp;
use crate::journal::{Actor, Journal, Record};
use crate::protocol::Launch;
use crate::state::RunState;

/// The events of one container.
#[derive(Clone)]
pub(super) struct Events {
    journal: Arc<Journal>,
    id: String,
    attributes: BTreeMap<String, String>,
}

impl Events {
    pub(super) fn new(journal: OwnedFd, launch: &Launch) -> Events {
        Events {
            journal: Arc::new(Journal::from_descriptor(journal)),
            id: launch.id.clone(),
            attributes: launch.attributes.clone(),
        }
    }

    /// The container's id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// From now on its events say this about it.
    pub(super) fn describe(&mut self, attributes: BTreeMap<String, String>) {
        self.attributes = attributes;
    }

    /// Something has happened to the container.
    pub(super) fn tell(&self, action: &str, more: &[(&str, &str)]) {
        let mut attributes = self.attributes.clone();
        attributes
            .extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let now = timestamp::now();
        // What has happened has happened, whether or not there is room to write it down.
        let _ = self.journal.append(&Record {
            kind: "container".to_owned(),
            action: action.to_owned(),
            actor: Actor { id: self.id.clone(), attributes },
            scope: "local".to_owned(),
            time: now / 1_000_000_000,
            time_nano: now,
        });
    }

    /// A signal was sent to it.
    pub(super) fn kill(&self, signal: i32) {
        self.tell("kill", &[("signal", &signal.to_string())]);
    }

    /// It has ended.
    pub(super) fn die(&self, state: &RunState) {
        let ran =
            Duration::from_nanos((state.finished_at - state.started_at).max(0).cast_unsigned());
        let (code, seconds) = (state.exit_code.to_string(), ran.as_secs().to_string());
        self.tell("die", &[("execDuration", &seconds), ("exitCode", &code)]);
    }
}
