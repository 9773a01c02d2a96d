//! The instructions an image was made by.

use super::Images;
use super::config::instant;
use super::names;
use crate::api::HistoryRow;
use crate::error::Result;

impl Images<'_> {
    /// The instructions an image was made by, newest first. A layer that no instruction tells of has a row of its own.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is no such image.
    pub fn history(&self, name: &str) -> Result<Vec<HistoryRow>> {
        let image = self.resolve(name)?;
        let (sizes, tags) = self.engine.store().read(|connection| {
            let sizes: Vec<i64> = connection
                .prepare_cached(
                    "SELECT layers.size FROM image_layers JOIN layers USING (chain_id)
                     WHERE image_id = ?1 ORDER BY position",
                )?
                .query_map([&image.id], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((sizes, names::of(connection, &image.id)?.tags))
        })?;
        let mut sizes = sizes.into_iter();
        let mut rows: Vec<HistoryRow> = image
            .config
            .history
            .iter()
            .map(|step| HistoryRow {
                id: "<missing>".to_owned(),
                created: instant(&step.created).div_euclid(1_000_000_000),
                created_by: step.created_by.clone(),
                tags: Vec::new(),
                size: if step.empty_layer { 0 } else { sizes.next().unwrap_or_default() },
                comment: step.comment.clone(),
            })
            .collect();
        let untold = sizes.map(|size| HistoryRow {
            id: "<missing>".to_owned(),
            created: image.config.created_ns().div_euclid(1_000_000_000),
            size,
            ..HistoryRow::default()
        });
        rows.extend(untold);
        rows.reverse();
        if let Some(newest) = rows.first_mut() {
            newest.id = image.id;
            newest.tags = tags;
        }
        Ok(rows)
    }
}
