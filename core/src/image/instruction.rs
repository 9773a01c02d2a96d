//! Dockerfile instructions that change an image's configuration: what `import --change`, `commit --change` and a build's
//! instructions without files have in common.

use serde_json::{Value, json};

use super::config::RunConfig;
use super::word;
use crate::api::Empty;
use crate::error::{Error, Result};
use crate::shorthand;

/// A configuration that is being changed.
pub(super) struct Changes<'a> {
    config: &'a mut RunConfig,
    /// `CMD` was given here: a later `ENTRYPOINT` leaves it.
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
        let (name, rest) = (name.to_ascii_uppercase(), rest.trim());
        let wrong =
            |why: &str| Error::invalid(format!("{line:?}: {why}")).about("field", "Changes");
        let needs_argument = |ok: bool| {
            if ok { Ok(()) } else { Err(wrong(&format!("{name} requires at least one argument"))) }
        };
        needs_argument(!rest.is_empty() || matches!(name.as_str(), "CMD" | "ENTRYPOINT" | ""))?;
        let env: Vec<String> = self.config.environment().map(str::to_owned).collect();
        let one = || word::expand(rest, &env).map_err(|why| wrong(&why));
        let many = || word::split(rest, &env).map_err(|why| wrong(&why));
        match name.as_str() {
            "CMD" => {
                self.config.cmd = Some(self.command(rest));
                self.has_cmd = true;
            }
            "ENTRYPOINT" => {
                self.config.entrypoint = Some(self.command(rest));
                if !self.has_cmd {
                    self.config.cmd = None;
                }
            }
            "ENV" => {
                for (key, value) in pairs(rest, &env).map_err(|why| wrong(&why))? {
                    let prefix = format!("{key}=");
                    self.config.env.retain(|entry| !entry.starts_with(&prefix));
                    self.config.env.push(format!("{prefix}{value}"));
                }
            }
            "LABEL" => {
                self.config.labels.extend(pairs(rest, &env).map_err(|why| wrong(&why))?);
            }
            "EXPOSE" => {
                for text in many()? {
                    for port in shorthand::port(&text)? {
                        self.config.exposed_ports.insert(port.key(), Empty {});
                    }
                }
            }
            "USER" => self.config.user = one()?,
            "WORKDIR" => self.config.working_dir = join(&self.config.working_dir, &one()?),
            "STOPSIGNAL" => {
                let signal = one()?;
                shorthand::signal(&signal)?;
                self.config.stop_signal = signal;
            }
            "VOLUME" => {
                for path in strings(rest).map_or_else(many, Ok)? {
                    if path.is_empty() {
                        return Err(wrong("VOLUME specified can not be an empty string"));
                    }
                    self.config.volumes.insert(path, Empty {});
                }
            }
            "ONBUILD" => {
                let trigger = rest.split_whitespace().next().unwrap_or_default();
                match trigger.to_ascii_uppercase().as_str() {
                    "ONBUILD" => {
                        return Err(wrong("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
                    }
                    trigger @ ("FROM" | "MAINTAINER") => {
                        return Err(wrong(&format!(
                            "{trigger} isn't allowed as an ONBUILD trigger"
                        )));
                    }
                    _ => self.config.on_build.push(rest.to_owned()),
                }
            }
            "HEALTHCHECK" => {
                self.config.healthcheck = Some(health_check(rest).map_err(|why| wrong(&why))?);
            }
            _ => return Err(wrong(&format!("{name} is not a valid change command"))),
        }
        Ok(())
    }

    /// A JSON list is the command itself; anything else is for the shell.
    fn command(&self, rest: &str) -> Vec<String> {
        if let Some(words) = strings(rest) {
            return words;
        }
        if rest.is_empty() {
            return Vec::new();
        }
        let shell = self.config.shell.clone().filter(|shell| !shell.is_empty());
        let mut command = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
        command.push(rest.to_owned());
        command
    }
}

/// A JSON list of strings.
fn strings(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

/// `KEY=value KEY="value"`, or the old form `KEY value to the end`.
fn pairs(text: &str, env: &[String]) -> std::result::Result<Vec<(String, String)>, String> {
    let first_end = text.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(text.len());
    if !text[first_end..].starts_with('=') {
        let (key, value) = (&text[..first_end], text[first_end..].trim());
        if value.is_empty() {
            return Err(format!("{key} must have a value"));
        }
        return Ok(vec![(word::expand(key, env)?, word::expand(value, env)?)]);
    }
    word::split(text, env)?
        .into_iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err("names can not be blank".to_owned()),
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!(
                "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
            )),
        })
        .collect()
}

/// A path from a working directory, without `.`, `..` and double slashes. Where it leads in a container its kernel says.
fn join(from: &str, path: &str) -> String {
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

/// `NONE`, or options and `CMD command`.
fn health_check(text: &str) -> std::result::Result<Value, String> {
    let mut document = serde_json::Map::new();
    let mut rest = text;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        rest = after.trim_start();
        let (name, value) = option.split_once('=').ok_or(format!("--{option} needs a value"))?;
        let (field, value) = match name {
            "interval" => ("Interval", nanoseconds(value)?),
            "timeout" => ("Timeout", nanoseconds(value)?),
            "start-period" => ("StartPeriod", nanoseconds(value)?),
            "start-interval" => ("StartInterval", nanoseconds(value)?),
            "retries" => {
                let retries: u32 =
                    value.parse().map_err(|_| format!("{value:?} is not a number of retries"))?;
                ("Retries", json!(retries))
            }
            other => return Err(format!("Unknown flag: {other}")),
        };
        document.insert(field.to_owned(), value);
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let test = match (kind.to_ascii_uppercase().as_str(), command.trim()) {
        ("NONE", "") if document.is_empty() => vec!["NONE".to_owned()],
        ("NONE", _) => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        ("CMD", "") => return Err("Missing command after HEALTHCHECK CMD".to_owned()),
        ("CMD", command) => match strings(command) {
            Some(words) => [vec!["CMD".to_owned()], words].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        (other, _) => return Err(format!("Unknown type {other:?} in HEALTHCHECK (try CMD)")),
    };
    document.insert("Test".to_owned(), json!(test));
    Ok(Value::Object(document))
}

fn nanoseconds(text: &str) -> std::result::Result<Value, String> {
    let duration = shorthand::duration(text).map_err(|error| error.message().to_owned())?;
    let nanoseconds =
        i64::try_from(duration.as_nanos()).map_err(|_| format!("{text} is too long"))?;
    Ok(json!(nanoseconds))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(config.env, ["B=two words", "C=", "OLD=the rest 1", "A=2"]);
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
            ("ENV A", "A must have a value"),
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
