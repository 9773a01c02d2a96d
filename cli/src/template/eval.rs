//! Filling a template in.

use serde_json::{Map, Value};

use super::parser::{Base, Command, Node, Operand, Pipeline};
use super::{TemplateError, functions, text};

/// What is being written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Values.
    Values,
    /// The head of a table: functions do nothing, and a method's argument is its column's name.
    Head,
}

/// Most characters that a template may make: `printf "%99999999d"` in a loop is no format.
const LIMIT: usize = 64 << 20;

type Result<T> = std::result::Result<T, TemplateError>;

/// Fill in the nodes of a template.
pub(super) fn run(nodes: &[Node], data: &Value, mode: Mode) -> Result<String> {
    let mut scope =
        Scope { out: String::new(), mode, variables: vec![(String::new(), data.clone())] };
    scope.nodes(nodes, data)?;
    Ok(scope.out)
}

struct Scope {
    out: String,
    mode: Mode,
    /// By name, the innermost last; the first is `$`.
    variables: Vec<(String, Value)>,
}

impl Scope {
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<()> {
        let outer = self.variables.len();
        for node in nodes {
            self.node(node, dot)?;
            if self.out.len() > LIMIT {
                return Err(TemplateError::new("the output is too long"));
            }
        }
        self.variables.truncate(outer);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<()> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Show(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.names.is_empty() {
                    self.out.push_str(&text::of(&value));
                }
            }
            Node::If { condition, then, otherwise } => {
                let outer = self.variables.len();
                let value = self.pipeline(condition, dot)?;
                self.nodes(if functions::is_true(&value) { then } else { otherwise }, dot)?;
                self.variables.truncate(outer);
            }
            Node::With { value, then, otherwise } => {
                let outer = self.variables.len();
                let value = self.pipeline(value, dot)?;
                if functions::is_true(&value) {
                    self.nodes(then, &value)?;
                } else {
                    self.nodes(otherwise, dot)?;
                }
                self.variables.truncate(outer);
            }
            Node::Range { over, each, otherwise } => self.range(over, each, otherwise, dot)?,
        }
        Ok(())
    }

    fn range(
        &mut self,
        over: &Pipeline,
        each: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<()> {
        let items: Vec<(Value, Value)> = match self.commands(over, dot)? {
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(at, item)| (at.into(), item)).collect()
            }
            // serde_json keeps objects sorted by key, the order in which Go ranges over a map.
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
            }
            Value::Number(number) => {
                let count = number.as_u64().unwrap_or(0);
                (0..count.min(1 << 20)).map(|at| (at.into(), at.into())).collect()
            }
            Value::Null => Vec::new(),
            other => {
                return Err(TemplateError::new(format!(
                    "range can't iterate over {}",
                    text::of(&other)
                )));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        let outer = self.variables.len();
        for (key, item) in items {
            match &over.names[..] {
                [] => {}
                [one] => self.variables.push((one.clone(), item.clone())),
                [index, value, ..] => {
                    self.variables.push((index.clone(), key));
                    self.variables.push((value.clone(), item.clone()));
                }
            }
            self.nodes(each, &item)?;
            self.variables.truncate(outer);
        }
        Ok(())
    }

    /// A pipeline's value, put into its variable.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let value = self.commands(pipeline, dot)?;
        match &pipeline.names[..] {
            [] => {}
            [name] if pipeline.declares => self.variables.push((name.clone(), value.clone())),
            [name] => {
                let place = self.variables.iter_mut().rev().find(|(known, _)| known == name);
                place
                    .ok_or_else(|| TemplateError::new(format!("undefined variable \"${name}\"")))?
                    .1 = value.clone();
            }
            _ => return Err(TemplateError::new("only range assigns to two variables")),
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value> {
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        value.ok_or_else(|| TemplateError::new("missing value for command"))
    }

    fn command(&mut self, command: &Command, dot: &Value, piped: Option<Value>) -> Result<Value> {
        let [first, rest @ ..] = &command.0[..] else {
            return Err(TemplateError::new("missing value for command"));
        };
        if let Base::Function(name) = &first.base {
            // These look at their arguments one by one, and stop when they know.
            if matches!(*name, "and" | "or") && self.mode == Mode::Values {
                return self.logic(*name == "and", rest, dot, piped);
            }
            let mut arguments = rest
                .iter()
                .map(|operand| self.operand(operand, dot))
                .collect::<Result<Vec<_>>>()?;
            arguments.extend(piped);
            let result = match self.mode {
                Mode::Values => functions::call(name, &arguments)?,
                Mode::Head => arguments.pop().unwrap_or(Value::Null),
            };
            return fields(&result, &first.fields);
        }
        // `.Label "x"`: docker's rows have one method, which looks a label up by name.
        if let [argument] = rest
            && first.fields.last().is_some_and(|name| name == "Label")
        {
            let argument = self.operand(argument, dot)?;
            if self.mode == Mode::Head {
                return Ok(argument);
            }
            let labels = dot.get("\u{0}labels").cloned().unwrap_or(Value::Null);
            return Ok(labels.get(text::of(&argument)).cloned().unwrap_or_else(|| "".into()));
        }
        if !rest.is_empty() || piped.is_some() {
            return Err(TemplateError::new("can't give argument to non-function"));
        }
        self.operand(first, dot)
    }

    fn logic(
        &mut self,
        all: bool,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if functions::is_true(&value) != all {
                return Ok(value);
            }
            last = Some(value);
        }
        piped.or(last).ok_or_else(|| TemplateError::new("wrong number of args for and/or: 0"))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value> {
        let base = match &operand.base {
            Base::Dot => return fields(dot, &operand.fields),
            Base::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let undefined = || TemplateError::new(format!("undefined variable \"${name}\""));
                return fields(&found.ok_or_else(undefined)?.1, &operand.fields);
            }
            Base::Literal(value) => value.clone(),
            Base::Nested(pipeline) => self.commands(pipeline, dot)?,
            Base::Function(name) => match self.mode {
                Mode::Values => functions::call(name, &[])?,
                Mode::Head => Value::Null,
            },
        };
        fields(&base, &operand.fields)
    }
}

/// Follow a chain of fields.
fn fields(mut value: &Value, names: &[String]) -> Result<Value> {
    for name in names {
        let error = match value {
            Value::Object(map) => match map.get(name).or_else(|| go_field(map, name)) {
                Some(inner) => {
                    value = inner;
                    continue;
                }
                None => format!("map has no entry for key {name:?}"),
            },
            Value::Null => format!("nil data; no entry for key {name:?}"),
            _ => format!("can't evaluate field {name} in a value"),
        };
        return Err(TemplateError::new(error));
    }
    Ok(value.clone())
}

/// The field of that name in Go, which JSON may write in other cases: `ID` is `Id`, `TimeNano` is `timeNano`. A template may have
/// either.
fn go_field<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let is_exported = name.starts_with(|c: char| c.is_ascii_uppercase());
    let (_, value) = map.iter().find(|(key, _)| is_exported && key.eq_ignore_ascii_case(name))?;
    Some(value)
}
