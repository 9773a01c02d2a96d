//! Reading the JSON that comes with images: manifests, indexes, configurations.
//!
//! Stricter than serde_json by itself. A document that two programs can read in two ways (a name that stands twice: one
//! takes the first, the other the last) is refused, so that what is checked here is what others run (CVE-2021-41190 is the
//! best known of this class). Size is limited by the caller's reading, depth by serde_json (128).

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use crate::error::{Error, ErrorKind, Result};

/// Largest document that is read.
pub(crate) const MAX_SIZE: u64 = 4 << 20;

/// Read a document; `what` names it in errors.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    let malformed = |why: String| {
        Error::new(ErrorKind::Corrupt, format!("{what}: {why}")).with_reason("bad_json")
    };
    if bytes.len() as u64 > MAX_SIZE {
        return Err(malformed(format!("is larger than {} MiB", MAX_SIZE >> 20)));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| malformed(error.to_string()))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner();
        malformed(if path == "." { why.to_string() } else { format!("{path}: {why}") })
    })
}

/// A value in which no object has a name twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Strict)?;
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice")));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Value> {
        parse(text, "manifest")
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_at_any_depth() {
        let error = read(br#"{"a":{"b":1,"c":[{"b":1,"b":2}]}}"#).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains("\"b\" stands twice"), "{}", error.message());
    }

    #[test]
    fn what_is_not_one_json_document_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            &b""[..],
            b"{",
            b"{}{}",
            b"{} x",
            b"NaN",
            b"{\"a\":1e999}",
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
            b"{\"a\":\"\xff\"}",
            deep.as_bytes(),
        ] {
            assert!(read(text).is_err(), "{:?}", &text[..text.len().min(20)]);
        }
        let large = format!("\"{}\"", "x".repeat(MAX_SIZE as usize));
        assert!(read(large.as_bytes()).unwrap_err().message().contains("larger than 4 MiB"));
    }

    #[test]
    fn values_come_through_unchanged() {
        let text = r#"{"a":[1,-1,1.5,true,null,"x"],"b":{"c":18446744073709551615}}"#;
        assert_eq!(serde_json::to_string(&read(text.as_bytes()).unwrap()).unwrap(), text);
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
