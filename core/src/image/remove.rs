//! Removing a name from an image, and the image with its last name.
//!
//! The rules are Docker's. By *name*: the name goes, and the image with it when that was its last and nothing stands on it. By
//! *id*: the image goes with its name, refused when it has names in several repositories. Containers that stand on the image
//! refuse; `force` overrides that for stopped ones (the image is then hidden and kept until the last of them is removed) and
//! never for running ones.

use rusqlite::Transaction;

use super::Images;
use super::content_lock::ContentLock;
use super::digest::Digest;
use super::index;
use super::names::{self, Names};
use super::reference::{Reference, familiar};
use super::sharing::{self, Freed, User};
use crate::api::{ImageRemove, ImageRemoved};
use crate::container::Standing;
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::store::{Durability, Intent};
use crate::sys::directory;

/// A container that stands on the image, and whether it runs.
#[derive(Clone)]
struct Use {
    short: String,
    running: bool,
}

/// What a removal comes to.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) rows: Vec<ImageRemoved>,
    pub(super) freed: Freed,
}

impl Images<'_> {
    /// Remove a name from an image, or the image.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such image, [`ErrorKind::Conflict`] when containers or other names hold it.
    pub fn remove(&self, request: &ImageRemove) -> Result<Vec<ImageRemoved>> {
        let (image, reference) = self.find_id(&request.name)?;
        // Whether a container runs is the kernel's word, which has no place in a transaction. One that is started in
        // between is as safe as one that was started before: its layers are held by its row. One that is created in between
        // is looked for again below.
        let known = self.uses(&image)?;
        let lock = ContentLock::take(self.engine)?;
        let outcome = self.engine.store().free(Durability::Full, |transaction| {
            let uses = with_newcomers(transaction, &image, &known)?;
            let running = uses.iter().find(|used| used.running);
            let stopped = uses.iter().find(|used| !used.running);
            let names = names::of(transaction, image.as_str())?;
            let mut outcome = Outcome::default();
            if reference.is_empty() {
                let several = repositories(&names) > 1;
                if several && !request.force {
                    return Err(conflict(
                        &image,
                        "must be forced",
                        "image is referenced in multiple repositories",
                    ));
                }
            }
            if let Some(used) = running.filter(|_| reference.is_empty()) {
                let why = format!("image is being used by running container {}", used.short);
                return Err(conflict(&image, "cannot be forced", &why));
            }
            if let Some(used) = stopped.filter(|_| reference.is_empty() && !request.force) {
                let why = format!("image is being used by stopped container {}", used.short);
                return Err(conflict(&image, "must be forced", &why));
            }
            if reference.is_empty() {
                untag(transaction, &names.stored, &mut outcome)?;
            } else {
                let last = names.tags.len() <= 1;
                if let Some(used) = uses.first().filter(|_| last && !request.force) {
                    return Err(in_use(&reference, used, &image));
                }
                untag(transaction, &going(&names, &reference), &mut outcome)?;
            }
            let left = names::of(transaction, image.as_str())?;
            let kept_by_running = running.is_some();
            if left.stored.is_empty() && !kept_by_running {
                take_out(transaction, &image, &mut outcome)?;
            }
            outcome.freed.intend(transaction, self.engine)?;
            Ok(outcome)
        })?;
        failpoint("image-remove-recorded")?;
        index::keep_up(self.engine, &lock);
        self.tell(&image, &outcome.rows);
        self.discard(&outcome.freed, &lock)?;
        Ok(outcome.rows)
    }

    /// The last container that stood on this image is gone: take the image out when it was removed by force before.
    pub(crate) fn release(&self, image: &str) -> Result<()> {
        let image = Digest::parse(image)?;
        let hidden: bool = self.engine.store().read(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?1 AND hidden = 1)",
                )?
                .query_row([image.as_str()], |row| row.get(0))
        })?;
        if !hidden {
            return Ok(());
        }
        let lock = ContentLock::take(self.engine)?;
        let freed = self.engine.store().free(Durability::Full, |transaction| {
            let mut freed = Freed::default();
            if !sharing::is_used(transaction, &image)? {
                freed = sharing::forget(transaction, &image)?;
            }
            freed.intend(transaction, self.engine)?;
            Ok(freed)
        })?;
        index::keep_up(self.engine, &lock);
        self.discard(&freed, &lock)
    }

    pub(super) fn tell(&self, image: &Digest, rows: &[ImageRemoved]) {
        let id = image.as_str();
        for row in rows {
            if !row.untagged.is_empty() {
                events::image(self.engine, "untag", id, id);
            } else if row.deleted == id {
                events::image(self.engine, "delete", id, id);
            }
        }
    }

    fn uses(&self, image: &Digest) -> Result<Vec<Use>> {
        let users: Vec<User> =
            self.engine.store().read(|connection| sharing::users(connection, Some(image)))?;
        users
            .into_iter()
            .map(|user| {
                let running = Standing::of(self.engine, &user.id)?.is_running();
                Ok(Use { short: user.id[..12].to_owned(), running })
            })
            .collect()
    }

    /// Remove the files of what the record has let go. A crash in between leaves files that nothing names: the intent tells the
    /// next reconciliation to look for them.
    pub(super) fn discard(&self, freed: &Freed, _held: &ContentLock) -> Result<()> {
        if freed.is_empty() {
            return Ok(());
        }
        let layout = self.engine.layout();
        if !freed.layers.is_empty() {
            let layers = directory::open(&layout.layers())?;
            for chain in &freed.layers {
                directory::remove_tree(
                    std::os::fd::AsFd::as_fd(&layers),
                    Digest::parse(chain)?.hex(),
                )?;
            }
        }
        for digest in &freed.blobs {
            let path = super::blob::path(layout, &Digest::parse(digest)?);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::system(format!("remove {}", path.display()), error));
                }
                _ => {}
            }
        }
        failpoint("image-remove-discarded")?;
        self.engine.store().free(Durability::Crash, |transaction| match freed.intent {
            Some(intent) => Intent::finish(transaction, intent),
            None => Ok(()),
        })
    }
}

