//! One instruction: what its words say, as far as that can be known without variables.

use serde_json::Value;

use super::command::{Command, strings};
use super::flags::Flags;
use super::lines::Heredoc;
use super::run::{self, Run};
use super::{health, word};

/// An instruction. Texts have their variables still in them, except where the reference replaces none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Instruction {
    From {
        image: String,
        platform: String,
        name: String,
    },
    /// Names, with the value where one is given.
    Arg(Vec<(String, Option<String>)>),
    Env(Vec<(String, String)>),
    Label(Vec<(String, String)>),
    Run(Run),
    Copy(Copy),
    Cmd(Command),
    Entrypoint(Command),
    Workdir(String),
    User(String),
    Volume(Vec<String>),
    /// Words that are split once more when their variables are replaced.
    Expose(String),
    Stopsignal(String),
    Shell(Vec<String>),
    Healthcheck(Value),
    /// The instruction as it stands.
    Onbuild(String),
    Maintainer(String),
}

impl Instruction {
    /// Whether it may leave files behind.
    pub(crate) fn makes_files(&self) -> bool {
        matches!(self, Instruction::Run(_) | Instruction::Copy(_) | Instruction::Workdir(_))
    }
}

/// `COPY` and `ADD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copy {
    /// It is `ADD`.
    pub(crate) add: bool,
    pub(crate) sources: Vec<Source>,
    pub(crate) destination: String,
    pub(crate) from: String,
    pub(crate) chown: String,
    pub(crate) chmod: String,
    pub(crate) link: bool,
    pub(crate) parents: bool,
    pub(crate) exclude: Vec<String>,
    pub(crate) checksum: String,
    pub(crate) keep_git_dir: bool,
    /// `--unpack`, where it is said.
    pub(crate) unpack: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Path(String),
    Heredoc(Heredoc),
}

/// Characters of a word that errors repeat.
const LONGEST_SHOWN: usize = 64;

/// Every name.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Read one instruction.
pub(crate) fn one(
    name: &str,
    rest: &str,
    heredocs: &[Heredoc],
    escape: char,
) -> Result<Instruction, String> {
    let upper = name.to_ascii_uppercase();
    let name = upper.as_str();
    let (mut flags, rest) = match name {
        // Their options are those of the check, or are the inner instruction's.
        "HEALTHCHECK" | "ONBUILD" | "CMD" | "ENTRYPOINT" => (Flags::default(), rest),
        _ if NAMES.contains(&name) => Flags::take(rest, escape),
        _ => {
            // What is no Dockerfile may be one long word.
            let shown: String = name.chars().take(LONGEST_SHOWN).collect();
            return Err(format!(
                "unknown instruction: {shown}{}",
                did_you_mean(&shown, &NAMES, "")
            ));
        }
    };
    let rest = rest.trim();
    let needs = |ok: bool, what: &str| match ok {
        true => Ok(()),
        false => Err(format!("{name} requires {what}")),
    };
    needs(
        !rest.is_empty() || matches!(name, "CMD" | "ENTRYPOINT" | "HEALTHCHECK" | "FROM"),
        match name {
            "WORKDIR" | "USER" | "STOPSIGNAL" | "MAINTAINER" => "exactly one argument",
            "COPY" | "ADD" => {
                "at least two arguments, but only one was provided. Destination could not be determined"
            }
            _ => "at least one argument",
        },
    )?;
    let instruction = match name {
        "FROM" => {
            let platform = flags.value("platform")?;
            flags.end(&["platform"])?;
            return from(rest, platform);
        }
        "ARG" => Instruction::Arg(arguments(rest, escape)?),
        "ENV" => Instruction::Env(pairs("ENV", rest, escape)?),
        "LABEL" => Instruction::Label(pairs("LABEL", rest, escape)?),
        "RUN" => return run::parse(rest, heredocs, flags),
        "COPY" | "ADD" => return copy(name == "ADD", rest, heredocs, flags, escape),
        "CMD" => Instruction::Cmd(Command::parse(rest)),
        "ENTRYPOINT" => Instruction::Entrypoint(Command::parse(rest)),
        "WORKDIR" => Instruction::Workdir(rest.to_owned()),
        "USER" => Instruction::User(rest.to_owned()),
        "VOLUME" => {
            let paths = strings(rest)
                .unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
            if paths.iter().any(|path| path.trim().is_empty()) {
                return Err("VOLUME specified can not be an empty string".to_owned());
            }
            Instruction::Volume(paths)
        }
        "EXPOSE" => Instruction::Expose(rest.to_owned()),
        "STOPSIGNAL" => Instruction::Stopsignal(rest.to_owned()),
        "SHELL" => match strings(rest).filter(|words| !words.is_empty()) {
            Some(words) => Instruction::Shell(words),
            None => return Err("SHELL requires the arguments to be in JSON form".to_owned()),
        },
        "HEALTHCHECK" => Instruction::Healthcheck(health::parse(rest, escape)?),
        "ONBUILD" => onbuild(rest, heredocs, escape)?,
        _ => Instruction::Maintainer(rest.to_owned()),
    };
    flags.end(&[])?;
    Ok(instruction)
}

