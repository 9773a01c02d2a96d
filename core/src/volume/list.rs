//! `list`: the volumes, by name.

use super::Volumes;
use super::driver::Backing;
use super::filter::Filter;
use super::record::Record;
use crate::api::{Volume, VolumeList, VolumeUsage, VolumesListed};
use crate::error::Result;
use crate::sys;

impl Volumes<'_> {
    /// The volumes that a request asks for, by name.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn list(&self, request: &VolumeList) -> Result<VolumesListed> {
        let filter = Filter::parse(&request.filters, &["name", "driver", "label", "dangling"])?;
        let volumes = self.meant(&filter)?.into_iter().map(|(record, _)| self.document(record));
        Ok(VolumesListed { volumes: volumes.collect(), warnings: Vec::new() })
    }

    /// All volumes, with what they take.
    pub(crate) fn usage(&self) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for (record, uses) in self.meant(&Filter::default())? {
            let size = match self.size(&record) {
                Ok(size) => size.unwrap_or(-1),
                // It was removed meanwhile.
                Err(error) if error.errno() == Some(libc::ENOENT) => continue,
                Err(error) => return Err(error),
            };
            let usage_data = Some(VolumeUsage { size, ref_count: uses });
            volumes.push(Volume { usage_data, ..self.document(record) });
        }
        Ok(volumes)
    }

    /// Those that a filter admits, and how many containers have each.
    pub(super) fn meant(&self, filter: &Filter) -> Result<Vec<(Record, i64)>> {
        let (records, uses) = self
            .engine
            .store()
            .read(|connection| Ok((Record::all(connection)?, Record::uses(connection)?)))?;
        let uses = |record: Record| {
            let uses = uses.get(&record.name).copied().unwrap_or(0);
            (record, uses)
        };
        Ok(records
            .into_iter()
            .filter(|record| !record.removing)
            .map(uses)
            .filter(|(record, uses)| filter.admits(record, *uses))
            .collect())
    }

    /// Bytes of a volume's files; `None` where they are not in the engine's root.
    pub(super) fn size(&self, record: &Record) -> Result<Option<i64>> {
        match Backing::of(&record.options, || super::data(self.engine, &record.name))? {
            Backing::Directory(path) => sys::directory::content_size(path.as_ref()).map(Some),
            Backing::Bind { .. } | Backing::Tmpfs { .. } => Ok(None),
        }
    }
}
