//! `barque create`, and the part of `run` that is the same.

use barque::{Engine, api};
use clap::Args;

use super::pull::pull;
use crate::args::create::CreateFlags;
use crate::args::{Operands, Parsed, Verb, document};
use crate::failure::{Failure, Result, describe};
use crate::output;
use crate::progress::To;

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
    let (cidfile, pull, quiet) = (flags.cidfile.clone(), flags.pull.clone(), flags.quiet);
    let request =
        document::of(flags, &parsed.operands, false).map_err(|message| parsed.mistake(message))?;
    let asked = Asked::new(cidfile, &pull, quiet)?;
    let id = asked.create(parsed.engine()?, &request)?;
    output::out(format!("{id}\n")).map(|()| 0)
}

/// What was asked of the making of a container that core has nothing to do with.
pub(super) struct Asked {
    cidfile: Option<String>,
    pull: String,
    quiet: bool,
}

impl Asked {
    /// Refuse what cannot be, before anything is made.
    pub(super) fn new(cidfile: Option<String>, pull: &str, quiet: bool) -> Result<Asked> {
        if let Some(path) = &cidfile
            && std::fs::symlink_metadata(path).is_ok()
        {
            let message = format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            );
            return Err(Failure { code: 125, ..Failure::new(message) });
        }
        Ok(Asked { cidfile, pull: pull.to_owned(), quiet })
    }

    /// Create a container; its id.
    pub(super) fn create(&self, engine: &Engine, request: &api::ContainerCreate) -> Result<String> {
        self.provide(engine, request)?;
        match engine.containers().create(request) {
            Ok(created) => self.created(&created).map(|()| created.id),
            Err(error) => Err(Failure::of_run(&error)),
        }
    }

    /// Have the image here, as `--pull` says, and show on standard error how that goes.
    pub(super) fn provide(&self, engine: &Engine, request: &api::ContainerCreate) -> Result<()> {
        let image = &request.image;
        if self.pull == "missing" {
            match engine.images().exists(image) {
                Ok(false) => {}
                // What else is wrong with the name, creating says.
                _ => return Ok(()),
            }
            output::say(&format!("Unable to find image '{}' locally", tagged(image)));
        } else if self.pull != "always" {
            return Ok(());
        }
        let wanted = api::ImagePull {
            name: image.clone(),
            platform: request.platform.clone(),
            ..api::ImagePull::default()
        };
        let to = if self.quiet { To::Nowhere } else { To::Stderr };
        // Whatever goes wrong here is the command's own failure, not the container's.
        pull(engine, &wanted, to).map(drop).map_err(|failure| Failure { code: 125, ..failure })
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
