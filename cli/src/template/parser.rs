//! From tokens to a tree.

use super::lexer::{Piece, Token};
use super::{TemplateError, functions};

/// Deepest nesting of blocks and parentheses: a template is read by recursion.
const DEPTH: usize = 64;

/// A part of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Show(Pipeline),
    If { condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, each: Vec<Node>, otherwise: Vec<Node> },
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Variables that take the value; with two, `range` puts the index into the first.
    pub(super) names: Vec<String>,
    /// They are new, `:=`, and not assigned to, `=`.
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A function or a value, and arguments.
#[derive(Debug)]
pub(super) struct Command(pub(super) Vec<Operand>);

#[derive(Debug)]
pub(super) struct Operand {
    pub(super) base: Base,
    /// `.A.B` after it.
    pub(super) fields: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Base {
    Dot,
    Variable(String),
    Function(&'static str),
    Literal(serde_json::Value),
    Nested(Pipeline),
}

/// Read the pieces.
pub(super) fn parse(pieces: &[Piece]) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser { pieces, at: 0 };
    let (nodes, end) = parser.block(0)?;
    match end {
        None => Ok(nodes),
        Some(end) => Err(TemplateError::new(format!("unexpected {{{{{}}}}}", end.word()))),
    }
}

/// What ended a block.
enum End<'a> {
    End,
    Else(&'a [Token]),
}

impl End<'_> {
    fn word(&self) -> &'static str {
        match self {
            End::End => "end",
            End::Else(_) => "else",
        }
    }
}

struct Parser<'a> {
    pieces: &'a [Piece],
    at: usize,
}

impl<'a> Parser<'a> {
    fn block(&mut self, depth: usize) -> Result<(Vec<Node>, Option<End<'a>>), TemplateError> {
        if depth > DEPTH {
            return Err(TemplateError::new("blocks are nested too deep"));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.at) {
            self.at += 1;
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.clone()));
                    continue;
                }
                Piece::Action(tokens) => trimmed(tokens),
            };
            match tokens {
                [Token::Word(word)] if word == "end" => return Ok((nodes, Some(End::End))),
                [Token::Word(word), rest @ ..] if word == "else" => {
                    return Ok((nodes, Some(End::Else(trimmed(rest)))));
                }
                [Token::Word(word), rest @ ..] if is_block(word) => {
                    nodes.push(self.control(word, rest, depth)?);
                }
                [Token::Word(word), ..]
                    if matches!(
                        word.as_str(),
                        "define" | "template" | "block" | "break" | "continue"
                    ) =>
                {
                    return Err(TemplateError::new(format!("{word} is not supported")));
                }
                tokens => nodes.push(Node::Show(pipeline(tokens, depth)?)),
            }
        }
        Ok((nodes, None))
    }

    fn control(&mut self, word: &str, head: &[Token], depth: usize) -> Result<Node, TemplateError> {
        let head = pipeline(trimmed(head), depth)?;
        let unclosed =
            || TemplateError::new(format!("unexpected EOF: {{{{{word}}}}} has no {{{{end}}}}"));
        let (then, end) = self.block(depth + 1)?;
        let otherwise = match end.ok_or_else(unclosed)? {
            End::End => Vec::new(),
            End::Else([]) => {
                let (otherwise, end) = self.block(depth + 1)?;
                match end.ok_or_else(unclosed)? {
                    End::End => otherwise,
                    End::Else(_) => return Err(TemplateError::new("unexpected {{else}}")),
                }
            }
            // `{{else if …}}` shares its `{{end}}` with the outer one.
            End::Else([Token::Word(inner), rest @ ..]) if is_block(inner) && inner != "range" => {
                vec![self.control(inner, rest, depth + 1)?]
            }
            End::Else(_) => return Err(TemplateError::new("unexpected words after else")),
        };
        Ok(match word {
            "if" => Node::If { condition: head, then, otherwise },
            "with" => Node::With { value: head, then, otherwise },
            _ => Node::Range { over: head, each: then, otherwise },
        })
    }
}

