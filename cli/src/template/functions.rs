//! The functions a template can call.

use std::cmp::Ordering;

use serde_json::Value;

use super::{TemplateError, text};

type Result<T> = std::result::Result<T, TemplateError>;

/// Widest field of `printf` and `pad`.
const WIDTH: usize = 4096;

/// What Go takes for true: everything but false, 0, nil and what is empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// Call a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value> {
    let wrong = || {
        TemplateError::new(format!("wrong arguments for {name}: {} were given", arguments.len()))
    };
    let texts = || arguments.iter().map(text::of).collect::<Vec<String>>();
    Ok(match (name, arguments) {
        ("and" | "or", [first, ..]) => first.clone(),
        ("not", [value]) => (!is_true(value)).into(),
        ("eq", [first, others @ ..]) if !others.is_empty() => {
            others.iter().any(|other| is_equal(first, other)).into()
        }
        ("ne", [a, b]) => (!is_equal(a, b)).into(),
        ("lt", [a, b]) => (order(a, b)? == Ordering::Less).into(),
        ("le", [a, b]) => (order(a, b)? != Ordering::Greater).into(),
        ("gt", [a, b]) => (order(a, b)? == Ordering::Greater).into(),
        ("ge", [a, b]) => (order(a, b)? != Ordering::Less).into(),
        ("len", [value]) => length(value).ok_or_else(wrong)?.into(),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds).ok_or_else(wrong)?,
        ("json", [value]) => json(value).into(),
        ("join", [Value::Array(items), between]) => {
            let items: Vec<String> = items.iter().map(text::of).collect();
            items.join(&text::of(between)).into()
        }
        ("join", [Value::Null, _]) => "".into(),
        ("split", [whole, at]) => {
            let (whole, at) = (text::of(whole), text::of(at));
            whole.split(&*at).map(Value::from).collect::<Vec<_>>().into()
        }
        ("lower", [value]) => text::of(value).to_lowercase().into(),
        ("upper", [value]) => text::of(value).to_uppercase().into(),
        ("title", [value]) => title(&text::of(value)).into(),
        ("pad", [value, before, after]) => pad(value, before, after).ok_or_else(wrong)?.into(),
        ("truncate", [value, width]) => {
            let width = width.as_u64().ok_or_else(wrong)? as usize;
            text::of(value).chars().take(width).collect::<String>().into()
        }
        ("print", _) => texts().concat().into(),
        ("println", _) => format!("{}\n", texts().join(" ")).into(),
        ("printf", [format, values @ ..]) => printf(&text::of(format), values)?.into(),
        _ => return Err(wrong()),
    })
}

const KNOWN: [&str; 23] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "json",
    "join", "split", "lower", "upper", "title", "pad", "truncate", "print", "println", "printf",
];

/// A function of that name, for whoever reads a template: one that calls another is refused before it is filled in.
pub(super) fn find(name: &str) -> Result<&'static str> {
    let undefined = || TemplateError::new(format!("function {name:?} not defined"));
    KNOWN.iter().find(|known| **known == name).copied().ok_or_else(undefined)
}

/// A value as JSON, without what only this program has a use for.
fn json(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.keys().any(|name| name.starts_with('\u{0}')) => {
            let shown = fields.iter().filter(|(name, _)| !name.starts_with('\u{0}'));
            Value::Object(shown.map(|(name, value)| (name.clone(), value.clone())).collect())
                .to_string()
        }
        value => value.to_string(),
    }
}

fn is_equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering> {
    let order = match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
    };
    order.ok_or_else(|| TemplateError::new("incompatible types for comparison"))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        _ => None,
    }
}

