//! Dockerfiles: from text to stages of instructions (docs.docker.com/reference/dockerfile). Nothing is looked up, run or replaced
//! here but what the text alone decides.
//!
//! The reader is our own: it is what a build begins with, its errors are what people see most, and no crate reads here-documents,
//! `HEALTHCHECK` and `ONBUILD` right (`docs/dependencies.md`).

mod command;
mod flags;
mod glob;
mod health;
mod instruction;
mod lines;
pub(crate) mod lint;
mod run;
mod stage;
#[cfg(test)]
mod tests;
mod word;

pub(crate) use command::Command;
pub(crate) use instruction::{Copy, Instruction, Source, one as instruction};
pub(crate) use lines::{Heredoc, MAX_SIZE};
pub(crate) use run::{Mount, MountKind, Run};
pub(crate) use stage::{Dockerfile, Step};
pub(crate) use word::Words;

use crate::error::Error;

/// Lines of a file, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// What is wrong with a Dockerfile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) location: Location,
    pub(crate) message: String,
}

impl Mistake {
    fn new(line: usize, message: impl Into<String>) -> Mistake {
        Mistake { location: Location { first: line, last: line }, message: message.into() }
    }

    fn at(location: Location, message: impl Into<String>) -> Mistake {
        Mistake { location, message: message.into() }
    }

    /// As an error, in BuildKit's words.
    pub(crate) fn error(&self) -> Error {
        let line = self.location.first;
        Error::invalid(format!("dockerfile parse error on line {line}: {}", self.message))
            .with_reason("dockerfile_syntax")
    }
}
