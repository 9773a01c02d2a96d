//! Documents as the record has them: JSON in a column of text, without what is as it is anyway.
//!
//! A request has some hundred fields of which a user says a few. The others would make its row ten times as long: more than a page, so
//! that whoever reads it has several to find, and each is one more that the log holds until it is written back.

use rusqlite::types::Type;
use rusqlite::{Error as Failure, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};

/// What is written.
pub(crate) fn text<T: Default + Serialize>(document: &T) -> Result<String> {
    let write = || -> serde_json::Result<String> {
        let mut value = serde_json::to_value(document)?;
        leave_out(&mut value, &serde_json::to_value(T::default())?);
        serde_json::to_string(&value)
    };
    write().map_err(|error| Error::internal("write a record").because(error))
}

/// Texts as a statement's `json_each` takes them.
pub(crate) fn array<T: AsRef<str> + Serialize>(texts: &[T]) -> rusqlite::Result<String> {
    serde_json::to_string(texts).map_err(|error| Failure::ToSqlConversionFailure(error.into()))
}

/// What is read: what is not there is as [`Default`] has it.
pub(crate) fn document<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| Failure::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// Take the fields out of an object that a default one has as well.
fn leave_out(value: &mut Value, default: &Value) {
    let (Value::Object(fields), Value::Object(defaults)) = (value, default) else { return };
    fields.retain(|name, field| match defaults.get(name) {
        Some(default) if field == default => false,
        Some(default) => {
            leave_out(field, default);
            true
        }
        None => true,
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::{ContainerCreate, HostConfig};

    #[test]
    fn only_what_is_said_is_written_and_all_of_it_is_read() {
        let document = ContainerCreate {
            image: "a".to_owned(),
            labels: [("b".to_owned(), String::new())].into(),
            host_config: HostConfig { memory: 5, ..HostConfig::default() },
            ..ContainerCreate::default()
        };
        let text = text(&document).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            written,
            json!({"Image": "a", "Labels": {"b": ""}, "HostConfig": {"Memory": 5}})
        );
        let read: ContainerCreate = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(document).unwrap());
    }

    /// A field that is said to be empty where its default is not must not become that.
    #[test]
    fn what_is_empty_and_has_another_default_is_kept() {
        let (mut value, default) =
            (json!({"a": [], "b": null, "c": {"d": 0}}), json!({"a": [1], "b": {}, "c": {"d": 0}}));
        leave_out(&mut value, &default);
        assert_eq!(value, json!({"a": [], "b": null}));
    }
}
