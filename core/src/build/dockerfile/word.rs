//! Words of a Dockerfile instruction: quotes, escapes and variables, as BuildKit's shell lexer reads them
//! (docs.docker.com/reference/dockerfile, "Environment replacement").
//!
//! Variables are those of the Dockerfile and never the caller's environment (P19). What is not set is empty.

use super::glob;

/// Deepest nesting of `${a:-${b:-…}}`: each level is a call.
const MAX_DEPTH: usize = 64;

/// What reads words.
pub(crate) struct Words<'a> {
    /// The character that takes a meaning away: a backslash, or a backtick where the file says so.
    pub(crate) escape: char,
    /// The value of a variable.
    pub(crate) lookup: &'a dyn Fn(&str) -> Option<String>,
}

type Result<T> = std::result::Result<T, String>;

impl Words<'_> {
    /// The whole text as one word, expanded.
    pub(crate) fn expand(&self, text: &str) -> Result<String> {
        let mut reader = Reader { rest: text, words: self, depth: 0, pattern: false };
        let mut word = String::new();
        reader.until(None, &mut word)?;
        Ok(word)
    }

    /// Split at blanks outside of quotes and expand each word.
    pub(crate) fn split(&self, text: &str) -> Result<Vec<String>> {
        raw(text, self.escape)?.iter().map(|word| self.expand(word)).collect()
    }

    /// Text that is no word: variables and escapes count, quotes are text. What a here-document is.
    pub(crate) fn document(&self, text: &str) -> Result<String> {
        let mut reader = Reader { rest: text, words: self, depth: 0, pattern: false };
        let mut out = String::new();
        while let Some(next) = reader.take() {
            match next {
                '$' => reader.variable(&mut out)?,
                other if other == self.escape => match reader.take() {
                    Some(next) if next == '$' || next == self.escape => out.push(next),
                    Some(next) => out.extend([other, next]),
                    None => out.push(other),
                },
                other => out.push(other),
            }
        }
        Ok(out)
    }
}

/// Split at blanks outside of quotes; quotes, escapes and variables stay as they are.
pub(crate) fn raw(text: &str, escape: char) -> Result<Vec<String>> {
    let (mut words, mut word, mut quote, mut in_word) = (Vec::new(), String::new(), None, false);
    let mut characters = text.chars();
    while let Some(next) = characters.next() {
        if quote.is_none() && next.is_whitespace() {
            if in_word {
                words.push(std::mem::take(&mut word));
            }
            in_word = false;
            continue;
        }
        in_word = true;
        word.push(next);
        match (next, quote) {
            // In single quotes nothing is escaped.
            (escaping, quote) if escaping == escape && quote != Some('\'') => {
                word.extend(characters.next());
            }
            (mark, Some(open)) if mark == open => quote = None,
            (mark @ ('\'' | '"'), None) => quote = Some(mark),
            _ => {}
        }
    }
    if let Some(quote) = quote {
        return Err(format!("unterminated quote {quote} in {text:?}"));
    }
    if in_word {
        words.push(word);
    }
    Ok(words)
}

/// A word without its quotes and escapes; variables stay as they are.
pub(super) fn unquoted(word: &str, escape: char) -> String {
    let (mut out, mut quote) = (String::new(), None);
    let mut characters = word.chars();
    while let Some(next) = characters.next() {
        match (next, quote) {
            (mark, Some(open)) if mark == open => quote = None,
            (mark @ ('\'' | '"'), None) => quote = Some(mark),
            (other, quote) if other == escape && quote != Some('\'') => {
                out.extend(characters.next())
            }
            (other, _) => out.push(other),
        }
    }
    out
}

