//! Filters of `builder prune`, by Docker's names.

use std::collections::BTreeMap;

use super::cache::Row;
use crate::error::Result;
use crate::filters::{self, Cleanup, Filters};

/// Which records are meant.
pub(super) struct CacheFilter {
    /// By when they were used last.
    age: Cleanup,
    ids: Vec<String>,
    kinds: Vec<String>,
    descriptions: Vec<String>,
    is_shared: Option<bool>,
    in_use: Option<bool>,
}

impl CacheFilter {
    pub(super) fn parse(given: &Filters) -> Result<CacheFilter> {
        let values = |name: &str| given.get(name).cloned().unwrap_or_default();
        let truth = |name: &str| filters::truth(name, &values(name));
        let mut others = given.clone();
        let own = ["id", "type", "description", "shared", "private", "inuse", "unused-for"];
        others.retain(|name, _| !own.contains(&name.as_str()));
        // What `until` was called first.
        if let Some(ages) = given.get("unused-for") {
            others.entry("until".to_owned()).or_default().extend(ages.iter().cloned());
        }
        let is_private = truth("private")?;
        Ok(CacheFilter {
            age: Cleanup::parse(&others)?,
            ids: values("id"),
            kinds: values("type"),
            descriptions: values("description"),
            is_shared: truth("shared")?.or(is_private.map(|is_private| !is_private)),
            in_use: truth("inuse")?,
        })
    }

    /// Any of the values of a filter, and all filters.
    pub(super) fn admits(&self, row: &Row) -> bool {
        let any = |values: &[String], fits: &dyn Fn(&str) -> bool| {
            values.is_empty() || values.iter().any(|value| fits(value))
        };
        let bare = row.key.trim_start_matches("sha256:");
        any(&self.ids, &|id| bare.starts_with(id.trim_start_matches("sha256:")))
            && any(&self.kinds, &|kind| kind == row.kind)
            && any(&self.descriptions, &|text| row.description.contains(text))
            && self.is_shared.is_none_or(|is_shared| is_shared == row.is_shared)
            && self.in_use.is_none_or(|in_use| in_use == row.in_use)
            && self.age.admits(row.used, &BTreeMap::new())
    }
}