/// A hint at the word that was meant.
pub(super) fn did_you_mean(word: &str, known: &[&str], before: &str) -> String {
    let nearest = known.iter().map(|known| (strsim::levenshtein(word, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 2 && distance < known.len() => {
            format!(" (did you mean {before}{known}?)")
        }
        _ => String::new(),
    }
}

/// `image [AS name]`.
fn from(rest: &str, platform: String) -> Result<Instruction, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        [image] => Ok(Instruction::From { image: (*image).into(), platform, name: String::new() }),
        [image, as_, name] if as_.eq_ignore_ascii_case("as") => {
            let name = name.to_ascii_lowercase();
            let well = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            if !well || name == "scratch" || name == "context" {
                return Err(format!(
                    "invalid name for build stage: {name:?}, name can't start with a number or contain symbols"
                ));
            }
            Ok(Instruction::From { image: (*image).into(), platform, name })
        }
        _ => Err("FROM requires either one or three arguments".to_owned()),
    }
}

fn copy(
    add: bool,
    rest: &str,
    heredocs: &[Heredoc],
    mut flags: Flags,
    escape: char,
) -> Result<Instruction, String> {
    let name = if add { "ADD" } else { "COPY" };
    let mut copy = Copy {
        add,
        chown: flags.value("chown")?,
        chmod: flags.value("chmod")?,
        link: flags.truth("link")?,
        exclude: flags.values("exclude")?,
        ..Copy::default()
    };
    if add {
        copy.checksum = flags.value("checksum")?;
        copy.keep_git_dir = flags.truth("keep-git-dir")?;
        copy.unpack = match flags.value("unpack") {
            Ok(value) if value.is_empty() => None,
            Ok(value) => Some(value.eq_ignore_ascii_case("true")),
            Err(_) => Some(true),
        };
        flags.end(&["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"])?;
    } else {
        copy.from = flags.value("from")?;
        copy.parents = flags.truth("parents")?;
        flags.end(&["chown", "chmod", "link", "exclude", "from", "parents"])?;
    }
    let mut words = match strings(rest) {
        Some(words) => words,
        None => word::raw(rest, escape)?,
    };
    let few = || {
        format!(
            "{name} requires at least two arguments, but only one was provided. Destination could not be determined"
        )
    };
    copy.destination = words.pop().ok_or_else(few)?;
    let mut here = heredocs.iter();
    for word in words {
        copy.sources.push(match word.contains("<<").then(|| here.next()).flatten() {
            Some(heredoc) => Source::Heredoc(heredoc.clone()),
            None => Source::Path(word),
        });
    }
    if copy.sources.is_empty() {
        return Err(few());
    }
    Ok(Instruction::Copy(copy))
}

fn onbuild(rest: &str, heredocs: &[Heredoc], escape: char) -> Result<Instruction, String> {
    let (trigger, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match trigger.to_ascii_uppercase().as_str() {
        "ONBUILD" => return Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned()),
        trigger @ ("FROM" | "MAINTAINER") => {
            return Err(format!("{trigger} isn't allowed as an ONBUILD trigger"));
        }
        _ => {}
    }
    // What is wrong with it is told now, and not to whoever builds on the image.
    one(trigger, after, heredocs, escape)?;
    let mut text = rest.to_owned();
    for heredoc in heredocs {
        text.push_str(&format!("\n{}{}", heredoc.content, heredoc.name));
    }
    Ok(Instruction::Onbuild(text))
}

/// `NAME[=default] …`.
fn arguments(rest: &str, escape: char) -> Result<Vec<(String, Option<String>)>, String> {
    let words = word::raw(rest, escape)?;
    let argument = |word: String| match word.split_once('=') {
        Some(("", _)) => Err("ARG names can not be blank".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None => Ok((word, None)),
    };
    words.into_iter().map(argument).collect()
}

/// `KEY=value KEY="value"`, or the old form `KEY value to the end`.
fn pairs(name: &str, rest: &str, escape: char) -> Result<Vec<(String, String)>, String> {
    let words = word::raw(rest, escape)?;
    let Some(first) = words.first() else { return Ok(Vec::new()) };
    if !first.contains('=') {
        let value = rest.split_once(char::is_whitespace).map_or("", |(_, value)| value.trim());
        if value.is_empty() {
            return Err(format!("{name} must have two arguments"));
        }
        return Ok(vec![(first.clone(), value.to_owned())]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("{name} names can not be blank")),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => {
            Err(format!("Syntax error - can't find = in {word:?}. Must be of the form: name=value"))
        }
    };
    words.iter().map(pair).collect()
}
