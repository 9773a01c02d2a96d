//! Clean-ups: `barque container prune`, and of images, volumes, the build cache and all of them.

use std::io;

use barque::{api, shorthand};
use clap::Args;

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::{Failure, Result};
use crate::{human, output};

pub(crate) const CONTAINERS: Verb = Verb {
    name: "prune",
    about: "Remove all stopped containers",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run: containers,
};

pub(crate) const VOLUMES: Verb = Verb {
    about: "Remove unused local volumes",
    flags: VolumeFlags::augment_args,
    run: volumes,
    ..CONTAINERS
};

pub(crate) const IMAGES: Verb = Verb {
    about: "Remove unused images",
    flags: ImageFlags::augment_args,
    run: images,
    ..CONTAINERS
};

pub(crate) const BUILDS: Verb = Verb {
    about: "Remove build cache",
    flags: BuildFlags::augment_args,
    run: builds,
    ..CONTAINERS
};

pub(crate) const NETWORKS: Verb =
    Verb { about: "Remove all unused networks", run: networks, ..CONTAINERS };

pub(crate) const SYSTEM: Verb = Verb {
    about: "Remove unused data",
    flags: SystemFlags::augment_args,
    run: system,
    ..CONTAINERS
};

/// Whether anything goes, and whether somebody is asked first.
#[derive(Args)]
struct Consent {
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
}

impl Consent {
    /// Ask, unless that was answered by a flag or nothing will go.
    fn ask(&self, warning: &str, what: &str) -> Result<()> {
        if self.dry_run || self.force { Ok(()) } else { confirm(warning, what) }
    }
}

#[derive(Args)]
struct Flags {
    #[command(flatten)]
    consent: Consent,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
}

#[derive(Args)]
struct VolumeFlags {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
    /// Provide filter values (e.g. "label=<label>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
}

#[derive(Args)]
struct ImageFlags {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
}

#[derive(Args)]
struct BuildFlags {
    /// Remove all unused build cache, not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
    /// Provide filter values (e.g. "until=24h")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Amount of disk space always allowed to keep for cache
    #[arg(
        long,
        visible_alias = "keep-storage",
        value_name = "bytes",
        default_value = "0",
        value_parser = shorthand::size,
        hide_default_value = true
    )]
    reserved_space: i64,
    /// Maximum amount of disk space allowed to keep for cache
    #[arg(long, value_name = "bytes", default_value = "0", value_parser = shorthand::size, hide_default_value = true)]
    max_used_space: i64,
    /// Target amount of free disk space after pruning
    #[arg(long, value_name = "bytes", default_value = "0", value_parser = shorthand::size, hide_default_value = true)]
    min_free_space: i64,
}

#[derive(Args)]
struct SystemFlags {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_name = "filter")]
    filter: Vec<String>,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
}

fn containers(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::ContainerPrune {
        filters: list::filters(&flags.filter)?,
        dry_run: flags.consent.dry_run,
    };
    flags.consent.ask("WARNING! This will remove all stopped containers.", "container prune")?;
    let pruned = parsed.engine()?.containers().prune(&request)?;
    section("Deleted Containers:", &pruned.containers_deleted)?;
    reclaimed(pruned.space_reclaimed)
}

fn volumes(parsed: &mut Parsed) -> Result<u8> {
    let flags: VolumeFlags = parsed.flags()?;
    let mut filters = list::filters(&flags.filter)?;
    if flags.all {
        filters.insert("all".to_owned(), vec!["1".to_owned()]);
    }
    let warning = match flags.all {
        true => "WARNING! This will remove all local volumes not used by at least one container.",
        false => {
            "WARNING! This will remove anonymous local volumes not used by at least one container."
        }
    };
    flags.consent.ask(warning, "volume prune")?;
    let request = api::VolumePrune { filters, dry_run: flags.consent.dry_run };
    let pruned = parsed.engine()?.volumes().prune(&request)?;
    section("Deleted Volumes:", &pruned.volumes_deleted)?;
    reclaimed(pruned.space_reclaimed)
}

