//! `create`: a row, and the directory.

use rusqlite::Transaction;

use super::directory::Directory;
use super::driver::{self, Backing};
use super::record::{Record, Wanted};
use super::{Volumes, finish};
use crate::Engine;
use crate::api::{Volume, VolumeCreate};
use crate::container::MountPoint;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::id;
use crate::shorthand;
use crate::store::Durability;
use crate::sys;

impl Volumes<'_> {
    /// Create a volume, or find that there is one of that name.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when there is one with other options. See `docs/errors.md`.
    pub fn create(&self, request: &VolumeCreate) -> Result<Volume> {
        driver::check(&request.driver)?;
        let wanted = Wanted {
            name: match request.name.as_str() {
                "" => id::random()?,
                name => shorthand::volume_name(name)?.to_owned(),
            },
            options: request.driver_opts.clone(),
            labels: request.labels.clone(),
            anonymous: request.name.is_empty(),
        };
        Backing::of(&wanted.options, String::new)?;
        failpoint("volume-create-checked")?;
        let engine = self.engine;
        let names = [wanted.name.as_str()];
        let new = loop {
            let (going, new) = engine.store().write(Durability::Full, |transaction| {
                let going = Record::removing_of(transaction, names)?;
                let new = match going {
                    Some(_) => Vec::new(),
                    None => insert(transaction, std::slice::from_ref(&wanted))?,
                };
                Ok((going, new))
            })?;
            match going {
                Some(going) => finish(engine, &going)?,
                None => break new,
            }
        };
        failpoint("volume-create-committed")?;
        Directory::ensure(engine, &wanted.name, false)?;
        created(engine, &new);
        self.inspect(&wanted.name)
    }
}

/// Tell of new volumes.
pub(crate) fn created(engine: &Engine, names: &[String]) {
    for name in names {
        events::volume(engine, "create", name, &[]);
    }
}

/// Write rows of the volumes that are not there. The names of those.
fn insert(transaction: &Transaction<'_>, wanted: &[Wanted]) -> Result<Vec<String>> {
    let now = sys::clock::now();
    let mut new = Vec::new();
    for wanted in wanted {
        if Record::insert(transaction, wanted, now)? {
            new.push(wanted.name.clone());
            continue;
        }
        let Some(record) = Record::find(transaction, &wanted.name)? else { continue };
        // Docker takes the old one without a word, and what was asked for is not there.
        if !wanted.options.is_empty() && wanted.options != record.options {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "a volume named {} already exists with other options: choose another name, or remove it first",
                    record.name
                ),
            )
            .about("volume", record.name));
        }
    }
    Ok(new)
}

/// One of the volumes that a container wants, whose removal has begun: it must be finished before the container can have another
/// of that name.
pub(crate) fn going(
    transaction: &Transaction<'_>,
    points: &[MountPoint],
) -> rusqlite::Result<Option<String>> {
    Record::removing_of(transaction, points.iter().filter_map(|point| Some(point.volume()?.0)))
}

/// Have the volumes that a container wants, and write down that it has them: in the transaction that writes its row. The names of
/// those that there were not.
pub(crate) fn claim(
    transaction: &Transaction<'_>,
    container: &str,
    wanted: &[Wanted],
    points: &[MountPoint],
) -> Result<Vec<String>> {
    let new = insert(transaction, wanted)?;
    for point in points {
        let Some((name, anonymous)) = point.volume() else { continue };
        match Record::find(transaction, name)? {
            Some(_) => Record::claim(transaction, container, name, anonymous)?,
            // It was another container's, and went with it.
            None => return Err(super::not_found(name)),
        }
    }
    Ok(new)
}

/// Have the directories of a container's volumes.
pub(crate) fn ensure(engine: &Engine, points: &[MountPoint], auto_remove: bool) -> Result<()> {
    for point in points {
        if let Some((name, anonymous)) = point.volume() {
            Directory::ensure(engine, name, anonymous && auto_remove)?;
        }
    }
    Ok(())
}
