//! `barque network`: connect, create, disconnect, list, remove. `inspect` and `prune` are with those of other objects.

use std::collections::BTreeMap;

use barque::api::{self, EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, Network};
use clap::Args;
use serde_json::{Value, json};

use super::{each, list};
use crate::args::{Operands, Parsed, Verb};
use crate::failure::Result;
use crate::{human, output};

pub(crate) const CONNECT: Verb = Verb {
    name: "connect",
    about: "Connect a container to a network",
    usage: "[OPTIONS] NETWORK CONTAINER",
    operands: Operands::Exactly(2),
    trailing: false,
    flags: ConnectFlags::augment_args,
    run: connect,
};

pub(crate) const CREATE: Verb = Verb {
    name: "create",
    about: "Create a network",
    usage: "[OPTIONS] NETWORK",
    operands: Operands::Exactly(1),
    flags: CreateFlags::augment_args,
    run: create,
    ..CONNECT
};

pub(crate) const DISCONNECT: Verb = Verb {
    name: "disconnect",
    about: "Disconnect a container from a network",
    flags: DisconnectFlags::augment_args,
    run: disconnect,
    ..CONNECT
};

pub(crate) const LIST: Verb = Verb {
    name: "ls",
    about: "List networks",
    usage: "[OPTIONS]",
    operands: Operands::None,
    flags: ListFlags::augment_args,
    run: ls,
    ..CONNECT
};

pub(crate) const REMOVE: Verb = Verb {
    name: "rm",
    about: "Remove one or more networks",
    usage: "[OPTIONS] NETWORK [NETWORK...]",
    operands: Operands::AtLeast(1),
    flags: RemoveFlags::augment_args,
    run: remove,
    ..CONNECT
};

#[derive(Args)]
struct ConnectFlags {
    /// Add network-scoped alias for the container
    #[arg(long, value_name = "strings")]
    alias: Vec<String>,
    /// driver options for the network
    #[arg(long, value_name = "strings")]
    driver_opt: Vec<String>,
    /// Highest gw-priority provides the default gateway. Accepts positive and negative values
    #[arg(long, value_name = "int", default_value = "0", allow_negative_numbers = true)]
    gw_priority: i64,
    /// IPv4 address (e.g., "172.30.100.104")
    #[arg(long, value_name = "ip", default_value = "")]
    ip: String,
    /// IPv6 address (e.g., "2001:db8::33")
    #[arg(long, value_name = "ip", default_value = "")]
    ip6: String,
    /// Add link to another container
    #[arg(long, value_name = "list")]
    link: Vec<String>,
    /// Add a link-local address for the container
    #[arg(long, value_name = "strings")]
    link_local_ip: Vec<String>,
}

fn connect(parsed: &mut Parsed) -> Result<u8> {
    let flags: ConnectFlags = parsed.flags()?;
    let addresses = EndpointIpamConfig {
        ipv4_address: flags.ip,
        ipv6_address: flags.ip6,
        link_local_ips: flags.link_local_ip,
    };
    let request = api::NetworkConnect {
        id: parsed.operands[0].clone(),
        container: parsed.operands[1].clone(),
        endpoint_config: EndpointSettings {
            ipam_config: Some(addresses).filter(|a| *a != EndpointIpamConfig::default()),
            links: flags.link,
            aliases: flags.alias,
            driver_opts: list::pairs(&flags.driver_opt),
            gw_priority: flags.gw_priority,
            ..EndpointSettings::default()
        },
    };
    parsed.engine()?.networks().connect(&request)?;
    Ok(0)
}

#[derive(Args)]
struct DisconnectFlags {
    /// Force the container to disconnect from a network
    #[arg(short, long)]
    force: bool,
}

fn disconnect(parsed: &mut Parsed) -> Result<u8> {
    let flags: DisconnectFlags = parsed.flags()?;
    let request = api::NetworkDisconnect {
        id: parsed.operands[0].clone(),
        container: parsed.operands[1].clone(),
        force: flags.force,
    };
    parsed.engine()?.networks().disconnect(&request)?;
    Ok(0)
}

#[derive(Args)]
struct CreateFlags {
    /// Enable manual container attachment
    #[arg(long)]
    attachable: bool,
    /// Auxiliary IPv4 or IPv6 addresses used by Network driver
    #[arg(long, value_name = "map")]
    aux_address: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(long, value_name = "string", default_value = "")]
    config_from: String,
    /// Create a configuration only network
    #[arg(long)]
    config_only: bool,
    /// Driver to manage the Network
    #[arg(short, long, value_name = "string", default_value = "bridge")]
    driver: String,
    /// IPv4 or IPv6 Gateway for the master subnet
    #[arg(long, value_name = "ipSlice")]
    gateway: Vec<String>,
    /// Create swarm routing-mesh network
    #[arg(long)]
    ingress: bool,
    /// Restrict external access to the network
    #[arg(long)]
    internal: bool,
    /// Allocate container ip from a sub-range
    #[arg(long, value_name = "ipNetSlice")]
    ip_range: Vec<String>,
    /// IP Address Management Driver
    #[arg(long, value_name = "string", default_value = "default")]
    ipam_driver: String,
    /// Set IPAM driver specific options
    #[arg(long, value_name = "map")]
    ipam_opt: Vec<String>,
    /// Enable or disable IPv4 address assignment
    #[arg(long, value_name = "bool", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ipv4: Option<bool>,
    /// Enable or disable IPv6 address assignment
    #[arg(long, value_name = "bool", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ipv6: Option<bool>,
    /// Set metadata on a network
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set driver specific options
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// Control the network's scope
    #[arg(long, value_name = "string", default_value = "")]
    scope: String,
    /// Subnet in CIDR format that represents a network segment
    #[arg(long, value_name = "ipNetSlice")]
    subnet: Vec<String>,
}

