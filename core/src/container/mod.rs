//! Containers: one verb a file, and the nouns they share.
//!
//! `create` commits one row ([`record`]) and makes nothing else. `start` makes what the row stands for and hands it to a
//! monitor ([`launch`]), which keeps it from then on; all other verbs read the record and the state the monitor wrote
//! ([`state`]), or talk to it ([`connection`]).

mod attach;
mod commit;
mod connect;
mod connection;
mod create;
mod diff;
pub(crate) mod exec;
mod export;
pub(crate) mod failure;
pub(crate) mod files;
mod filter;
mod init_layer;
mod inspect;
mod joined;
mod kill;
mod launch;
pub(crate) mod link;
mod list;
mod listed;
mod lock;
mod log;
mod logs;
mod monitor;
mod mount_point;
mod name;
mod pause;
mod polled;
mod ports;
mod prune;
mod record;
mod remove;
mod rename;
mod resize;
mod resolv;
mod restart;
mod run;
mod session;
mod settle;
mod start;
mod state;
mod stats;
mod status;
pub(crate) mod step;
mod stop;
mod top;
mod update;
mod user_namespace;
mod wait;

#[cfg(test)]
mod tests;

pub(crate) mod plan;

use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::id;

pub(crate) use commit::{HOLD, thaw};
pub use exec::Execs;
pub(crate) use joined::network_of;
pub(crate) use lock::{Locks, Look, OperationLock};
pub(crate) use monitor::tell;
pub(crate) use mount_point::{MountPoint, Source, is_special};
pub(crate) use prune::forget;
pub(crate) use record::Record;
pub(crate) use resolv::use_resolver;
pub(crate) use settle::settle_if_free;
pub(crate) use state::Standing;

/// The containers of an engine.
#[derive(Clone, Copy)]
pub struct Containers<'a> {
    engine: &'a Engine,
}

impl<'a> Containers<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Containers<'a> {
        Containers { engine }
    }

    /// The record of the container that `text` names: its name, its id, or a beginning of it that no other has. A name counts before a
    /// beginning.
    pub(crate) fn find(&self, text: &str) -> Result<Record> {
        let mut found = self.engine.store().read(|connection| {
            match Record::called(connection, text.strip_prefix('/').unwrap_or(text))? {
                Some(record) => Ok(vec![record]),
                None if id::is_beginning(text) => Record::beginning(connection, text),
                None => Ok(Vec::new()),
            }
        })?;
        match found.pop() {
            Some(record) if found.is_empty() => Ok(record),
            Some(last) => {
                found.push(last);
                let candidates: Vec<&str> = found.iter().map(|record| &record.id[..12]).collect();
                Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "Multiple IDs found with provided prefix: {text} ({})",
                        candidates.join(", ")
                    ),
                )
                .with_reason("ambiguous_id")
                .about("container", text))
            }
            None => Err(Error::not_found("container", text)),
        }
    }

    /// The id of a container that can be connected to networks.
    pub(crate) fn networked(&self, text: &str) -> Result<String> {
        let record = self.find(text)?;
        match plan::network_mode(&record.document) {
            plan::NetworkMode::Named(_) => Ok(record.id),
            _ => Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "container {} has network mode {}: it cannot be connected to other networks, or disconnected",
                    record.name,
                    plan::mode_name(&record.document)
                ),
            )
            .with_reason("network_mode")
            .about("container", text)),
        }
    }

    /// The name of the container with this id, now.
    pub(crate) fn name_of(&self, id: &str) -> Result<String> {
        self.find(id).map(|record| record.name)
    }
}
