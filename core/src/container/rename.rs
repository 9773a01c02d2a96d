//! `rename`: another name for a container. The old one is free at once.

use barque_monitor::protocol::Request;

use super::Containers;
use super::monitor;
use super::name;
use super::record::Record;
use super::settle::settle_if_free;
use crate::api::ContainerRename;
use crate::error::{Error, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::network::names;
use crate::store::Durability;

impl Containers<'_> {
    /// Give a container another name.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) when another container has it. See `docs/errors.md`.
    pub fn rename(&self, request: &ContainerRename) -> Result<()> {
        let (engine, record) = (self.engine, self.find(&request.id)?);
        if request.name.is_empty() {
            return Err(
                Error::invalid("Neither old nor new names may be empty").about("field", "Name")
            );
        }
        let name = name::check(&request.name)?;
        if name == record.name {
            return Err(Error::invalid(
                "Renaming a container with the same name as its current name",
            )
            .about("container", &request.id));
        }
        failpoint("rename-checked")?;
        let mut settled = false;
        let intent = loop {
            let renamed = engine.store().write(Durability::Full, |transaction| {
                let renamed = Record::rename(transaction, &record.id, name)?;
                let intent = match renamed {
                    Some(true) => names::begin(engine, transaction, &record.id)?,
                    _ => None,
                };
                Ok(renamed.map(|renamed| (renamed, intent)))
            })?;
            match renamed {
                Some((true, intent)) => break intent,
                Some((false, _)) => return Err(Error::not_found("container", &request.id)),
                None => {}
            }
            let holder = engine.store().read(|connection| Record::id_of_name(connection, name))?;
            match holder {
                // Gone meanwhile.
                None => {}
                // It may be one that has ended and was to go with its end.
                Some(holder) if !settled => {
                    settle_if_free(engine, &holder)?;
                    settled = true;
                }
                Some(holder) => return Err(name::taken(name, &holder)),
            }
        };
        failpoint("rename-committed")?;
        names::finish(engine, &record.id, intent)?;
        let old = format!("/{}", record.name);
        let renamed = Record { name: name.to_owned(), ..record };
        // Its monitor's events are of the new name. One that is about to end has no more of them to tell.
        let attributes = events::container_attributes(&renamed);
        monitor::tell(engine, &renamed.id, &Request::Describe { attributes });
        events::container(engine, &renamed, "rename", &[("oldName", &old)]);
        Ok(())
    }
}
