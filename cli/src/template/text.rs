//! Values as Go prints them.

use serde_json::Value;

/// A value as `{{.}}` shows it.
pub(super) fn of(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        inner => nested(inner),
    }
}

fn nested(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(nested).collect::<Vec<_>>().join(" "))
        }
        Value::Object(fields) => {
            let shown = fields.iter().filter(|(name, _)| !name.starts_with('\u{0}'));
            let shown = shown.map(|(name, value)| format!("{name}:{}", nested(value)));
            format!("map[{}]", shown.collect::<Vec<_>>().join(" "))
        }
    }
}

/// A text in Go's double quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            character if character.is_control() && character < '\u{80}' => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(character)));
            }
            character if character.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