fn images(parsed: &mut Parsed) -> Result<u8> {
    let flags: ImageFlags = parsed.flags()?;
    let mut filters = list::filters(&flags.filter)?;
    // As docker has it: `--all` has the last word.
    if flags.all || !filters.contains_key("dangling") {
        filters.insert("dangling".to_owned(), vec![(!flags.all).to_string()]);
    }
    let warning = match flags.all {
        true => {
            "WARNING! This will remove all images without at least one container associated to them."
        }
        false => "WARNING! This will remove all dangling images.",
    };
    flags.consent.ask(warning, "image prune")?;
    let request = api::ImagePrune { filters, dry_run: flags.consent.dry_run };
    let pruned = parsed.engine()?.images().prune(&request)?;
    section("Deleted Images:", &removals(&pruned.images_deleted))?;
    reclaimed(pruned.space_reclaimed)
}

fn builds(parsed: &mut Parsed) -> Result<u8> {
    let flags: BuildFlags = parsed.flags()?;
    let request = api::BuilderPrune {
        all: flags.all,
        filters: list::filters(&flags.filter)?,
        reserved_space: flags.reserved_space,
        max_used_space: flags.max_used_space,
        min_free_space: flags.min_free_space,
        dry_run: flags.consent.dry_run,
    };
    let warning = match flags.all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    flags.consent.ask(warning, "builder prune")?;
    let pruned = parsed.engine()?.images().prune_builds(&request)?;
    section(CACHES, &pruned.caches_deleted)?;
    reclaimed(pruned.space_reclaimed)
}

const CACHES: &str = "Deleted build cache objects:";

fn networks(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let request = api::NetworkPrune {
        filters: list::filters(&flags.filter)?,
        dry_run: flags.consent.dry_run,
    };
    let warning =
        "WARNING! This will remove all custom networks not used by at least one container.";
    flags.consent.ask(warning, "network prune")?;
    let pruned = parsed.engine()?.networks().prune(&request)?;
    section(NETWORKS_DELETED, &pruned.networks_deleted).map(|()| 0)
}

const NETWORKS_DELETED: &str = "Deleted Networks:";

fn system(parsed: &mut Parsed) -> Result<u8> {
    let flags: SystemFlags = parsed.flags()?;
    let filters = list::filters(&flags.filter)?;
    flags.consent.ask(&system_warning(&flags), "system prune")?;
    let request = api::SystemPrune {
        all: flags.all,
        volumes: flags.volumes,
        filters,
        dry_run: flags.consent.dry_run,
    };
    let pruned = parsed.engine()?.prune(&request)?;
    section("Deleted Containers:", &pruned.containers_deleted)?;
    section(NETWORKS_DELETED, &pruned.networks_deleted)?;
    section("Deleted Volumes:", &pruned.volumes_deleted)?;
    section("Deleted Images:", &removals(&pruned.images_deleted))?;
    section(CACHES, &pruned.caches_deleted)?;
    reclaimed(pruned.space_reclaimed)
}

/// What will go, a line each, and by which filters.
fn system_warning(flags: &SystemFlags) -> String {
    let mut warning = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
    if flags.volumes {
        warning += "  - all anonymous volumes not used by at least one container\n";
    }
    warning += match flags.all {
        true => "  - all images without at least one container associated to them\n",
        false => "  - all dangling images\n",
    };
    warning += "  - unused build cache\n";
    if !flags.filter.is_empty() {
        warning += "\n  Items to be pruned will be filtered with:\n";
        warning.extend(flags.filter.iter().map(|filter| format!("  - {filter}\n")));
    }
    warning
}

/// What became of images; `rmi` has it with a capital letter.
fn removals(removed: &[api::ImageRemoved]) -> Vec<String> {
    let line = |removed: &api::ImageRemoved| match removed.untagged.as_str() {
        "" => format!("deleted: {}", removed.deleted),
        name => format!("untagged: {name}"),
    };
    removed.iter().map(line).collect()
}

/// What was removed, under a heading, if anything was.
fn section(heading: &str, removed: &[String]) -> Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    output::out(format!("{heading}\n{}\n\n", removed.join("\n")))
}

fn reclaimed(bytes: i64) -> Result<u8> {
    output::out(format!("Total reclaimed space: {}\n", human::size(bytes, 4))).map(|()| 0)
}

/// Ask. Only a yes is one: not the end of the input, nor anything else.
fn confirm(warning: &str, what: &str) -> Result<()> {
    output::out(format!("{warning}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(Failure::new)?;
    match answer.trim() {
        "y" | "Y" => Ok(()),
        _ => Err(Failure::new(format!("{what} has been cancelled"))),
    }
}
