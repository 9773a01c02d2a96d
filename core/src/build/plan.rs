//! What there is to do: the stages that the target needs, and what each begins with.

use super::dockerfile::{Dockerfile, Instruction, Location, Mount, Step};
use super::named;
use super::request::Request;
use super::variables::Globals;
use crate::error::{Error, ErrorKind, Result};

/// What a stage begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// A context, by what it is known by.
    Context(String),
    /// An image, by its name.
    Image(String),
}

/// The stages that are needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) target: usize,
    /// Numbers of stages, ascending: each comes after those it needs.
    pub(super) order: Vec<usize>,
    /// Of every stage.
    pub(super) bases: Vec<Base>,
    /// Stages that a context stands for.
    replaced: Vec<usize>,
}

impl Plan {
    /// Find them.
    pub(super) fn of(
        dockerfile: &Dockerfile,
        globals: &Globals,
        request: &Request,
    ) -> Result<Plan> {
        let (target, file) = (request.target.as_str(), request.dockerfile.as_str());
        let stages = &dockerfile.stages;
        let target = match target {
            "" => stages.len() - 1,
            name => dockerfile.stage(name, stages.len()).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("target stage {name:?} could not be found"))
                    .about("field", "Target")
            })?,
        };
        let (mut bases, mut replaced) = (Vec::new(), Vec::new());
        for (number, stage) in stages.iter().enumerate() {
            let within = |error: Error| error.within(place(file, stage.location));
            let name = globals
                .expand(&stage.image, dockerfile.escape)
                .map_err(|why| within(Error::invalid(why)))?;
            let lower = name.to_ascii_lowercase();
            let earlier = stages[..number].iter().rposition(|before| before.name == lower);
            let is_context =
                |name: &str| named::key(name).filter(|key| request.contexts.contains_key(key));
            if let Some(context) = is_context(&stage.name) {
                // It stands for all of the stage.
                bases.push(Base::Context(context));
                replaced.push(number);
                continue;
            }
            bases.push(match (name.as_str(), earlier) {
                ("", _) => {
                    return Err(within(Error::invalid(format!(
                        "base name ({}) should not be blank",
                        stage.image
                    ))));
                }
                (_, Some(stage)) => Base::Stage(stage),
                ("scratch", None) => Base::Scratch,
                (_, None) => match is_context(&name) {
                    Some(context) => Base::Context(context),
                    None => Base::Image(name),
                },
            });
        }
        let mut needed = vec![false; stages.len()];
        needed[target] = true;
        for number in (0..=target).rev().collect::<Vec<_>>() {
            if !needed[number] {
                continue;
            }
            if let Base::Stage(stage) = bases[number] {
                needed[stage] = true;
            }
            if replaced.contains(&number) {
                continue;
            }
            for step in &stages[number].steps {
                let within = |error: Error| error.within(place(file, step.location));
                refuse(&step.instruction, request).map_err(within)?;
                for name in sources(&step.instruction) {
                    if name.eq_ignore_ascii_case(&stages[number].name) {
                        let message = format!("circular dependency in stage: {name}");
                        return Err(within(Error::invalid(message)));
                    }
                    if let Some(stage) = dockerfile.stage(name, number) {
                        needed[stage] = true;
                    }
                }
            }
        }
        let order = (0..=target).filter(|number| needed[*number]).collect();
        Ok(Plan { target, order, bases, replaced })
    }

    /// The instructions of a stage that are carried out.
    pub(super) fn steps<'a>(&self, dockerfile: &'a Dockerfile, number: usize) -> &'a [Step] {
        match self.replaced.contains(&number) {
            true => &[],
            false => &dockerfile.stages[number].steps,
        }
    }
}

/// A place in the Dockerfile, as errors have it.
pub(super) fn place(file: &str, location: Location) -> String {
    format!("{file}:{}", location.first)
}

/// Whose files an instruction copies or mounts.
fn sources(instruction: &Instruction) -> impl Iterator<Item = &str> {
    let (copied, mounts) = match instruction {
        Instruction::Copy(copy) => (copy.from.as_str(), &[][..]),
        Instruction::Run(run) => ("", &run.mounts[..]),
        _ => ("", &[][..]),
    };
    let mounted = mounts.iter().map(Mount::from);
    std::iter::once(copied).chain(mounted).filter(|name| !name.is_empty())
}

/// What is not given to builds, by name.
pub(super) fn refuse(instruction: &Instruction, request: &Request) -> Result<()> {
    match instruction {
        // A Dockerfile's author is not who decides about the host.
        Instruction::Run(run) if run.network == "host" && request.network != "host" => {
            Err(Error::new(
                ErrorKind::PermissionDenied,
                "the host network is not allowed: build with the network mode host if it is to be",
            ))
        }
        _ => Ok(()),
    }
}
