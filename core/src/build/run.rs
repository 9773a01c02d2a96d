//! `RUN`: a container on the files of a stage.

use serde_json::{Value, json};

use super::dockerfile::{Command, Heredoc, Run, Step};
use super::mounts::{self, Mounts};
use super::origin::Origin;
use super::stage::Stage;
use super::stubs::Stubs;
use super::tell::Telling;
use crate::api::HostConfig;
use crate::container::files::tree::Target;
use crate::container::step;
use crate::error::{Error, Result};
use crate::image::instruction;
use crate::stream::Output;

/// Where a here-document is that is a program, which is BuildKit's place.
const SCRIPTS: &str = "/dev/pipes";

/// Why a build ended whose command did.
pub(super) const FAILED: &str = "build_step_failed";

impl<'a> Stage<'a> {
    /// `from` as [`Stage::sources_of_mounts`] gives it.
    pub(super) fn run(
        &mut self,
        step: &Step,
        run: &Run,
        from: Vec<Option<Origin<'a>>>,
        telling: Telling<'_>,
    ) -> Result<()> {
        let site = self.site;
        let config = &self.state.config.config;
        let (words, script) = words(run, config.shell.as_deref());
        if words.is_empty() {
            return Err(Error::invalid("RUN requires a command"));
        }
        // The environment goes before arguments of the same name.
        let mut env = Vec::new();
        for (name, value) in &self.state.arguments {
            if let Some(value) = value {
                instruction::set(&mut env, name, value);
            }
        }
        for entry in config.environment() {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            instruction::set(&mut env, name, value);
        }
        let network = match run.network.as_str() {
            "" => site.request.network.clone(),
            "default" => String::new(),
            named => named.to_owned(),
        };
        let (user, working_dir) = (
            config.user.clone(),
            match config.working_dir.as_str() {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
        );
        let mounts: Mounts<'_> = self.mounts(run, from)?;
        let mounted: Vec<_> =
            run.mounts.iter().map(|mount| (format!("{:?}", mount.kind), &mount.options)).collect();
        let mut operation = json!({
            "run": words,
            "mounts": mounted,
            "env": env,
            "user": user,
            "working_dir": working_dir,
            "network": network,
        });
        // Limits do not change what a command comes to, names of hosts may.
        let hosts = &site.request.host_config.extra_hosts;
        if !hosts.is_empty() {
            operation["hosts"] = json!(hosts);
        }
        let on = |bound: Value| -> Value {
            let mut operation = operation.clone();
            operation["bound"] = bound;
            operation["script"] = json!(script.map(|heredoc| heredoc.content.as_str()));
            operation
        };
        let before = on(mounts.look(site)?);
        let shown = words.join(" ");
        // They say how the network is reached, and not what is made of what comes from it.
        for (name, value) in site.globals.proxies() {
            if instruction::variable(&env, name).is_none() {
                instruction::set(&mut env, name, value);
            }
        }
        let image = self.image()?;
        let lower = self.state.lower.clone();
        self.files(&step.text, telling, before, |telling, writable| {
            let (mut held, bound) = mounts.make(site)?;
            if let Some(heredoc) = script {
                held.mounts.push(mounts::script(site, &words[0], &heredoc.content)?);
            }
            let target = || Ok(Target { lower: lower.clone(), upper: writable.mount()? });
            let stubs = Stubs::of(site, &lower, mounts.places())?;
            let step = step::Step {
                image: (&image.0, &image.1),
                build: site.build.id(),
                lower: lower.clone(),
                upper: writable.mount()?,
                words,
                env,
                user: &user,
                working_dir: &working_dir,
                host_config: HostConfig {
                    network_mode: network,
                    ..site.request.host_config.clone()
                },
                mounts: &held.mounts,
                secret_env: &mounts.env,
                mounted: &|| held.secrets.forget(),
            };
            let mut told = Ok(());
            let run = step::run(site.engine, step, &mut |output, bytes| {
                if told.is_ok() {
                    told = telling.log(usize::from(output == Output::Stderr), bytes);
                }
            })?;
            told?;
            stubs.clear(site, &target)?;
            if run.exit_code != 0 {
                let memory = if run.oom_killed { ": out of memory" } else { "" };
                return Err(Error::invalid(format!(
                    "process {shown:?} did not complete successfully: exit code: {}{memory}",
                    run.exit_code
                ))
                .with_reason(FAILED));
            }
            Ok(Some(on(bound)))
        })
    }
}

/// The words that are executed, and the here-document that is the program, where it names its own interpreter.
fn words<'a>(run: &'a Run, shell: Option<&[String]>) -> (Vec<String>, Option<&'a Heredoc>) {
    let Command::Shell(line) = &run.command else { return (run.command.words(shell), None) };
    let Some(first) = run.heredocs.first() else { return (run.command.words(shell), None) };
    // A here-document alone is a script; any other is input of a command, which the shell knows how to give.
    if run.heredocs.len() == 1 && line.split_whitespace().count() == 1 {
        if first.content.starts_with("#!") {
            return (vec![format!("{SCRIPTS}/{}", first.name.replace('/', "_"))], Some(first));
        }
        return (Command::Shell(first.content.clone()).words(shell), None);
    }
    let mut script = format!("{line}\n");
    for heredoc in &run.heredocs {
        script.push_str(&format!("{}{}\n", heredoc.content, heredoc.name));
    }
    (Command::Shell(script).words(shell), None)
}
