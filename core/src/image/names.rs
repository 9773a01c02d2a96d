//! The names an image has, as people see them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::reference::familiar;

/// An image's names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `name:tag` each.
    pub(super) tags: Vec<String>,
    /// `name@digest` each.
    pub(super) digests: Vec<String>,
    /// The same, in full, as the record has them.
    pub(super) stored: Vec<String>,
    /// When the last of them was given, nanoseconds since 1970; 0: never.
    pub(super) last: i64,
}

impl Names {
    fn add(&mut self, stored: String, tagged: i64) {
        let shown = familiar(&stored);
        if stored.contains('@') { &mut self.digests } else { &mut self.tags }.push(shown);
        self.stored.push(stored);
        self.last = self.last.max(tagged);
    }
}

/// The names of every image, by its id.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Names>> {
    let mut statement = connection
        .prepare_cached("SELECT image_id, reference, tagged FROM tags ORDER BY reference")?;
    let mut rows = statement.query([])?;
    let mut names: BTreeMap<String, Names> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        names.entry(row.get(0)?).or_default().add(row.get(1)?, row.get(2)?);
    }
    Ok(names)
}

/// The names of one image.
pub(super) fn of(connection: &Connection, image: &str) -> rusqlite::Result<Names> {
    let mut statement = connection.prepare_cached(
        "SELECT reference, tagged FROM tags WHERE image_id = ?1 ORDER BY reference",
    )?;
    let mut rows = statement.query([image])?;
    let mut names = Names::default();
    while let Some(row) = rows.next()? {
        names.add(row.get(0)?, row.get(1)?);
    }
    Ok(names)
}
