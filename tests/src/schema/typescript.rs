//! `bindings-node/lib/types.generated.ts`: an interface a document, and the table of operations as a type.

use std::fmt::Write as _;

use barque::api::operations::{Kind, OPERATIONS};

use super::{Also, Document, Field, Module, Type, Use, element, find};

const HEAD: &str = "\
// The documents: JSON objects in the words of the Docker Engine API.
//
// Written by `make bless` from core/src/api. A request may leave out any field; an answer has all but the optional ones.
";

/// The file.
pub fn interfaces(modules: &[Module]) -> String {
    let uses = Use::of(modules);
    let mut out = HEAD.to_owned();
    let mut written = Vec::new();
    for document in modules.iter().flat_map(|module| &module.documents) {
        let answer = uses.name_in_answer(document);
        if uses.in_request(&document.name) {
            interface(&mut out, &document.name, document, true, &uses, modules);
            written.push(document.name.clone());
        }
        if uses.in_answer(&document.name) && !written.contains(&answer) {
            interface(&mut out, &answer, document, false, &uses, modules);
            written.push(answer);
        }
    }
    operations(&mut out, &uses, modules);
    out
}

fn operations(out: &mut String, uses: &Use, modules: &[Module]) {
    out.push_str("\n/** Every operation with its request and answer; a stream's answer is its last document. */\n");
    out.push_str("export interface Operations {\n");
    for operation in OPERATIONS {
        let answer = uses.name_in_answer(find(modules, element(operation.response)));
        let list = if operation.response.starts_with("Vec<") { "[]" } else { "" };
        let kind = match operation.kind {
            Kind::Unary(_) => "unary",
            Kind::Stream(_) => "stream",
        };
        let _ = writeln!(
            out,
            "  '{}': {{ request: {}; answer: {answer}{list}; kind: '{kind}' }};",
            operation.name, operation.request
        );
    }
    out.push_str("}\n");
}

fn interface(
    out: &mut String,
    name: &str,
    document: &Document,
    request: bool,
    uses: &Use,
    modules: &[Module],
) {
    let _ = write!(out, "\n{}", comment(&document.doc, ""));
    if document.fields.is_empty() {
        // `{}` would be any value at all in TypeScript.
        let _ = writeln!(out, "export type {name} = Record<string, never>;");
        return;
    }
    let _ = writeln!(out, "export interface {name} {{");
    for field in &document.fields {
        out.push_str(&comment(&field.doc, "  "));
        let (mark, kind) = if request {
            ("?", asked(field))
        } else {
            let kind = given(&field.holds, uses, modules);
            match field.may_be_absent {
                true => ("?", kind.trim_end_matches(" | null").to_owned()),
                false => ("", kind),
            }
        };
        let _ = writeln!(out, "  {}{mark}: {kind};", field.name);
    }
    out.push_str("}\n");
}

fn comment(text: &str, indent: &str) -> String {
    let text = text.replace("*/", "* /");
    if text.contains('\n') {
        let lines = text.replace('\n', &format!("\n{indent} * "));
        format!("{indent}/**\n{indent} * {lines}\n{indent} */\n")
    } else {
        format!("{indent}/** {text} */\n")
    }
}

/// The type in a request: every form that is read, `null` for nothing.
fn asked(field: &Field) -> String {
    let plain = spell(&field.holds, &|name| name.to_owned());
    let (plain, null) = match plain.strip_suffix(" | null") {
        Some(inner) => (inner.to_owned(), " | null"),
        None => (plain, ""),
    };
    let widened = match field.also {
        Some(Also::Environment) => format!("{plain} | Record<string, string | number | boolean>"),
        Some(Also::Word) => format!("string | {plain}"),
        Some(Also::Size) => format!("{plain} | string"),
        None => plain,
    };
    widened + null
}

fn given(holds: &Type, uses: &Use, modules: &[Module]) -> String {
    spell(holds, &|name| uses.name_in_answer(find(modules, name)))
}

fn spell(holds: &Type, name: &dyn Fn(&str) -> String) -> String {
    match holds {
        Type::Text => "string".to_owned(),
        Type::Integer => "number".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Any => "unknown".to_owned(),
        Type::List(inner) => format!("{}[]", spell(inner, name)),
        Type::Tuple(inner, length) => format!("[{}]", vec![spell(inner, name); *length].join(", ")),
        Type::Map(inner) => format!("Record<string, {}>", spell(inner, name)),
        Type::Nullable(inner) => match spell(inner, name) {
            any if any == "unknown" => any,
            inner => format!("{inner} | null"),
        },
        Type::Document(document) => name(document),
    }
}
