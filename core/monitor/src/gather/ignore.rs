//! What is left out of a build's context: the patterns of a `.dockerignore`.
//!
//! The last pattern that matches a path or a directory above it decides; `!` takes back what one before it left out. So a directory
//! that is left out is walked all the same where something in it may be taken back.

use super::pattern::Pattern;

/// Most patterns.
const MOST: usize = 10_000;

/// The patterns of a `.dockerignore`, and of `--exclude`.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
    takes_back: bool,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    /// `!`.
    back: bool,
}

/// What becomes of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    Taken,
    /// It is left out; something below it may not be.
    Passed,
    /// It is left out, and so is all below it.
    LeftOut,
}

impl Ignore {
    /// The lines of a file.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn file(text: &str) -> Result<Ignore, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ignore::patterns(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// One pattern each.
    ///
    /// # Errors
    /// As [`Ignore::file`].
    pub fn patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Ignore, String> {
        let mut ignore = Ignore::default();
        for text in patterns {
            let text = text.trim();
            let (back, text) = match text.strip_prefix('!') {
                Some(text) => (true, text.trim()),
                None => (false, text),
            };
            if text.is_empty() {
                if back {
                    return Err("illegal exclusion pattern: \"!\"".to_owned());
                }
                continue;
            }
            let path = clean(text);
            if path.is_empty() {
                continue;
            }
            if ignore.rules.len() == MOST {
                return Err(format!("more than {MOST} patterns"));
            }
            ignore.rules.push(Rule { pattern: Pattern::parse(path.as_bytes())?, back });
            ignore.takes_back |= back;
        }
        Ok(ignore)
    }

    /// What becomes of the path, which is relative and clean.
    pub fn verdict(&self, path: &[u8]) -> Verdict {
        let mut left_out = false;
        for rule in &self.rules {
            if rule.back == left_out && rule.pattern.matches_or_above(path) {
                left_out = !rule.back;
            }
        }
        match left_out {
            false => Verdict::Taken,
            true if self.takes_back => Verdict::Passed,
            true => Verdict::LeftOut,
        }
    }
}

/// Go's `filepath.Clean`, without a slash at either end; empty for the root.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let ignore = Ignore::file(
            "\u{feff}# a comment\n\n  *.md  \n!README.md\n/build/\nnode_modules\n!node_modules/keep\n**/*.tmp\n./x/../y\n",
        )
        .unwrap();
        for (path, verdict) in [
            ("a.md", Verdict::Passed),
            ("README.md", Verdict::Taken),
            ("docs/a.md", Verdict::Taken),
            ("build", Verdict::Passed),
            ("build/x/y", Verdict::Passed),
            ("sub/build", Verdict::Taken),
            ("node_modules", Verdict::Passed),
            ("node_modules/a", Verdict::Passed),
            ("node_modules/keep", Verdict::Taken),
            ("node_modules/keep/a", Verdict::Taken),
            ("a/b/c.tmp", Verdict::Passed),
            ("c.tmp", Verdict::Passed),
            ("y", Verdict::Passed),
            ("x", Verdict::Taken),
        ] {
            assert_eq!(ignore.verdict(path.as_bytes()), verdict, "{path}");
        }
        let ignore = Ignore::file("*\n").unwrap();
        assert_eq!(ignore.verdict(b"a"), Verdict::LeftOut);
        assert!(Ignore::file("!\n").is_err());
        assert!(Ignore::file("[a\n").is_err());
        assert_eq!(Ignore::file("/\n.\n").unwrap().verdict(b"a"), Verdict::Taken);
    }
}
