//! `--format`: the part of Go's `text/template` that people write for docker, over JSON values.
//!
//! Fields, pipelines, variables, `if`, `range`, `with`, comments and trimming, the comparison and logic functions, `len`,
//! `index`, `slice`, `print`, `printf`, and docker's own (`json`, `join`, `split`, `lower`, `upper`, `title`, `pad`,
//! `truncate`, `println`). No `define`, `template`, `block`, and no way to run anything: a template is data that may come
//! from a script's variable. A field that is not there is an error, as it is with docker.

mod eval;
mod functions;
mod lexer;
mod parser;
mod text;

use serde_json::Value;

/// A template, ready to be filled in.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Vec<parser::Node>,
}

/// Why a template cannot be read or filled in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TemplateError(String);

impl TemplateError {
    fn new(message: impl Into<String>) -> TemplateError {
        TemplateError(message.into())
    }
}

impl std::fmt::Display for TemplateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "template: {}", self.0)
    }
}

impl Template {
    /// Read a template.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        Ok(Template { nodes: parser::parse(&lexer::lex(text)?)? })
    }

    /// Fill it in.
    pub(crate) fn fill(&self, data: &Value) -> Result<String, TemplateError> {
        eval::run(&self.nodes, data, eval::Mode::Values)
    }

    /// Fill it in with the names of columns: the head of a table, in which functions leave their argument as it is.
    pub(crate) fn head(&self, names: &Value) -> Result<String, TemplateError> {
        eval::run(&self.nodes, names, eval::Mode::Head)
    }
}

#[cfg(test)]
mod tests;
