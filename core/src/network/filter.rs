//! The filters of a list and of a clean-up.

use super::is_predefined;
use super::record::Record;
use crate::error::{Error, Result};
use crate::filters::{self, Cleanup, Filters, Labels, truth};

/// Which networks are meant.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ids: Vec<String>,
    names: Vec<String>,
    drivers: Vec<String>,
    scopes: Vec<String>,
    labels: Labels,
    /// Those that every engine has, or those of one's own.
    predefined: Option<bool>,
    /// In use by no container, or by one at least.
    dangling: Option<bool>,
    cleanup: Cleanup,
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
                "id" => filter.ids.clone_from(values),
                "name" => filter.names.clone_from(values),
                "driver" => filter.drivers.clone_from(values),
                "scope" => filter.scopes.clone_from(values),
                "label" => filter.labels.add(name, values),
                "dangling" => filter.dangling = truth(name, values)?,
                _ => filter.predefined = kind(name, values)?,
            }
        }
        Ok(filter)
    }

    /// That of a clean-up: networks of one's own that no container has.
    pub(super) fn of_cleanup(filters: &Filters) -> Result<Filter> {
        let cleanup = Cleanup::parse(filters)?;
        Ok(Filter { predefined: Some(false), dangling: Some(true), cleanup, ..Filter::default() })
    }

    /// Whether a network is meant that a container has, or none.
    pub(super) fn admits(&self, record: &Record, used: bool) -> bool {
        let any = |values: &[String], is: &dyn Fn(&String) -> bool| {
            values.is_empty() || values.iter().any(is)
        };
        let dangling = !used && !is_predefined(&record.name);
        any(&self.ids, &|id| record.id.starts_with(id.as_str()))
            && any(&self.names, &|name| record.name.contains(name.as_str()))
            && any(&self.drivers, &|driver| record.driver == *driver)
            && any(&self.scopes, &|scope| scope == "local")
            && self.labels.admit(&record.document.labels)
            && self.predefined.is_none_or(|predefined| predefined == is_predefined(&record.name))
            && self.dangling.is_none_or(|wanted| wanted == dangling)
            && self.cleanup.admits(record.created, &record.document.labels)
    }
}

/// `builtin` or `custom`.
fn kind(name: &str, values: &[String]) -> Result<Option<bool>> {
    let mut predefined = None;
    for value in values {
        let this = match value.as_str() {
            "builtin" => true,
            "custom" => false,
            _ => return Err(Error::invalid(format!("invalid filter: '{name}'='{value}'"))),
        };
        if predefined.replace(this).is_some_and(|other| other != this) {
            return Ok(None);
        }
    }
    Ok(predefined)
}
