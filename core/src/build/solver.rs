//! Carrying stages out side by side.
//!
//! Workers take the stages in the order of the Dockerfile, and one that needs another waits for it when it comes to that. What is waited
//! for is always a stage before, which somebody has taken already, so nobody waits for ever. The first failure cancels the others.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::check::Checks;
use super::context::Context;
use super::dockerfile::lint::Warning;
use super::dockerfile::{Dockerfile, Location};
use super::named::Contexts;
use super::plan::Plan;
use super::request::{self, Request};
use super::shared::Shared;
use super::stage;
use super::state::State;
use super::tell::Teller;
use super::variables::Globals;
use crate::Engine;
use crate::api::{BuildCheck, ImageBuilt};
use crate::error::{Error, ErrorKind, Result};
use crate::events;
use crate::failpoint::failpoint;
use crate::image::{Build, Digest, ImageConfig, Reference};
use crate::image::{budget, built};
use crate::progress::Progress;
use crate::store::lease::Lease;
use crate::sys::clock;

/// Most stages that are carried out at once.
const MOST_WORKERS: usize = 16;

/// A build that is about to begin.
pub(super) struct Solver<'a> {
    /// With a canceller that is the build's own.
    engine: Engine,
    request: &'a Request,
    context: &'a Context,
    dockerfile: &'a Dockerfile,
    contexts: &'a Contexts,
    globals: Globals,
    plan: Plan,
    progress: &'a Progress,
}

/// What all stages of a build share.
pub(super) struct Site<'a> {
    pub(super) engine: &'a Engine,
    pub(super) request: &'a Request,
    pub(super) context: &'a Context,
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) contexts: &'a Contexts,
    pub(super) globals: &'a Globals,
    pub(super) plan: &'a Plan,
    pub(super) lease: &'a Lease,
    pub(super) build: &'a Build,
    pub(super) teller: Teller<'a>,
    /// Caches that are not the engine's, opened before the first step.
    pub(super) shared: OnceLock<Shared>,
    stages: Mutex<Vec<Slot>>,
    changed: Condvar,
    steps: Mutex<built::Steps>,
    /// The stage that has failed first.
    culprit: OnceLock<usize>,
    /// What stages were when a command failed there, if that is wanted.
    failed: Mutex<Vec<(usize, State)>>,
    directories: AtomicUsize,
}

/// What has become of a stage.
#[derive(Clone)]
enum Slot {
    Unknown,
    Done(Arc<State>),
    Failed,
}

