//! Reading `barque.h` the way a C program's author does: which functions there are, and what they take.

/// A function that the header declares.
pub(crate) struct Function {
    pub(crate) name: String,
    /// `int`, `void`, `const char *`.
    pub(crate) returns: String,
    pub(crate) parameters: Vec<Parameter>,
}

pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `const barque_engine *`, `size_t`.
    pub(crate) kind: String,
}

impl Function {
    /// Whether it has an `err` parameter.
    pub(crate) fn can_fail(&self) -> bool {
        self.parameters.last().is_some_and(|parameter| parameter.kind == "barque_error **")
    }
}

impl Parameter {
    pub(crate) fn is_pointer(&self) -> bool {
        self.kind.ends_with('*')
    }

    /// The type it is a handle of, where it is one.
    pub(crate) fn handle(&self) -> Option<&str> {
        let name = self.kind.strip_prefix("const ").unwrap_or(&self.kind).strip_suffix(" *")?;
        name.starts_with("barque_").then_some(name)
    }
}

/// Every function in the header, in its order.
pub(crate) fn functions() -> Vec<Function> {
    let path = super::manifest_dir().join("include/barque.h");
    let header = std::fs::read_to_string(path).unwrap();
    let mut code = String::new();
    let mut in_comment = false;
    for line in header.lines() {
        in_comment |= line.starts_with("/*");
        if !in_comment && !line.starts_with('#') && !line.starts_with("typedef ") {
            code += line;
            code.push(' ');
        }
        in_comment &= !line.trim_end().ends_with("*/");
    }
    let code = code.replace("extern \"C\" {", "");
    let statements = code.split(';').filter(|statement| statement.contains('('));
    statements.map(function).collect()
}

fn function(statement: &str) -> Function {
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let (head, rest) = words.split_once('(').unwrap();
    let (returns, name) = split(head);
    let list = rest.trim_end_matches(')');
    let parameters =
        list.split(',').map(str::trim).filter(|text| !text.is_empty() && *text != "void");
    let parameters = parameters.map(|text| {
        let (kind, name) = split(text);
        Parameter { name, kind }
    });
    Function { name, returns, parameters: parameters.collect() }
}

/// `const char *id` is of kind `const char *` and named `id`.
fn split(text: &str) -> (String, String) {
    let at = text.rfind([' ', '*']).unwrap() + 1;
    (text[..at].trim().to_owned(), text[at..].to_owned())
}
