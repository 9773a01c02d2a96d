//! Reading request documents: strict about names, generous about the forms a value may have.

use std::collections::BTreeMap;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::Value;

use crate::error::{Error, Result};

/// Parse a request document.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for text that is not JSON, and for an unknown field or a
/// wrong value, naming its path.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    let mut value: Value = serde_json::from_str(if text.trim().is_empty() { "{}" } else { text })
        .map_err(|error| {
        Error::invalid(format!("the request is not JSON: {error}")).with_reason("bad_json")
    })?;
    drop_nulls(&mut value);
    serde_path_to_error::deserialize(Strict(value)).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, &error.into_inner().to_string())
    })
}

/// A value of which no array is an object. To serde `[]` is an object too, one with all its fields left out.
struct Strict(Value);

impl<'de> Deserializer<'de> for Strict {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Object(map) => {
                let fields = map.into_iter().map(|(name, value)| (name, Strict(value)));
                let mut fields = MapDeserializer::new(fields);
                let value = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| value)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        match self.0 {
            Value::Object(_) => self.deserialize_any(visitor),
            Value::Array(_) => Err(serde_json::Error::custom("expected an object, not a list")),
            _ => Err(serde_json::Error::custom("expected an object")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> serde_json::Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> serde_json::Result<V::Value> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Strict {
    type Deserializer = Strict;

    fn into_deserializer(self) -> Strict {
        self
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Turn serde's message into ours: for an unknown field the nearest known one instead of the list of all.
fn explain(path: &str, message: &str) -> Error {
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`'));
    let Some((name, rest)) = unknown else {
        let place = if path == "." { "the request" } else { path };
        return Error::invalid(format!("{place}: {message}")).about("field", path);
    };
    let mut known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    known.sort_by(|a, b| {
        let likeness =
            |known: &str| strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase());
        likeness(b).total_cmp(&likeness(a))
    });
    let hint = match known.first() {
        Some(nearest)
            if strsim::jaro_winkler(&nearest.to_lowercase(), &name.to_lowercase()) > 0.7 =>
        {
            format!("; did you mean {nearest}?")
        }
        _ => String::new(),
    };
    // The path of an unknown field ends with the field itself.
    Error::invalid(format!("unknown field {path}{hint}"))
        .with_reason("unknown_field")
        .about("field", path)
}

/// A list of words that may also be given as one string: Docker's `strslice`.
pub(super) fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    Ok(
        match Words::deserialize(deserializer)
            .map_err(|_| D::Error::custom("expected a string or a list of strings"))?
        {
            Words::One(word) => vec![word],
            Words::Many(words) => words,
        },
    )
}

/// The same, where an empty list says something else than no list (`Cmd`, `Entrypoint`).
pub(super) fn some_words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Words(#[serde(deserialize_with = "words")] Vec<String>);
    Ok(Option::<Words>::deserialize(deserializer)?.map(|words| words.0))
}

/// `["K=V"]`, or `{"K": "V"}` as docker-py's users write it; a `null` value passes nothing.
pub(super) fn environment<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Environment {
        List(Vec<String>),
        Map(BTreeMap<String, Scalar>),
    }
    Ok(
        match Environment::deserialize(deserializer)
            .map_err(|_| D::Error::custom("expected a list of KEY=VALUE or a map of strings"))?
        {
            Environment::List(list) => list,
            Environment::Map(map) => {
                map.into_iter().map(|(name, value)| format!("{name}={}", value.0)).collect()
            }
        },
    )
}

/// A value that is text in the end, given as text, number or boolean.
struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Scalar(text)),
            Value::Number(number) => Ok(Scalar(number.to_string())),
            Value::Bool(value) => Ok(Scalar(value.to_string())),
            _ => Err(D::Error::custom("expected text")),
        }
    }
}

/// Bytes, as a number or as `512m`.
pub(super) fn size<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<i64, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => number
            .as_i64()
            .ok_or_else(|| D::Error::custom(format!("{number} is not a number of bytes"))),
        Value::String(text) => crate::shorthand::size_or_unlimited(&text)
            .map_err(|error| D::Error::custom(error.message())),
        other => Err(D::Error::custom(format!("{other} is not a size such as 512m"))),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::api::ContainerCreate;

    #[test]
    fn an_unknown_field_is_refused_with_its_path_and_its_nearest_neighbour() {
        let error =
            parse::<ContainerCreate>(r#"{"Image":"a","HostConfig":{"Memroy":1}}"#).unwrap_err();
        assert_eq!(error.message(), "unknown field HostConfig.Memroy; did you mean Memory?");
        assert_eq!(error.reason(), "unknown_field");
    }

    #[test]
    fn null_is_the_same_as_leaving_the_field_out() {
        let create: ContainerCreate =
            parse(r#"{"Image":"a","Cmd":null,"Labels":null,"HostConfig":{"Tmpfs":null}}"#).unwrap();
        assert_eq!(create.cmd, None);
    }

    #[test]
    fn short_forms_are_read_where_docker_reads_them() {
        let create: ContainerCreate = parse(
            r#"{"Image":"a","Cmd":"true","Env":{"A":1,"B":"x"},"HostConfig":{"Memory":"64m"}}"#,
        )
        .unwrap();
        assert_eq!(create.cmd, Some(vec!["true".to_owned()]));
        assert_eq!(create.env, ["A=1", "B=x"]);
        assert_eq!(create.host_config.memory, 64 << 20);
    }

    #[test]
    fn a_list_is_no_object() {
        for (document, field) in [
            (r#"{"Image":"a","HostConfig":[]}"#, "HostConfig"),
            (r#"{"Image":"a","HostConfig":{"LogConfig":[]}}"#, "HostConfig.LogConfig"),
            (r#"{"Image":"a","HostConfig":{"Ulimits":[[]]}}"#, "HostConfig.Ulimits[0]"),
            (r#"{"Image":"a","HostConfig":"x"}"#, "HostConfig"),
            ("[]", "the request"),
        ] {
            let error = parse::<ContainerCreate>(document).unwrap_err();
            let message = format!("{field}: expected an object");
            assert!(error.message().starts_with(&message), "{document}: {}", error.message());
        }
    }

    #[test]
    fn a_wrong_type_names_the_field() {
        let error =
            parse::<ContainerCreate>(r#"{"Image":"a","HostConfig":{"Memory":[]}}"#).unwrap_err();
        assert!(error.message().starts_with("HostConfig.Memory: "), "{}", error.message());
    }
}
