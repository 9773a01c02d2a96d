//! From text to instructions as they stand: directives, comments, continued lines, here-documents.
//!
//! The rules are BuildKit's (`frontend/dockerfile/parser`): a comment line inside a continued one is left out, an empty one too
//! (with a warning), leading blanks count only after the first line, and a here-document begins where `RUN`, `COPY` or `ADD` has
//! `<<NAME` as a word of its own.

use super::lint::{Rule, Warning};
use super::word;
use super::{Location, Mistake};

/// Longest Dockerfile, bytes.
pub(crate) const MAX_SIZE: usize = 4 << 20;

/// An instruction as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its name as it is written.
    pub(super) name: String,
    /// What follows, continued lines put together.
    pub(super) rest: String,
    pub(super) heredocs: Vec<Heredoc>,
    /// The comment in the line above.
    pub(super) comment: Option<String>,
    pub(super) location: Location,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heredoc {
    /// The word that ends it; for `COPY` the file's name.
    pub(crate) name: String,
    pub(crate) content: String,
    /// Variables in it are replaced: its name has no quotes.
    pub(crate) expand: bool,
    /// The descriptor in front of `<<`.
    pub(crate) descriptor: Option<u32>,
}

/// The lines of a Dockerfile.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) escape: char,
    pub(super) lines: Vec<Line>,
    pub(super) warnings: Vec<Warning>,
    /// Of `# check=`.
    pub(super) check: String,
}

/// Read a Dockerfile.
pub(super) fn read(text: &str) -> Result<Lines, Mistake> {
    if text.len() > MAX_SIZE {
        return Err(Mistake::new(1, format!("the file is larger than {} MiB", MAX_SIZE >> 20)));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { rest: text.lines().enumerate(), warnings: Vec::new() };
    let Directives { escape, check, first } = directives(&mut reader)?;
    let mut lines = Vec::new();
    let (mut next, mut comment) = (first, None);
    while let Some((number, line)) = next.take().or_else(|| reader.next()) {
        if is_blank(line) {
            let text = line.trim_start().strip_prefix('#');
            comment = text.map(|text| text.trim().to_owned());
            continue;
        }
        let line = reader.instruction(number, line, escape)?;
        lines.push(Line { comment: comment.take(), ..line });
    }
    Ok(Lines { escape, lines, warnings: reader.warnings, check })
}

struct Reader<'a> {
    rest: std::iter::Enumerate<std::str::Lines<'a>>,
    warnings: Vec<Warning>,
}

struct Directives<'a> {
    escape: char,
    check: String,
    /// The line behind them, which was read.
    first: Option<(usize, &'a str)>,
}

/// `# name=value` lines at the top of the file.
fn directives<'a>(reader: &mut Reader<'a>) -> Result<Directives<'a>, Mistake> {
    let mut found = Directives { escape: '\\', check: String::new(), first: None };
    let mut seen: Vec<String> = Vec::new();
    while let Some((number, line)) = reader.next() {
        let directive = line.trim_start().strip_prefix('#').and_then(|text| text.split_once('='));
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let Some((name, value)) = directive
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
            .filter(|(name, value)| is_name(name) && !value.is_empty())
        else {
            found.first = Some((number, line));
            return Ok(found);
        };
        // Any other word is a comment, and ends them.
        if !matches!(name.as_str(), "syntax" | "escape" | "check") {
            return Ok(found);
        }
        if seen.contains(&name) {
            let message = format!("only one {name} parser directive can be used");
            return Err(Mistake::new(number, message));
        }
        match (name.as_str(), value) {
            ("escape", "\\") => found.escape = '\\',
            ("escape", "`") => found.escape = '`',
            ("escape", other) => {
                let message = format!("invalid ESCAPE '{other}'. Must be ` or \\");
                return Err(Mistake::new(number, message));
            }
            ("check", value) => found.check = value.to_owned(),
            // Whose syntax it is does not matter: there is one reader, and it is this.
            _ => {}
        }
        seen.push(name);
    }
    Ok(found)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