fn is_block(word: &str) -> bool {
    matches!(word, "if" | "with" | "range")
}

fn trimmed(mut tokens: &[Token]) -> &[Token] {
    while let [Token::Space, rest @ ..] | [rest @ .., Token::Space] = tokens {
        tokens = rest;
    }
    tokens
}

/// `$x := a | b c`.
fn pipeline(tokens: &[Token], depth: usize) -> Result<Pipeline, TemplateError> {
    if depth > DEPTH {
        return Err(TemplateError::new("parentheses are nested too deep"));
    }
    let sign = tokens.iter().position(|token| matches!(token, Token::Declare | Token::Assign));
    let (mut names, mut declares, mut rest) = (Vec::new(), false, tokens);
    if let Some(sign) = sign {
        for token in &tokens[..sign] {
            match token {
                Token::Variable(name) if !name.is_empty() => names.push(name.clone()),
                Token::Space | Token::Comma => {}
                _ => return Err(TemplateError::new("only variables can be assigned to")),
            }
        }
        if names.is_empty() || names.len() > 2 {
            return Err(TemplateError::new("one or two variables can be assigned to"));
        }
        declares = tokens[sign] == Token::Declare;
        rest = &tokens[sign + 1..];
    }
    let mut commands = Vec::new();
    let (mut level, mut start) = (0usize, 0);
    for (at, token) in rest.iter().enumerate() {
        match token {
            Token::Open => level += 1,
            Token::Close => level = level.saturating_sub(1),
            Token::Pipe if level == 0 => {
                commands.push(command(&rest[start..at], depth)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    commands.push(command(&rest[start..], depth)?);
    Ok(Pipeline { names, declares, commands })
}

fn command(tokens: &[Token], depth: usize) -> Result<Command, TemplateError> {
    let mut operands: Vec<Operand> = Vec::new();
    let mut rest = trimmed(tokens);
    let mut apart = true;
    while let [first, after @ ..] = rest {
        rest = after;
        let base = match first {
            Token::Space => {
                apart = true;
                continue;
            }
            Token::Field(name) if !apart && !name.is_empty() => {
                // It follows a value without a blank: a field of that.
                if let Some(operand) = operands.last_mut() {
                    operand.fields.push(name.clone());
                }
                continue;
            }
            _ if !apart => return Err(TemplateError::new("a blank is missing between operands")),
            Token::Field(name) => {
                let fields = if name.is_empty() { Vec::new() } else { vec![name.clone()] };
                operands.push(Operand { base: Base::Dot, fields });
                apart = false;
                continue;
            }
            Token::Variable(name) => Base::Variable(name.clone()),
            Token::Text(text) => Base::Literal(text.as_str().into()),
            Token::Int(number) => Base::Literal((*number).into()),
            Token::Float(number) => Base::Literal((*number).into()),
            Token::Word(word) => match word.as_str() {
                "true" => Base::Literal(true.into()),
                "false" => Base::Literal(false.into()),
                "nil" => Base::Literal(serde_json::Value::Null),
                _ => Base::Function(functions::find(word)?),
            },
            Token::Open => {
                let close = matching(after)?;
                rest = &after[close + 1..];
                Base::Nested(pipeline(trimmed(&after[..close]), depth + 1)?)
            }
            Token::Close => return Err(TemplateError::new("unexpected right paren")),
            Token::Pipe | Token::Comma | Token::Declare | Token::Assign => {
                return Err(TemplateError::new("unexpected sign in an action"));
            }
        };
        operands.push(Operand { base, fields: Vec::new() });
        apart = false;
    }
    if operands.is_empty() {
        return Err(TemplateError::new("missing value for command"));
    }
    Ok(Command(operands))
}

/// Where the parenthesis is closed that was opened before these tokens.
fn matching(tokens: &[Token]) -> Result<usize, TemplateError> {
    let mut level = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => level += 1,
            Token::Close if level == 0 => return Ok(at),
            Token::Close => level -= 1,
            _ => {}
        }
    }
    Err(TemplateError::new("unclosed left paren"))
}
