//! One stage: its instructions, one after the other.

use std::sync::Arc;

use barque_monitor::protocol::Place;
use serde_json::{Value, json};

use super::archive;
use super::dockerfile::{Copy, Dockerfile, Instruction, Location, Source, Step, Words};
use super::named::Named;
use super::origin::Origin;
use super::plan::{self, Base};
use super::run;
use super::solver::Site;
use super::state::State;
use super::tell::Telling;
use super::variables;
use super::writable::Writable;
use crate::container::files::tree::{self, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::image::built;
use crate::image::instruction;
use crate::sys::clock;

/// A stage that is carried out.
pub(super) struct Stage<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) state: State,
    number: usize,
    /// Steps that make files, the stage's beginning among them, and how many of them have begun.
    steps: (usize, usize),
}

/// Carry a stage out.
pub(super) fn carry_out<'a>(site: &'a Site<'a>, number: usize) -> Result<State> {
    let written = &site.dockerfile.stages[number];
    let makes_files =
        |steps: &[Step]| steps.iter().filter(|step| step.instruction.makes_files()).count();
    let steps = site.plan.steps(site.dockerfile, number);
    let counted = (1 + makes_files(steps), 0);
    let mut stage = Stage { site, state: State::empty(site)?, number, steps: counted };
    let triggers = stage.located(written.location, |stage| {
        stage.begin(&written.text, written.location)?;
        let triggers = std::mem::take(&mut stage.state.config.config.on_build);
        let read = triggers.iter().map(|text| trigger(site, text, written.location));
        Ok(read.collect::<Result<Vec<_>>>()?.concat())
    })?;
    stage.steps.0 += makes_files(&triggers);
    for step in triggers.iter().chain(steps) {
        stage.located(step.location, |stage| stage.step(step))?;
    }
    Ok(stage.state)
}

/// The instructions of an `ONBUILD` in an image, as if they stood at a place of this Dockerfile.
fn trigger(site: &Site<'_>, text: &str, location: Location) -> Result<Vec<Step>> {
    let wrong = |why: String| Error::invalid(format!("ONBUILD {text:?}: {why}"));
    let mut read = Dockerfile::parse(&format!("FROM scratch\n{text}\n"))
        .map_err(|mistake| wrong(mistake.message))?;
    let (Some(stage), true) = (read.stages.pop(), read.stages.is_empty()) else {
        return Err(wrong("it begins a stage".to_owned()));
    };
    for step in &stage.steps {
        plan::refuse(&step.instruction, site.request)?;
    }
    Ok(stage.steps.into_iter().map(|step| Step { location, ..step }).collect())
}

impl<'a> Stage<'a> {
    /// Do something that an instruction asks for; what goes wrong is told with the instruction's place.
    fn located<T>(
        &mut self,
        location: Location,
        act: impl FnOnce(&mut Stage<'a>) -> Result<T>,
    ) -> Result<T> {
        act(self).map_err(|error| match error.kind() {
            ErrorKind::Cancelled => error,
            _ => error.within(plan::place(&self.site.request.dockerfile, location)),
        })
    }

    /// A step that makes files begins.
    fn tell(&mut self, text: &str, location: Location) -> Result<Telling<'a>> {
        self.steps.1 += 1;
        let stage = match (
            self.site.dockerfile.stages[self.number].name.as_str(),
            self.site.dockerfile.stages.len(),
        ) {
            ("", 1) => String::new(),
            ("", _) => format!("stage-{} ", self.number),
            (name, _) => format!("{name} "),
        };
        let (all, begun) = self.steps;
        let place = self.site.dockerfile.excerpt(&self.site.request.dockerfile, location);
        self.site.teller.begin(format!("[{stage}{begun}/{all}] {text}"), place)
    }

    /// `FROM`.
    fn begin(&mut self, text: &str, location: Location) -> Result<()> {
        let site = self.site;
        match &site.plan.bases[self.number] {
            Base::Scratch => {
                self.steps.0 -= 1;
                Ok(())
            }
            Base::Stage(number) => {
                let below = site.stage(*number)?;
                self.steps.0 -= 1;
                self.state = State { has_cmd: false, ..State::clone(&below) };
                Ok(())
            }
            Base::Context(name) => {
                let platform = site.platform(self.number)?;
                let telling = self.tell(text, location)?;
                let asked = (platform.as_str(), site.request.pull);
                match site.contexts.find(site.engine, site.build, name, asked)? {
                    Some(Named::Image(image)) => {
                        self.state.stand_on(site, *image)?;
                        telling.done()
                    }
                    Some(Named::Files(context)) => {
                        let whole = Copy {
                            sources: vec![Source::Path("/".to_owned())],
                            destination: "/".to_owned(),
                            ..Copy::default()
                        };
                        self.copy(text, &whole, &Origin::Context(context), telling)
                    }
                    None => Err(Error::internal("a build context that is not there")),
                }
            }
            Base::Image(name) => {
                let platform = site.platform(self.number)?;
                let telling = self.tell(text, location)?;
                let image = site.build.base(site.engine, name, &platform, site.request.pull)?;
                self.state.stand_on(site, image)?;
                telling.done()
            }
        }
    }

