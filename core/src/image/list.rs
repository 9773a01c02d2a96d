//! The images there are.

use std::collections::BTreeMap;

use super::Images;
use super::blob;
use super::digest::Digest;
use super::names::{self, Names};
use super::reference::Reference;
use super::sharing;
use crate::api::{ImageList, ImageSummary};
use crate::error::{Error, Result};

/// A row of the record.
struct Row {
    id: String,
    created: i64,
    size: i64,
    names: Names,
}

impl Images<'_> {
    /// The images there are, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for an unknown filter.
    pub fn list(&self, request: &ImageList) -> Result<Vec<ImageSummary>> {
        let filter = Filter::parse(self, &request.filters)?;
        let rows = self.engine.store().read(|connection| {
            let mut names = names::all(connection)?;
            let mut statement = connection.prepare_cached(
                "SELECT id, created, size FROM images WHERE hidden = 0 ORDER BY created DESC, id",
            )?;
            statement
                .query_map([], |row| {
                    let id: String = row.get(0)?;
                    let names = names.remove(&id).unwrap_or_default();
                    Ok(Row { id, created: row.get(1)?, size: row.get(2)?, names })
                })?
                .collect::<rusqlite::Result<Vec<Row>>>()
        })?;
        let mut images = Vec::with_capacity(rows.len());
        for row in rows {
            if !filter.admits_row(&row) {
                continue;
            }
            // One that is damaged is shown with what the record knows of it: it must be possible to find and remove it.
            let config =
                blob::config(self.engine.layout(), &Digest::parse(&row.id)?)?.unwrap_or_default();
            if !filter.admits_labels(&config.config.labels) {
                continue;
            }
            images.push(ImageSummary {
                id: row.id,
                parent_id: config.parent,
                repo_tags: filter.shown(row.names.tags),
                repo_digests: row.names.digests,
                created: row.created.div_euclid(1_000_000_000),
                size: row.size,
                shared_size: -1,
                labels: config.config.labels,
                containers: -1,
            });
        }
        Ok(images)
    }

    /// The same for `system df`: with what images share, and how many containers stand on each.
    pub(crate) fn usage(&self) -> Result<Vec<ImageSummary>> {
        let mut images = self.list(&ImageList { all: true, ..ImageList::default() })?;
        let (shared, users) = self.engine.store().read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT image_id, SUM(layers.size) FROM image_layers JOIN layers USING (chain_id)
                 WHERE (SELECT COUNT(*) FROM image_layers AS other
                        WHERE other.chain_id = image_layers.chain_id) > 1
                 GROUP BY image_id",
            )?;
            let shared: BTreeMap<String, i64> = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((shared, sharing::users(connection, None)?))
        })?;
        for image in &mut images {
            image.shared_size = shared.get(&image.id).copied().unwrap_or_default();
            image.containers = users.iter().filter(|user| user.image == image.id).count() as i64;
        }
        Ok(images)
    }

    /// Bytes of file content in all layers that images have, and of their blobs: what only the build cache has is counted there.
    pub(crate) fn sizes(&self) -> Result<(i64, i64)> {
        self.engine.store().read(|connection| {
            connection.query_row(
                "SELECT (SELECT IFNULL(SUM(size), 0) FROM layers
                         WHERE EXISTS (SELECT 1 FROM image_layers WHERE image_layers.chain_id = layers.chain_id)),
                        (SELECT IFNULL(SUM(size), 0) FROM blobs
                         WHERE EXISTS (SELECT 1 FROM image_layers WHERE blob = digest)
                         OR NOT EXISTS (SELECT 1 FROM build_cache WHERE blob = digest))",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }
}

/// Which images a list has: values of one name are alternatives (but labels must all hold), names must all hold.
#[derive(Default)]
struct Filter {
    references: Vec<String>,
    dangling: Option<bool>,
    labels: Vec<(String, Option<String>)>,
    before: Option<i64>,
    since: Option<i64>,
}

impl Filter {
    fn parse(images: &Images<'_>, filters: &BTreeMap<String, Vec<String>>) -> Result<Filter> {
        let mut filter = Filter::default();
        for (name, values) in filters {
            match name.as_str() {
                "reference" => filter.references.clone_from(values),
                "dangling" => {
                    for value in values {
                        filter.dangling = Some(match value.as_str() {
                            "true" | "1" => true,
                            "false" | "0" => false,
                            _ => {
                                return Err(Error::invalid(format!(
                                    "invalid filter 'dangling={value}'"
                                )));
                            }
                        });
                    }
                }
                "label" => {
                    let label = |value: &String| match value.split_once('=') {
                        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                        None => (value.clone(), None),
                    };
                    filter.labels = values.iter().map(label).collect();
                }
                "before" | "since" => {
                    for value in values {
                        let created = images.created(value)?;
                        if name == "before" {
                            filter.before = Some(filter.before.map_or(created, |b| b.min(created)));
                        } else {
                            filter.since = Some(filter.since.map_or(created, |s| s.max(created)));
                        }
                    }
                }
                _ => {
                    return Err(Error::invalid(format!("invalid filter '{name}'"))
                        .about("field", format!("Filters.{name}")));
                }
            }
        }
        Ok(filter)
    }

    fn admits_row(&self, row: &Row) -> bool {
        let dangling = row.names.tags.is_empty();
        self.dangling.is_none_or(|wanted| wanted == dangling)
            && self.before.is_none_or(|limit| row.created < limit)
            && self.since.is_none_or(|limit| row.created > limit)
            && (self.references.is_empty()
                || row.names.stored.iter().any(|stored| self.matches(stored)))
    }

    fn admits_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(name, wanted)| {
            labels
                .get(name)
                .is_some_and(|value| wanted.as_ref().is_none_or(|wanted| wanted == value))
        })
    }

    /// With a reference filter only the names that match it are shown, as Docker does.
    fn shown(&self, tags: Vec<String>) -> Vec<String> {
        if self.references.is_empty() {
            return tags;
        }
        tags.into_iter().filter(|tag| self.matches(tag)).collect()
    }

    fn matches(&self, name: &str) -> bool {
        let Ok(reference) = Reference::parse(name) else { return false };
        let (familiar, repository) = (reference.familiar(), reference.familiar_repository());
        self.references.iter().any(|pattern| {
            glob(pattern.as_bytes(), familiar.as_bytes())
                || glob(pattern.as_bytes(), repository.as_bytes())
        })
    }
}

impl Images<'_> {
    fn created(&self, name: &str) -> Result<i64> {
        let (id, _) = self.resolve_id(name)?;
        self.engine.store().read(|connection| {
            connection.query_row("SELECT created FROM images WHERE id = ?1", [id.as_str()], |row| {
                row.get(0)
            })
        })
    }
}

/// Go's `path.Match`, as far as names need it: `*` and `?` stop at a slash. Linear in both: the last star is retried only.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') if text[t] != b'/' => {}
            Some(&literal) if literal == text[t] && literal != b'?' => {}
            _ => match star {
                Some((at, from)) if text[from] != b'/' => {
                    (p, t) = (at + 1, from + 1);
                    star = Some((at, from + 1));
                    continue;
                }
                _ => return false,
            },
        }
        p += 1;
        t += 1;
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn stars_stay_within_a_path_component() {
        for (pattern, text, matches) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("*box*", "busybox:1", true),
            ("*", "user/name", false),
            ("user/*", "user/name:1", true),
            ("*/*:1", "user/name:1", true),
            ("b?x", "box", true),
            ("b?x", "b/x", false),
            ("", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), matches, "{pattern} {text}");
        }
    }
}
