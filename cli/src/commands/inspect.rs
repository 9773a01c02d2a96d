//! `barque inspect`, for containers, images, networks and volumes.

use barque::api::ContainerInspectOptions;
use barque::{Engine, Error, ErrorKind};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::output;

pub(crate) const VERB: Verb = Verb {
    name: "inspect",
    about: "Return low-level information on barque objects",
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: AnyFlags::augment_args,
    run: |parsed| {
        let flags: AnyFlags = parsed.flags()?;
        let look = Look { kind: flags.kind.as_deref(), size: flags.size };
        run(parsed, flags.format.as_deref(), look)
    },
};

pub(crate) const CONTAINER: Verb = Verb {
    about: "Display detailed information on one or more containers",
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    flags: ContainerFlags::augment_args,
    run: |parsed| {
        let flags: ContainerFlags = parsed.flags()?;
        let look = Look { kind: Some("container"), size: flags.size };
        run(parsed, flags.format.as_deref(), look)
    },
    ..VERB
};

pub(crate) const IMAGE: Verb = Verb {
    about: "Display detailed information on one or more images",
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    flags: Flags::augment_args,
    run: |parsed| {
        let flags: Flags = parsed.flags()?;
        run(parsed, flags.format.as_deref(), Look { kind: Some("image"), size: false })
    },
    ..VERB
};

pub(crate) const NETWORK: Verb = Verb {
    about: "Display detailed information on one or more networks",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    flags: Flags::augment_args,
    run: |parsed| {
        let flags: Flags = parsed.flags()?;
        run(parsed, flags.format.as_deref(), Look { kind: Some("network"), size: false })
    },
    ..VERB
};

pub(crate) const VOLUME: Verb = Verb {
    about: "Display detailed information on one or more volumes",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    flags: Flags::augment_args,
    run: |parsed| {
        let flags: Flags = parsed.flags()?;
        run(parsed, flags.format.as_deref(), Look { kind: Some("volume"), size: false })
    },
    ..VERB
};

#[derive(Args)]
struct AnyFlags {
    #[arg(short, long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
    /// Display total file sizes if the type is container
    #[arg(short, long)]
    size: bool,
    /// Only inspect objects of the given type
    #[arg(long = "type", value_name = "string")]
    kind: Option<String>,
}

#[derive(Args)]
struct ContainerFlags {
    #[arg(short, long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

#[derive(Args)]
struct Flags {
    #[arg(short, long, value_name = "string", help = list::DOCUMENT_FORMAT_HELP)]
    format: Option<String>,
}

/// What is looked at.
#[derive(Clone, Copy)]
struct Look<'a> {
    /// Only objects of this type.
    kind: Option<&'a str>,
    /// How large containers are too.
    size: bool,
}

fn run(parsed: &mut Parsed, format: Option<&str>, look: Look<'_>) -> Result<u8> {
    let kind = look.kind;
    if !matches!(kind, None | Some("" | "container" | "image" | "network" | "volume")) {
        let kind = kind.unwrap_or_default();
        return Err(Failure::new(format!(
            "unknown type: {kind:?}: use container, image, network or volume"
        )));
    }
    let engine = parsed.engine()?;
    let (mut found, mut failures, mut code) = (Vec::new(), Vec::new(), 0);
    for name in &parsed.operands {
        match look_up(engine, name, look) {
            Ok(document) => found.push(document),
            Err(error) => failures.push(error),
        }
    }
    match format {
        None | Some("") => output::out(indented(&found)?)?,
        Some("json") => output::out(format!("{}\n", Value::Array(found)))?,
        Some(template) => {
            // What one of them lacks is its error, beside the others.
            let (text, lacking) = list::filled(template, &found)?;
            output::out(text)?;
            for failure in lacking {
                code = output::report(failure);
            }
        }
    }
    for error in failures {
        code = output::report(error.into());
    }
    Ok(code)
}

/// A container of that name, or else an image, or else a network, or else a volume.
fn look_up(engine: &Engine, name: &str, look: Look<'_>) -> barque::Result<Value> {
    let container = || {
        let request = ContainerInspectOptions { id: name.to_owned(), size: look.size };
        engine.containers().inspect_with(&request).and_then(|document| value(&document))
    };
    let image = || engine.images().inspect(name).and_then(|document| value(&document));
    let network = || engine.networks().inspect(name).and_then(|document| value(&document));
    let volume = || engine.volumes().inspect(name).and_then(|document| value(&document));
    match look.kind {
        Some("container") => container(),
        Some("image") => image(),
        Some("network") => network(),
        Some("volume") => volume(),
        _ => {
            let missing = |result: &barque::Result<Value>| matches!(result, Err(error) if error.kind() == ErrorKind::NotFound);
            let looks: [&dyn Fn() -> barque::Result<Value>; 4] =
                [&container, &image, &network, &volume];
            looks
                .iter()
                .map(|look| look())
                .find(|result| !missing(result))
                .unwrap_or_else(|| Err(Error::not_found("object", name)))
        }
    }
}

fn value(document: &impl Serialize) -> barque::Result<Value> {
    serde_json::to_value(document)
        .map_err(|error| Error::internal("write a document").because(error))
}

/// A JSON list, indented by four blanks as docker's.
fn indented(documents: &[Value]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, format);
    documents.serialize(&mut serializer).map_err(Failure::new)?;
    text.push(b'\n');
    Ok(text)
}
