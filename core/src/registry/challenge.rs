//! `WWW-Authenticate` (RFC 9110, 11.6.1): how a registry says whom it would let in.

use std::collections::BTreeMap;

/// Longest header that is read, and most challenges in it.
const LONGEST: usize = 16 << 10;
const MOST: usize = 8;

/// One way to authenticate: a scheme in small letters and its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// A parameter's value; names are without case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The challenges of a header. One header may hold several, parted by the same comma as their parameters: what has no `=` after
    /// its first word begins another. What cannot be read ends the list; what was read before counts.
    pub(super) fn parse(header: &str) -> Vec<Challenge> {
        let mut found: Vec<Challenge> = Vec::new();
        if header.len() > LONGEST {
            return found;
        }
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let Some((word, after)) = token(rest) else { return found };
            let after_spaces = after.trim_start_matches([' ', '\t']);
            if let Some(value) = after_spaces.strip_prefix('=') {
                let Some(challenge) = found.last_mut() else { return found };
                let value = value.trim_start_matches([' ', '\t']);
                let Some((value, after)) = quoted(value).or_else(|| bare(value)) else {
                    return found;
                };
                // Of two of one name the first counts, wherever they came from.
                challenge.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
                rest = after;
            } else {
                if found.len() == MOST {
                    return found;
                }
                let scheme = word.to_ascii_lowercase();
                found.push(Challenge { scheme, parameters: BTreeMap::new() });
                rest = after;
            }
        }
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|b| !is_token(b)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn bare(text: &str) -> Option<(String, &str)> {
    // What is quoted and has no end is not bare either.
    let end = text.find([',', ' ', '\t', '"']).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// A quoted string, its backslashes resolved.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.strip_prefix('"')?.char_indices();
    let mut value = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Challenge;

    #[test]
    fn a_header_is_read_as_one_or_several_challenges() {
        let found = Challenge::parse(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].get("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(found[0].get("scope"), Some("repository:a/b:pull,push"));

        let found = Challenge::parse(r#"Basic realm="a \"b\"" , BEARER Realm=x, service = "y",,"#);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("realm"), Some("a \"b\""));
        assert_eq!((found[1].get("realm"), found[1].get("service")), (Some("x"), Some("y")));
        assert_eq!(Challenge::parse("Negotiate, Basic").len(), 2);
    }

    #[test]
    fn what_is_no_challenge_is_none() {
        for text in ["", ",", "=", "=x", "\"", "realm=\"x\"", "\u{e9}"] {
            assert_eq!(Challenge::parse(text), [], "{text:?}");
        }
        assert_eq!(Challenge::parse("Bearer realm=\"x")[0].get("realm"), None);
        assert!(Challenge::parse(&"a ".repeat(1000)).len() <= 8);
        assert!(Challenge::parse(&format!("Bearer realm=\"{}\"", "x".repeat(20_000))).is_empty());
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "\\PC{0,200}") {
            Challenge::parse(&text);
        }

        #[test]
        fn what_looks_like_one_never_panics(text in r#"[a-z",= \\é]{0,60}"#) {
            Challenge::parse(&text);
        }
    }
}