/// The containers that stood on the image, and those that were created since.
fn with_newcomers(
    transaction: &Transaction<'_>,
    image: &Digest,
    known: &[Use],
) -> Result<Vec<Use>> {
    let mut uses = known.to_vec();
    for user in sharing::users(transaction, Some(image))? {
        let short = user.id[..12].to_owned();
        if !uses.iter().any(|used| used.short == short) {
            uses.push(Use { short, running: false });
        }
    }
    Ok(uses)
}

/// How many repositories an image has names in.
fn repositories(names: &Names) -> usize {
    let mut repositories: Vec<String> = names
        .stored
        .iter()
        .filter_map(|stored| Reference::parse(stored).ok())
        .map(|reference| reference.repository())
        .collect();
    repositories.sort_unstable();
    repositories.dedup();
    repositories.len()
}

/// The names that go with `reference`: itself, and the digests of its repository when no other tag of it is left.
fn going(names: &Names, reference: &str) -> Vec<String> {
    let repository =
        |stored: &str| Reference::parse(stored).map(|r| r.repository()).unwrap_or_default();
    let here = repository(reference);
    let other_tag = names
        .stored
        .iter()
        .any(|stored| stored != reference && !stored.contains('@') && repository(stored) == here);
    names
        .stored
        .iter()
        .filter(|stored| {
            *stored == reference
                || (!other_tag && stored.contains('@') && repository(stored) == here)
        })
        .cloned()
        .collect()
}

pub(super) fn untag(
    transaction: &Transaction<'_>,
    stored: &[String],
    outcome: &mut Outcome,
) -> Result<()> {
    for reference in stored {
        transaction.execute("DELETE FROM tags WHERE reference = ?1", [reference])?;
        outcome
            .rows
            .push(ImageRemoved { untagged: familiar(reference), ..ImageRemoved::default() });
    }
    Ok(())
}

/// Take the image out of the record, or hide it while a container or a build stands on it.
pub(super) fn take_out(
    transaction: &Transaction<'_>,
    image: &Digest,
    outcome: &mut Outcome,
) -> Result<()> {
    let deleted = |id: &str| ImageRemoved { deleted: id.to_owned(), ..ImageRemoved::default() };
    if !sharing::is_used(transaction, image)? {
        outcome.freed = sharing::forget(transaction, image)?;
        outcome.rows.push(deleted(image.as_str()));
        outcome.rows.extend(outcome.freed.layers.iter().map(|layer| deleted(layer)));
    } else {
        transaction.execute("UPDATE images SET hidden = 1 WHERE id = ?1", [image.as_str()])?;
        outcome.rows.push(deleted(image.as_str()));
    }
    Ok(())
}

fn conflict(image: &Digest, how: &str, why: &str) -> Error {
    let short = image.short();
    Error::new(ErrorKind::Conflict, format!("conflict: unable to delete {short} ({how}) - {why}"))
        .with_reason("image_in_use")
        .about("image", image.as_str())
}

fn in_use(reference: &str, used: &Use, image: &Digest) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!(
            "conflict: unable to remove repository reference \"{}\" (must force) - container {} is using its referenced image {}",
            familiar(reference),
            used.short,
            image.short()
        ),
    )
    .with_reason("image_in_use")
    .about("image", familiar(reference))
}