fn create(parsed: &mut Parsed) -> Result<u8> {
    let flags: CreateFlags = parsed.flags()?;
    let ipam = Ipam {
        driver: flags.ipam_driver.clone(),
        options: list::pairs(&flags.ipam_opt),
        config: ranges(&flags),
    };
    let request = api::NetworkCreate {
        name: parsed.operands[0].clone(),
        driver: flags.driver,
        scope: flags.scope,
        internal: flags.internal,
        attachable: flags.attachable,
        ingress: flags.ingress,
        config_only: flags.config_only,
        config_from: api::ConfigReference { network: flags.config_from },
        enable_ipv4: flags.ipv4,
        enable_ipv6: flags.ipv6,
        ipam,
        options: list::pairs(&flags.opt),
        labels: list::pairs(&flags.label),
        ..api::NetworkCreate::default()
    };
    let created = parsed.engine()?.networks().create(&request)?;
    output::out(format!("{}\n", created.id)).map(|()| 0)
}

/// The ranges that flags ask for: of each family, those of each kind belong together in their order, and auxiliary addresses to the first.
fn ranges(flags: &CreateFlags) -> Vec<IpamConfig> {
    let auxiliary = list::pairs(&flags.aux_address);
    let mut ranges = Vec::new();
    for ipv6 in [false, true] {
        let of_family = |texts: &[String]| -> Vec<String> {
            texts.iter().filter(|text| text.contains(':') == ipv6).cloned().collect()
        };
        let (subnets, gateways) = (of_family(&flags.subnet), of_family(&flags.gateway));
        let parts = of_family(&flags.ip_range);
        let mut addresses: BTreeMap<String, String> = auxiliary.clone();
        addresses.retain(|_, address| address.contains(':') == ipv6);
        let count = subnets.len().max(gateways.len()).max(parts.len());
        let of = |texts: &[String], at: usize| texts.get(at).cloned().unwrap_or_default();
        for at in 0..count.max(usize::from(!addresses.is_empty())) {
            ranges.push(IpamConfig {
                subnet: of(&subnets, at),
                ip_range: of(&parts, at),
                gateway: of(&gateways, at),
                auxiliary_addresses: std::mem::take(&mut addresses),
            });
        }
    }
    ranges
}

#[derive(Args)]
struct ListFlags {
    /// Provide filter values (e.g. "driver=bridge")
    #[arg(short, long, value_name = "filter")]
    filter: Vec<String>,
    #[arg(long, value_name = "string", help = list::FORMAT_HELP)]
    format: Option<String>,
    /// Do not truncate the output
    #[arg(long)]
    no_trunc: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

const COLUMNS: &[list::Column] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

fn ls(parsed: &mut Parsed) -> Result<u8> {
    let flags: ListFlags = parsed.flags()?;
    let request = api::NetworkList { filters: list::filters(&flags.filter)? };
    let listed = parsed.engine()?.networks().list(&request)?;
    let id = |network: &Network| match flags.no_trunc {
        true => network.id.clone(),
        false => human::short_id(&network.id).to_owned(),
    };
    if flags.quiet && flags.format.is_none() {
        let ids = listed.iter().map(|network| format!("{}\n", id(network)));
        return output::out(ids.collect::<String>()).map(|()| 0);
    }
    let rows: Vec<Value> = listed.iter().map(|network| shown(network, &id(network))).collect();
    let columns = ["ID", "Name", "Driver", "Scope"];
    list::print(&rows, flags.format.as_deref(), &columns, COLUMNS)?;
    Ok(0)
}

/// A network as a row of texts.
fn shown(network: &Network, id: &str) -> Value {
    json!({
        "ID": id,
        "Name": network.name,
        "Driver": network.driver,
        "Scope": network.scope,
        "IPv4": network.enable_ipv4.to_string(),
        "IPv6": network.enable_ipv6.to_string(),
        "Internal": network.internal.to_string(),
        "Labels": list::labels(&network.labels),
        "CreatedAt": network.created,
        "\u{0}labels": network.labels,
    })
}

#[derive(Args)]
struct RemoveFlags {
    /// Do not error if the network does not exist
    #[arg(short, long)]
    force: bool,
}

fn remove(parsed: &mut Parsed) -> Result<u8> {
    let flags: RemoveFlags = parsed.flags()?;
    let engine = parsed.engine()?;
    each(&parsed.operands, |name| {
        let request = api::NetworkRemove { id: name.to_owned(), force: flags.force };
        engine.networks().remove(&request).map(|()| name.to_owned())
    })
}
