//! Patterns of paths: those of Go's `filepath.Match` with `**` for any number of directories, as `.dockerignore` and `COPY` have them
//! (github.com/moby/patternmatcher). One pass over the path, whatever the pattern.

/// A pattern that was read.
#[derive(Clone, Debug)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Byte(u8),
    /// `?`: one byte that is no slash.
    One,
    /// `*`: any bytes that are no slash.
    Star,
    /// Any bytes.
    Any,
    /// The next pieces, so many, may be left out.
    Optional(usize),
    /// `[a-z]`.
    Class {
        not: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Pattern {
    /// Read one.
    ///
    /// # Errors
    /// Go's words for a bracket without an end.
    pub fn parse(text: &[u8]) -> Result<Pattern, String> {
        let wrong = || format!("syntax error in pattern {:?}", String::from_utf8_lossy(text));
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                b'*' if text.get(at) == Some(&b'*') => {
                    while text.get(at) == Some(&b'*') {
                        at += 1;
                    }
                    if at == text.len() {
                        pieces.push(Piece::Any);
                    } else {
                        at += usize::from(text[at] == b'/');
                        pieces.extend([Piece::Optional(2), Piece::Any, Piece::Byte(b'/')]);
                    }
                }
                b'*' => pieces.push(Piece::Star),
                b'?' => pieces.push(Piece::One),
                b'\\' => {
                    pieces.push(Piece::Byte(*text.get(at).ok_or_else(wrong)?));
                    at += 1;
                }
                b'[' => {
                    let (class, end) = class(text, at).ok_or_else(wrong)?;
                    pieces.push(class);
                    at = end;
                }
                byte => pieces.push(Piece::Byte(*byte)),
            }
        }
        Ok(Pattern { pieces })
    }

    /// Whether a text has a meaning beside itself.
    pub fn is_wild(text: &[u8]) -> bool {
        text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
    }

    /// Whether the whole path matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.last_end(path) == Some(path.len())
    }

    /// Whether the path or a directory above it matches.
    pub fn matches_or_above(&self, path: &[u8]) -> bool {
        self.ends(path, |at| at == path.len() || path[at] == b'/')
    }

    fn last_end(&self, path: &[u8]) -> Option<usize> {
        self.ends(path, |at| at == path.len()).then_some(path.len())
    }

    /// Whether a match from the beginning ends at a place that `good` takes.
    fn ends(&self, path: &[u8], good: impl Fn(usize) -> bool) -> bool {
        let last = self.pieces.len();
        let mut states = vec![false; last + 1];
        states[0] = true;
        for at in 0..=path.len() {
            self.close(&mut states);
            if states[last] && good(at) {
                return true;
            }
            let Some(byte) = path.get(at) else { return false };
            let mut next = vec![false; last + 1];
            for (position, piece) in self.pieces.iter().enumerate() {
                if !states[position] {
                    continue;
                }
                match piece {
                    Piece::Any => next[position] = true,
                    Piece::Star if *byte != b'/' => next[position] = true,
                    Piece::One if *byte != b'/' => next[position + 1] = true,
                    Piece::Byte(wanted) if wanted == byte => next[position + 1] = true,
                    Piece::Class { not, ranges } if *byte != b'/' => {
                        let within = ranges.iter().any(|(low, high)| (low..=high).contains(&byte));
                        next[position + 1] |= within != *not;
                    }
                    _ => {}
                }
            }
            if !next.contains(&true) {
                return false;
            }
            states = next;
        }
        false
    }

    /// What may be left out is.
    fn close(&self, states: &mut [bool]) {
        for (position, piece) in self.pieces.iter().enumerate() {
            if !states[position] {
                continue;
            }
            match piece {
                Piece::Any | Piece::Star => states[position + 1] = true,
                Piece::Optional(count) => {
                    states[position + 1] = true;
                    states[position + 1 + count] = true;
                }
                _ => {}
            }
        }
    }
}

/// The class that begins behind a bracket, and where it ends.
fn class(text: &[u8], mut at: usize) -> Option<(Piece, usize)> {
    let not = text.get(at) == Some(&b'^');
    at += usize::from(not);
    let mut ranges = Vec::new();
    let one = |at: &mut usize| -> Option<u8> {
        *at += usize::from(*text.get(*at)? == b'\\');
        let byte = *text.get(*at)?;
        *at += 1;
        Some(byte)
    };
    loop {
        if *text.get(at)? == b']' && !ranges.is_empty() {
            return Some((Piece::Class { not, ranges }, at + 1));
        }
        let low = one(&mut at)?;
        let high = match text.get(at)? {
            b'-' => {
                at += 1;
                one(&mut at)?
            }
            _ => low,
        };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// From moby/patternmatcher's own table, and Go's `filepath.Match`.
    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        for (pattern, path, matches) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", false),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("**/dir", "dir", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/file.txt", true),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            ("a[^b-d]e", "a/e", false),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcZdef", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*.go", "x/y.go", false),
            ("[]a]", "]", true),
        ] {
            let seen = Pattern::parse(pattern.as_bytes()).unwrap().matches(path.as_bytes());
            assert_eq!(seen, matches, "{pattern} {path}");
        }
        for wrong in ["a[", "a[^", "[a-", "a\\"] {
            assert!(Pattern::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_below_a_match_matches_too() {
        let pattern = Pattern::parse(b"a/*").unwrap();
        assert!(pattern.matches_or_above(b"a/b/c"));
        assert!(pattern.matches_or_above(b"a/b"));
        assert!(!pattern.matches_or_above(b"a"));
        assert!(!pattern.matches_or_above(b"b/a/b"));
    }

    #[test]
    fn a_long_pattern_costs_no_more_than_its_length() {
        let pattern = Pattern::parse("**/*a".repeat(200).as_bytes()).unwrap();
        assert!(!pattern.matches("a/".repeat(500).as_bytes()));
    }

    proptest! {
        #[test]
        fn reading_and_matching_never_panic(pattern in "[*?a/\\[\\]^-]{0,12}", path in "[a/b]{0,12}") {
            if let Ok(pattern) = Pattern::parse(pattern.as_bytes()) {
                let whole = pattern.matches(path.as_bytes());
                prop_assert!(!whole || pattern.matches_or_above(path.as_bytes()));
            }
        }
    }
}
