//! `barque images`.

use barque::api::{self, ImageSummary};
use clap::Args;
use serde_json::{Value, json};

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "images",
    about: "List images",
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    operands: Operands::AtMost(1),
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
}

pub(super) const COLUMNS: &[list::Column] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("Containers", "CONTAINERS"),
];

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    let mut filters = list::filters(&flags.filter)?;
    if let Some(reference) = parsed.operands.first() {
        filters.entry("reference".to_owned()).or_default().push(reference.clone());
    }
    let request = api::ImageList { all: flags.all, filters };
    let images = parsed.engine()?.images().list(&request)?;
    let rows: Vec<Value> =
        images.iter().flat_map(|image| shown(image, !flags.no_trunc, flags.digests)).collect();
    if flags.quiet && flags.format.is_none() {
        let ids = rows.iter().map(|row| format!("{}\n", row["ID"].as_str().unwrap_or_default()));
        return output::out(ids.collect::<String>()).map(|()| 0);
    }
    let mut columns = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
    if flags.digests {
        columns.insert(2, "Digest");
    }
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

/// An image as rows of texts: one for each name.
pub(super) fn shown(image: &ImageSummary, shorten: bool, digests: bool) -> Vec<Value> {
    let row = |repository: &str, tag: &str, digest: &str| {
        let size = |bytes: i64| if bytes < 0 { "N/A".to_owned() } else { human::size(bytes, 3) };
        let unique = if image.shared_size < 0 { -1 } else { image.size - image.shared_size };
        json!({
            "ID": if shorten { human::short_id(&image.id) } else { &image.id },
            "Repository": repository,
            "Tag": tag,
            "Digest": digest,
            "CreatedSince": human::age(image.created),
            "CreatedAt": human::moment(image.created),
            "Size": size(image.size),
            "VirtualSize": size(image.size),
            "SharedSize": size(image.shared_size),
            "UniqueSize": size(unique),
            "Containers": if image.containers < 0 { "N/A".to_owned() } else { image.containers.to_string() },
        })
    };
    let digest_of = |repository: &str| {
        let mut digests = image.repo_digests.iter().filter_map(|name| name.split_once('@'));
        digests.find(|(name, _)| *name == repository).map_or("<none>", |(_, digest)| digest)
    };
    let mut rows = Vec::new();
    for name in &image.repo_tags {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        rows.push(row(repository, tag, digest_of(repository)));
    }
    if rows.is_empty() && digests {
        let names = image.repo_digests.iter().filter_map(|name| name.split_once('@'));
        rows.extend(names.map(|(repository, digest)| row(repository, "<none>", digest)));
    }
    if rows.is_empty() {
        let repository = image.repo_digests.first().and_then(|name| name.split_once('@'));
        rows.push(row(repository.map_or("<none>", |(name, _)| name), "<none>", "<none>"));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_row_for_each_name_and_one_without_any() {
        let mut image = ImageSummary {
            id: "sha256:0123456789abcdef".to_owned(),
            repo_tags: vec!["localhost:5000/a:1".to_owned(), "b:latest".to_owned()],
            repo_digests: vec!["b@sha256:77".to_owned()],
            size: 7_656_432,
            shared_size: -1,
            ..Default::default()
        };
        let rows = shown(&image, true, false);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            (&rows[0]["Repository"], &rows[0]["Tag"]),
            (&json!("localhost:5000/a"), &json!("1"))
        );
        assert_eq!((&rows[1]["Digest"], &rows[1]["Size"]), (&json!("sha256:77"), &json!("7.66MB")));
        assert_eq!(rows[0]["SharedSize"], "N/A");
        image.repo_tags.clear();
        image.repo_digests.clear();
        let rows = shown(&image, true, true);
        assert_eq!(
            (&rows[0]["Repository"], &rows[0]["ID"]),
            (&json!("<none>"), &json!("0123456789ab"))
        );
    }
}
