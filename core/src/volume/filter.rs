//! The filters of a list and of a clean-up.

use super::driver::DRIVER;
use super::record::Record;
use crate::error::Result;
use crate::filters::{self, Filters, Labels, truth};

/// Which volumes are meant.
#[derive(Debug, Default)]
pub(super) struct Filter {
    names: Vec<String>,
    drivers: Vec<String>,
    labels: Labels,
    /// In use by no container, or by one at least.
    dangling: Option<bool>,
    /// Those with a name of their own too.
    pub(super) all: bool,
}

impl Filter {
    /// Read what was asked for; `allowed` are the filters that the operation has.
    pub(super) fn parse(filters: &Filters, allowed: &[&str]) -> Result<Filter> {
        let mut filter = Filter::default();
        for (name, values) in filters {
            if !allowed.contains(&name.as_str()) {
                return Err(filters::unknown(name));
            }
            match name.as_str() {
                "name" => filter.names.clone_from(values),
                "driver" => filter.drivers.clone_from(values),
                "label" | "label!" => filter.labels.add(name, values),
                "dangling" => filter.dangling = truth(name, values)?,
                _ => filter.all = truth(name, values)?.unwrap_or(false),
            }
        }
        Ok(filter)
    }

    /// Whether a volume is meant that so many containers have.
    pub(super) fn admits(&self, record: &Record, uses: i64) -> bool {
        let name = self.names.is_empty() || self.names.iter().any(|n| record.name.contains(n));
        let driver = self.drivers.is_empty() || self.drivers.iter().any(|d| d == DRIVER);
        name && driver
            && self.labels.admit(&record.labels)
            && self.dangling.is_none_or(|dangling| dangling == (uses == 0))
    }
}
