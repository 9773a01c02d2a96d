//! Paths into a document: `HostConfig.Memory`, `Mounts.0.Target`, or a JSON pointer (RFC 6901).
//!
//! A path with a slash in front is a JSON pointer; it is the form for names that hold dots, as labels do:
//! `/Labels/com.example.role`. Any other is split at dots. A number is an index in an array and `-` the place after its
//! last element, as in RFC 6901 section 4.

use barque::{Error, Result};
use serde_json::Value;

/// Deepest path: serde_json reads back no document deeper than 128.
const DEPTH: usize = 64;

/// The names on the way.
pub(crate) fn split(path: &str) -> Result<Vec<String>> {
    let steps: Vec<String> = if path.is_empty() {
        Vec::new()
    } else if let Some(pointer) = path.strip_prefix('/') {
        pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
    } else {
        path.split('.').map(str::to_owned).collect()
    };
    if steps.len() > DEPTH {
        return Err(wrong(format!("a path of {} names is too deep", steps.len())));
    }
    if !path.starts_with('/') && steps.iter().any(String::is_empty) {
        return Err(wrong(format!("the path '{path}' has an empty name in it")));
    }
    Ok(steps)
}

/// The value at a path.
pub(crate) fn find<'a>(root: &'a Value, path: &str) -> Result<&'a Value> {
    let mut value = root;
    for step in split(path)? {
        let next = match value {
            Value::Object(fields) => fields.get(&step),
            Value::Array(items) => index(&step).and_then(|at| items.get(at)),
            _ => None,
        };
        value = next.ok_or_else(|| Error::not_found("field", path))?;
    }
    Ok(value)
}

/// The place for a value at a path. What is missing on the way is made: an array where the next name is `0` or `-`, an
/// object elsewhere.
pub(crate) fn place<'a>(root: &'a mut Value, path: &str) -> Result<&'a mut Value> {
    let mut value = root;
    for step in split(path)? {
        if value.is_null() {
            let starts_array = step == "-" || step == "0";
            *value =
                if starts_array { Value::Array(Vec::new()) } else { Value::Object(<_>::default()) };
        }
        value = match value {
            Value::Object(fields) => fields.entry(step).or_insert(Value::Null),
            Value::Array(items) => {
                let end = items.len();
                let at = if step == "-" { Some(end) } else { index(&step) };
                let Some(at) = at.filter(|at| *at <= end) else {
                    return Err(wrong(format!("'{step}' in {path} is no index of {end} elements")));
                };
                if at == end {
                    items.push(Value::Null);
                }
                &mut items[at]
            }
            _ => return Err(wrong(format!("{path}: there is a value where '{step}' would be"))),
        };
    }
    Ok(value)
}

/// Take a value away.
pub(crate) fn remove(root: &mut Value, path: &str) -> Result<Value> {
    let mut steps = split(path)?;
    let Some(last) = steps.pop() else { return Ok(root.take()) };
    let missing = || Error::not_found("field", path);
    let mut value = root;
    for step in &steps {
        let next = match value {
            Value::Object(fields) => fields.get_mut(step),
            Value::Array(items) => index(step).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        value = next.ok_or_else(missing)?;
    }
    match value {
        Value::Object(fields) => fields.remove(&last).ok_or_else(missing),
        Value::Array(items) => match index(&last) {
            Some(at) if at < items.len() => Ok(items.remove(at)),
            _ => Err(missing()),
        },
        _ => Err(missing()),
    }
}

/// An array index: digits without a leading zero.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0');
    (plain && step.bytes().all(|byte| byte.is_ascii_digit())).then(|| step.parse().ok())?
}

fn wrong(message: String) -> Error {
    Error::invalid(message).with_reason("bad_path").about("parameter", "path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_missing_on_the_way_is_made() {
        let mut root = Value::Null;
        *place(&mut root, "HostConfig.Memory").unwrap() = json!(1);
        *place(&mut root, "Cmd.-").unwrap() = json!("a");
        *place(&mut root, "Cmd.-").unwrap() = json!("b");
        *place(&mut root, "Mounts.0.Target").unwrap() = json!("/x");
        *place(&mut root, "/Labels/com.example~1role").unwrap() = json!("db");
        assert_eq!(
            root,
            json!({"HostConfig": {"Memory": 1}, "Cmd": ["a", "b"], "Mounts": [{"Target": "/x"}],
                   "Labels": {"com.example/role": "db"}})
        );
        assert_eq!(find(&root, "Cmd.1").unwrap(), "b");
        assert_eq!(remove(&mut root, "Cmd.0").unwrap(), "a");
        assert_eq!(find(&root, "Cmd").unwrap(), &json!(["b"]));
    }

    #[test]
    fn a_path_through_a_value_or_past_an_end_is_refused() {
        let mut root = json!({"Image": "a", "Cmd": []});
        assert!(place(&mut root, "Image.Name").is_err());
        assert!(place(&mut root, "Cmd.1").is_err());
        assert!(place(&mut root, "Cmd.01").is_err());
        assert!(split("a..b").is_err());
        assert!(split(&"a.".repeat(80)).is_err());
        assert_eq!(find(&root, "Cmd.0").unwrap_err().message(), "No such field: Cmd.0");
    }
}