impl<'a> Solver<'a> {
    /// Find out what there is to do.
    pub(super) fn new(
        engine: &Engine,
        request: &'a Request,
        (context, contexts): (&'a Context, &'a Contexts),
        dockerfile: &'a Dockerfile,
        progress: &'a Progress,
    ) -> Result<Solver<'a>> {
        let file = request.dockerfile.as_str();
        let globals = Globals::of(dockerfile, &request.arguments, &request.platform)
            .map_err(|why| Error::invalid(why).within(file))?;
        let plan = Plan::of(dockerfile, &globals, request)?;
        let engine = engine.with_canceller(&engine.canceller().child()?);
        let solver =
            Solver { engine, request, context, contexts, dockerfile, globals, plan, progress };
        if dockerfile.checks.errors && !request.check {
            // Those that need an image which is not here yet come at the end.
            solver.checked()?;
        }
        Ok(solver)
    }

    /// What the build checks find, unless that is an error.
    fn checked(&self) -> Result<Vec<Warning>> {
        let checks = Checks {
            engine: &self.engine,
            dockerfile: self.dockerfile,
            context: self.context,
            globals: &self.globals,
            bases: &self.plan.bases,
        };
        let warnings = checks.all();
        // Whoever only asks is told all of them.
        match warnings.first().filter(|_| self.dockerfile.checks.errors && !self.request.check) {
            None => Ok(warnings),
            Some(warning) => Err(Error::invalid(format!("lint violation found: {warning}"))
                .with_reason("dockerfile_lint")),
        }
    }

    /// What is found without building anything.
    pub(super) fn check(&self) -> Result<ImageBuilt> {
        Ok(self.warned(&self.checked()?))
    }

    fn warned(&self, found: &[Warning]) -> ImageBuilt {
        let file = self.request.dockerfile.as_str();
        let check = |warning: &Warning| BuildCheck {
            rule: warning.rule.name(),
            message: warning.message.clone(),
            line: i64::try_from(warning.line).unwrap_or(i64::MAX),
            excerpt: self
                .dockerfile
                .excerpt(file, Location { first: warning.line, last: warning.line }),
        };
        let mut warnings: Vec<String> = found.iter().map(Warning::to_string).collect();
        let unused = self.globals.unused(self.dockerfile);
        if !unused.is_empty() {
            warnings.push(format!("One or more build-args {unused:?} were not consumed"));
        }
        let checks = found.iter().map(check).collect();
        ImageBuilt { warnings, checks, ..ImageBuilt::default() }
    }

    /// Carry it out, and put what was made into the store.
    pub(super) fn solve(&self, lease: &Lease, build: &Build) -> Result<ImageBuilt> {
        let site = Site {
            engine: &self.engine,
            request: self.request,
            context: self.context,
            dockerfile: self.dockerfile,
            contexts: self.contexts,
            globals: &self.globals,
            plan: &self.plan,
            lease,
            build,
            teller: Teller::new(&self.engine, self.progress),
            shared: OnceLock::new(),
            stages: Mutex::new(vec![Slot::Unknown; self.dockerfile.stages.len()]),
            changed: Condvar::new(),
            steps: Mutex::default(),
            culprit: OnceLock::new(),
            failed: Mutex::default(),
            directories: AtomicUsize::new(0),
        };
        let (shared, missed) = site.open_shared()?;
        let _ = site.shared.set(shared);
        let solved = site.carry_out();
        failpoint("build-steps-done")?;
        match solved {
            Ok(state) => {
                let ImageBuilt { mut warnings, checks, .. } = self.warned(&self.checked()?);
                warnings.extend(missed);
                let built = ImageBuilt { warnings, checks, ..site.export(&state)? };
                site.export_shared(&state)?;
                if !site.steps().done.is_empty() {
                    // It is built, whatever becomes of what is kept for later.
                    let _ = budget::keep(&self.engine);
                }
                Ok(built)
            }
            Err(error) => {
                // What was done is done, and the next build begins there. That it cannot be kept is not why this one failed.
                if error.kind() != ErrorKind::Cancelled
                    && let Ok(engine) = self.engine.uncancelled()
                {
                    let failed = site.failed();
                    if let Ok(Some(id)) = built::publish(&engine, lease, &site.steps(), failed) {
                        let short = Digest::parse(&id)?.short().to_owned();
                        let more = format!("its files are in the image {short}");
                        return Err(error.adding(more).about("image", id));
                    }
                }
                Err(error)
            }
        }
    }
}

