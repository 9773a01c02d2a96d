//! `RUN`: a container on the files of a stage.

use serde_json::json;

use super::dockerfile::{Command, Run, Step};
use super::mounts::Stubs;
use super::stage::Stage;
use super::tell::Telling;
use crate::api::HostConfig;
use crate::container::files::tree::Target;
use crate::container::step;
use crate::error::{Error, Result};
use crate::image::instruction;
use crate::stream::Output;

impl Stage<'_> {
    pub(super) fn run(&mut self, step: &Step, run: &Run, telling: Telling<'_>) -> Result<()> {
        let site = self.site;
        let config = &self.state.config.config;
        let words = words(run, config.shell.as_deref())?;
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
        let mounts = self.mounts(&run.mounts)?;
        let mounted: Vec<_> =
            run.mounts.iter().map(|mount| (format!("{:?}", mount.kind), &mount.options)).collect();
        let operation = json!({
            "run": words,
            "mounts": mounted,
            "env": env,
            "user": user,
            "working_dir": working_dir,
            "network": network,
        });
        let shown = words.join(" ");
        // They say how the network is reached, and not what is made of what comes from it.
        for (name, value) in site.globals.proxies() {
            if instruction::variable(&env, name).is_none() {
                instruction::set(&mut env, name, value);
            }
        }
        let image = self.image()?;
        let lower = self.state.lower.clone();
        self.files(step, telling, operation, |telling, writable| {
            let target = || Ok(Target { lower: lower.clone(), upper: writable.mount()? });
            let stubs = Stubs::of(site, &lower, &mounts)?;
            let step = step::Step {
                image: (&image.0, &image.1),
                build: site.build.id(),
                lower: lower.clone(),
                upper: writable.mount()?,
                words,
                env,
                user: &user,
                working_dir: &working_dir,
                host_config: HostConfig { network_mode: network, ..HostConfig::default() },
                mounts: &mounts,
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
                return Err(Error::invalid(format!(
                    "process {shown:?} did not complete successfully: exit code: {}",
                    run.exit_code
                ))
                .with_reason("build_step_failed"));
            }
            Ok(None)
        })
    }
}

/// The words that are executed.
fn words(run: &Run, shell: Option<&[String]>) -> Result<Vec<String>> {
    let Command::Shell(line) = &run.command else { return Ok(run.command.words(shell)) };
    let Some(first) = run.heredocs.first() else { return Ok(run.command.words(shell)) };
    // A here-document alone is a script; any other is input of a command, which the shell knows how to give.
    if run.heredocs.len() == 1 && line.split_whitespace().count() == 1 {
        if first.content.starts_with("#!") {
            return Err(Error::unsupported(
                "a here-document with an interpreter of its own (#!) is not supported yet; give it to a command: RUN python3 <<EOF",
            ));
        }
        return Ok(Command::Shell(first.content.clone()).words(shell));
    }
    let mut script = format!("{line}\n");
    for heredoc in &run.heredocs {
        script.push_str(&format!("{}{}\n", heredoc.content, heredoc.name));
    }
    Ok(Command::Shell(script).words(shell))
}
