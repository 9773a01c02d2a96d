//! Filters that lists and clean-ups share: by label (`label=name`, `label=name=value`, and `label!=…` for none of them), by
//! age, and truth values.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::{shorthand, sys};

/// Filters as a request has them: names, and the values of each.
pub(crate) type Filters = BTreeMap<String, Vec<String>>;

/// What a clean-up is about.
#[derive(Debug, Default)]
pub(crate) struct Cleanup {
    labels: Labels,
    /// Made before this.
    until: Option<i64>,
}

impl Cleanup {
    /// Read what was asked for.
    pub(crate) fn parse(filters: &Filters) -> Result<Cleanup> {
        let mut cleanup = Cleanup::default();
        let now = sys::clock::now();
        for (name, values) in filters {
            match (name.as_str(), values.as_slice()) {
                ("label" | "label!", values) => cleanup.labels.add(name, values),
                ("until", [until]) => cleanup.until = Some(shorthand::timestamp(until, now)?),
                ("until", _) => {
                    return Err(Error::invalid("more than one until filter specified"));
                }
                _ => return Err(unknown(name)),
            }
        }
        Ok(cleanup)
    }

    /// Whether it is about a thing that was made then, nanoseconds since 1970, and has these labels.
    pub(crate) fn admits(&self, created: i64, labels: &BTreeMap<String, String>) -> bool {
        self.until.is_none_or(|until| created < until) && self.labels.admit(labels)
    }

    /// The same of a thing whose labels are not known: it cannot be said that it is meant when they are asked for.
    pub(crate) fn admits_unread(&self, created: i64) -> bool {
        self.labels.is_empty() && self.admits(created, &BTreeMap::new())
    }
}

/// The one truth value of a filter; `None`: it has none.
pub(crate) fn truth(name: &str, values: &[String]) -> Result<Option<bool>> {
    let mut truth = None;
    for value in values {
        let this = match value.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => return Err(Error::invalid(format!("invalid filter '{name}={value}'"))),
        };
        if truth.replace(this).is_some_and(|other| other != this) {
            return Err(Error::invalid(format!("invalid filter '{name}': both true and false")));
        }
    }
    Ok(truth)
}

/// The error for a filter that there is none of.
pub(crate) fn unknown(name: &str) -> Error {
    Error::invalid(format!("invalid filter '{name}'")).about("field", format!("Filters.{name}"))
}

/// Labels that a thing must have, and must not have.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    with: Vec<Label>,
    without: Vec<Label>,
}

/// A name, and the value where there is one.
type Label = (String, Option<String>);

impl Labels {
    /// Add the values of a filter `label` or `label!`.
    pub(crate) fn add(&mut self, filter: &str, values: &[String]) {
        let labels = values.iter().map(|text| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        });
        match filter {
            "label!" => self.without.extend(labels),
            _ => self.with.extend(labels),
        }
    }

    fn is_empty(&self) -> bool {
        self.with.is_empty() && self.without.is_empty()
    }

    /// Whether these are labels of a thing that is meant.
    pub(crate) fn admit(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(name, value): &Label| {
            let actual = labels.get(name);
            actual.is_some_and(|actual| value.as_ref().is_none_or(|value| value == actual))
        };
        self.with.iter().all(has) && !self.without.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    #[test]
    fn all_of_the_wanted_and_none_of_the_unwanted_labels() {
        let of = |with: &[&str], without: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            let mut labels = Labels::default();
            labels.add("label", &texts(with));
            labels.add("label!", &texts(without));
            labels
                .admit(&[("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())].into())
        };
        assert!(
            of(&[], &[]) && of(&["a"], &["c"]) && of(&["a=1", "b"], &["a=2"]) && of(&["b="], &[])
        );
        assert!(
            !of(&["a", "c"], &[])
                && !of(&["a=2"], &[])
                && !of(&[], &["a"])
                && !of(&["a"], &["a=1"])
        );
    }
}
