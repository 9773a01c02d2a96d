//! Which cgroup hierarchies this machine has, and where they are mounted.
//!
//! Three shapes are in use: every controller in a v1 hierarchy of its own (or a few together); only v2; and the
//! *hybrid* of both, where v2 holds the controllers that v1 does not. `/proc/self/cgroup` (cgroups(7)) lists the
//! hierarchies by their controllers, `/proc/self/mountinfo` (proc(5)) says where each is mounted. Inside a container the
//! mount may show only a part of the hierarchy; its root is then simply the top of what we can use.

use rustix::fs::CWD;

use super::directory;
use crate::protocol::Failure;

/// A mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) mount: String,
    /// Its controllers; `name=systemd` for a hierarchy that only has a name. Empty for v2, which says what it has in
    /// `cgroup.controllers`.
    pub(super) controllers: Vec<String>,
    /// It is cgroup v2.
    pub(super) unified: bool,
}

impl Hierarchy {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

/// The machine's hierarchies, v1 ones first.
pub(super) fn detect() -> Result<Vec<Hierarchy>, Failure> {
    let found = parse(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?);
    if found.is_empty() {
        return Err(Failure::unsupported("no cgroup file system is mounted"));
    }
    Ok(found)
}

fn read(path: &str) -> Result<String, Failure> {
    directory::read(CWD, path)
        .map_err(|errno| Failure::system(format!("read {path}"), errno.raw_os_error()))
}

fn parse(cgroup: &str, mountinfo: &str) -> Vec<Hierarchy> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(Mount::parse).collect();
    let mut found = Vec::new();
    for line in cgroup.lines() {
        // hierarchy-ID:controller-list:cgroup-path
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(list), Some(_)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let unified = list.is_empty();
        let fits = |m: &&Mount<'_>| m.unified == unified && (unified || m.has_all(list));
        // Several mounts of one hierarchy: the one that shows most of it, and can be written to.
        let Some(mount) = mounts.iter().filter(fits).min_by_key(|m| (m.read_only, m.root.len()))
        else {
            continue;
        };
        let controllers =
            if unified { Vec::new() } else { list.split(',').map(str::to_owned).collect() };
        found.push(Hierarchy { mount: unescape(mount.point), controllers, unified });
    }
    found.sort_by_key(|h| h.unified);
    found
}

/// The fields of a line of mountinfo that say something about a cgroup mount.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    read_only: bool,
    unified: bool,
    super_options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        // ID parent major:minor root mount-point options optional-fields… - type source super-options
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, point, options) = (fields.next()?, fields.next()?, fields.next()?);
        let mut fields = file_system.split(' ');
        let unified = match fields.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let super_options = fields.nth(1).unwrap_or_default();
        let read_only = options.split(',').chain(super_options.split(',')).any(|o| o == "ro");
        Some(Mount { root, point, read_only, unified, super_options })
    }

    fn has_all(&self, controllers: &str) -> bool {
        controllers.split(',').all(|c| self.super_options.split(',').any(|o| o == c))
    }
}

/// Undo the kernel's escapes: space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|c| u8::from_str_radix(c, 8).ok());
        match code {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(found: &[Hierarchy]) -> Vec<String> {
        found
            .iter()
            .map(|h| format!("{}:{}:{}", h.mount, h.controllers.join("+"), h.unified))
            .collect()
    }

    #[test]
    fn a_hybrid_machine_has_the_v1_hierarchies_and_v2() {
        let cgroup = "5:cpu,cpuacct:/x\n1:name=systemd:/init.scope\n0::/init.scope\n";
        let mountinfo = "\
            32 31 0:29 / /sys/fs/cgroup/unified rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
            33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n\
            34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            35 31 0:99 / /sys/fs/cgroup tmp - tmpfs tmpfs rw\n";
        assert_eq!(
            summary(&parse(cgroup, mountinfo)),
            [
                "/sys/fs/cgroup/cpu,cpuacct:cpu+cpuacct:false",
                "/sys/fs/cgroup/systemd:name=systemd:false",
                "/sys/fs/cgroup/unified::true"
            ]
        );
    }

    #[test]
    fn a_v2_machine_has_one() {
        let mountinfo = "29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(summary(&parse("0::/user.slice\n", mountinfo)), ["/sys/fs/cgroup::true"]);
    }

    #[test]
    fn in_a_container_the_mounts_root_is_the_top() {
        let cgroup = "4:memory:/docker/abc\n";
        let mountinfo = "\
            700 690 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
            701 690 0:30 /docker/abc /mnt/my\\040cgroup rw - cgroup cgroup rw,memory\n";
        assert_eq!(summary(&parse(cgroup, mountinfo)), ["/mnt/my cgroup:memory:false"]);
    }

    #[test]
    fn the_mount_that_shows_most_is_taken() {
        let mountinfo = "\
            1 0 0:30 /a /mnt/part rw - cgroup cgroup rw,pids\n\
            2 0 0:30 / /mnt/whole rw - cgroup cgroup rw,pids\n";
        assert_eq!(summary(&parse("8:pids:/\n", mountinfo)), ["/mnt/whole:pids:false"]);
    }

    #[test]
    fn a_hierarchy_that_is_not_mounted_is_left_out() {
        assert!(parse("8:pids:/\n0::/\n", "").is_empty());
    }
}