/// `index .Labels "a"`, `index .Mounts 0 "Target"`. A key that is not there gives nothing, an index an error.
fn index(value: &Value, keys: &[Value]) -> Result<Value> {
    let mut value = value.clone();
    for key in keys {
        value = match (value, key) {
            (Value::Object(mut fields), Value::String(name)) => {
                // Go gives the zero value of the map's type, which for docker's labels is the empty text.
                fields.remove(name).unwrap_or_else(|| "".into())
            }
            (Value::Array(items), Value::Number(at)) => {
                let found = at.as_u64().and_then(|at| items.get(at as usize).cloned());
                found.ok_or_else(|| TemplateError::new(format!("index out of range: {at}")))?
            }
            (Value::Null, _) => return Err(TemplateError::new("index of untyped nil")),
            (_, key) => {
                return Err(TemplateError::new(format!("cannot index with {}", text::of(key))));
            }
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Option<Value> {
    let length = length(value)?;
    let bound = |at: usize, fallback: usize| match bounds.get(at) {
        Some(bound) => bound.as_u64().map(|bound| bound as usize),
        None => Some(fallback),
    };
    let range = bound(0, 0)?..bound(1, length)?;
    match value {
        Value::String(text) => text.get(range).map(Value::from),
        Value::Array(items) => items.get(range).map(|items| items.to_vec().into()),
        _ => None,
    }
}

fn title(text: &str) -> String {
    let mut first = true;
    let raise = |character: char| {
        let raised =
            if first { character.to_uppercase().to_string() } else { character.to_string() };
        first = !character.is_alphanumeric() && character != '\'';
        raised
    };
    text.chars().map(raise).collect()
}

fn pad(value: &Value, before: &Value, after: &Value) -> Option<String> {
    let text = text::of(value);
    if text.is_empty() {
        return Some(text);
    }
    let blanks =
        |count: &Value| Some(" ".repeat(usize::try_from(count.as_u64()?).ok()?.min(WIDTH)));
    Some(format!("{}{text}{}", blanks(before)?, blanks(after)?))
}

/// Go's `%v %s %d %q %t %f %x %%`, with width, precision, `-` and `0`.
fn printf(format: &str, values: &[Value]) -> Result<String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some((plain, verb)) = rest.split_once('%') {
        out.push_str(plain);
        let end = verb.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | ' ' | '#'));
        let Some(end) = end else { return Err(TemplateError::new("printf: a % without a verb")) };
        let (flags, letter) = (&verb[..end], verb[end..].chars().next().unwrap_or('%'));
        rest = &verb[end + letter.len_utf8()..];
        if letter == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            out.push_str(&format!("%!{letter}(MISSING)"));
            continue;
        };
        let left = flags.contains('-');
        let zeros = flags.starts_with('0') && !left;
        let numbers = flags.trim_start_matches(['-', '+', ' ', '#']);
        let (width, precision) = numbers.split_once('.').unwrap_or((numbers, ""));
        let width = width.parse::<usize>().unwrap_or(0);
        let precision = precision.parse::<usize>().ok();
        if width > WIDTH || precision.is_some_and(|precision| precision > WIDTH) {
            return Err(TemplateError::new("printf: the field is too wide"));
        }
        let text = verb_text(letter, value, precision);
        let blanks = width.saturating_sub(text.chars().count());
        match (left, zeros) {
            (true, _) => out.push_str(&format!("{text}{}", " ".repeat(blanks))),
            (_, true) => out.push_str(&format!("{}{text}", "0".repeat(blanks))),
            _ => out.push_str(&format!("{}{text}", " ".repeat(blanks))),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn verb_text(letter: char, value: &Value, precision: Option<usize>) -> String {
    let cut = |text: String| match precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    };
    match (letter, value) {
        ('s', value) => cut(text::of(value)),
        ('v', value) => text::of(value),
        ('q', value) => text::quoted(&cut(text::of(value))),
        ('d', Value::Number(number)) if !number.is_f64() => number.to_string(),
        ('t', Value::Bool(value)) => value.to_string(),
        ('f', Value::Number(number)) => {
            format!("{:.*}", precision.unwrap_or(6), number.as_f64().unwrap_or(0.0))
        }
        ('x', Value::Number(number)) if number.is_u64() => {
            format!("{:x}", number.as_u64().unwrap_or(0))
        }
        ('x', Value::String(text)) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
        (letter, value) => format!("%!{letter}({})", text::of(value)),
    }
}
