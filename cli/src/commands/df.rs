//! `barque system df`.

use barque::api::{BuildCache, ContainerSummary, DiskUsage, ImageSummary, Volume};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{images, list, ps, volume};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "df",
    about: "Show barque disk usage",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Show detailed information on space usage
    #[arg(short, long)]
    verbose: bool,
}

const COLUMNS: &[list::Column] = &[
    ("Type", "TYPE"),
    ("TotalCount", "TOTAL"),
    ("Active", "ACTIVE"),
    ("Size", "SIZE"),
    ("Reclaimable", "RECLAIMABLE"),
];

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let usage = parsed.engine()?.disk_usage()?;
    if flags.verbose && flags.format.is_none() {
        return details(&usage).map(|()| 0);
    }
    let rows = [
        images_row(&usage),
        containers_row(&usage),
        volumes_row(&usage),
        builds_row(&usage),
        blobs_row(&usage),
    ];
    let shown = ["Type", "TotalCount", "Active", "Size", "Reclaimable"];
    list::print(&rows, flags.format.as_deref(), &shown, COLUMNS)?;
    Ok(0)
}

fn row(kind: &str, total: usize, active: usize, size: i64, reclaimable: i64) -> Value {
    let share = if size > 0 { format!(" ({}%)", reclaimable * 100 / size) } else { String::new() };
    json!({
        "Type": kind,
        "TotalCount": total.to_string(),
        "Active": active.to_string(),
        "Size": human::size(size, 4),
        "Reclaimable": format!("{}{share}", human::size(reclaimable, 4)),
    })
}

fn images_row(usage: &DiskUsage) -> Value {
    let used: Vec<&ImageSummary> = usage.images.iter().filter(|i| i.containers > 0).collect();
    let kept: i64 = used.iter().map(|image| image.size - image.shared_size.max(0)).sum();
    let reclaimable = (usage.layers_size - kept).max(0);
    row("Images", usage.images.len(), used.len(), usage.layers_size, reclaimable)
}

fn containers_row(usage: &DiskUsage) -> Value {
    let size = |container: &&ContainerSummary| container.size_rw.unwrap_or(0);
    let (active, idle): (Vec<_>, Vec<_>) = usage
        .containers
        .iter()
        .partition(|c| matches!(c.state.as_str(), "running" | "paused" | "restarting"));
    let (active_size, idle_size): (i64, i64) =
        (active.iter().map(size).sum(), idle.iter().map(size).sum());
    row("Containers", usage.containers.len(), active.len(), active_size + idle_size, idle_size)
}

fn volumes_row(usage: &DiskUsage) -> Value {
    let used = |volume: &&Volume| volume.usage_data.as_ref().is_some_and(|u| u.ref_count > 0);
    let size = |volume: &Volume| volume.usage_data.as_ref().map_or(0, |usage| usage.size.max(0));
    let (active, idle): (Vec<_>, Vec<_>) = usage.volumes.iter().partition(used);
    let idle_size: i64 = idle.into_iter().map(size).sum();
    let all: i64 = usage.volumes.iter().map(size).sum();
    row("Local Volumes", usage.volumes.len(), active.len(), all, idle_size)
}

/// What an image has is counted there.
fn builds_row(usage: &DiskUsage) -> Value {
    let own = || usage.build_cache.iter().filter(|record| !record.shared);
    let size = own().map(|record| record.size).sum();
    let idle = own().filter(|record| !record.in_use).map(|record| record.size).sum();
    let active = usage.build_cache.iter().filter(|record| record.in_use).count();
    row("Build Cache", usage.build_cache.len(), active, size, idle)
}

/// Compressed layers as they were loaded, kept to be pushed and saved unchanged. Docker has no such row.
fn blobs_row(usage: &DiskUsage) -> Value {
    row("Blobs", 0, 0, usage.blobs_size, 0)
}

const RECORD_COLUMNS: &[list::Column] = &[
    ("ID", "CACHE ID"),
    ("CacheType", "CACHE TYPE"),
    ("Size", "SIZE"),
    ("CreatedSince", "CREATED"),
    ("LastUsedSince", "LAST USED"),
    ("UsageCount", "USAGE"),
    ("Shared", "SHARED"),
];

fn record(record: &BuildCache) -> Value {
    let since = |time: &str| {
        let time: Timestamp = time.parse().unwrap_or_default();
        human::age(time.as_second())
    };
    json!({
        "ID": human::short_id(&record.id),
        "CacheType": record.kind,
        "Size": human::size(record.size, 4),
        "CreatedSince": since(&record.created_at),
        "LastUsedSince": since(&record.last_used_at),
        "UsageCount": record.usage_count.to_string(),
        "Shared": record.shared.to_string(),
    })
}

fn details(usage: &DiskUsage) -> Result<()> {
    let rows: Vec<Value> =
        usage.images.iter().flat_map(|image| images::shown(image, true, false)).collect();
    output::out("Images space usage:\n\n")?;
    let columns = [
        "Repository",
        "Tag",
        "ID",
        "CreatedSince",
        "Size",
        "SharedSize",
        "UniqueSize",
        "Containers",
    ];
    list::print(&rows, None, &columns, images::COLUMNS)?;
    output::out("\nContainers space usage:\n\n")?;
    let columns =
        ["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
    let rows: Vec<Value> =
        usage.containers.iter().map(|row| ps::shown(row, &columns, true)).collect();
    list::print(&rows, None, &columns, ps::COLUMNS)?;
    let rows: Vec<Value> = usage.volumes.iter().map(volume::shown).collect();
    output::out("\nLocal Volumes space usage:\n\n")?;
    list::print(&rows, None, &["Name", "Links", "Size"], volume::COLUMNS)?;
    let rows: Vec<Value> = usage.build_cache.iter().map(record).collect();
    output::out("\nBuild cache usage:\n\n")?;
    let columns =
        ["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"];
    list::print(&rows, None, &columns, RECORD_COLUMNS)?;
    output::out(format!("\nBlobs space usage: {}\n", human::size(usage.blobs_size, 4)))
}
