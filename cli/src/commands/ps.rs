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
    let rows: Vec<Value> = containers.iter().map(|row| shown(row, !flags.no_trunc)).collect();
    let mut columns = vec!["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
    columns.extend(flags.size.then_some("Size"));
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

/// A container as a row of texts.
pub(super) fn shown(container: &ContainerSummary, shorten: bool) -> Value {
    let command = match shorten {
        true => human::ellipsis(&container.command, 20),
        false => container.command.clone(),
    };
    let names: Vec<&str> =
        container.names.iter().map(|name| name.strip_prefix('/').unwrap_or(name)).collect();
    let volumes = container.mounts.iter().filter(|mount| mount.kind == "volume").count();
    json!({
        "ID": if shorten { human::short_id(&container.id) } else { &container.id },
        "Image": image(container, shorten),
        "Command": format!("\"{}\"", command.replace('\\', "\\\\").replace('"', "\\\"")),
        "CreatedAt": human::moment(container.created),
        "RunningFor": human::age(container.created),
        "Status": container.status,
        "State": container.state,
        "Ports": ports(&container.ports),
        "Names": names.join(","),
        "Size": size(container),
        "Labels": list::labels(&container.labels),
        "LocalVolumes": volumes.to_string(),
        "Mounts": mounts(&container.mounts, shorten),
        "Networks": container.network_settings.networks.keys().cloned().collect::<Vec<_>>().join(","),
        "\u{0}labels": container.labels,
    })
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
        let row = shown(&container, true);
        assert_eq!(row["ID"], "4c01db0b339c");
        assert_eq!(row["Image"], "busybox");
        assert_eq!(row["Command"], "\"sh -c \\\"echo hello; …\"");
        assert_eq!(row["Ports"], "0.0.0.0:8080->80/tcp, 53/udp, [::]:8080->80/tcp");
        assert_eq!(row["Names"], "web");
        let row = shown(&container, false);
        assert_eq!(row["Image"], "busybox@sha256:00");
        assert_eq!(row["Command"], "\"sh -c \\\"echo hello; sleep 100\\\"\"");
    }
}
