//! `list`: the containers, the newest first.

use std::collections::BTreeMap;

use super::Containers;
use super::filter::Filter;
use super::ports;
use super::record::Record;
use super::state::Standing;
use super::status;
use crate::api::{ContainerList, ContainerSummary, SummaryHostConfig, SummaryNetworks};
use crate::error::Result;
use crate::sys;

impl Containers<'_> {
    /// The containers that a request asks for, the newest first.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn list(&self, request: &ContainerList) -> Result<Vec<ContainerSummary>> {
        let filter = Filter::parse(self, &request.filters)?;
        let all = request.all || request.limit > 0 || filter.implies_all();
        let now = sys::clock::now();
        let networks = match filter.asks_for_networks() {
            true => crate::network::names(self.engine)?,
            false => BTreeMap::new(),
        };
        let mut rows = Vec::new();
        for record in self.engine.store().read(Record::all)? {
            if request.limit > 0 && rows.len() == request.limit as usize {
                break;
            }
            if !filter.admits_record(&record) || !filter.admits_networks(&record, &networks) {
                continue;
            }
            let standing = Standing::of(self.engine, &record.id)?;
            // One that goes with its end is gone then, even if nobody has cleared it away yet.
            if standing.is_over(&record) {
                continue;
            }
            if (all || standing.is_running()) && filter.admits_state(&standing, record.removing) {
                rows.push(self.summary(record, &standing, now, request.size)?);
            }
        }
        Ok(rows)
    }

    fn summary(
        &self,
        record: Record,
        standing: &Standing,
        now: i64,
        size: bool,
    ) -> Result<ContainerSummary> {
        let (size_rw, size_root_fs) = self.sizes(&record, size)?;
        Ok(ContainerSummary {
            names: vec![format!("/{}", record.name)],
            image: record.config.image.clone(),
            image_id: record.image_id.clone(),
            command: command(&record),
            created: record.created / 1_000_000_000,
            ports: ports::list(self.engine, &record, standing.is_running())?,
            size_rw,
            size_root_fs,
            state: standing.status(record.removing).to_owned(),
            status: status::line(standing, record.removing, now),
            host_config: SummaryHostConfig { network_mode: network_mode(&record) },
            network_settings: SummaryNetworks {
                networks: super::inspect::networks(self.engine, &record, standing.is_running())?,
            },
            mounts: super::inspect::mounts(self.engine, &record),
            labels: record.config.labels,
            id: record.id,
        })
    }

    /// Bytes in the writable layer, and in all layers, where they are wanted.
    pub(super) fn sizes(
        &self,
        record: &Record,
        wanted: bool,
    ) -> Result<(Option<i64>, Option<i64>)> {
        if !wanted {
            return Ok((None, None));
        }
        let written = self.written(&record.id)?;
        Ok((Some(written), Some(written.saturating_add(self.image_size(record)?))))
    }

    /// Bytes in the writable layer.
    pub(super) fn written(&self, id: &str) -> Result<i64> {
        sys::directory::content_size(&self.engine.layout().container(id).join("upper"))
    }

    /// Bytes in the layers of its image.
    pub(super) fn image_size(&self, record: &Record) -> Result<i64> {
        Ok(self.engine.images().of_container(&record.image_id)?.size)
    }
}

/// The network mode as Docker shows it.
pub(super) fn network_mode(record: &Record) -> String {
    super::plan::mode_name(&record.document).to_owned()
}

/// Program and arguments: entrypoint and command are one list.
pub(super) fn words(record: &Record) -> impl Iterator<Item = &str> {
    let entrypoint = record.config.entrypoint.iter().flatten();
    entrypoint.chain(record.config.cmd.iter().flatten()).map(String::as_str)
}

/// The command as one line, arguments with spaces in quotes.
fn command(record: &Record) -> String {
    let quoted = |(n, word): (usize, &str)| {
        if n > 0 && word.contains(' ') { format!("'{word}'") } else { word.to_owned() }
    };
    words(record).enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}
