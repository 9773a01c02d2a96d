//! Variables of a Dockerfile: `ARG`, `ENV`, and what every build has (docs.docker.com/reference/dockerfile, "ARG").

use std::collections::BTreeMap;

use super::dockerfile::{Dockerfile, Instruction, Words};
use super::epoch::EPOCH;
use crate::image::instruction::variable;
use crate::image::manifest::Platform;

/// Those that may be given without an `ARG`. They reach commands, and count neither for the cache nor for the history.
pub(super) const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Names with values, in the order they were declared in; without one it is declared and has none.
pub(super) type Arguments = Vec<(String, Option<String>)>;

/// What a whole build knows.
pub(super) struct Globals {
    /// Of the command line.
    given: BTreeMap<String, String>,
    /// Of the `ARG`s in front of the first stage.
    declared: Arguments,
    /// `TARGETPLATFORM` and the like.
    platform: Vec<(String, String)>,
}

impl Globals {
    pub(super) fn of(
        dockerfile: &Dockerfile,
        given: &BTreeMap<String, String>,
        platform: &Platform,
    ) -> Result<Globals, String> {
        let mut automatic = Vec::new();
        for side in ["TARGET", "BUILD"] {
            for (name, value) in [
                ("PLATFORM", platform.name()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.architecture.clone()),
                ("VARIANT", platform.variant.clone()),
            ] {
                automatic.push((format!("{side}{name}"), value));
            }
        }
        let mut globals =
            Globals { given: given.clone(), declared: Vec::new(), platform: automatic };
        globals.declare(dockerfile)?;
        Ok(globals)
    }

    /// Carry out the `ARG`s in front of the first stage.
    fn declare(&mut self, dockerfile: &Dockerfile) -> Result<(), String> {
        for step in &dockerfile.globals {
            let Instruction::Arg(arguments) = &step.instruction else { continue };
            for (name, default) in arguments {
                let value = match (self.given.get(name), default) {
                    (Some(given), _) => Some(given.clone()),
                    (None, Some(default)) => Some(self.expand(default, dockerfile.escape)?),
                    (None, None) => self.automatic(name),
                };
                declare(&mut self.declared, name, value);
            }
        }
        Ok(())
    }

    /// The same without arguments of the command line.
    pub(super) fn without_arguments(&self, dockerfile: &Dockerfile) -> Result<Globals, String> {
        let (given, platform) = (BTreeMap::new(), self.platform.clone());
        let mut globals = Globals { given, declared: Vec::new(), platform };
        globals.declare(dockerfile)?;
        Ok(globals)
    }

    /// Expand a text of a `FROM`.
    pub(super) fn expand(&self, text: &str, escape: char) -> Result<String, String> {
        let lookup = |name: &str| value(&self.declared, name).or_else(|| self.automatic(name));
        Words { escape, lookup: &lookup }.expand(text)
    }

    fn automatic(&self, name: &str) -> Option<String> {
        self.platform.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// Carry out an `ARG` of a stage.
    pub(super) fn argue(
        &self,
        arguments: &mut Arguments,
        env: &[String],
        wanted: &[(String, Option<String>)],
        escape: char,
    ) -> Result<(), String> {
        for (name, default) in wanted {
            let value = match (self.given.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(expand(arguments, env, escape, default)?),
                (None, None) => value(&self.declared, name).or_else(|| self.automatic(name)),
            };
            declare(arguments, name, value);
        }
        Ok(())
    }

    /// Variables for commands that no `ARG` declares.
    pub(super) fn proxies(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = self.given.iter().filter(|(name, _)| PROXIES.contains(&name.as_str()));
        given.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Arguments that were given and that nothing declares.
    pub(super) fn unused(&self, dockerfile: &Dockerfile) -> Vec<&str> {
        let stages = dockerfile.stages.iter().flat_map(|stage| &stage.steps);
        let declared: Vec<&str> = dockerfile
            .globals
            .iter()
            .chain(stages)
            .filter_map(|step| match &step.instruction {
                Instruction::Arg(arguments) => Some(arguments),
                _ => None,
            })
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let known = |name: &str| {
            // Those speak to BuildKit, and nothing of it is asked for here.
            declared.contains(&name)
                || PROXIES.contains(&name)
                || name == EPOCH
                || name.starts_with("BUILDKIT_")
        };
        self.given.keys().map(String::as_str).filter(|name| !known(name)).collect()
    }
}

/// Expand a text of a stage: the environment goes before arguments.
pub(super) fn expand(
    arguments: &Arguments,
    env: &[String],
    escape: char,
    text: &str,
) -> Result<String, String> {
    Words { escape, lookup: &|name| lookup(arguments, env, name) }.expand(text)
}

/// A stage's variable.
pub(super) fn lookup(arguments: &Arguments, env: &[String], name: &str) -> Option<String> {
    variable(env, name).or_else(|| value(arguments, name))
}

fn value(arguments: &Arguments, name: &str) -> Option<String> {
    arguments.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone())
}

fn declare(arguments: &mut Arguments, name: &str, value: Option<String>) {
    match arguments.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value.or_else(|| old.take()),
        None => arguments.push((name.to_owned(), value)),
    }
}
