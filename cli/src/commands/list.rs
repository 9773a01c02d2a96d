//! Lists: rows as a table, by a template, as JSON, or as ids alone.

use serde_json::{Map, Value};

use crate::failure::{Failure, Result};
use crate::output;
use crate::table;
use crate::template::Template;

/// A row's field and the head of its column.
pub(super) type Column = (&'static str, &'static str);

/// What `--format` can ask for, for help texts.
pub(super) const FORMAT_HELP: &str = "Format output using a custom template:
\
    'table':            Print output in table format with column headers (default)
\
    'table TEMPLATE':   Print output in table format using the given Go template
\
    'json':             Print in JSON format
\
    'TEMPLATE':         Print output using the given Go template";

/// The same for documents.
pub(super) const DOCUMENT_FORMAT_HELP: &str = "Format output using a custom template:\n\
    'json':             Print in JSON format\n\
    'TEMPLATE':         Print output using the given Go template";

/// Whether rows are printed as a table of the columns that are usual.
pub(super) fn is_plain(format: Option<&str>) -> bool {
    matches!(format.unwrap_or_default(), "" | "table")
}

/// Print rows, each an object of texts.
pub(super) fn print(
    rows: &[Value],
    format: Option<&str>,
    shown: &[&str],
    columns: &[Column],
) -> Result<()> {
    output::out(match format.unwrap_or_default() {
        "" | "table" => plain_table(rows, shown, columns),
        "json" => by_template("{{json .}}", rows)?,
        format => match format.strip_prefix("table") {
            Some(template) => template_table(&unescaped(template.trim()), rows, columns)?,
            None => by_template(&unescaped(format), rows)?,
        },
    })
}

fn plain_table(rows: &[Value], shown: &[&str], columns: &[Column]) -> String {
    let heads = shown.iter().map(|field| {
        let column = columns.iter().find(|(name, _)| name == field);
        column.map_or_else(|| (*field).to_owned(), |(_, head)| (*head).to_owned())
    });
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    for row in rows {
        let cells = shown.iter().map(|field| cell(row[*field].as_str().unwrap_or_default()));
        lines.push(cells.collect());
    }
    table::layout(&lines)
}

fn template_table(template: &str, rows: &[Value], columns: &[Column]) -> Result<String> {
    let template = Template::parse(template).map_err(Failure::new)?;
    let heads: Map<String, Value> =
        columns.iter().map(|(field, head)| ((*field).to_owned(), (*head).into())).collect();
    let mut lines = vec![split(&template.head(&Value::Object(heads)).map_err(Failure::new)?)];
    for row in rows {
        lines.push(split(&template.fill(row).map_err(Failure::new)?));
    }
    Ok(table::layout(&lines))
}

fn split(line: &str) -> Vec<String> {
    line.split('\t').map(cell).collect()
}

/// A cell is one line, whatever somebody called their container.
pub(super) fn cell(text: &str) -> String {
    output::printable(&text.replace(['\n', '\t', '\r'], " "))
}

fn by_template(template: &str, rows: &[Value]) -> Result<String> {
    let template = Template::parse(template).map_err(Failure::new)?;
    let mut text = String::new();
    for row in rows {
        text += &template.fill(row).map_err(Failure::new)?;
        text.push('\n');
    }
    Ok(text)
}

/// The shell passes `\t` as two characters.
fn unescaped(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

/// Print a document by a template, or as JSON; `false` when the format asks for neither.
pub(super) fn document(document: &Value, format: Option<&str>) -> Result<bool> {
    match format {
        None | Some("") => Ok(false),
        Some("json") => output::out(format!("{document}\n")).map(|()| true),
        Some(format) => {
            let template = Template::parse(&unescaped(format)).map_err(Failure::new)?;
            output::out(format!("{}\n", template.fill(document).map_err(Failure::new)?))
                .map(|()| true)
        }
    }
}

/// Documents by a template, a line each, and what went wrong with the others. Nothing at all is a line too, as it is with docker.
pub(super) fn filled(template: &str, documents: &[Value]) -> Result<(String, Vec<Failure>)> {
    let template = Template::parse(&unescaped(template)).map_err(Failure::new)?;
    let (mut text, mut failures) = (String::new(), Vec::new());
    for document in documents {
        match template.fill(document) {
            Ok(line) => text += &(line + "\n"),
            Err(error) => failures.push(Failure::new(error)),
        }
    }
    if text.is_empty() {
        text.push('\n');
    }
    Ok((text, failures))
}

/// `--filter name=value`, several of one name being alternatives.
pub(super) fn filters(texts: &[String]) -> Result<std::collections::BTreeMap<String, Vec<String>>> {
    let mut filters = std::collections::BTreeMap::<String, Vec<String>>::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=') else {
            let message = format!(
                "invalid argument {text:?} for \"-f, --filter\" flag: invalid filter '{text}'"
            );
            return Err(Failure::usage(message, 125));
        };
        filters.entry(name.trim().to_lowercase()).or_default().push(value.trim().to_owned());
    }
    Ok(filters)
}

/// Labels as a list shows them: `a=1,b=2`.
pub(super) fn labels(labels: &std::collections::BTreeMap<String, String>) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// `K=V` each; a word alone has an empty value.
pub(super) fn pairs(texts: &[String]) -> std::collections::BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (text.clone(), String::new()),
    };
    texts.iter().map(pair).collect()
}

/// An answer of core's as a value for templates.
pub(super) fn value(document: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(document).map_err(Failure::new)
}