struct Reader<'a> {
    rest: &'a str,
    words: &'a Words<'a>,
    depth: usize,
    /// What is read is a pattern, in which an escaped character stays escaped.
    pattern: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    /// Read to the end, or to one of `ends` outside of quotes, which is taken; what it was.
    fn until(&mut self, ends: Option<&[char]>, out: &mut String) -> Result<Option<char>> {
        let mut quote = None;
        loop {
            match (self.take(), quote) {
                (None, None) => return Ok(None),
                (None, Some(quote)) => return Err(format!("unterminated quote {quote}")),
                (Some('\''), Some('\'')) => quote = None,
                (Some(other), Some('\'')) => out.push(other),
                (Some('"'), Some('"')) => quote = None,
                (Some(mark @ ('\'' | '"')), None) => quote = Some(mark),
                (Some(escape), quote) if escape == self.words.escape => match self.take() {
                    Some(next) if self.pattern => out.extend(['\\', next]),
                    // In double quotes it is itself, but before what it must hide.
                    Some(next)
                        if quote.is_some() && !matches!(next, '"' | '$') && next != escape =>
                    {
                        out.extend([escape, next]);
                    }
                    Some(next) => out.push(next),
                    None => out.push(escape),
                },
                (Some('$'), _) => self.variable(out)?,
                (Some(end), None) if ends.is_some_and(|ends| ends.contains(&end)) => {
                    return Ok(Some(end));
                }
                (Some(other), _) => out.push(other),
            }
        }
    }

    /// What follows a `$`.
    fn variable(&mut self, out: &mut String) -> Result<()> {
        if let Some(inner) = self.rest.strip_prefix('{') {
            self.rest = inner;
            let name = self.name();
            if name.is_empty() {
                return Err("syntax error: bad substitution".to_owned());
            }
            let value = (self.words.lookup)(name);
            return self.braced(name, value, out);
        }
        let name = self.name();
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&(self.words.lookup)(name).unwrap_or_default());
        }
        Ok(())
    }

    /// A name, a number, or one of the characters that are a shell's own parameters.
    fn name(&mut self) -> &'a str {
        let first = self.rest.chars().next();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = match first {
            Some(c) if c.is_ascii_digit() => self.rest.find(|c: char| !c.is_ascii_digit()),
            Some(c) if is_part(c) => self.rest.find(|c: char| !is_part(c)),
            Some('@' | '*' | '#' | '?' | '-' | '!' | '$') => Some(1),
            _ => Some(0),
        };
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name
    }

    /// `${name` was read.
    fn braced(&mut self, name: &str, value: Option<String>, out: &mut String) -> Result<()> {
        let unsupported =
            |modifier: &str| format!("unsupported modifier ({modifier}) in substitution");
        let modifier = self.take().ok_or("syntax error: missing '}'")?;
        match modifier {
            '}' => out.push_str(&value.unwrap_or_default()),
            ':' | '-' | '+' | '?' => {
                let colon = modifier == ':';
                let kind = match colon {
                    true => self.take().ok_or("syntax error: missing '}'")?,
                    false => modifier,
                };
                let word = self.word()?;
                // With the colon an empty value counts as none.
                let value = value.filter(|value| !colon || !value.is_empty());
                match (kind, value) {
                    ('-' | '?', Some(value)) => out.push_str(&value),
                    ('-', None) | ('+', Some(_)) => out.push_str(&word),
                    ('+', None) => {}
                    ('?', None) if word.is_empty() => {
                        let how = if colon {
                            "not allowed to be unset or empty"
                        } else {
                            "not allowed to be unset"
                        };
                        return Err(format!("{name}: {how}"));
                    }
                    ('?', None) => return Err(format!("{name}: {word}")),
                    (other, _) => return Err(unsupported(&format!(":{other}"))),
                }
            }
            mark @ ('#' | '%') => {
                let longest = self.rest.starts_with(mark);
                if longest {
                    self.take();
                }
                let (pattern, _) = self.pattern(&['}'])?;
                let value = value.unwrap_or_default();
                out.push_str(match mark {
                    '#' => glob::without_prefix(&value, &pattern, longest),
                    _ => glob::without_suffix(&value, &pattern, longest),
                });
            }
            '/' => {
                let all = self.rest.starts_with('/');
                if all {
                    self.take();
                }
                let (pattern, end) = self.pattern(&['/', '}'])?;
                let replacement = if end == '/' { self.word()? } else { String::new() };
                out.push_str(&glob::replaced(
                    &value.unwrap_or_default(),
                    &pattern,
                    &replacement,
                    all,
                ));
            }
            other => return Err(unsupported(&other.to_string())),
        }
        Ok(())
    }

    /// A word to the closing brace, expanded.
    fn word(&mut self) -> Result<String> {
        self.part(&['}']).map(|(word, _)| word)
    }

    fn pattern(&mut self, ends: &[char]) -> Result<(String, char)> {
        let outer = std::mem::replace(&mut self.pattern, true);
        let part = self.part(ends);
        self.pattern = outer;
        part
    }

    fn part(&mut self, ends: &[char]) -> Result<(String, char)> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("substitutions nested more than {MAX_DEPTH} levels deep"));
        }
        let mut word = String::new();
        let end = self.until(Some(ends), &mut word)?;
        self.depth -= 1;
        Ok((word, end.ok_or("syntax error: missing '}'")?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            "A" => "1",
            "EMPTY" => "",
            "FILE" => "/a/b.tar.gz",
            "NAME" => "foobarfoo",
            _ => return None,
        };
        Some(value.to_owned())
    }

    const WORDS: Words<'static> = Words { escape: '\\', lookup: &variable };

    #[test]
    fn quotes_and_variables_are_read_as_the_builder_reads_them() {
        for (text, words) in [
            ("a  b", vec!["a", "b"]),
            ("'a b' c", vec!["a b", "c"]),
            (r#""a $A" '$A'"#, vec!["a 1", "$A"]),
            (r"a\ b \$A", vec!["a b", "$A"]),
            (r#""\x\"""#, vec![r#"\x""#]),
            ("${A}x $Ax $EMPTY", vec!["1x", "", ""]),
            ("$ a$", vec!["$", "a$"]),
            ("a\"\"b ''", vec!["ab", ""]),
            ("$1x $@y", vec!["x", "y"]),
        ] {
            assert_eq!(WORDS.split(text).unwrap(), words, "{text}");
        }
    }

    #[test]
    fn every_modifier_of_the_reference() {
        for (text, expanded) in [
            ("${EMPTY:-d}|${EMPTY-d}|${NO:-d}|${NO-d}|${A:-d}", "d||d|d|1"),
            ("${EMPTY:+s}|${EMPTY+s}|${NO+s}|${A:+s}|${A+s}", "|s||s|s"),
            ("${A:?no}|${EMPTY?no}", "1|"),
            ("${NO:-${A}}|${NO:-a b}|${NO:-\"}\"}", "1|a b|}"),
            ("${NO:-${ALSO:-${A:+deep}}}", "deep"),
            ("${FILE#*/}|${FILE##*/}", "a/b.tar.gz|b.tar.gz"),
            ("${FILE%.*}|${FILE%%.*}", "/a/b.tar|/a/b"),
            ("${NAME#foo}|${NAME%foo}|${NAME#x}", "barfoo|foobar|foobarfoo"),
            (
                "${NAME/foo/x}|${NAME//foo/x}|${NAME//foo}|${NAME/b?r/-}",
                "xbarfoo|xbarx|bar|foo-foo",
            ),
            ("${NAME/#/x}", "foobarfoo"),
            (r"${NAME/\*/x}", "foobarfoo"),
        ] {
            assert_eq!(WORDS.expand(text).unwrap(), expanded, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        for (text, why) in [
            ("\"a", "unterminated quote"),
            ("'a", "unterminated quote"),
            ("${A", "missing '}'"),
            ("${}", "bad substitution"),
            ("${NO:?}", "NO: not allowed to be unset or empty"),
            ("${NO?gone}", "NO: gone"),
            ("${A^}", "unsupported modifier (^)"),
            ("${A:x}", "unsupported modifier (:x)"),
            ("${A:-x", "missing '}'"),
        ] {
            assert!(WORDS.expand(text).unwrap_err().contains(why), "{text}");
        }
        let deep = "${NO:-".repeat(200);
        assert!(WORDS.expand(&deep).unwrap_err().contains("nested"));
    }

    #[test]
    fn a_document_keeps_its_quotes() {
        assert_eq!(WORDS.document("a \"$A\" '$A' \\$A \\n\n").unwrap(), "a \"1\" '1' $A \\n\n");
    }

    #[test]
    fn a_backtick_escapes_where_the_file_says_so() {
        let words = Words { escape: '`', lookup: &variable };
        assert_eq!(words.split(r"C:\x a` b `$A").unwrap(), [r"C:\x", "a b", "$A"]);
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[ a'\"\\\\$\\{\\}:/#%*?-]{0,40}") {
            let _ = WORDS.split(&text);
            let _ = WORDS.expand(&text);
            let _ = WORDS.document(&text);
        }
    }
}
