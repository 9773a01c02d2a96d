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
    let engine = parsed.engine()?;
    let id = create(&engine, &request, &pull)?;
    remember(cidfile.as_deref(), &id)?;
    output::out(format!("{id}\n")).map(|()| 0)
}

/// Create a container; its id.
pub(super) fn create(
    engine: &Engine,
    request: &api::ContainerCreate,
    pull: &str,
) -> Result<String> {
    let cidfile = &request.host_config.container_id_file;
    if !cidfile.is_empty() && std::fs::symlink_metadata(cidfile).is_ok() {
        let message = format!(
            "container ID file found, make sure the other container isn't running or delete {cidfile}"
        );
        return Err(Failure { code: 125, ..Failure::new(message) });
    }
    if pull == "always" {
        let error = Error::unsupported("--pull always: this version has no registries");
        return Err(Failure::of_run(&error));
    }
    match engine.containers().create(request) {
        Ok(created) => {
            for warning in created.warnings {
                output::say(&format!("WARNING: {warning}"));
            }
            Ok(created.id)
        }
        Err(error) => {
            let no_image = error.kind() == ErrorKind::NotFound
                && error.subject().is_some_and(|subject| subject.kind == "image");
            if no_image && pull == "missing" {
                output::say(&format!("Unable to find image '{}' locally", tagged(&request.image)));
            }
            Err(Failure::of_run(&error))
        }
    }
}

/// An image's name as docker says it: with a tag.
fn tagged(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// Write the id to `--cidfile`.
pub(super) fn remember(cidfile: Option<&str>, id: &str) -> Result<()> {
    let Some(path) = cidfile else { return Ok(()) };
    std::fs::write(path, id).map_err(|error| {
        Failure::new(format!("write the container ID to {path}: {}", describe(&error)))
    })
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
