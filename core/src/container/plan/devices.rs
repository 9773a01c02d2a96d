//! Devices: which nodes a container has beside the usual ones, and which it may use.

use barque_monitor::oci::{Device, DeviceRule};

use super::host::{DeviceNode, Host};
use crate::api::{DeviceMapping, HostConfig};
use crate::error::{Error, Result};
use crate::shorthand;

/// Directories in `/dev` that hold no devices of the host's own, or that the container has of its own.
const NOT_DEVICES: [&str; 6] =
    ["/dev/pts", "/dev/shm", "/dev/fd", "/dev/mqueue", "/dev/.lxc", "/dev/.udev"];

/// Device nodes and the rules of the device cgroup, of which the last that matches counts.
pub(super) fn plan(
    host_config: &HostConfig,
    host: &dyn Host,
) -> Result<(Vec<Device>, Vec<DeviceRule>)> {
    if host_config.privileged {
        let nodes = host
            .devices("/dev")
            .map_err(|error| Error::system("list the devices in /dev", error))?;
        let inside = |node: &DeviceNode, directory: &str| {
            node.path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
        };
        let own = |node: &&DeviceNode| {
            node.path != "/dev/console"
                && !NOT_DEVICES.iter().any(|directory| inside(node, directory))
        };
        let devices = nodes.iter().filter(own).map(|node| device(node, &node.path)).collect();
        return Ok((
            devices,
            vec![DeviceRule { allow: true, access: "rwm".to_owned(), ..DeviceRule::default() }],
        ));
    }
    let mut devices: Vec<Device> = Vec::new();
    let mut rules = default_rules();
    for mapping in &host_config.devices {
        for (device, access) in mapped(mapping, host)? {
            rules.push(rule(
                &device.kind,
                Some(device.major.into()),
                Some(device.minor.into()),
                &access,
            ));
            devices.retain(|other| other.path != device.path);
            devices.push(device);
        }
    }
    for text in &host_config.device_cgroup_rules {
        rules.push(parse_rule(text).ok_or_else(|| {
            Error::invalid(format!("invalid device cgroup rule format: '{text}'"))
        })?);
    }
    Ok((devices, rules))
}

/// Nothing, but what programs can't do without: the devices that every container has a node of, and nodes as such.
fn default_rules() -> Vec<DeviceRule> {
    let mut rules = vec![DeviceRule { access: "rwm".to_owned(), ..DeviceRule::default() }];
    // Making a node is not using it.
    rules.extend(["c", "b"].map(|kind| rule(kind, None, None, "m")));
    // null, zero, full, random, urandom; tty, console, ptmx; terminals.
    let usable = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    rules.extend(usable.map(|(major, minor)| rule("c", Some(major), Some(minor), "rwm")));
    rules.push(rule("c", Some(136), None, "rwm"));
    rules
}

fn rule(kind: &str, major: Option<i64>, minor: Option<i64>, access: &str) -> DeviceRule {
    DeviceRule { allow: true, kind: kind.to_owned(), major, minor, access: access.to_owned() }
}

fn device(node: &DeviceNode, path: &str) -> Device {
    Device {
        path: path.to_owned(),
        kind: node.kind.to_string(),
        major: node.major,
        minor: node.minor,
        file_mode: Some(node.mode & 0o777),
        uid: node.uid,
        gid: node.gid,
    }
}

/// The devices of a mapping, which are many where it names a directory, and how they may be used.
fn mapped(mapping: &DeviceMapping, host: &dyn Host) -> Result<Vec<(Device, String)>> {
    let DeviceMapping { path_on_host, path_in_container, cgroup_permissions } = mapping;
    let inside = if path_in_container.is_empty() { path_on_host } else { path_in_container };
    for path in [path_on_host, inside] {
        if !path.starts_with('/') || path.contains('\0') {
            return Err(Error::invalid(format!("'{path}' is not an absolute path")));
        }
    }
    shorthand::check_mount_target(inside)?;
    let access = if cgroup_permissions.is_empty() { "rwm" } else { cgroup_permissions };
    if !shorthand::is_device_access(access) {
        return Err(Error::invalid(format!("invalid device mode: {access}")));
    }
    let failed = |why: &str| {
        Error::invalid(format!(
            "error gathering device information while adding custom device {path_on_host:?}: {why}"
        ))
    };
    let nodes = host.devices(path_on_host).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("no such file or directory"),
        _ => Error::system(format!("look at the device {path_on_host}"), error),
    })?;
    if nodes.is_empty() {
        return Err(failed("not a device node"));
    }
    let place = |node: &DeviceNode| match node.path.strip_prefix(path_on_host.trim_end_matches('/'))
    {
        Some(below) if below.starts_with('/') => format!("{}{below}", inside.trim_end_matches('/')),
        _ => inside.clone(),
    };
    Ok(nodes.iter().map(|node| (device(node, &place(node)), access.to_owned())).collect())
}

/// `c 1:3 rwm`, `a *:* rw`.
fn parse_rule(text: &str) -> Option<DeviceRule> {
    let [kind, numbers, access] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| match text {
        "*" => Some(None),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u32>().ok().map(|number| Some(i64::from(number)))
        }
        _ => None,
    };
    (matches!(kind, "a" | "b" | "c") && shorthand::is_device_access(access))
        .then(|| Some(rule(kind, number(major)?, number(minor)?, access)))
        .flatten()
}
