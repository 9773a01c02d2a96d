//! Build checks that take more than the text of the Dockerfile: the arguments' values, the environment of base images, `.dockerignore`.
//! Those that the text alone decides are [`super::dockerfile::lint`]'s.
//!
//! An image that is not here is not fetched for this: what its stages use is not checked then.

use barque_monitor::gather::{Ignore, Verdict};

use super::context::Context;
use super::dockerfile::lint::{Rule, Warning};
use super::dockerfile::{Dockerfile, Instruction, Source, Step};
use super::plan::Base;
use super::variables::{Globals, PROXIES};
use crate::Engine;
use crate::image::{Policy, Reference};

/// What is looked at.
pub(super) struct Checks<'a> {
    pub(super) engine: &'a Engine,
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) context: &'a Context,
    pub(super) globals: &'a Globals,
    pub(super) bases: &'a [Base],
}

impl Checks<'_> {
    /// All warnings, those of the text among them, by line.
    pub(super) fn all(&self) -> Vec<Warning> {
        let mut warnings = self.dockerfile.warnings.clone();
        let mut more = Vec::new();
        self.defaults(&mut more);
        self.undefined(&mut more);
        self.ignored(&mut more);
        warnings
            .extend(more.into_iter().filter(|warning| self.dockerfile.checks.has(warning.rule)));
        warnings.sort_by_key(|warning| warning.line);
        warnings
    }

    /// What stages begin with, when no argument is given.
    fn defaults(&self, warnings: &mut Vec<Warning>) {
        let dockerfile = self.dockerfile;
        let Ok(globals) = self.globals.without_arguments(dockerfile) else { return };
        for stage in dockerfile.stages.iter().filter(|stage| stage.image.contains('$')) {
            let name = globals.expand(&stage.image, dockerfile.escape).unwrap_or_default();
            if Reference::parse(&name).is_err() {
                let message = format!(
                    "Default value for ARG {} results in empty or invalid base image name",
                    stage.image
                );
                warnings.push(Rule::InvalidDefaultArgInFrom.at(stage.location.first, message));
            }
        }
    }

    /// Variables that nothing sets.
    fn undefined(&self, warnings: &mut Vec<Warning>) {
        // By stage what is set at its end; `None`: who knows.
        let mut ends: Vec<Option<Vec<String>>> = Vec::new();
        for (number, stage) in self.dockerfile.stages.iter().enumerate() {
            let mut known = match &self.bases[number] {
                Base::Scratch => Some(vec!["PATH".to_owned()]),
                Base::Stage(below) => ends[*below].clone(),
                Base::Image(name) => self.environment(name),
                Base::Context(_) => None,
            };
            if let Some(known) = &mut known {
                for step in &stage.steps {
                    self.step(step, known, warnings);
                }
            }
            ends.push(known);
        }
    }

    /// The names of the variables that an image sets, if it is here.
    fn environment(&self, name: &str) -> Option<Vec<String>> {
        self.engine.images().ensure(name, "", Policy::Never).ok()?;
        let image = self.engine.images().resolve(name).ok()?;
        let names = image.config.config.environment().map(|entry| entry.split('=').next());
        let names = names.flatten().map(str::to_owned);
        Some(names.chain(["PATH".to_owned()]).collect())
    }

    fn step(&self, step: &Step, known: &mut Vec<String>, warnings: &mut Vec<Warning>) {
        for text in texts(&step.instruction) {
            for name in used(text, self.dockerfile.escape) {
                let is_known = known.iter().any(|other| other == name);
                if is_known || PROXIES.contains(&name) {
                    continue;
                }
                let near = nearest(name, known);
                let hint = near.map_or(String::new(), |near| format!(" (did you mean ${near}?)"));
                let message = format!("Usage of undefined variable '${name}'{hint}");
                let warning = Rule::UndefinedVar.at(step.location.first, message);
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        match &step.instruction {
            Instruction::Arg(names) => known.extend(names.iter().map(|(name, _)| name.clone())),
            Instruction::Env(pairs) => known.extend(pairs.iter().map(|(name, _)| name.clone())),
            _ => {}
        }
    }

    /// Copies of what `.dockerignore` leaves out.
    fn ignored(&self, warnings: &mut Vec<Warning>) {
        let Ok(rules) = Ignore::file(&self.context.ignore) else { return };
        for step in self.dockerfile.stages.iter().flat_map(|stage| &stage.steps) {
            let Instruction::Copy(copy) = &step.instruction else { continue };
            if !copy.from.is_empty() {
                continue;
            }
            for source in &copy.sources {
                let Source::Path(path) = source else { continue };
                let path = path.trim_start_matches("./").trim_matches('/');
                if path.is_empty() || path.contains("://") {
                    continue;
                }
                if !matches!(rules.verdict(path.as_bytes()), Verdict::Taken) {
                    let command = if copy.add { "Add" } else { "Copy" };
                    let message = format!(
                        "Attempting to {command} file {path:?} that is excluded by .dockerignore"
                    );
                    warnings.push(Rule::CopyIgnoredFile.at(step.location.first, message));
                }
            }
        }
    }
}

/// What of an instruction has its variables replaced.
fn texts(instruction: &Instruction) -> Vec<&str> {
    fn pairs(pairs: &[(String, String)]) -> Vec<&str> {
        pairs.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect()
    }
    match instruction {
        Instruction::Arg(arguments) => {
            arguments.iter().filter_map(|(_, value)| value.as_deref()).collect()
        }
        Instruction::Env(values) | Instruction::Label(values) => pairs(values),
        Instruction::Copy(copy) => {
            let sources = copy.sources.iter().filter_map(|source| match source {
                Source::Path(path) => Some(path.as_str()),
                Source::Heredoc(_) => None,
            });
            let others = [&copy.destination, &copy.chown, &copy.chmod, &copy.checksum];
            sources.chain(others.into_iter().map(String::as_str)).collect()
        }
        Instruction::Workdir(text)
        | Instruction::User(text)
        | Instruction::Stopsignal(text)
        | Instruction::Expose(text) => vec![text],
        Instruction::Volume(paths) => paths.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The names of variables that a text uses without saying what is to be there if they are not set.
fn used(text: &str, escape: char) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut quoted, mut letters) = (false, text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            letter if letter == escape => drop(letters.next()),
            '$' => {
                let rest = &text[at + 1..];
                let (braced, rest) =
                    rest.strip_prefix('{').map_or((false, rest), |rest| (true, rest));
                let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let name = &rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())];
                let is_plain = !braced || rest[name.len()..].starts_with('}');
                // `$1` and the like are the shell's.
                if is_plain && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                    names.push(name);
                }
            }
            _ => {}
        }
    }
    names
}

/// The name that was meant.
fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let far = |other: &&String| strsim::levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let near = known.iter().min_by_key(far)?;
    (far(&near) <= 2 && far(&near) < name.len()).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_says_what_is_there_without_it_is_not_missed() {
        assert_eq!(used("$a/${b}c \\$d '$e' ${f:-g} ${h+i} $1 ${} $", '\\'), ["a", "b"]);
        assert_eq!(used("`$a$b", '`'), ["b"]);
        let known = ["PATH".to_owned(), "VERSION".to_owned()];
        assert_eq!(nearest("VERSOIN", &known), Some("VERSION"));
        assert_eq!(nearest("path", &known), Some("PATH"));
        assert_eq!(nearest("X", &known), None);
    }
}
