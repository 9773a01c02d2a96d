//! `--name=value` between an instruction's name and its arguments.

use super::word;

/// The flags of one instruction.
#[derive(Debug, Default)]
pub(super) struct Flags {
    given: Vec<(String, Option<String>)>,
}

impl Flags {
    /// Take the flags from the front of `text`; what is left.
    pub(super) fn take(text: &str, escape: char) -> (Flags, &str) {
        let mut flags = Flags::default();
        let mut rest = text.trim_start();
        while let Some(flag) = rest.strip_prefix("--") {
            let end = end_of_word(flag, escape);
            let (flag, after) = flag.split_at(end);
            rest = after.trim_start();
            if flag.is_empty() {
                break;
            }
            let flag = word::unquoted(flag, escape);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (flag, None),
            };
            flags.given.push((name, value));
        }
        (flags, rest)
    }

    /// A flag with a value; empty when it is not there.
    pub(super) fn value(&mut self, name: &str) -> Result<String, String> {
        let mut values = self.values(name)?;
        match (values.len(), values.pop()) {
            (0, _) | (_, None) => Ok(String::new()),
            (1, Some(value)) => Ok(value),
            _ => Err(format!("Duplicate flag specified: --{name}")),
        }
    }

    /// A flag that may be given several times.
    pub(super) fn values(&mut self, name: &str) -> Result<Vec<String>, String> {
        let taken: Vec<_> = self.given.extract_if(.., |(given, _)| given == name).collect();
        let value = |(_, value): (String, Option<String>)| {
            value.ok_or_else(|| format!("Missing a value on flag: {name}"))
        };
        taken.into_iter().map(value).collect()
    }

    /// A flag that is true or false.
    pub(super) fn truth(&mut self, name: &str) -> Result<bool, String> {
        let taken: Vec<_> = self.given.extract_if(.., |(given, _)| given == name).collect();
        match taken.as_slice() {
            [] => Ok(false),
            [(_, None)] => Ok(true),
            [(_, Some(value))] => match value.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("Expecting boolean value for flag {name}, not: {value}")),
            },
            _ => Err(format!("Duplicate flag specified: --{name}")),
        }
    }

    /// There is no other.
    pub(super) fn end(self, known: &[&str]) -> Result<(), String> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        Err(format!(
            "unknown flag: --{name}{}",
            super::instruction::did_you_mean(name, known, "--")
        ))
    }
}

fn end_of_word(text: &str, escape: char) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, next) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        match (next, quote) {
            (blank, None) if blank.is_whitespace() => return at,
            (other, quote) if other == escape && quote != Some('\'') => escaped = true,
            (mark, Some(open)) if mark == open => quote = None,
            (mark @ ('\'' | '"'), None) => quote = Some(mark),
            _ => {}
        }
    }
    text.len()
}
