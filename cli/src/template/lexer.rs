//! A template's text in pieces: what is copied, and the tokens inside `{{…}}`.

use super::TemplateError;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// Copied as it is.
    Text(String),
    /// What stands between the braces.
    Action(Vec<Token>),
}

/// A token inside an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// `.Name`, or `.` alone (empty).
    Field(String),
    /// `$name`, or `$` alone (empty).
    Variable(String),
    /// A keyword or a function.
    Word(String),
    Text(String),
    Int(i64),
    Float(f64),
    Pipe,
    Open,
    Close,
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// Separates operands: `.A .B` are two, `.A.B` is one.
    Space,
}

/// Cut a template up.
pub(super) fn lex(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_next = false;
    while !rest.is_empty() {
        let (mut plain, action) = match rest.split_once("{{") {
            Some((plain, action)) => (plain, Some(action)),
            None => (rest, None),
        };
        if trim_next {
            plain = plain.trim_start_matches([' ', '\t', '\r', '\n']);
        }
        // `{{- ` trims the text before it, ` -}}` the text behind.
        let body = action.map(|body| match body.strip_prefix('-') {
            Some(trimmed) if trimmed.starts_with([' ', '\t', '\r', '\n']) => (trimmed, true),
            _ => (body, false),
        });
        if body.is_some_and(|(_, trims)| trims) {
            plain = plain.trim_end_matches([' ', '\t', '\r', '\n']);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain.to_owned()));
        }
        let Some((body, _)) = body else { break };
        let (tokens, after, trims) = action_tokens(body)?;
        trim_next = trims;
        rest = after;
        if let Some(tokens) = tokens {
            pieces.push(Piece::Action(tokens));
        }
    }
    Ok(pieces)
}

/// The tokens up to `}}`, the text after it, and whether that is trimmed. A comment has no tokens.
fn action_tokens(body: &str) -> Result<(Option<Vec<Token>>, &str, bool), TemplateError> {
    let unclosed = || TemplateError::new("unclosed action");
    if let Some(comment) = body.trim_start().strip_prefix("/*") {
        let (_, after) =
            comment.split_once("*/").ok_or_else(|| TemplateError::new("unclosed comment"))?;
        let after = after.trim_start();
        return match after.strip_prefix("-}}") {
            Some(after) => Ok((None, after, true)),
            None => Ok((None, after.strip_prefix("}}").ok_or_else(unclosed)?, false)),
        };
    }
    let mut tokens = Vec::new();
    let mut rest = body;
    loop {
        if let Some(after) = rest.strip_prefix("}}") {
            return Ok((Some(tokens), after, false));
        }
        if rest.starts_with([' ', '\t', '\r', '\n']) {
            let trimmed = rest.trim_start();
            if let Some(after) = trimmed.strip_prefix("-}}") {
                return Ok((Some(tokens), after, true));
            }
            tokens.push(Token::Space);
            rest = trimmed;
            continue;
        }
        if rest.is_empty() {
            return Err(unclosed());
        }
        let (token, after) = token(rest)?;
        tokens.push(token);
        rest = after;
    }
}

fn token(rest: &str) -> Result<(Token, &str), TemplateError> {
    let name_end =
        |text: &str| text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    for (text, token) in [
        ("|", Token::Pipe),
        ("(", Token::Open),
        (")", Token::Close),
        (",", Token::Comma),
        (":=", Token::Declare),
        ("=", Token::Assign),
    ] {
        if let Some(after) = rest.strip_prefix(text) {
            return Ok((token, after));
        }
    }
    let Some(first) = rest.chars().next() else {
        return Err(TemplateError::new("unclosed action"));
    };
    match first {
        '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
            let end = name_end(&rest[1..]) + 1;
            Ok((Token::Field(rest[1..end].to_owned()), &rest[end..]))
        }
        '$' => {
            let end = name_end(&rest[1..]) + 1;
            Ok((Token::Variable(rest[1..end].to_owned()), &rest[end..]))
        }
        '"' => quoted(rest),
        '`' => {
            let (text, after) = rest[1..]
                .split_once('`')
                .ok_or_else(|| TemplateError::new("unterminated raw quoted string"))?;
            Ok((Token::Text(text.to_owned()), after))
        }
        '0'..='9' | '+' | '-' | '.' => {
            let end = rest[1..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                .map_or(rest.len(), |end| end + 1);
            let text = &rest[..end];
            let number = text.parse().map(Token::Int).or_else(|_| text.parse().map(Token::Float));
            let number =
                number.map_err(|_| TemplateError::new(format!("bad number syntax: {text:?}")))?;
            Ok((number, &rest[end..]))
        }
        first if first.is_alphabetic() || first == '_' => {
            let end = name_end(rest);
            Ok((Token::Word(rest[..end].to_owned()), &rest[end..]))
        }
        other => Err(TemplateError::new(format!("unexpected {other:?} in an action"))),
    }
}

/// A string in double quotes, with Go's escapes.
fn quoted(rest: &str) -> Result<(Token, &str), TemplateError> {
    let wrong = || TemplateError::new("unterminated quoted string");
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Token::Text(text), &rest[at + 1..])),
            '\\' => {
                let (_, escape) = characters.next().ok_or_else(wrong)?;
                let mut code = |digits: usize| {
                    let code: String = characters.by_ref().take(digits).map(|(_, c)| c).collect();
                    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).ok_or_else(wrong)
                };
                text.push(match escape {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'v' => '\u{b}',
                    '\\' | '"' | '\'' => escape,
                    'x' => code(2)?,
                    'u' => code(4)?,
                    'U' => code(8)?,
                    _ => return Err(TemplateError::new(format!("unknown escape \\{escape}"))),
                });
            }
            '\n' => return Err(wrong()),
            character => text.push(character),
        }
    }
    Err(wrong())
}
