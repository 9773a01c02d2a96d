//! The documents and operations of core's API as data, and what is generated from them.
//!
//! The serde structs in `core/src/api/*.rs` are the one source. They are read as source text (syn) and not through a trait or
//! a derive: core then carries nothing for its bindings, and the doc comments, which are the documentation of every face,
//! come with the fields. `tests/tests/generated.rs` writes and checks the files.

mod markdown;
mod python;
mod read;
mod typescript;

use std::collections::BTreeSet;

use barque::api::operations::OPERATIONS;

pub use markdown::{documents, operations};
pub use python::typed_dicts;
pub use read::read;
pub use typescript::interfaces;

/// A file of documents: `container.rs`.
pub struct Module {
    /// Its `//!` text.
    pub doc: String,
    /// Its documents, in the order of the source.
    pub documents: Vec<Document>,
}

/// A JSON object with known fields.
#[derive(Clone)]
pub struct Document {
    /// The type's name.
    pub name: String,
    /// Its doc comment.
    pub doc: String,
    /// An unknown field is an error.
    pub strict: bool,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field of a document.
#[derive(Clone)]
pub struct Field {
    /// Its name in JSON.
    pub name: String,
    /// Its doc comment.
    pub doc: String,
    /// What it holds.
    pub holds: Type,
    /// Answers leave it out when it is empty.
    pub may_be_absent: bool,
    /// Requests may also give it in another form.
    pub also: Option<Also>,
}

/// What a field holds.
#[derive(Clone)]
pub enum Type {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Any JSON value.
    Any,
    /// A list.
    List(Box<Type>),
    /// A list of so many.
    Tuple(Box<Type>, usize),
    /// An object with any names.
    Map(Box<Type>),
    /// It or `null`.
    Nullable(Box<Type>),
    /// A document.
    Document(String),
}

/// The other forms that `core/src/api/de.rs` reads.
#[derive(Clone, Copy)]
pub enum Also {
    /// A map instead of `KEY=VALUE` lines.
    Environment,
    /// One string instead of a list of one.
    Word,
    /// `512m` instead of a number.
    Size,
}

/// The names of all documents that a request contains, and of all that an answer contains.
pub struct Use {
    requests: BTreeSet<String>,
    answers: BTreeSet<String>,
}

impl Use {
    /// Follow every operation's documents.
    pub fn of(modules: &[Module]) -> Use {
        let mut uses = Use { requests: BTreeSet::new(), answers: BTreeSet::new() };
        for operation in OPERATIONS {
            reach(modules, element(operation.request), &mut uses.requests);
            reach(modules, element(operation.response), &mut uses.answers);
        }
        uses
    }

    /// Whether it is part of a request.
    pub fn in_request(&self, document: &str) -> bool {
        self.requests.contains(document)
    }

    /// Whether it is part of an answer. What no operation mentions counts as an answer.
    pub fn in_answer(&self, document: &str) -> bool {
        self.answers.contains(document) || !self.requests.contains(document)
    }

    /// What the answer's type is called. A document of both sides is two types: a request may leave out every field and
    /// write some in a short form, while an answer has them all.
    pub fn name_in_answer(&self, document: &Document) -> String {
        if self.in_request(&document.name) && !document.fields.is_empty() {
            format!("{}Inspect", document.name)
        } else {
            document.name.clone()
        }
    }
}

/// The type inside `Vec<…>`, or the type.
pub fn element(written: &str) -> &str {
    written.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(written)
}

/// The document of that name.
///
/// # Panics
/// When there is none: an operation names a type that `core/src/api` does not have.
pub fn find<'a>(modules: &'a [Module], name: &str) -> &'a Document {
    modules
        .iter()
        .flat_map(|module| &module.documents)
        .find(|document| document.name == name)
        .unwrap_or_else(|| panic!("core/src/api has no document {name}"))
}

fn reach(modules: &[Module], name: &str, reached: &mut BTreeSet<String>) {
    if !reached.insert(name.to_owned()) {
        return;
    }
    for field in &find(modules, name).fields {
        if let Some(inner) = field.holds.document() {
            reach(modules, inner, reached);
        }
    }
}

impl Type {
    /// The document it is or contains.
    pub fn document(&self) -> Option<&str> {
        match self {
            Type::Document(name) => Some(name),
            Type::List(inner)
            | Type::Tuple(inner, _)
            | Type::Map(inner)
            | Type::Nullable(inner) => inner.document(),
            Type::Text | Type::Integer | Type::Boolean | Type::Any => None,
        }
    }
}
