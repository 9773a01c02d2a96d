//! `bindings-python/python/barque/_types.py`: a `TypedDict` a document.
//!
//! CPython 3.9 and 3.10 have no `typing.NotRequired`. The annotations are never evaluated there (PEP 563), so type checkers
//! alone need the name, and they know `typing_extensions` without its being installed.

use std::fmt::Write as _;

use super::{Also, Document, Field, Module, Type, Use};

const HEAD: &str = r#""""The documents: JSON objects as dictionaries, in the words of the Docker Engine API.

Written by `make bless` from core/src/api. A request may leave out any field; an answer has all but those marked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypedDict

if sys.version_info >= (3, 11):
    from typing import NotRequired
elif TYPE_CHECKING:
    from typing_extensions import NotRequired
"#;

/// Words that a class cannot have for a member: documents that have one take it from a base made by a call.
const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif",
    "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda",
    "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// The file.
pub fn typed_dicts(modules: &[Module]) -> String {
    let uses = Use::of(modules);
    let mut out = HEAD.to_owned();
    let mut names = Vec::new();
    for document in modules.iter().flat_map(|module| &module.documents) {
        let answer = uses.name_in_answer(document);
        if uses.in_request(&document.name) {
            class(&mut out, &document.name, document, true, &uses, modules);
            names.push(document.name.clone());
        }
        if uses.in_answer(&document.name) && !names.contains(&answer) {
            class(&mut out, &answer, document, false, &uses, modules);
            names.push(answer);
        }
    }
    names.sort();
    out.push_str("\n\n__all__ = [\n");
    for name in names {
        let _ = writeln!(out, "    \"{name}\",");
    }
    out.push_str("]\n");
    out
}

fn class(
    out: &mut String,
    name: &str,
    document: &Document,
    request: bool,
    uses: &Use,
    modules: &[Module],
) {
    let total = if request { ", total=False" } else { "" };
    let kind_of = |field: &Field| {
        let kind = if request { asked(field) } else { given(&field.holds, uses, modules) };
        if request || !field.may_be_absent {
            return kind;
        }
        format!("NotRequired[{}]", kind.trim_end_matches(" | None"))
    };
    let (keywords, fields): (Vec<_>, Vec<_>) =
        document.fields.iter().partition(|field| KEYWORDS.contains(&field.name.as_str()));
    let mut base = "TypedDict".to_owned();
    if !keywords.is_empty() {
        base = format!("_{name}Keywords");
        let _ = write!(out, "\n\n{base} = TypedDict(\n    \"{base}\",\n    {{\n");
        for field in keywords {
            let doc = field.doc.replace('\n', "\n        # ");
            let _ = writeln!(
                out,
                "        # {doc}\n        \"{}\": \"{}\",",
                field.name,
                kind_of(field)
            );
        }
        let _ = write!(out, "    }},\n{})\n", if request { "    total=False,\n" } else { "" });
    }
    let _ = write!(out, "\n\nclass {name}({base}{total}):\n    {}\n", docstring(&document.doc));
    for field in fields {
        let kind = kind_of(field);
        let _ = write!(out, "\n    {}: {kind}\n    {}\n", field.name, docstring(&field.doc));
    }
}

fn docstring(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\n    ");
    let close = if text.ends_with('"') { " \"\"\"" } else { "\"\"\"" };
    format!("\"\"\"{text}{close}")
}

/// The type in a request: every form that is read, and documents by their own name.
fn asked(field: &Field) -> String {
    let plain = spell(&field.holds, &|name| name.to_owned());
    match field.also {
        Some(Also::Environment) => format!("{plain} | dict[str, str | int | float | bool]"),
        Some(Also::Word) => format!("str | {plain}"),
        Some(Also::Size) => format!("{plain} | str"),
        None => plain,
    }
}

fn given(holds: &Type, uses: &Use, modules: &[Module]) -> String {
    spell(holds, &|name| uses.name_in_answer(super::find(modules, name)))
}

fn spell(holds: &Type, name: &dyn Fn(&str) -> String) -> String {
    match holds {
        Type::Text => "str".to_owned(),
        Type::Integer => "int".to_owned(),
        Type::Boolean => "bool".to_owned(),
        Type::Any => "Any".to_owned(),
        Type::List(inner) | Type::Tuple(inner, _) => format!("list[{}]", spell(inner, name)),
        Type::Map(inner) => format!("dict[str, {}]", spell(inner, name)),
        Type::Nullable(inner) => match spell(inner, name) {
            any if any == "Any" => any,
            inner => format!("{inner} | None"),
        },
        Type::Document(document) => name(document),
    }
}
