//! Volumes: directories that outlive the containers that have them.
//!
//! A volume is a row of the database and a directory `volumes/<name>/`, which is locked while somebody changes what the
//! two say together ([`directory`]). The files are in its `_data`. A container's use of it is a row too, so that whether it
//! is in use is decided in the transaction that would remove it.

mod create;
mod directory;
mod driver;
mod fill;
mod filter;
mod inspect;
mod list;
mod prune;
mod record;
mod remove;

use crate::Engine;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use create::{claim, created, ensure, going};
pub(crate) use driver::{Backing, DRIVER, check as check_driver};
pub(crate) use fill::fill;
pub(crate) use inspect::data;
pub(crate) use record::Wanted;
pub(crate) use remove::{clear_orphans, finish, finish_removals, release};

use record::Record;

/// The volumes of an engine.
#[derive(Clone, Copy)]
pub struct Volumes<'a> {
    engine: &'a Engine,
}

impl<'a> Volumes<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Volumes<'a> {
        Volumes { engine }
    }

    /// The record of a volume.
    fn find(&self, name: &str) -> Result<Record> {
        self.engine
            .store()
            .read(|connection| Record::find(connection, name))?
            .filter(|record| !record.removing)
            .ok_or_else(|| not_found(name))
    }
}

fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("get {name}: no such volume")).about("volume", name)
}
