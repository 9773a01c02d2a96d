//! `inspect`: a volume's document.

use barque_monitor::protocol::volume::DATA;

use super::Volumes;
use super::driver::{Backing, DRIVER};
use super::record::Record;
use crate::Engine;
use crate::api::Volume;
use crate::error::Result;
use crate::sys::clock;

/// Docker's mark of a volume that nobody gave a name.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

impl Volumes<'_> {
    /// A volume.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound). See `docs/errors.md`.
    pub fn inspect(&self, name: &str) -> Result<Volume> {
        self.find(name).map(|record| self.document(record))
    }

    pub(super) fn document(&self, record: Record) -> Volume {
        let mut labels = record.labels;
        if record.anonymous {
            labels.insert(ANONYMOUS.to_owned(), String::new());
        }
        Volume {
            created_at: clock::rfc3339(record.created),
            driver: DRIVER.to_owned(),
            labels,
            mountpoint: data(self.engine, &record.name),
            name: record.name,
            options: record.options,
            scope: "local".to_owned(),
            usage_data: None,
        }
    }

    /// Where the files of a volume are, for whoever mounts it.
    pub(crate) fn backing(&self, name: &str) -> Result<Backing> {
        let options = match self.engine.store().read(|connection| Record::find(connection, name))? {
            Some(record) => record.options,
            // It is about to be made.
            None => Default::default(),
        };
        Backing::of(&options, || data(self.engine, name))
    }
}

/// The directory with a volume's files.
pub(crate) fn data(engine: &Engine, name: &str) -> String {
    engine.layout().volume(name).join(DATA).to_string_lossy().into_owned()
}
