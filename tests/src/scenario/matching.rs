//! How a scenario says what a value must be.
//!
//! Objects: every named field must match, others may be there. Lists: as many, each matching. A string in angle brackets is a
//! pattern: `<any>`, `<absent>`, `<id>` (64 hexadecimal digits), `<digest>`, `<time>`, `<text>` (not empty), `<positive>`,
//! `<contains:…>`, `<begins:…>`, `<not:…>`. An object `{"<some>": X}` is a list one of whose items matches X, `{"<none>": X}` one
//! of whose items none does, `{"<length>": N}` a list, text or object of that length, `{"<all>": [X, Y]}` what matches each.
//! Anything else must be equal.

use serde_json::{Map, Value};

use super::Variables;

/// `$name` replaced by its value: a whole string by the value itself, a part of one by its text.
pub(super) fn substitute(value: &Value, variables: &Variables) -> Value {
    match value {
        Value::String(text) => {
            if let Some(found) = text.strip_prefix('$').and_then(|name| variables.get(name)) {
                return found.clone();
            }
            let mut text = text.clone();
            // Longest first, so that `$id` does not take the beginning of `$idle`.
            let mut names: Vec<&String> = variables.keys().collect();
            names.sort_by_key(|name| std::cmp::Reverse(name.len()));
            for name in names {
                if let Some(known) = variables[name].as_str() {
                    text = text.replace(&format!("${{{name}}}"), known);
                }
            }
            Value::String(text)
        }
        Value::Array(items) => items.iter().map(|item| substitute(item, variables)).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| {
                    let name = substitute(&Value::from(name.clone()), variables);
                    (name.as_str().unwrap_or_default().to_owned(), substitute(value, variables))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Whether `seen` is what `expected` says; otherwise where not.
pub(super) fn matches(expected: &Value, seen: &Value) -> Result<(), String> {
    at("", expected, seen)
}

fn at(path: &str, expected: &Value, seen: &Value) -> Result<(), String> {
    match expected {
        Value::String(text) if text.starts_with('<') && text.ends_with('>') => {
            pattern(path, &text[1..text.len() - 1], seen)
        }
        Value::Object(fields) => object(path, fields, seen),
        Value::Array(items) => {
            let Value::Array(found) = seen else { return wrong(path, expected, seen) };
            if found.len() != items.len() {
                return Err(format!("{path}: {} items, expected {}", found.len(), items.len()));
            }
            items.iter().zip(found).enumerate().try_for_each(|(index, (expected, seen))| {
                at(&format!("{path}/{index}"), expected, seen)
            })
        }
        _ if expected == seen => Ok(()),
        _ => wrong(path, expected, seen),
    }
}

fn object(path: &str, fields: &Map<String, Value>, seen: &Value) -> Result<(), String> {
    for (name, expected) in fields {
        match name.as_str() {
            "<some>" | "<none>" => {
                let Value::Array(found) = seen else { return wrong(path, expected, seen) };
                let any = found.iter().any(|item| at(path, expected, item).is_ok());
                if any != (name == "<some>") {
                    return Err(format!("{path}: {name} {expected} in {seen}"));
                }
            }
            "<all>" => {
                let all = expected.as_array().map_or(&[][..], Vec::as_slice);
                all.iter().try_for_each(|expected| at(path, expected, seen))?;
            }
            "<length>" => {
                let length = match seen {
                    Value::Array(items) => items.len(),
                    Value::Object(fields) => fields.len(),
                    Value::String(text) => text.len(),
                    _ => return wrong(path, expected, seen),
                };
                at(&format!("{path}/<length>"), expected, &Value::from(length))?;
            }
            _ => {
                let path = format!("{path}/{name}");
                match seen.get(name) {
                    Some(seen) => at(&path, expected, seen)?,
                    None if expected == "<absent>" => {}
                    None => return Err(format!("{path}: absent, expected {expected}")),
                }
            }
        }
    }
    Ok(())
}

fn pattern(path: &str, pattern: &str, seen: &Value) -> Result<(), String> {
    let text = seen.as_str();
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let fits = match pattern.split_once(':') {
        Some(("contains", part)) => text.is_some_and(|text| text.contains(part)),
        Some(("begins", part)) => text.is_some_and(|text| text.starts_with(part)),
        Some(("not", other)) => text.is_none_or(|text| text != other),
        _ => match pattern {
            "any" => true,
            "absent" => seen.is_null(),
            "id" => text.is_some_and(|text| hex(text, 64)),
            "digest" => {
                text.and_then(|t| t.strip_prefix("sha256:")).is_some_and(|text| hex(text, 64))
            }
            "time" => text.is_some_and(is_time),
            "text" => text.is_some_and(|text| !text.is_empty()),
            "positive" => seen.as_f64().is_some_and(|number| number > 0.0),
            other => return Err(format!("{path}: no such pattern <{other}>")),
        },
    };
    if fits { Ok(()) } else { Err(format!("{path}: {seen} is not <{pattern}>")) }
}

/// RFC 3339 in UTC, and not Docker's zero.
fn is_time(text: &str) -> bool {
    let shape = text.bytes().take(19).map(|b| if b.is_ascii_digit() { b'0' } else { b });
    shape.eq(*b"0000-00-00T00:00:00") && text.ends_with('Z') && !text.starts_with("0001")
}

fn wrong(path: &str, expected: &Value, seen: &Value) -> Result<(), String> {
    Err(format!("{path}: {seen}, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_that_are_not_named_may_be_there() {
        assert!(matches(&json!({"a": 1}), &json!({"a": 1, "b": 2})).is_ok());
        assert!(matches(&json!({"a": 1}), &json!({"a": 2})).is_err());
        assert!(matches(&json!({"a": 1}), &json!({})).is_err());
        assert!(matches(&json!({"a": "<absent>"}), &json!({})).is_ok());
        assert!(matches(&json!({"a": "<absent>"}), &json!({"a": 0})).is_err());
    }

    #[test]
    fn patterns_look_at_the_whole_value() {
        let id = "0123456789abcdef".repeat(4);
        assert!(matches(&json!("<id>"), &json!(id)).is_ok());
        assert!(matches(&json!("<id>"), &json!(format!("{id}0"))).is_err());
        assert!(matches(&json!("<time>"), &json!("2024-01-02T03:04:05.6Z")).is_ok());
        assert!(matches(&json!("<time>"), &json!("0001-01-01T00:00:00Z")).is_err());
        assert!(matches(&json!({"<some>": {"a": 1}}), &json!([{"a": 2}, {"a": 1}])).is_ok());
        assert!(matches(&json!({"<none>": {"a": 1}}), &json!([{"a": 1}])).is_err());
        assert!(matches(&json!({"<length>": 2}), &json!([1])).is_err());
        assert!(matches(&json!("<contains:x>"), &json!(5)).is_err());
    }

    #[test]
    fn variables_stand_for_values_and_for_parts_of_text() {
        let variables = Variables::from([("n".into(), json!(5)), ("t".into(), json!("x"))]);
        assert_eq!(
            substitute(&json!({"a": "$n", "b": "<${t}>"}), &variables),
            json!({"a": 5, "b": "<x>"})
        );
    }
}
