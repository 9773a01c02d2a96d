//! `barque volume`: create, inspect, list, remove.

use barque::api::{self, Volume};
use clap::Args;
use serde_json::{Value, json};

use super::{each, list};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::{human, output};

pub(crate) const CREATE: Verb = Verb {
    name: "create",
    about: "Create a volume",
    usage: "[OPTIONS] [VOLUME]",
    operands: Operands::AtMost(1),
    trailing: false,
    flags: CreateFlags::augment_args,
    run: create,
};

pub(crate) const LIST: Verb = Verb {
    name: "ls",
    about: "List volumes",
    usage: "[OPTIONS]",
    operands: Operands::None,
    flags: ListFlags::augment_args,
    run: ls,
    ..CREATE
};

pub(crate) const REMOVE: Verb = Verb {
    name: "rm",
    about: "Remove one or more volumes. You cannot remove a volume that is in use by a container",
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    operands: Operands::AtLeast(1),
    flags: RemoveFlags::augment_args,
    run: remove,
    ..CREATE
};

#[derive(Args)]
struct CreateFlags {
    /// Specify volume driver name
    #[arg(short, long, value_name = "string", default_value = "local")]
    driver: String,
    /// Set metadata for a volume
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Specify volume name
    #[arg(long, value_name = "string", default_value = "", hide = true)]
    name: String,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
}

fn create(parsed: &mut Parsed) -> Result<u8> {
    let flags: CreateFlags = parsed.flags()?;
    let name = match parsed.operands.first() {
        Some(_) if !flags.name.is_empty() => {
            let message = "conflicting options: cannot specify a volume-name through both --name and as a \
                           positional arg";
            return Err(Failure::usage(message.to_owned(), 1));
        }
        Some(name) => name.clone(),
        None => flags.name,
    };
    let request = api::VolumeCreate {
        name,
        driver: flags.driver,
        driver_opts: list::pairs(&flags.opt),
        labels: list::pairs(&flags.label),
    };
    let created = parsed.engine()?.volumes().create(&request)?;
    output::out(format!("{}\n", created.name)).map(|()| 0)
}

#[derive(Args)]
struct ListFlags {
    /// Provide filter values (e.g. "dangling=true")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

pub(super) const COLUMNS: &[list::Column] = &[
    ("Driver", "DRIVER"),
    ("Name", "VOLUME NAME"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
];

fn ls(parsed: &mut Parsed) -> Result<u8> {
    let flags: ListFlags = parsed.flags()?;
    let request = api::VolumeList { filters: list::filters(&flags.filter)? };
    let listed = parsed.engine()?.volumes().list(&request)?;
    if flags.quiet && flags.format.is_none() {
        let names = listed.volumes.iter().map(|volume| format!("{}\n", volume.name));
        return output::out(names.collect::<String>()).map(|()| 0);
    }
    let rows: Vec<Value> = listed.volumes.iter().map(shown).collect();
    list::print(&rows, flags.format.as_deref(), &["Driver", "Name"], COLUMNS)?;
    Ok(0)
}

/// A volume as a row of texts.
pub(super) fn shown(volume: &Volume) -> Value {
    let usage = volume.usage_data.as_ref();
    let size = usage.map(|usage| usage.size).filter(|size| *size >= 0);
    json!({
        "Name": volume.name,
        "Driver": volume.driver,
        "Scope": volume.scope,
        "Mountpoint": volume.mountpoint,
        "Labels": list::labels(&volume.labels),
        "Links": usage.map_or_else(|| "N/A".to_owned(), |usage| usage.ref_count.to_string()),
        "Size": size.map_or_else(|| "N/A".to_owned(), |size| human::size(size, 3)),
        "Availability": "N/A",
        "Group": "N/A",
        "Status": "N/A",
        "\u{0}labels": volume.labels,
    })
}

#[derive(Args)]
struct RemoveFlags {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
}

fn remove(parsed: &mut Parsed) -> Result<u8> {
    let flags: RemoveFlags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |name| {
        let request = api::VolumeRemove { name: name.to_owned(), force: flags.force };
        engine.volumes().remove(&request).map(|()| name.to_owned())
    })
}
