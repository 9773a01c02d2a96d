//! Documents as the record has them: JSON in a column of text.

use rusqlite::types::Type;
use rusqlite::{Error as Failure, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What is written.
pub(crate) fn text(document: &impl Serialize) -> Result<String> {
    serde_json::to_string(document)
        .map_err(|error| Error::internal("write a record").because(error))
}

/// What is read.
pub(crate) fn document<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| Failure::FromSqlConversionFailure(column, Type::Text, error.into()))
}
