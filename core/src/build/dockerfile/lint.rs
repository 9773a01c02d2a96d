//! What is probably not meant: the rules of `docker build --check` that the text alone decides
//! (docs.docker.com/reference/build-checks).

use super::command::Command;
use super::instruction::Instruction;
use super::lines::{Line, Lines};
use super::stage::{Dockerfile, Stage};

/// A rule, by the name that BuildKit gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    ConsistentInstructionCasing,
    CopyIgnoredFile,
    DuplicateStageName,
    ExposeInvalidFormat,
    ExposeProtoCasing,
    FromAsCasing,
    FromPlatformFlagConstDisallowed,
    InvalidDefaultArgInFrom,
    InvalidDefinitionDescription,
    JSONArgsRecommended,
    LegacyKeyValueFormat,
    MaintainerDeprecated,
    MultipleInstructionsDisallowed,
    NoEmptyContinuation,
    RedundantTargetPlatform,
    ReservedStageName,
    SecretsUsedInArgOrEnv,
    StageNameCasing,
    UndefinedArgInFrom,
    UndefinedVar,
    WorkdirRelativePath,
}

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) rule: Rule,
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Rule {
    pub(crate) fn at(self, line: usize, message: impl Into<String>) -> Warning {
        Warning { rule: self, line, message: message.into() }
    }

    /// Its name.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} (line {})", self.rule.name(), self.message, self.line)
    }
}

/// Which rules are wanted, as `# check=` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    skipped: Vec<String>,
    experimental: Vec<String>,
    /// Warnings are errors.
    pub(crate) errors: bool,
}

impl Wanted {
    /// `skip=A,B;experimental=C;error=true`.
    pub(super) fn of(text: &str) -> Wanted {
        let mut wanted = Wanted::default();
        let names = |text: &str| -> Vec<String> {
            text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
        };
        for option in text.split(';') {
            match option.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some(("skip", text)) => wanted.skipped.extend(names(text)),
                Some(("experimental", text)) => wanted.experimental.extend(names(text)),
                Some(("error", value)) => wanted.errors = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        wanted
    }

    /// Whether a rule is among them.
    pub(crate) fn has(&self, rule: Rule) -> bool {
        let name = rule.name().to_ascii_lowercase();
        let names = |list: &[String]| list.iter().any(|other| other == "all" || *other == name);
        if names(&self.skipped) {
            return false;
        }
        // Those that BuildKit does not apply unless they are asked for.
        let is_experimental =
            matches!(rule, Rule::CopyIgnoredFile | Rule::InvalidDefinitionDescription);
        !is_experimental || names(&self.experimental)
    }
}

/// Check a Dockerfile.
pub(super) fn check(lines: &Lines, dockerfile: &Dockerfile) -> Vec<Warning> {
    let mut warnings = lines.warnings.clone();
    casing(lines, &mut warnings);
    let mut globals: Vec<&str> = Vec::new();
    for step in &dockerfile.globals {
        if let Instruction::Arg(arguments) = &step.instruction {
            globals.extend(arguments.iter().map(|(name, _)| name.as_str()));
        }
    }
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        from(dockerfile, index, &globals, &mut warnings);
        instructions(stage, &mut warnings);
    }
    descriptions(lines, &mut warnings);
    warnings.retain(|warning| dockerfile.checks.has(warning.rule));
    warnings.sort_by_key(|warning| warning.line);
    warnings
}

/// A comment right above a stage or an argument describes it, and begins with its name.
fn descriptions<'a>(lines: &'a Lines, warnings: &mut Vec<Warning>) {
    for line in &lines.lines {
        let words: Vec<&str> = line.rest.split_whitespace().collect();
        let (instruction, names) = match (line.name.to_ascii_uppercase().as_str(), &words[..]) {
            ("FROM", [.., as_, stage]) if as_.eq_ignore_ascii_case("as") => ("FROM", vec![*stage]),
            ("ARG", [_, ..]) => {
                let name = |word: &&'a str| word.split('=').next().unwrap_or_default();
                ("ARG", words.iter().map(name).collect())
            }
            _ => continue,
        };
        describe(instruction, line, &names, warnings);
    }
}

