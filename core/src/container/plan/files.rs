//! The content of `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`.
//!
//! All words that get into them were checked to be single words (`shorthand/net.rs`), since each could otherwise add lines
//! (CVE-2022-4318). The host's own files are copied for containers in the host's network, as its names hold there.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;

use super::host::Host;
use super::mounts::FILES;
use super::namespaces::{Namespaces, NetworkMode};
use crate::api::HostConfig;
use crate::error::{Error, Result};
use crate::network;
use crate::shorthand;

const LOCAL: &str = "127.0.0.1\tlocalhost\n\
                     ::1\tlocalhost ip6-localhost ip6-loopback\n\
                     fe00::\tip6-localnet\n\
                     ff00::\tip6-mcastprefix\n\
                     ff02::1\tip6-allnodes\n\
                     ff02::2\tip6-allrouters\n";

/// Docker's comment.
const SERVERS: &str = "# ExtServers:";

/// Docker's word for the host, as a container reaches it.
const HOST_GATEWAY: &str = "host-gateway";

/// A hosts file with the host's address, where that was not known yet.
pub(super) fn with_gateway(hosts: &str, gateway: &str) -> String {
    let line = |line: &str| match line.strip_prefix(HOST_GATEWAY) {
        Some(rest) if rest.starts_with('\t') => format!("{gateway}{rest}"),
        _ => line.to_owned(),
    };
    hosts.split_inclusive('\n').map(line).collect()
}

/// All three, with their names in the container's directory.
pub(super) fn contents(
    host_config: &HostConfig,
    namespaces: Namespaces<'_>,
    hostname: &str,
    host: &dyn Host,
) -> Result<[(&'static str, String); 3]> {
    let [(hostname_file, _), (hosts_file, _), (resolv_file, _)] = FILES;
    Ok([
        (hostname_file, format!("{hostname}\n")),
        (hosts_file, hosts(host_config, namespaces, host)?),
        (resolv_file, resolv_conf(host_config, namespaces, host)?),
    ])
}

fn hosts(host_config: &HostConfig, namespaces: Namespaces<'_>, host: &dyn Host) -> Result<String> {
    let of_the_host = match namespaces.network {
        NetworkMode::Host => read(host, "/etc/hosts")?,
        _ => None,
    };
    let mut hosts = of_the_host.unwrap_or_else(|| LOCAL.to_owned());
    if !hosts.is_empty() && !hosts.ends_with('\n') {
        hosts.push('\n');
    }
    for text in &host_config.extra_hosts {
        let (name, address) = shorthand::extra_host(text)?;
        let address = match (address.as_str(), namespaces.network) {
            (HOST_GATEWAY, NetworkMode::Host) => "127.0.0.1",
            (HOST_GATEWAY, NetworkMode::None | NetworkMode::Container(_)) => {
                return Err(Error::invalid(format!(
                    "{HOST_GATEWAY} of {name}: a container without a network does not reach the host"
                ))
                .about("field", "HostConfig.ExtraHosts"));
            }
            // What it is, is known when the container has its networks.
            (address, _) => address,
        };
        let _ = writeln!(hosts, "{address}\t{name}");
    }
    Ok(hosts)
}

fn resolv_conf(
    host_config: &HostConfig,
    namespaces: Namespaces<'_>,
    host: &dyn Host,
) -> Result<String> {
    let each = |texts: &[String], parse: fn(&str) -> Result<String>| {
        texts.iter().map(|text| parse(text)).collect::<Result<Vec<_>>>()
    };
    let servers = each(&host_config.dns, shorthand::dns)?;
    let search = each(&host_config.dns_search, shorthand::dns_search)?;
    let options = each(&host_config.dns_options, shorthand::dns_option)?;
    let of_the_host = match namespaces.network {
        NetworkMode::Host => read(host, "/etc/resolv.conf")?.unwrap_or_default(),
        NetworkMode::Named(_) => reachable(host)?,
        NetworkMode::None | NetworkMode::Container(_) => String::new(),
    };
    if servers.is_empty() && search.is_empty() && options.is_empty() {
        return Ok(of_the_host);
    }
    let or_the_host_s = |given: Vec<String>, keyword: &str| {
        if !given.is_empty() {
            return given;
        }
        let lines = of_the_host.lines().map(str::split_whitespace);
        let values = lines.filter_map(|mut words| (words.next() == Some(keyword)).then_some(words));
        values.flatten().map(str::to_owned).collect()
    };
    let servers = or_the_host_s(servers, "nameserver");
    let search = or_the_host_s(search, "search");
    let options = or_the_host_s(options, "options");
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    // A single point says that there are none.
    if !search.is_empty() && search != ["."] {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    Ok(text)
}

/// The name servers that a resolver in a container's network asks, which does so in the host's: also those at its loopback.
pub(crate) fn name_servers(host_config: &HostConfig, host: &dyn Host) -> Result<Vec<String>> {
    if !host_config.dns.is_empty() {
        return host_config.dns.iter().map(|text| shorthand::dns(text)).collect();
    }
    let of_the_host = read(host, "/etc/resolv.conf")?.unwrap_or_default();
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<IpAddr>().ok())?
    };
    let servers: Vec<String> =
        of_the_host.lines().filter_map(address).map(|ip| ip.to_string()).collect();
    // Docker's choice.
    let fallback = || ["8.8.8.8", "8.8.4.4"].map(str::to_owned).to_vec();
    Ok(if servers.is_empty() { fallback() } else { servers })
}

/// A container's `resolv.conf` with the resolver in its network instead of name servers, which are a comment.
pub(crate) fn inside(text: &str, servers: &[String]) -> String {
    let mut inside = format!("nameserver {}\n", network::RESOLVER);
    let mut counted = false;
    for line in text.lines().filter(|line| !line.starts_with(SERVERS)) {
        let word = line.split_whitespace().next();
        if word == Some("nameserver") {
            continue;
        }
        inside.push_str(line);
        // Names of containers have no points.
        if word == Some("options") && !text.contains("ndots:") {
            inside.push_str(" ndots:0");
        }
        counted |= word == Some("options");
        inside.push('\n');
    }
    if !counted {
        inside.push_str("options ndots:0\n");
    }
    let _ = writeln!(inside, "{SERVERS} [{}]", servers.join(" "));
    inside
}

/// The host's name servers, as far as a container reaches them: those at the host's loopback it does not. Where there are no others
/// and systemd has that one, it knows the real ones; else docker's choice is taken.
fn reachable(host: &dyn Host) -> Result<String> {
    let of_the_host = read(host, "/etc/resolv.conf")?.unwrap_or_default();
    let local = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("nameserver")
            && words
                .next()
                .and_then(|word| word.split('%').next()?.parse::<IpAddr>().ok())
                // IPv6 is not what a container has.
                .is_none_or(|address| address.is_loopback() || address.is_ipv6())
    };
    let without = |text: &str| -> String {
        text.lines().filter(|line| !local(line)).map(|line| format!("{line}\n")).collect()
    };
    let has_servers = |text: &str| text.lines().any(|l| l.trim_start().starts_with("nameserver"));
    let mut text = without(&of_the_host);
    if !has_servers(&text) && of_the_host.contains("127.0.0.53") {
        text = without(&read(host, "/run/systemd/resolve/resolv.conf")?.unwrap_or_default());
    }
    if !has_servers(&text) {
        text.push_str("nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    }
    Ok(text)
}

/// A file of the host, which need not be there.
fn read(host: &dyn Host, path: &str) -> Result<Option<String>> {
    match host.read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::system(format!("read the host's {path}"), error)),
    }
}
