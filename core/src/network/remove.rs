//! `remove`: a network that no running container is in.
//!
//! Whether a container runs is not in the record, so the row is marked first, then all that are in the network are looked
//! at, and the mark is taken back if one runs. A start looks at the row after it has let it be seen that it starts: one of
//! the two sees the other. Whoever finds a marked row does the rest.

use super::record::{Endpoint, Record};
use super::{Networks, driver, is_predefined, names};
use crate::Engine;
use crate::api::NetworkRemove;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::Durability;

impl Networks<'_> {
    /// Remove a network.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while a running container is in it. See `docs/errors.md`.
    pub fn remove(&self, request: &NetworkRemove) -> Result<()> {
        let record = match self.find(&request.id) {
            Err(error) if error.kind() == ErrorKind::NotFound && request.force => return Ok(()),
            found => found?,
        };
        if is_predefined(&record.name) {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("{} is a pre-defined network and cannot be removed", record.name),
            )
            .with_reason("predefined")
            .about("network", &request.id));
        }
        self.remove_unused(&record)
    }

    /// Remove the network, if no running container is in it.
    pub(super) fn remove_unused(&self, record: &Record) -> Result<()> {
        failpoint("network-remove-begun")?;
        let store = self.engine.store();
        store.free(Durability::Full, |transaction| Record::mark(transaction, &record.id, true))?;
        failpoint("network-remove-marked")?;
        finish(self.engine, &record.id)
    }
}

/// Finish the removal of a network whose row is marked, or take the mark back; that it is gone is fine.
pub(super) fn finish(engine: &Engine, id: &str) -> Result<()> {
    let networks = Networks::new(engine);
    let (record, inside) = engine.store().read(|connection| {
        Ok((Record::find(connection, id)?, Endpoint::in_network(connection, id)?))
    })?;
    let Some(record) = record.filter(|record| record.removing) else { return Ok(()) };
    let running = networks.running(inside)?;
    if !running.is_empty() {
        engine.store().free(Durability::Full, |t| Record::mark(t, id, false))?;
        return Err(in_use(&record, &running));
    }
    driver::of(&record.driver)?.tear_down(engine, &record)?;
    names::forget_network(engine, id)?;
    failpoint("network-remove-torn-down")?;
    let gone =
        engine.store().free(Durability::Full, |transaction| Record::delete(transaction, id))?;
    failpoint("network-remove-row-deleted")?;
    if gone {
        events::network(engine, "destroy", id, &record.name, &[("type", &record.driver)]);
    }
    Ok(())
}

/// Finish the removals that others began.
pub(crate) fn finish_removals(engine: &Engine) -> Result<()> {
    for id in engine.store().read(Record::removing)? {
        match finish(engine, &id) {
            // It stays, as a container was quicker.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            finished => finished?,
        }
    }
    Ok(())
}

fn in_use(record: &Record, running: &[(Endpoint, String)]) -> Error {
    let names: Vec<&str> = running.iter().map(|(_, name)| name.as_str()).collect();
    Error::new(
        ErrorKind::Conflict,
        format!(
            "error while removing network: network {} has active endpoints ({}); disconnect or stop them first",
            record.name,
            names.join(", ")
        ),
    )
    .with_reason("network_in_use")
    .about("network", &record.name)
}
