//! Whose a port of this host is: for the error that says that it is somebody's.

use std::fs;
use std::net::IpAddr;

use super::publish;
use crate::Engine;

/// The container of this engine, or else the process, that has a port; `None` where neither is found.
pub(super) fn find(engine: &Engine, protocol: &str, host_ip: IpAddr, port: u16) -> Option<String> {
    let all = publish::all(engine).unwrap_or_default();
    let has =
        |ports: &[publish::Published]| ports.iter().any(|p| p.clashes(protocol, host_ip, port));
    if let Some((container, _)) = all.iter().find(|(_, ports)| has(ports)) {
        let name = engine.containers().name_of(container).ok()?;
        return Some(format!("container {name}"));
    }
    // A socket of IPv6 may have the port of IPv4 too (ipv6(7), IPV6_V6ONLY).
    let versions: &[&str] = if host_ip.is_ipv6() { &["6"] } else { &["", "6"] };
    let sockets = versions.iter().flat_map(|version| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{protocol}{version}"));
        let table = table.unwrap_or_default();
        let numbers = table.lines().filter_map(|line| socket(line, port));
        numbers.map(|number| format!("socket:[{number}]")).collect::<Vec<_>>()
    });
    process(&sockets.collect::<Vec<_>>())
}

/// The number of the socket in a line of `/proc/net/tcp` or `/proc/net/udp` (proc_pid_net(5)), if it has this port.
fn socket(line: &str, port: u16) -> Option<&str> {
    let mut words = line.split_whitespace();
    let (_, local) = words.nth(1)?.rsplit_once(':')?;
    (u16::from_str_radix(local, 16).ok()? == port).then_some(())?;
    words.nth(7).filter(|inode| *inode != "0")
}

/// The process that has one of these open.
fn process(sockets: &[String]) -> Option<String> {
    if sockets.is_empty() {
        return None;
    }
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        let mut open = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        if open.any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str())) {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            let pid = process.file_name().into_string().ok()?;
            return Some(format!("process {pid} ({})", name.trim_end()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::socket;

    #[test]
    fn a_line_of_the_kernel_s_table_has_a_port_and_a_number() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000";
        assert_eq!(socket(line, 8080), Some("4711"));
        assert_eq!(socket(line, 8081), None);
        assert_eq!(socket("  sl  local_address rem_address   st", 8080), None);
        assert_eq!(socket("", 0), None);
    }
}
