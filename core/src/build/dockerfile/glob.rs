//! A shell's patterns in substitutions: `*`, `?`, and a backslash before what is to mean itself.
//!
//! Not paths: a star goes over slashes here. Patterns of paths are `barque_monitor::gather::Pattern`.

/// One piece of a pattern.
enum Piece {
    Any,
    One,
    Char(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(next) = characters.next() {
        pieces.push(match next {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Char(characters.next().unwrap_or('\\')),
            other => Piece::Char(other),
        });
    }
    pieces
}

/// Where matches of the whole pattern from the beginning of `text` may end, ascending. One pass, whatever the pattern: a set of
/// states is carried along.
fn ends(pieces: &[Piece], text: &str) -> Vec<usize> {
    let mut states = vec![false; pieces.len() + 1];
    states[0] = true;
    close(pieces, &mut states);
    let mut ends = Vec::new();
    let mut at = 0;
    let mut characters = text.chars();
    loop {
        if states[pieces.len()] {
            ends.push(at);
        }
        let Some(character) = characters.next() else { return ends };
        at += character.len_utf8();
        let mut next = vec![false; pieces.len() + 1];
        for (position, piece) in pieces.iter().enumerate().filter(|(position, _)| states[*position])
        {
            match piece {
                Piece::Any => next[position] = true,
                Piece::One => next[position + 1] = true,
                Piece::Char(wanted) if *wanted == character => next[position + 1] = true,
                Piece::Char(_) => {}
            }
        }
        close(pieces, &mut next);
        if !next.contains(&true) {
            return ends;
        }
        states = next;
    }
}

/// A star may stand for nothing.
fn close(pieces: &[Piece], states: &mut [bool]) {
    for (position, piece) in pieces.iter().enumerate() {
        if states[position] && matches!(piece, Piece::Any) {
            states[position + 1] = true;
        }
    }
}

/// `text` without the shortest or longest beginning that matches.
pub(super) fn without_prefix<'a>(text: &'a str, pattern: &str, longest: bool) -> &'a str {
    let ends = ends(&pieces(pattern), text);
    let end = if longest { ends.last() } else { ends.first() };
    &text[end.copied().unwrap_or_default()..]
}

/// `text` without the shortest or longest end that matches.
pub(super) fn without_suffix<'a>(text: &'a str, pattern: &str, longest: bool) -> &'a str {
    let pieces = pieces(pattern);
    let matches = |at: &usize| ends(&pieces, &text[*at..]).last() == Some(&(text.len() - *at));
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]).filter(matches);
    let start = if longest { starts.next() } else { starts.next_back() };
    &text[..start.unwrap_or(text.len())]
}

/// `text` with the first or every longest match replaced.
pub(super) fn replaced(text: &str, pattern: &str, with: &str, all: bool) -> String {
    let pieces = pieces(pattern);
    let (mut out, mut rest, mut done) =
        (String::with_capacity(text.len()), text, pieces.is_empty());
    while let Some(next) = rest.chars().next() {
        let end =
            if done { None } else { ends(&pieces, rest).last().copied().filter(|end| *end > 0) };
        match end {
            Some(end) => {
                out.push_str(with);
                rest = &rest[end..];
                done = !all;
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}
