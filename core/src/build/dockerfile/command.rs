//! A command: a JSON list of words, or a line for the shell.

/// What follows `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// The words themselves.
    Exec(Vec<String>),
    /// A line for the shell.
    Shell(String),
}

/// The shell of an image that names none.
pub(crate) const SHELL: [&str; 2] = ["/bin/sh", "-c"];

impl Command {
    /// Read one. What begins like JSON and is not is a line for the shell, as with BuildKit.
    pub(super) fn parse(text: &str) -> Command {
        match strings(text) {
            Some(words) => Command::Exec(words),
            None => Command::Shell(text.to_owned()),
        }
    }

    /// The words that are executed.
    pub(crate) fn words(&self, shell: Option<&[String]>) -> Vec<String> {
        match self {
            Command::Exec(words) => words.clone(),
            Command::Shell(line) if line.is_empty() => Vec::new(),
            Command::Shell(line) => with_shell(shell, line),
        }
    }
}

/// A line as the shell gets it.
pub(crate) fn with_shell(shell: Option<&[String]>, line: &str) -> Vec<String> {
    let mut words: Vec<String> = match shell {
        Some(shell) if !shell.is_empty() => shell.to_vec(),
        _ => SHELL.iter().map(|word| (*word).to_owned()).collect(),
    };
    words.push(line.to_owned());
    words
}

/// A JSON list of strings.
pub(super) fn strings(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}