fn describe(instruction: &str, line: &Line, names: &[&str], warnings: &mut Vec<Warning>) {
    let Some(comment) = &line.comment else { return };
    if names.contains(&comment.split(' ').next().unwrap_or_default()) {
        return;
    }
    let name = if let [name] = names { name } else { "<arg_key>" };
    let message =
        format!("Comment for {instruction} should follow the format: `# {name} <description>`");
    warnings.push(Rule::InvalidDefinitionDescription.at(line.location.first, message));
}

/// All names in capitals, or all in small letters.
fn casing(lines: &Lines, warnings: &mut Vec<Warning>) {
    let is_upper = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase());
    let is_lower = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase());
    let upper = lines.lines.iter().filter(|line| is_upper(&line.name)).count();
    let lower = lines.lines.iter().filter(|line| is_lower(&line.name)).count();
    let (wanted, fits): (_, &dyn Fn(&str) -> bool) =
        if lower > upper { ("lowercase", &is_lower) } else { ("uppercase", &is_upper) };
    for line in lines.lines.iter().filter(|line| !fits(&line.name)) {
        let message = format!(
            "Command '{}' should match the case of the command majority ({wanted})",
            line.name
        );
        warnings.push(Rule::ConsistentInstructionCasing.at(line.location.first, message));
    }
    for line in lines.lines.iter().filter(|line| line.name.eq_ignore_ascii_case("FROM")) {
        let at = line.location.first;
        let words: Vec<&str> = line.rest.split_whitespace().collect();
        let [.., as_, name] = words.as_slice() else { continue };
        if !as_.eq_ignore_ascii_case("as") {
            continue;
        }
        if is_upper(&line.name) != is_upper(as_) {
            let message = format!("'{as_}' and '{}' keywords' casing do not match", line.name);
            warnings.push(Rule::FromAsCasing.at(at, message));
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            let message = format!("Stage name '{name}' should be lowercase");
            warnings.push(Rule::StageNameCasing.at(at, message));
        }
    }
}

/// What a stage begins with.
fn from(dockerfile: &Dockerfile, index: usize, globals: &[&str], warnings: &mut Vec<Warning>) {
    let stage = &dockerfile.stages[index];
    let (name, at) = (stage.name.as_str(), stage.location.first);
    if matches!(name, "scratch" | "context") {
        let message = format!("Stage name should not use the same name as reserved stage {name:?}");
        warnings.push(Rule::ReservedStageName.at(at, message));
    }
    if !name.is_empty() && dockerfile.stages[..index].iter().any(|before| before.name == name) {
        let message = format!("Duplicate stage name {name:?}, stage names should be unique");
        warnings.push(Rule::DuplicateStageName.at(at, message));
    }
    match stage.platform.as_str() {
        "" => {}
        "$TARGETPLATFORM" | "${TARGETPLATFORM}" => {
            let message = format!(
                "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
                stage.platform
            );
            warnings.push(Rule::RedundantTargetPlatform.at(at, message));
        }
        platform if !platform.contains('$') => {
            let message =
                format!("FROM --platform flag should not use constant value {platform:?}");
            warnings.push(Rule::FromPlatformFlagConstDisallowed.at(at, message));
        }
        _ => {}
    }
    for variable in variables(&stage.image) {
        let automatic = variable.starts_with("TARGET") || variable.starts_with("BUILD");
        if !automatic && !globals.contains(&variable) {
            let message = format!("FROM argument '{variable}' is not declared");
            warnings.push(Rule::UndefinedArgInFrom.at(at, message));
        }
    }
}

/// The names of variables in a text, as far as they stand alone.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|part| {
        let name = part.strip_prefix('{').unwrap_or(part);
        let end =
            name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(name.len());
        // One with a default says itself what happens without it.
        let has_default = name[end..].starts_with(":-") || name[end..].starts_with('-');
        (end > 0 && !has_default).then_some(&name[..end])
    })
}

