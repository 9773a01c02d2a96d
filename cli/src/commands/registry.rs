//! `barque registry`: what a registry has of an image beside it, and deleting there.

use barque::api::{self, Referrer};
use clap::Args;
use serde_json::{Value, json};

use super::{each, list};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::human;

pub(crate) const DELETE: Verb = Verb {
    name: "delete",
    about: "Delete tags, or images with all their tags, from a registry",
    usage: "NAME:TAG|NAME@DIGEST [NAME...]",
    operands: Operands::AtLeast(1),
    trailing: false,
    flags: DeleteFlags::augment_args,
    run: delete,
};

pub(crate) const REFERRERS: Verb = Verb {
    name: "referrers",
    about: "List what refers to an image at its registry: signatures, attestations",
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    operands: Operands::Exactly(1),
    flags: ReferrersFlags::augment_args,
    run: referrers,
    ..DELETE
};

#[derive(Args)]
struct DeleteFlags {}

fn delete(parsed: &mut Parsed) -> Result<u8> {
    let DeleteFlags {} = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |name| {
        let request = api::RegistryDelete { name: name.to_owned(), auth: None };
        engine.registries().delete(&request).map(|()| name.to_owned())
    })
}

#[derive(Args)]
struct ReferrersFlags {
    /// Only those of this kind
    #[arg(long, value_name = "string", default_value = "")]
    artifact_type: String,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
}

const COLUMNS: &[list::Column] = &[
    ("Digest", "DIGEST"),
    ("ArtifactType", "ARTIFACT TYPE"),
    ("MediaType", "MEDIA TYPE"),
    ("Size", "SIZE"),
];

fn referrers(parsed: &mut Parsed) -> Result<u8> {
    let flags: ReferrersFlags = parsed.flags()?;
    let request = api::RegistryReferrers {
        name: parsed.operands[0].clone(),
        artifact_type: flags.artifact_type,
        auth: None,
    };
    let found = parsed.engine()?.registries().referrers(&request)?;
    let rows: Vec<Value> = found.iter().map(shown).collect();
    list::print(&rows, flags.format.as_deref(), &["Digest", "ArtifactType", "Size"], COLUMNS)?;
    Ok(0)
}

fn shown(referrer: &Referrer) -> Value {
    json!({
        "Digest": referrer.digest,
        "ArtifactType": referrer.artifact_type,
        "MediaType": referrer.media_type,
        "Size": human::size(referrer.size, 3),
        "Annotations": referrer.annotations,
    })
}