impl<'a> Reader<'a> {
    /// The next line and its number.
    fn next(&mut self) -> Option<(usize, &'a str)> {
        self.rest.next().map(|(index, line)| (index + 1, line))
    }

    /// The instruction that begins in this line.
    fn instruction(&mut self, first: usize, line: &'a str, escape: char) -> Result<Line, Mistake> {
        let mut last = first;
        let mut whole = String::new();
        let mut continued = continue_into(&mut whole, line.trim_start(), escape);
        let mut empty = None;
        while continued {
            let Some((number, line)) = self.next() else { break };
            last = number;
            if line.trim_start().starts_with('#') {
                continue;
            }
            if line.trim().is_empty() {
                empty = empty.or(Some(number));
                continue;
            }
            continued = continue_into(&mut whole, line, escape);
        }
        if let Some(number) = empty {
            self.warnings.push(Rule::NoEmptyContinuation.at(number, "Empty continuation line"));
        }
        let whole = whole.trim();
        let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((whole, ""));
        let mut heredocs = Vec::new();
        for (mut heredoc, chomp) in beginnings(name, rest, escape) {
            heredoc.content = self.heredoc(&heredoc.name, chomp, first, &mut last)?;
            heredocs.push(heredoc);
        }
        Ok(Line {
            name: name.to_owned(),
            rest: rest.trim_start().to_owned(),
            heredocs,
            comment: None,
            location: Location { first, last },
        })
    }

    fn heredoc(
        &mut self,
        name: &str,
        chomp: bool,
        first: usize,
        last: &mut usize,
    ) -> Result<String, Mistake> {
        let mut content = String::new();
        while let Some((number, line)) = self.next() {
            *last = number;
            let line = if chomp { line.trim_start_matches('\t') } else { line };
            if line == name {
                return Ok(content);
            }
            content.push_str(line);
            content.push('\n');
        }
        Err(Mistake::new(first, format!("unterminated heredoc: the line {name:?} is missing")))
    }
}

/// Append a line; whether it is continued in the next.
fn continue_into(whole: &mut String, line: &str, escape: char) -> bool {
    let trimmed = line.trim_end_matches([' ', '\t']);
    match trimmed.strip_suffix(escape) {
        // An escape that is escaped is a character.
        Some(before) if !before.ends_with(escape) => {
            whole.push_str(before);
            true
        }
        _ => {
            whole.push_str(line);
            false
        }
    }
}

/// The here-documents that an instruction begins, and whether tabs are taken away from their lines.
fn beginnings(name: &str, rest: &str, escape: char) -> Vec<(Heredoc, bool)> {
    let (mut name, mut rest) = (name, rest.trim_start());
    if name.eq_ignore_ascii_case("ONBUILD") {
        (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    }
    let takes = ["RUN", "COPY", "ADD"].iter().any(|other| name.eq_ignore_ascii_case(other));
    if !takes || !rest.contains("<<") || serde_json::from_str::<Vec<String>>(rest).is_ok() {
        return Vec::new();
    }
    // What a shell could not split has none.
    let words = word::raw(rest, escape).unwrap_or_default();
    words.iter().filter_map(|word| beginning(word, escape)).collect()
}

/// `3<<-"NAME"`.
fn beginning(word: &str, escape: char) -> Option<(Heredoc, bool)> {
    let (descriptor, name) = word.split_once("<<")?;
    if !descriptor.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let chomp = name.starts_with('-');
    let quoted = name.strip_prefix('-').unwrap_or(name);
    if quoted.is_empty() || quoted.contains('<') {
        return None;
    }
    let name = word::unquoted(quoted, escape);
    let expand = name == quoted;
    let descriptor = descriptor.parse().ok();
    Some((Heredoc { name, content: String::new(), expand, descriptor }, chomp))
}