fn instructions(stage: &Stage, warnings: &mut Vec<Warning>) {
    let mut once = [("CMD", 0usize), ("ENTRYPOINT", 0), ("HEALTHCHECK", 0)];
    let (mut has_workdir, mut has_shell) = (false, false);
    for step in &stage.steps {
        let at = step.location.first;
        let mut again = |slot: usize, warnings: &mut Vec<Warning>| {
            let (name, before) = &mut once[slot];
            if *before > 0 {
                let message = format!(
                    "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
                );
                warnings.push(Rule::MultipleInstructionsDisallowed.at(*before, message));
            }
            *before = at;
        };
        let is_shell =
            |command: &Command| matches!(command, Command::Shell(line) if !line.is_empty());
        let json = |name: &str| {
            let message = format!(
                "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
            );
            Rule::JSONArgsRecommended.at(at, message)
        };
        match &step.instruction {
            Instruction::Cmd(command) => {
                again(0, warnings);
                if is_shell(command) && !has_shell {
                    warnings.push(json("CMD"));
                }
            }
            Instruction::Entrypoint(command) => {
                again(1, warnings);
                if is_shell(command) && !has_shell {
                    warnings.push(json("ENTRYPOINT"));
                }
            }
            Instruction::Healthcheck(_) => again(2, warnings),
            Instruction::Shell(_) => has_shell = true,
            Instruction::Maintainer(_) => warnings.push(
                Rule::MaintainerDeprecated
                    .at(at, "Maintainer instruction is deprecated in favor of using label"),
            ),
            Instruction::Workdir(path) => {
                if !has_workdir && !path.starts_with(['/', '$']) {
                    let message = format!(
                        "Relative workdir {path:?} can have unexpected results if the base image changes"
                    );
                    warnings.push(Rule::WorkdirRelativePath.at(at, message));
                }
                has_workdir = true;
            }
            Instruction::Env(pairs) => {
                legacy("ENV", &step.text, at, warnings);
                secrets("ENV", pairs.iter().map(|(name, _)| name), at, warnings);
            }
            Instruction::Label(_) => legacy("LABEL", &step.text, at, warnings),
            Instruction::Arg(arguments) => {
                secrets("ARG", arguments.iter().map(|(name, _)| name), at, warnings);
            }
            Instruction::Expose(ports) => {
                for port in ports.split_whitespace() {
                    // An address, or a port of the host: what publishing takes.
                    if port.split('/').next().is_some_and(|ports| ports.contains(':'))
                        && !port.contains('$')
                    {
                        let message = format!(
                            "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
                        );
                        warnings.push(Rule::ExposeInvalidFormat.at(at, message));
                    }
                    let protocol = port.split_once('/').map_or("", |(_, protocol)| protocol);
                    if !protocol.contains('$') && protocol.bytes().any(|b| b.is_ascii_uppercase()) {
                        let message = format!(
                            "Defined protocol '{port}' in EXPOSE instruction should be lowercase"
                        );
                        warnings.push(Rule::ExposeProtoCasing.at(at, message));
                    }
                }
            }
            _ => {}
        }
    }
}

/// `ENV key value`.
fn legacy(name: &str, text: &str, at: usize, warnings: &mut Vec<Warning>) {
    let first = text.split_whitespace().nth(1).unwrap_or_default();
    if !first.contains('=') {
        let message = format!(
            "\"{name} key=value\" should be used instead of legacy \"{name} key value\" format"
        );
        warnings.push(Rule::LegacyKeyValueFormat.at(at, message));
    }
}

/// A name that sounds like a secret's.
fn secrets<'a>(
    instruction: &str,
    names: impl Iterator<Item = &'a String>,
    at: usize,
    warnings: &mut Vec<Warning>,
) {
    const SECRET: [&str; 9] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "secret",
        "token",
    ];
    for name in names {
        let lower = name.to_ascii_lowercase();
        let words: Vec<&str> = lower.split('_').collect();
        if words.iter().any(|word| SECRET.contains(word) || *word == "passwd" || *word == "pswd")
            && !words.contains(&"public")
        {
            let message = format!(
                "Do not use ARG or ENV instructions for sensitive data ({instruction} \"{name}\")"
            );
            warnings.push(Rule::SecretsUsedInArgOrEnv.at(at, message));
        }
    }
}
