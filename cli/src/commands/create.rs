//! `barque create`, and the part of `run` that is the same.

use barque::{Engine, Error, ErrorKind, api};
use clap::Args;

use crate::args::create::CreateFlags;
use crate::args::{Operands, Parsed, Verb, document};
use crate::failure::{Failure, Result, describe};
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "create",
    about: "Create a new container",
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    operands: Operands::AtLeast(1),
    trailing: true,
    flags: CreateFlags::augment_args,
    run,
};

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: CreateFlags = parsed.flags()?;
    let (cidfile, pull) = (flags.cidfile.clone(), flags.pull.clone());
    let request =
        document::of(flags, &parsed.operands, false).map_err(|message| parsed.mistake(message))?;
    let asked = Asked::new(cidfile, &pull)?;
    let id = asked.create(&parsed.engine()?, &request)?;
    output::out(format!("{id}\n")).map(|()| 0)
}

/// What was asked of the making of a container that core has nothing to do with.
pub(super) struct Asked {
    cidfile: Option<String>,
    may_pull: bool,
}

impl Asked {
    /// Refuse what cannot be, before anything is made.
    pub(super) fn new(cidfile: Option<String>, pull: &str) -> Result<Asked> {
        if let Some(path) = &cidfile
            && std::fs::symlink_metadata(path).is_ok()
        {
            let message = format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            );
            return Err(Failure { code: 125, ..Failure::new(message) });
        }
        if pull == "always" {
            let error = Error::unsupported("--pull always: this version has no registries");
            return Err(Failure::of_run(&error));
        }
        Ok(Asked { cidfile, may_pull: pull == "missing" })
    }

    /// Create a container; its id.
    pub(super) fn create(&self, engine: &Engine, request: &api::ContainerCreate) -> Result<String> {
        match engine.containers().create(request) {
            Ok(created) => self.created(&created).map(|()| created.id),
            Err(error) => Err(self.failed(&request.image, &error)),
        }
    }

    /// Tell about a container that was made.
    pub(super) fn created(&self, created: &api::ContainerCreated) -> Result<()> {
        for warning in &created.warnings {
            output::say(&format!("WARNING: {warning}"));
        }
        let Some(path) = &self.cidfile else { return Ok(()) };
        std::fs::write(path, &created.id).map_err(|error| {
            Failure::new(format!("write the container ID to {path}: {}", describe(&error)))
        })
    }

    /// Tell about one that was not.
    pub(super) fn failed(&self, image: &str, error: &Error) -> Failure {
        let no_image = error.kind() == ErrorKind::NotFound
            && error.subject().is_some_and(|subject| subject.kind == "image");
        if no_image && self.may_pull {
            output::say(&format!("Unable to find image '{}' locally", tagged(image)));
        }
        Failure::of_run(error)
    }
}

/// An image's name as docker says it: with a tag.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        assert_eq!(tagged("busybox"), "busybox:latest");
        assert_eq!(tagged("localhost:5000/a/b"), "localhost:5000/a/b:latest");
        assert_eq!(tagged("a/b:1"), "a/b:1");
        assert_eq!(tagged("a@sha256:00"), "a@sha256:00");
    }
}
