//! What is in the kernel already.

use std::collections::BTreeSet;

use super::super::message::{Attributes, Message, attributes};
use super::super::{Refusal, Socket};
use super::{Element, SUBSYSTEM, Table, message};

const GET_TABLE: u16 = 1;

impl Socket {
    /// The number of the rule set, which changes with each change that anyone makes.
    pub(crate) fn generation(&self) -> Result<u32, Refusal> {
        const GET_GENERATION: u16 = 16;
        let mut generation = 0;
        self.get(Message::new(SUBSYSTEM << 8 | GET_GENERATION, 0, &[0, 0, 0, 0]), |payload| {
            let id = attributes(payload.get(4..).unwrap_or_default()).find(|(kind, _)| *kind == 1);
            if let Some(Ok(bytes)) = id.map(|(_, value)| <[u8; 4]>::try_from(value)) {
                generation = u32::from_be_bytes(bytes);
            }
        })?;
        Ok(generation)
    }

    /// Whether there is such a table.
    pub(crate) fn has_table(&self, table: Table<'_>) -> Result<bool, Refusal> {
        let question = message(GET_TABLE, 0).with(Attributes::new().text(1, table.0));
        match self.get(question, |_| {}) {
            Err(refusal) if refusal.errno == libc::ENOENT => Ok(false),
            found => found.map(|()| true),
        }
    }

    /// Everything about a table but what is in its sets, as bytes to be compared: the numbers that the kernel has given its rules and
    /// chains are in them, so a table that was made again is another. `None`: there is none.
    pub(crate) fn shape(&self, table: Table<'_>) -> Result<Option<Vec<u8>>, Refusal> {
        const GET_CHAIN: u16 = 4;
        const GET_RULE: u16 = 7;
        let name = Attributes::new().text(1, table.0);
        let mut shape = Vec::new();
        // Behind the family stand a version and a part of the rule set's number.
        let mut add = |payload: &[u8]| shape.extend_from_slice(payload.get(4..).unwrap_or(&[]));
        match self.get(message(GET_TABLE, 0).with(name.clone()), &mut add) {
            Err(refusal) if refusal.errno == libc::ENOENT => return Ok(None),
            found => found?,
        }
        // All tables' chains are told: each begins with the name of its table.
        self.dump(&message(GET_CHAIN, 0), |payload| {
            if payload.get(4..).is_some_and(|chain| chain.starts_with(name.as_bytes())) {
                add(payload);
            }
        })?;
        self.dump(&message(GET_RULE, 0).with(name.clone()), &mut add)?;
        Ok(Some(shape))
    }

    /// What is in a set of a table.
    pub(crate) fn elements(
        &self,
        table: Table<'_>,
        set: &str,
    ) -> Result<BTreeSet<Element>, Refusal> {
        const GET_ELEMENTS: u16 = 13;
        let place = Attributes::new().text(1, table.0).text(2, set);
        let mut elements = BTreeSet::new();
        self.dump(&message(GET_ELEMENTS, 0).with(place), |payload| {
            elements.extend(Element::all(payload));
        })?;
        Ok(elements)
    }
}
