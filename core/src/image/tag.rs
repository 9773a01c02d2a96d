//! Giving an image another name.

use rusqlite::{Transaction, params};

use super::Images;
use super::digest::Digest;
use super::index;
use super::reference::Reference;
use crate::api::ImageTag;
use crate::error::Result;
use crate::events;
use crate::store::Durability;
use crate::sys::clock;

impl Images<'_> {
    /// Give an image another name. A name that another image had moves.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such image,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a malformed name or one with a digest.
    pub fn tag(&self, request: &ImageTag) -> Result<()> {
        let reference = Reference::parse_tag(&request.reference)?;
        let (image, _) = self.resolve_id(&request.name)?;
        self.engine.store().write(Durability::Full, |transaction| {
            set(transaction, &reference, &image, clock::now())
        })?;
        // The name is given, whatever becomes of the copy that others read; the next reconciliation tries again.
        let _ = index::bring_up_to_date(self.engine);
        events::image(self.engine, "tag", image.as_str(), &reference.familiar());
        Ok(())
    }
}

/// Let `reference` stand for `image`.
pub(super) fn set(
    transaction: &Transaction<'_>,
    reference: &Reference,
    image: &Digest,
    now: i64,
) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO tags (reference, image_id, tagged) VALUES (?1, ?2, ?3)
             ON CONFLICT (reference) DO UPDATE SET image_id = ?2, tagged = ?3",
        )?
        .execute(params![reference.to_string(), image.as_str(), now])?;
    Ok(())
}
