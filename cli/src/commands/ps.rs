//! `barque ps`.

use barque::api::{self, ContainerSummary, MountPoint, PortSummary};
use clap::Args;
use serde_json::{Value, json};

use super::list;
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const VERB: Verb = Verb {
    name: "ps",
    about: "List containers",
    usage: "[OPTIONS]",
    operands: Operands::None,
    trailing: false,
    flags: Flags::augment_args,
    run,
};

#[derive(Args)]
struct Flags {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Show n last created containers (includes all states) (default -1)
    #[arg(short = 'n', long, value_name = "int", default_value = "-1")]
    last: i64,
    /// Show the latest created container (includes all states)
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
}

pub(super) const COLUMNS: &[list::Column] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
];

fn run(parsed: &mut Parsed) -> Result<u8> {
    let flags: Flags = parsed.flags()?;
    // A template that shows sizes needs them counted.
    let size = flags.size || flags.format.as_ref().is_some_and(|text| text.contains(".Size"));
    let limit = if flags.latest { 1 } else { u32::try_from(flags.last).unwrap_or(0) };
    let request = api::ContainerList {
        all: flags.all || limit > 0,
        limit,
        filters: list::filters(&flags.filter)?,
        size,
    };
    let containers = parsed.engine()?.containers().list(&request)?;
    if flags.quiet && flags.format.is_none() {
        let ids = containers.iter().map(|container| match flags.no_trunc {
            true => format!("{}\n", container.id),
            false => format!("{}\n", human::short_id(&container.id)),
        });
        return output::out(ids.collect::<String>()).map(|()| 0);
    }
    let mut columns = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
    columns.extend(flags.size.then_some("Size"));
    let rows: Vec<Value> = containers
        .iter()
        .map(|row| match list::is_plain(flags.format.as_deref()) {
            true => shown(row, &columns, !flags.no_trunc),
            false => all_of(row, !flags.no_trunc),
        })
        .collect();
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

/// A container as a row of texts, of those that a table of these columns has.
pub(super) fn shown(container: &ContainerSummary, columns: &[&str], shorten: bool) -> Value {
    let text = |column: &&str| ((*column).to_owned(), text(container, column, shorten).into());
    Value::Object(columns.iter().map(text).collect())
}

/// The same with all that a template can ask for.
fn all_of(container: &ContainerSummary, shorten: bool) -> Value {
    let columns: Vec<&str> = COLUMNS.iter().map(|(field, _)| *field).collect();
    let mut row = shown(container, &columns, shorten);
    row["\u{0}labels"] = json!(container.labels);
    row
}

/// What stands in a column.
fn text(container: &ContainerSummary, column: &str, shorten: bool) -> String {
    match column {
        "ID" if shorten => human::short_id(&container.id).to_owned(),
        "ID" => container.id.clone(),
        "Image" => image(container, shorten).to_owned(),
        "Command" => {
            let command = match shorten {
                true => &human::ellipsis(&container.command, 20),
                false => &container.command,
            };
            format!("\"{}\"", command.replace('\\', "\\\\").replace('"', "\\\""))
        }
        "CreatedAt" => human::moment(container.created),
        "RunningFor" => human::age(container.created),
        "Status" => container.status.clone(),
        "State" => container.state.clone(),
        "Ports" => ports(&container.ports),
        "Names" => {
            let names = container.names.iter().map(|name| name.strip_prefix('/').unwrap_or(name));
            names.collect::<Vec<_>>().join(",")
        }
        "Size" => size(container),
        "Labels" => list::labels(&container.labels),
        "LocalVolumes" => {
            container.mounts.iter().filter(|mount| mount.kind == "volume").count().to_string()
        }
        "Mounts" => mounts(&container.mounts, shorten),
        "Networks" => {
            let networks = container.network_settings.networks.keys().map(String::as_str);
            networks.collect::<Vec<_>>().join(",")
        }
        _ => String::new(),
    }
}

/// The image as it was asked for; an id is shortened, a digest left out.
fn image(container: &ContainerSummary, shorten: bool) -> &str {
    let image = container.image.as_str();
    match image {
        "" => "<no image>",
        _ if !shorten => image,
        _ if human::short_id(image) == human::short_id(&container.image_id) => {
            human::short_id(image)
        }
        _ => image.split_once('@').map_or(image, |(name, _)| name),
    }
}

fn size(container: &ContainerSummary) -> String {
    let own = human::size(container.size_rw.unwrap_or(0), 3);
    match container.size_root_fs {
        Some(whole) if whole > 0 => format!("{own} (virtual {})", human::size(whole, 3)),
        _ => own,
    }
}

fn ports(ports: &[PortSummary]) -> String {
    let shown =
        ports.iter().map(|PortSummary { ip, private_port, public_port, kind }| match public_port {
            None => format!("{private_port}/{kind}"),
            Some(outside) if ip.contains(':') => format!("[{ip}]:{outside}->{private_port}/{kind}"),
            Some(outside) => format!("{ip}:{outside}->{private_port}/{kind}"),
        });
    shown.collect::<Vec<_>>().join(", ")
}

fn mounts(mounts: &[MountPoint], shorten: bool) -> String {
    let shown = mounts.iter().map(|mount| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if shorten { human::ellipsis(name, 15) } else { name.to_owned() }
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, private_port: u16, public_port: Option<u16>, kind: &str) -> PortSummary {
        PortSummary { ip: ip.to_owned(), private_port, public_port, kind: kind.to_owned() }
    }

    #[test]
    fn a_row_is_shortened_as_dockers() {
        let container = ContainerSummary {
            id: "4c01db0b339c0123456789".to_owned(),
            image: "busybox@sha256:00".to_owned(),
            command: "sh -c \"echo hello; sleep 100\"".to_owned(),
            names: vec!["/web".to_owned()],
            ports: vec![
                port("0.0.0.0", 80, Some(8080), "tcp"),
                port("", 53, None, "udp"),
                port("::", 80, Some(8080), "tcp"),
            ],
            ..Default::default()
        };
        let row = all_of(&container, true);
        assert_eq!(row["ID"], "4c01db0b339c");
        assert_eq!(row["Image"], "busybox");
        assert_eq!(row["Command"], "\"sh -c \\\"echo hello; …\"");
        assert_eq!(row["Ports"], "0.0.0.0:8080->80/tcp, 53/udp, [::]:8080->80/tcp");
        assert_eq!(row["Names"], "web");
        let row = all_of(&container, false);
        assert_eq!(row["Image"], "busybox@sha256:00");
        assert_eq!(row["Command"], "\"sh -c \\\"echo hello; sleep 100\\\"\"");
    }

    #[test]
    fn every_column_has_its_text() {
        let container = ContainerSummary {
            id: "4c01db0b339c0123456789".to_owned(),
            image: "busybox".to_owned(),
            command: "sh".to_owned(),
            status: "Up 1 second".to_owned(),
            state: "running".to_owned(),
            names: vec!["/web".to_owned()],
            ports: vec![port("", 53, None, "udp")],
            labels: [("a".to_owned(), "b".to_owned())].into(),
            mounts: vec![MountPoint { name: "data".to_owned(), ..Default::default() }],
            network_settings: api::SummaryNetworks {
                networks: [("front".to_owned(), api::EndpointSettings::default())].into(),
            },
            ..Default::default()
        };
        let row = all_of(&container, true);
        for (field, _) in COLUMNS {
            assert_ne!(row[field].as_str().unwrap_or_default(), "", "{field}");
        }
        assert_eq!(row["\u{0}labels"]["a"], "b");
        let columns = ["Names", "Status"];
        assert_eq!(
            shown(&container, &columns, true),
            json!({"Names": "web", "Status": "Up 1 second"})
        );
    }
}
