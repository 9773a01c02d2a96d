//! Words of a Dockerfile instruction: quotes, backslashes and variables, as the builder reads them.
//!
//! Variables are those of the image that is being made and never the caller's (P19). What is not set is empty.

/// Split at blanks outside of quotes, each word expanded.
pub(super) fn split(text: &str, env: &[String]) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut reader = Reader { rest: text, env };
    loop {
        reader.rest = reader.rest.trim_start();
        if reader.rest.is_empty() {
            return Ok(words);
        }
        words.push(reader.word(true)?);
    }
}

/// The whole text as one word, expanded.
pub(super) fn expand(text: &str, env: &[String]) -> Result<String, String> {
    Reader { rest: text, env }.word(false)
}

struct Reader<'a> {
    rest: &'a str,
    env: &'a [String],
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn word(&mut self, to_blank: bool) -> Result<String, String> {
        let mut word = String::new();
        let mut quote = None;
        loop {
            if quote.is_none() && to_blank && self.rest.starts_with(char::is_whitespace) {
                return Ok(word);
            }
            match (self.take(), quote) {
                (None, None) => return Ok(word),
                (None, Some(quote)) => return Err(format!("unterminated quote {quote}")),
                (Some('\''), Some('\'')) => quote = None,
                (Some(other), Some('\'')) => word.push(other),
                (Some('"'), Some('"')) => quote = None,
                (Some(mark @ ('\'' | '"')), None) => quote = Some(mark),
                (Some('\\'), quote) => match self.take() {
                    // In double quotes a backslash is itself, but before what it must hide.
                    Some(next) if quote.is_some() && !matches!(next, '"' | '$' | '\\') => {
                        word.push('\\');
                        word.push(next);
                    }
                    Some(next) => word.push(next),
                    None => word.push('\\'),
                },
                (Some('$'), _) => self.variable(&mut word)?,
                (Some(other), _) => word.push(other),
            }
        }
    }

    fn variable(&mut self, word: &mut String) -> Result<(), String> {
        if let Some(inner) = self.rest.strip_prefix('{') {
            let end = inner.find('}').ok_or("unterminated ${")?;
            let (text, rest) = (&inner[..end], &inner[end + 1..]);
            self.rest = rest;
            let name_end = text.find(|c| !is_name(c)).unwrap_or(text.len());
            let (name, modifier) = text.split_at(name_end);
            let value = self.value(name);
            let is_set = value.is_some_and(|value| !value.is_empty());
            match (name, modifier.get(..2), modifier) {
                ("", _, _) => return Err(format!("${{{text}}} is not a variable")),
                (_, _, "") => word.push_str(value.unwrap_or_default()),
                (_, Some(":-"), _) if is_set => word.push_str(value.unwrap_or_default()),
                (_, Some(":-"), _) => word.push_str(&modifier[2..]),
                (_, Some(":+"), _) if is_set => word.push_str(&modifier[2..]),
                (_, Some(":+"), _) => {}
                _ => return Err(format!("unsupported modifier in ${{{text}}}")),
            }
            return Ok(());
        }
        let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
        if end == 0 {
            word.push('$');
            return Ok(());
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.push_str(self.value(name).unwrap_or_default());
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        let entry = |entry: &'a String| entry.split_once('=').filter(|(key, _)| *key == name);
        self.env.iter().rev().find_map(entry).map(|(_, value)| value)
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_variables_are_read_as_the_builder_reads_them() {
        let env = ["A=1".to_owned(), "E=".to_owned()];
        for (text, words) in [
            ("a  b", vec!["a", "b"]),
            ("'a b' c", vec!["a b", "c"]),
            (r#""a $A" '$A'"#, vec!["a 1", "$A"]),
            (r"a\ b \$A", vec!["a b", "$A"]),
            (r#""\x\"""#, vec![r#"\x""#]),
            ("${A}x $Ax $E", vec!["1x", "", ""]),
            ("${E:-d} ${A:-d} ${A:+s} ${N:+s}", vec!["d", "1", "s", ""]),
            ("$ a$", vec!["$", "a$"]),
        ] {
            assert_eq!(split(text, &env).unwrap(), words, "{text}");
        }
        for text in ["\"a", "'a", "${A", "${}", "${A:?x}"] {
            assert!(split(text, &env).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn splitting_never_panics(text in "\\PC{0,40}") {
            let _ = split(&text, &[]);
            let _ = expand(&text, &[]);
        }
    }
}
