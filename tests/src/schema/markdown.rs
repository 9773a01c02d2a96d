//! `docs/documents.md` and `docs/operations.md`.

use std::fmt::Write as _;

use barque::api::operations::{Kind, OPERATIONS};

use super::{Also, Field, Module, Type, Use, element, find};

const DOCUMENTS: &str = "\
# Documents

What crosses every boundary of barque as JSON: requests and answers, in the words, units and nesting of the Docker Engine API.
This page is written by `make bless` from `core/src/api`.

A request may leave out any field, `null` is the same as leaving it out, and an unknown field is an error that names its nearest
neighbour. An answer has every field, except those marked *may be absent*.
";

const OPERATIONS_HEAD: &str = "\
# Operations

Every feature of the engine, once. Each is a function of C, a method in Python, Node and Rust, and a command; the documents are
described in [documents.md](documents.md). A *stream* yields bytes and documents and ends with the answer named here, where it
has fields. This page is written by `make bless` from `core/src/api/operations.rs`.

";

/// `docs/documents.md`.
pub fn documents(modules: &[Module]) -> String {
    let uses = Use::of(modules);
    let mut out = DOCUMENTS.to_owned();
    for module in modules {
        let title = module.doc.lines().next().unwrap_or_default().trim_end_matches('.');
        let _ = write!(out, "\n## {title}\n");
        for document in &module.documents {
            let side = match (uses.in_request(&document.name), uses.in_answer(&document.name)) {
                (true, true) => "request and answer",
                (true, false) => "request",
                (false, _) => "answer",
            };
            let _ =
                write!(out, "\n### {}\n\n{} *({side})*\n", document.name, one_line(&document.doc));
            if document.fields.is_empty() {
                continue;
            }
            out.push_str("\n| field | holds | |\n|---|---|---|\n");
            for field in &document.fields {
                let absent = if field.may_be_absent && uses.in_answer(&document.name) {
                    " *May be absent.*"
                } else {
                    ""
                };
                let _ = writeln!(
                    out,
                    "| `{}` | {} | {}{absent} |",
                    field.name,
                    holds(field),
                    one_line(&field.doc)
                );
            }
        }
    }
    out
}

/// `docs/operations.md`.
pub fn operations(modules: &[Module]) -> String {
    let mut out = OPERATIONS_HEAD.to_owned();
    out.push_str("| operation | request | answer | kind | since | |\n|---|---|---|---|---|---|\n");
    for operation in OPERATIONS {
        let (kind, answer) = match operation.kind {
            Kind::Unary(_) => ("call", link(operation.response)),
            Kind::Stream(_) => ("stream", link(operation.response)),
        };
        let what = match operation.request {
            "ContainerRef" | "ImageRef" | "Nothing" => {
                one_line(&find(modules, element(operation.response)).doc)
            }
            request => one_line(&find(modules, request).doc),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {answer} | {kind} | {} | {what} |",
            operation.name,
            link(operation.request),
            operation.since
        );
    }
    out
}

/// A type's name, linked to its description.
fn link(written: &str) -> String {
    let name = element(written);
    let list = if name == written { "" } else { "list of " };
    format!("{list}[{name}](documents.md#{})", name.to_lowercase())
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn holds(field: &Field) -> String {
    let plain = spell(&field.holds);
    match field.also {
        Some(Also::Environment) => format!("{plain}, or an object of values"),
        Some(Also::Word) => format!("{plain}, or one string"),
        Some(Also::Size) => format!("{plain}, or a size such as `512m`"),
        None => plain,
    }
}

fn spell(holds: &Type) -> String {
    match holds {
        Type::Text => "string".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Any => "any JSON".to_owned(),
        Type::List(inner) => format!("list of {}", plural(inner)),
        Type::Tuple(inner, length) => format!("list of {length} {}", plural(inner)),
        Type::Map(inner) => format!("object of {}", plural(inner)),
        Type::Nullable(inner) => format!("{} or null", spell(inner)),
        Type::Document(name) => format!("[{name}](#{})", name.to_lowercase()),
    }
}

fn plural(holds: &Type) -> String {
    match holds {
        Type::Text | Type::Integer | Type::Boolean => format!("{}s", spell(holds)),
        Type::List(inner) => format!("lists of {}", plural(inner)),
        Type::Any | Type::Map(_) | Type::Tuple(..) | Type::Nullable(_) | Type::Document(_) => {
            spell(holds)
        }
    }
}
