//! `list`: the containers, the newest first.

use std::collections::BTreeMap;

use super::Containers;
use super::filter::Filter;
use super::inspect;
use super::listed::{Config, Listed};
use super::ports;
use super::state::{Standing, Standings};
use super::status;
use crate::api::{ContainerList, ContainerSummary, SummaryHostConfig, SummaryNetworks};
use crate::error::Result;
use crate::network::Places;
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
        let records = match all {
            true => self.engine.store().read(Listed::all)?,
            // One that runs has a lock file, and most that do not run have none since the machine was started.
            false => {
                let locked = sys::directory::names(&self.engine.layout().locks())?;
                self.engine.store().read(|connection| Listed::among(connection, &locked))?
            }
        };
        let standings = Standings::of(self.engine)?;
        let networked = records.iter().filter(|record| record.is_networked());
        let mut places = Places::of(self.engine, networked.map(|record| record.id.as_str()))?;
        let mut rows = Vec::new();
        for record in records {
            if request.limit > 0 && rows.len() == request.limit as usize {
                break;
            }
            if !filter.admits_record(&record) || !filter.admits_networks(&record, &networks) {
                continue;
            }
            let standing = standings.one(&record.id)?;
            // One that goes with its end is gone then, even if nobody has cleared it away yet.
            if standing.is_over(record.auto_remove) {
                continue;
            }
            if (all || standing.is_running()) && filter.admits_state(&standing, record.removing) {
                rows.push(self.summary(record, &standing, &mut places, now, request.size)?);
            }
        }
        Ok(rows)
    }

    fn summary(
        &self,
        record: Listed,
        standing: &Standing,
        places: &mut Places,
        now: i64,
        size: bool,
    ) -> Result<ContainerSummary> {
        let (size_rw, size_root_fs) = self.sizes(&record.id, &record.image_id, size)?;
        let (running, mode) = (standing.is_running(), record.network_mode());
        let networks = inspect::networks(record.document.network_disabled, mode, || {
            places.documents(&record.called(), running)
        })?;
        Ok(ContainerSummary {
            names: vec![format!("/{}", record.name)],
            command: command(&record.config),
            created: record.created / 1_000_000_000,
            ports: ports::list(self.engine, &record, running)?,
            size_rw,
            size_root_fs,
            state: standing.status(record.removing).to_owned(),
            status: status::line(standing, record.removing, now),
            host_config: SummaryHostConfig { network_mode: mode.to_owned() },
            network_settings: SummaryNetworks { networks },
            mounts: inspect::mounts(self.engine, &record.mounts),
            image: record.config.image,
            image_id: record.image_id,
            labels: record.config.labels,
            id: record.id,
        })
    }

    /// Bytes in the writable layer, and in all layers, where they are wanted.
    pub(super) fn sizes(
        &self,
        id: &str,
        image_id: &str,
        wanted: bool,
    ) -> Result<(Option<i64>, Option<i64>)> {
        if !wanted {
            return Ok((None, None));
        }
        let written = self.written(id)?;
        Ok((Some(written), Some(written.saturating_add(self.image_size(image_id)?))))
    }

    /// Bytes in the writable layer.
    pub(super) fn written(&self, id: &str) -> Result<i64> {
        sys::directory::content_size(&self.engine.layout().container(id).join("upper"))
    }

    /// Bytes in the layers of its image.
    pub(super) fn image_size(&self, image_id: &str) -> Result<i64> {
        Ok(self.engine.images().of_container(image_id)?.size)
    }
}

/// Program and arguments: entrypoint and command are one list.
pub(super) fn words<'w>(
    entrypoint: &'w Option<Vec<String>>,
    command: &'w Option<Vec<String>>,
) -> impl Iterator<Item = &'w str> {
    entrypoint.iter().flatten().chain(command.iter().flatten()).map(String::as_str)
}

/// The command as one line, arguments with spaces in quotes.
fn command(config: &Config) -> String {
    let quoted = |(n, word): (usize, &str)| {
        if n > 0 && word.contains(' ') { format!("'{word}'") } else { word.to_owned() }
    };
    words(&config.entrypoint, &config.cmd).enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}
