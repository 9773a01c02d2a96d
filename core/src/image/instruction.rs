//! Dockerfile instructions that change an image's configuration: what `import --change`, `commit --change` and a build's
//! instructions without files have in common.

use super::config::RunConfig;
use crate::api::Empty;
use crate::build::dockerfile::{self, Instruction, Words};
use crate::error::{Error, Result};
use crate::shorthand;

/// A configuration that is being changed.
pub(super) struct Changes<'a> {
    config: &'a mut RunConfig,
    has_cmd: bool,
}

impl<'a> Changes<'a> {
    pub(super) fn new(config: &'a mut RunConfig) -> Changes<'a> {
        Changes { config, has_cmd: false }
    }

    /// Carry out one instruction: `ENV A=1`.
    pub(super) fn apply(&mut self, line: &str) -> Result<()> {
        let line = line.trim();
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let name = name.to_ascii_uppercase();
        let wrong =
            |why: &str| Error::invalid(format!("{line:?}: {why}")).about("field", "Changes");
        if !CHANGES.contains(&name.as_str()) {
            return Err(wrong(&format!("{name} is not a valid change command")));
        }
        let instruction =
            dockerfile::instruction(&name, rest, &[], '\\').map_err(|why| wrong(&why))?;
        let env: Vec<String> = self.config.environment().map(str::to_owned).collect();
        let words = Words { escape: '\\', lookup: &|name| variable(&env, name) };
        carry_out(self.config, &mut self.has_cmd, &instruction, &words)
            .map(drop)
            .map_err(|why| wrong(&why))
    }
}

/// Those that make no files.
const CHANGES: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The value of a variable in an environment.
pub(crate) fn variable(env: &[String], name: &str) -> Option<String> {
    let value = |entry: &String| Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    env.iter().rev().find_map(value)
}

/// Set a variable in an environment, in its place.
pub(crate) fn set(env: &mut Vec<String>, name: &str, value: &str) {
    let entry = format!("{name}={value}");
    match env.iter_mut().find(|entry| entry.split('=').next() == Some(name)) {
        Some(there) => *there = entry,
        None => env.push(entry),
    }
}

/// Change the configuration as the instruction says; `false`: it changes none. `has_cmd`: a `CMD` was given here, so that a later
/// `ENTRYPOINT` leaves it.
pub(crate) fn carry_out(
    config: &mut RunConfig,
    has_cmd: &mut bool,
    instruction: &Instruction,
    words: &Words<'_>,
) -> std::result::Result<bool, String> {
    let message = |error: Error| error.message().to_owned();
    match instruction {
        Instruction::Cmd(command) => {
            config.cmd = Some(command.words(config.shell.as_deref()));
            *has_cmd = true;
        }
        Instruction::Entrypoint(command) => {
            config.entrypoint = Some(command.words(config.shell.as_deref()));
            if !*has_cmd {
                config.cmd = None;
            }
        }
        Instruction::Env(pairs) => {
            // All of one instruction see what was before it.
            let mut expanded = Vec::new();
            for (name, value) in pairs {
                expanded.push((words.expand(name)?, words.expand(value)?));
            }
            for (name, value) in expanded {
                set(&mut config.env, &name, &value);
            }
        }
        Instruction::Label(pairs) => {
            for (name, value) in pairs {
                config.labels.insert(words.expand(name)?, words.expand(value)?);
            }
        }
        Instruction::Expose(ports) => {
            for word in words.split(ports)? {
                for text in word.split_whitespace() {
                    for port in shorthand::port(text).map_err(message)? {
                        config.exposed_ports.insert(port.key(), Empty {});
                    }
                }
            }
        }
        Instruction::User(user) => config.user = words.expand(user)?,
        Instruction::Workdir(path) => {
            config.working_dir = join(&config.working_dir, &words.expand(path)?);
        }
        Instruction::Stopsignal(signal) => {
            let signal = words.expand(signal)?;
            shorthand::signal(&signal).map_err(message)?;
            config.stop_signal = signal;
        }
        Instruction::Volume(paths) => {
            for path in paths {
                config.volumes.insert(words.expand(path)?, Empty {});
            }
        }
        Instruction::Shell(shell) => config.shell = Some(shell.clone()),
        Instruction::Healthcheck(check) => config.healthcheck = Some(check.clone()),
        Instruction::Onbuild(trigger) => config.on_build.push(trigger.clone()),
        Instruction::From { .. }
        | Instruction::Arg(_)
        | Instruction::Run(_)
        | Instruction::Copy(_)
        | Instruction::Maintainer(_) => return Ok(false),
    }
    Ok(true)
}

/// A path from a working directory, without `.`, `..` and double slashes. Where it leads in a container its kernel says.
pub(crate) fn join(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(lines: &[&str]) -> Result<RunConfig> {
        let mut config = RunConfig::default();
        let mut changes = Changes::new(&mut config);
        for line in lines {
            changes.apply(line)?;
        }
        Ok(config)
    }

    #[test]
    fn instructions_change_the_configuration() {
        let config = changed(&[
            "CMD [\"sh\", \"-c\", \"x\"]",
            "entrypoint run me",
            "ENV A=1 B=\"two words\" C=$A",
            "ENV OLD the rest ${A:-0}",
            "ENV A=2",
            "EXPOSE 80 53/udp 7000-7001",
            "LABEL a=b 'c d'=e",
            "USER me:us",
            "WORKDIR /srv",
            "WORKDIR app/../data",
            "VOLUME /v1 /v2",
            "VOLUME [\"/with space\"]",
            "STOPSIGNAL SIGINT",
            "ONBUILD RUN make",
            "HEALTHCHECK --interval=5s --retries=3 CMD curl -f localhost",
        ])
        .unwrap();
        assert_eq!(config.cmd.unwrap(), ["sh", "-c", "x"]);
        assert_eq!(config.entrypoint.unwrap(), ["/bin/sh", "-c", "run me"]);
        assert_eq!(config.env, ["A=2", "B=two words", "C=", "OLD=the rest 1"]);
        assert_eq!(
            config.exposed_ports.keys().collect::<Vec<_>>(),
            ["53/udp", "7000/tcp", "7001/tcp", "80/tcp"]
        );
        assert_eq!(config.labels["c d"], "e");
        assert_eq!((&config.user[..], &config.working_dir[..]), ("me:us", "/srv/data"));
        assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/v1", "/v2", "/with space"]);
        assert_eq!(config.on_build, ["RUN make"]);
        assert_eq!(
            config.healthcheck.unwrap(),
            json!({"Interval": 5_000_000_000i64, "Retries": 3, "Test": ["CMD-SHELL", "curl -f localhost"]})
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (line, why) in [
            ("RUN make", "RUN is not a valid change command"),
            ("FROM x", "FROM is not a valid change command"),
            ("", "is not a valid change command"),
            ("ENV", "ENV requires at least one argument"),
            ("ENV A", "ENV must have two arguments"),
            ("ENV A=1 B", "can't find = in"),
            ("ENV =1", "names can not be blank"),
            ("ENV A=\"x", "unterminated"),
            ("EXPOSE 99999", "invalid containerPort"),
            ("STOPSIGNAL SIGNOPE", "invalid signal"),
            ("ONBUILD ONBUILD RUN x", "Chaining ONBUILD"),
            ("ONBUILD FROM x", "isn't allowed as an ONBUILD trigger"),
            ("HEALTHCHECK CMD", "Missing command"),
            ("HEALTHCHECK --interval=x CMD y", "duration"),
        ] {
            let error = changed(&[line]).unwrap_err();
            assert!(error.message().contains(why), "{line}: {}", error.message());
        }
    }

    #[test]
    fn an_entrypoint_takes_an_inherited_command_away() {
        let mut config = RunConfig { cmd: Some(vec!["old".into()]), ..RunConfig::default() };
        Changes::new(&mut config).apply("ENTRYPOINT [\"x\"]").unwrap();
        assert_eq!(config.cmd, None);
    }
}