    /// One instruction.
    fn step(&mut self, step: &Step) -> Result<()> {
        self.site.engine.canceller().check()?;
        match &step.instruction {
            Instruction::Run(run) => {
                // As a copy, it begins when what it sees is there.
                let from = self.sources_of_mounts(run)?;
                let telling = self.tell(&step.text, step.location)?;
                self.run(step, run, from, telling)
            }
            Instruction::Copy(copy) => {
                // It begins when what it copies is there.
                let origin = match copy.from.as_str() {
                    "" => Origin::Context(self.site.context),
                    name => self.origin(name)?,
                };
                let telling = self.tell(&step.text, step.location)?;
                self.copy(&step.text, copy, &origin, telling)
            }
            Instruction::Arg(arguments) => {
                let state = &mut self.state;
                let env = &state.config.config.env;
                self.site
                    .globals
                    .argue(&mut state.arguments, env, arguments, self.site.dockerfile.escape)
                    .map_err(Error::invalid)?;
                self.state.tell(&step.text, true);
                Ok(())
            }
            Instruction::Maintainer(name) => {
                self.state.config.author.clone_from(name);
                self.state.tell(&step.text, true);
                Ok(())
            }
            Instruction::Workdir(_) => {
                self.configure(&step.instruction)?;
                let telling = self.tell(&step.text, step.location)?;
                self.work_in(step, telling)
            }
            instruction => {
                self.configure(instruction)?;
                self.state.tell(&step.text, true);
                Ok(())
            }
        }
    }

    /// Change the configuration.
    fn configure(&mut self, instruction: &Instruction) -> Result<()> {
        let State { config, arguments, has_cmd, .. } = &mut self.state;
        let env = config.config.env.clone();
        let lookup = |name: &str| variables::lookup(arguments, &env, name);
        let words = Words { escape: self.site.dockerfile.escape, lookup: &lookup };
        instruction::carry_out(&mut config.config, has_cmd, instruction, &words)
            .map_err(Error::invalid)
            .map(drop)
    }

    /// Expand a text of an instruction.
    pub(super) fn expand(&self, text: &str) -> Result<String> {
        let env = &self.state.config.config.env;
        variables::expand(&self.state.arguments, env, self.site.dockerfile.escape, text)
            .map_err(Error::invalid)
    }

    /// `WORKDIR` makes the directory where there is none.
    fn work_in(&mut self, step: &Step, telling: Telling<'_>) -> Result<()> {
        let path = self.state.config.config.working_dir.clone();
        let operation = json!({"workdir": path});
        let (engine, lower) = (self.site.engine, self.state.lower.clone());
        self.files(&step.text, telling, operation, |_, writable| {
            let target = Target { lower, upper: writable.mount()? };
            let wanted = Place { path, directory: true, user: String::new() };
            tree::place(engine, target, wanted, |out| out.write_all(&archive::EMPTY))?;
            Ok(None)
        })
    }

    /// A step that makes files: taken from the cache, or done by `work` in a writable layer and kept there. `operation` is all that it
    /// depends on beside the files below; `work` may find that it was another.
    pub(super) fn files(
        &mut self,
        text: &str,
        mut telling: Telling<'_>,
        operation: Value,
        work: impl FnOnce(&mut Telling<'_>, &Writable) -> Result<Option<Value>>,
    ) -> Result<()> {
        let site = self.site;
        let engine = site.engine;
        let key = self.state.key(&operation);
        if !site.request.no_cache
            && let Some(found) = site.build.cached(engine, &key)?
        {
            site.taken(key);
            telling.cached()?;
            self.state.stand(site, text, found.layer, found.created);
            return Ok(());
        }
        let below = self.state.top.clone();
        if !site.request.no_cache
            && let Some(found) = site.shared_step(&telling, &key, below.as_ref())?
        {
            site.done(built::Record {
                key,
                parent: below,
                layer: found.layer.clone(),
                description: text.to_owned(),
                created: found.created,
            });
            telling.cached()?;
            self.state.stand(site, text, found.layer, found.created);
            return Ok(());
        }
        let writable = Writable::make(site)?;
        let done = work(&mut telling, &writable).and_then(|operation| {
            failpoint("build-step-done")?;
            Ok((operation, writable.layer(site, self.state.top.as_ref())?))
        });
        let (operation, layer) = match done {
            Ok(done) => done,
            Err(error) => {
                if site.request.keep_failed && error.reason() == run::FAILED {
                    // That they cannot be kept is not why the build failed.
                    if let Ok(layer) = writable.layer(site, self.state.top.as_ref()) {
                        self.state.stand(site, text, layer, clock::now());
                        site.keep_failed(self.number, &self.state);
                    }
                }
                return Err(error);
            }
        };
        let created = clock::now();
        site.done(built::Record {
            key: operation.map_or(key, |operation| self.state.key(&operation)),
            parent: self.state.top.clone(),
            layer: layer.clone(),
            description: text.to_owned(),
            created,
        });
        self.state.stand(site, text, layer, created);
        telling.done()
    }

    /// The image that the containers of steps stand on.
    pub(super) fn image(&mut self) -> Result<(String, String)> {
        if self.state.image.is_none() {
            let id = self.site.build.empty(self.site.engine)?;
            self.state.image = Some((id, self.state.config.architecture.clone()));
        }
        self.state.image.clone().ok_or_else(|| Error::internal("a stage without an image"))
    }

    /// The files of another stage, of a context or of an image.
    pub(super) fn origin(&self, name: &str) -> Result<Origin<'a>> {
        let site = self.site;
        if let Some(number) = site.dockerfile.stage(name, self.number) {
            let stage: Arc<State> = site.stage(number)?;
            return Ok(Origin::Layers(stage.lower.clone()));
        }
        let asked = ("", site.request.pull);
        let image = match site.contexts.find(site.engine, site.build, name, asked)? {
            Some(Named::Files(context)) => return Ok(Origin::Context(context)),
            Some(Named::Image(image)) => *image,
            None => site.build.base(site.engine, name, asked.0, asked.1)?,
        };
        let mut state = State::empty(site)?;
        state.stand_on(site, image)?;
        Ok(Origin::Layers(state.lower))
    }
}