impl Site<'_> {
    /// Carry all stages out; what the target has become.
    fn carry_out(&self) -> Result<Arc<State>> {
        let order = &self.plan.order;
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            while let Some(stage) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let slot = match stage::carry_out(self, *stage) {
                    Ok(state) => Slot::Done(Arc::new(state)),
                    Err(error) => {
                        lock(&failure).get_or_insert_with(|| {
                            let _ = self.culprit.set(*stage);
                            error
                        });
                        next.store(order.len(), Ordering::Relaxed);
                        self.engine.canceller().cancel();
                        Slot::Failed
                    }
                };
                lock(&self.stages)[*stage] = slot;
                self.changed.notify_all();
            }
        };
        std::thread::scope(|scope| {
            let mut others = Vec::new();
            for _ in 1..order.len().min(MOST_WORKERS) {
                // Without another thread this one does it all (`scope.spawn` would panic).
                match std::thread::Builder::new().spawn_scoped(scope, work) {
                    Ok(other) => others.push(other),
                    Err(_) => break,
                }
            }
            work();
            for other in others {
                other.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        self.stage(self.plan.target)
    }

    /// What a stage has become, when it has.
    pub(super) fn stage(&self, number: usize) -> Result<Arc<State>> {
        if !self.plan.order.contains(&number) {
            return Err(Error::unsupported(
                "an ONBUILD instruction that copies from a stage which nothing else needs is not supported",
            ));
        }
        let mut stages = lock(&self.stages);
        loop {
            match &stages[number] {
                Slot::Done(state) => return Ok(Arc::clone(state)),
                Slot::Failed => {
                    return Err(Error::new(ErrorKind::Cancelled, "another stage has failed"));
                }
                Slot::Unknown => {
                    stages = self.changed.wait(stages).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// The platform that a stage's `FROM` names: this machine's, or none.
    pub(super) fn platform(&self, number: usize) -> Result<String> {
        let platform = &self.dockerfile.stages[number].platform;
        let platform =
            self.globals.expand(platform, self.dockerfile.escape).map_err(Error::invalid)?;
        request::own(&platform)?;
        Ok(platform)
    }

    /// A command has failed in this stage, which is to be looked into.
    pub(super) fn keep_failed(&self, stage: usize, state: &State) {
        lock(&self.failed).push((stage, state.clone()));
    }

    /// What there is to look into: of the stage whose failure is told.
    fn failed(&self) -> Option<built::Image> {
        let failed = std::mem::take(&mut *lock(&self.failed));
        let culprit = self.culprit.get()?;
        let (_, state) = failed.into_iter().find(|(stage, _)| stage == culprit)?;
        let config = finished(&state, self.request);
        Some(built::Image { names: Vec::new(), config, layers: state.layers })
    }

    /// A number for a directory below the lease.
    pub(super) fn number(&self) -> usize {
        self.directories.fetch_add(1, Ordering::Relaxed)
    }

    /// A step was done.
    pub(super) fn done(&self, record: built::Record) {
        lock(&self.steps).done.push(record);
    }

    /// A step was done before.
    pub(super) fn taken(&self, key: Digest) {
        lock(&self.steps).taken.push(key);
    }

    pub(super) fn steps(&self) -> built::Steps {
        lock(&self.steps).clone()
    }

    /// Make the image.
    fn export(&self, state: &State) -> Result<ImageBuilt> {
        self.export_files(state)?;
        let built = match self.keeps_image() || self.archives_image() {
            true => self.image(state)?,
            false => {
                built::publish(self.engine, self.lease, &self.steps(), None)?;
                ImageBuilt::default()
            }
        };
        failpoint("build-published")?;
        Ok(built)
    }

    fn image(&self, state: &State) -> Result<ImageBuilt> {
        let keeps = self.keeps_image();
        let name = if keeps { "exporting to image" } else { "exporting layers" };
        let telling = self.teller.begin(name.to_owned(), String::new())?;
        let config = finished(state, self.request);
        let names = self.request.names.clone();
        let given = if keeps { names.clone() } else { Vec::new() };
        let image = built::Image { names: given, config, layers: state.layers.clone() };
        let was_there = !keeps && self.engine.images().exists(image.id()?.as_str())?;
        let id = built::publish(self.engine, self.lease, &self.steps(), Some(image))?
            .ok_or_else(|| Error::internal("an image without an id"))?;
        if !keeps {
            self.build.hold(self.engine, &id, was_there)?;
        }
        let digest = Digest::parse(&id)?;
        let manifest = self.engine.images().manifest_of(&digest)?;
        telling.line(&format!("writing image {id} done"))?;
        if keeps {
            for name in &names {
                telling.line(&format!("naming to {name} done"))?;
                events::image(self.engine, "tag", &id, &name.familiar());
            }
        }
        telling.done()?;
        self.export_archives(&digest, &names)?;
        Ok(ImageBuilt {
            id,
            digest: manifest.as_str().to_owned(),
            names: names.iter().map(Reference::familiar).collect(),
            full_names: names.iter().map(Reference::to_string).collect(),
            ..ImageBuilt::default()
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The configuration of the image.
fn finished(state: &State, request: &Request) -> ImageConfig {
    let mut config = state.config.clone();
    let more = request.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    config.config.labels.extend(more);
    if let Some(epoch) = request.epoch {
        epoch.date(&mut config, state.below);
        return config;
    }
    // What comes before the first files is as old as these: the same build again is the same image.
    let mut created = String::new();
    for row in config.history.iter_mut().rev() {
        if !row.created.is_empty() {
            created.clone_from(&row.created);
        } else if !created.is_empty() {
            row.created.clone_from(&created);
        }
    }
    let last = config.history.iter().rev().find(|row| !row.created.is_empty());
    config.created = match last {
        Some(row) => row.created.clone(),
        None => clock::rfc3339(clock::now()),
    };
    config
}
