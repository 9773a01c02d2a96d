//! `list`: the networks, by name.

use std::collections::BTreeSet;

use super::Networks;
use super::filter::Filter;
use super::inspect::document;
use super::record::{Endpoint, Record};
use crate::api::{Network, NetworkList};
use crate::error::Result;

impl Networks<'_> {
    /// The networks that a request asks for, by name. Which containers are in them only [`Networks::inspect`] says.
    ///
    /// # Errors
    /// See `docs/errors.md`.
    pub fn list(&self, request: &NetworkList) -> Result<Vec<Network>> {
        let allowed = ["dangling", "driver", "id", "label", "name", "scope", "type"];
        let filter = Filter::parse(&request.filters, &allowed)?;
        self.ensure_predefined()?;
        Ok(self.meant(&filter, &BTreeSet::new())?.iter().map(document).collect())
    }

    /// Those that a filter admits, with these containers gone.
    pub(super) fn meant(&self, filter: &Filter, gone: &BTreeSet<String>) -> Result<Vec<Record>> {
        let (records, uses) = self
            .engine
            .store()
            .read(|connection| Ok((Record::all(connection)?, Endpoint::networks(connection)?)))?;
        let used = |record: &Record| {
            uses.iter().any(|(user, network)| *network == record.id && !gone.contains(user))
        };
        let records = records.into_iter().filter(|record| !record.removing);
        Ok(records.filter(|record| filter.admits(record, used(record))).collect())
    }
}
