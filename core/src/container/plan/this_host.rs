//! The machine this process runs on: the one file of planning that reads.
//!
//! A file that isn't there is an answer here (no AppArmor, no throttling), and one that can't be read is taken as one: what
//! then isn't refused while planning the kernel refuses in the monitor.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;

use super::host::{DeviceNode, Host, HostFacts};

/// Most bytes of a file that is read as text.
const MOST: u64 = 4 << 20;

/// This machine.
#[derive(Default)]
pub(crate) struct ThisHost {
    /// An exec needs none of them.
    facts: OnceLock<HostFacts>,
}

impl HostFacts {
    /// Gather those of this machine: about fifteen small files, all of the kernel's.
    fn gather() -> HostFacts {
        let uname = rustix::system::uname();
        let online = line("/sys/devices/system/cpu/online");
        let cpus = numbers(&online);
        let throttles = exists("/sys/devices/system/cpu/cpu0/thermal_throttle");
        let cgroup_v2 = exists("/sys/fs/cgroup/cgroup.controllers");
        let memory_v1 = exists("/sys/fs/cgroup/memory/memory.limit_in_bytes");
        HostFacts {
            architecture: if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            kernel: version(&uname.release().to_string_lossy()),
            cpus: u32::try_from(cpus.len()).unwrap_or(u32::MAX).max(1),
            throttled_cpus: if throttles { cpus } else { Vec::new() },
            cpuset_cpus: online,
            cpuset_mems: line("/sys/devices/system/node/online"),
            cgroup_v2,
            // A kernel without swap needs no limit of it, and the monitor knows.
            swap_limit: !(memory_v1
                && exists("/proc/swaps")
                && !exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes")),
            apparmor: line("/sys/module/apparmor/parameters/enabled") == "Y",
            selinux: exists("/sys/fs/selinux/enforce"),
            hostname: uname.nodename().to_string_lossy().into_owned(),
        }
    }
}

impl Host for ThisHost {
    fn capabilities(&self) -> u64 {
        rustix::thread::capabilities(None).map_or(0, |sets| sets.permitted.bits())
    }

    fn facts(&self) -> &HostFacts {
        self.facts.get_or_init(HostFacts::gather)
    }

    fn read(&self, path: &str) -> io::Result<String> {
        // Without O_NONBLOCK the opening of a FIFO would wait for somebody to write to it.
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut text = String::new();
        if file.take(MOST + 1).read_to_string(&mut text)? as u64 > MOST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large"));
        }
        Ok(text)
    }

    fn devices(&self, path: &str) -> io::Result<Vec<DeviceNode>> {
        let metadata = fs::metadata(path)?;
        let mut found = Vec::new();
        if metadata.is_dir() {
            walk(Path::new(path), &mut found)?;
            found.sort_by(|a, b| a.path.cmp(&b.path));
        } else {
            found.extend(node(Path::new(path), &metadata));
        }
        Ok(found)
    }
}

/// The devices below a directory. Links are not followed: what they lead to has a place of its own, or none here.
fn walk(directory: &Path, found: &mut Vec<DeviceNode>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Terminals come and go.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            match walk(&entry.path(), found) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        } else {
            found.extend(node(&entry.path(), &metadata));
        }
    }
    Ok(())
}

fn node(path: &Path, metadata: &fs::Metadata) -> Option<DeviceNode> {
    let kind = match metadata.file_type() {
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => return None,
    };
    Some(DeviceNode {
        path: path.to_str()?.to_owned(),
        kind,
        major: rustix::fs::major(metadata.rdev()),
        minor: rustix::fs::minor(metadata.rdev()),
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// A file of one line.
fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

/// The numbers in a list such as `0-3,8`.
fn numbers(list: &str) -> Vec<u32> {
    let number = |text: &str| text.parse::<u32>().ok();
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(number(first)?..=number(last)?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// The first two numbers of `6.18.44-fc`.
fn version(release: &str) -> (u32, u32) {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_this_machine_make_sense() {
        let host = ThisHost::default();
        let facts = host.facts();
        assert!(facts.cpus >= 1);
        assert!(facts.kernel >= (5, 0), "{:?}", facts.kernel);
        assert!(!facts.hostname.is_empty());
        assert_eq!(numbers(&facts.cpuset_cpus).len(), facts.cpus as usize);
    }

    #[test]
    fn lists_and_versions_are_read() {
        assert_eq!(numbers("0-2,7"), [0, 1, 2, 7]);
        assert!(numbers("").is_empty());
        assert_eq!(version("6.18.44-fc-v782"), (6, 18));
        assert_eq!(version("7"), (7, 0));
    }

    #[test]
    fn devices_are_found_by_path_and_below_a_directory() {
        let host = ThisHost::default();
        let null = host.devices("/dev/null").unwrap();
        assert_eq!((null.len(), null[0].kind, null[0].major, null[0].minor), (1, 'c', 1, 3));
        let all = host.devices("/dev").unwrap();
        assert!(all.contains(&null[0]));
        assert!(all.is_sorted_by(|a, b| a.path < b.path));
        assert!(host.devices("/etc/hostname").unwrap().is_empty());
        assert_eq!(
            host.devices("/dev/no-such-device").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn what_is_no_small_regular_file_is_not_read() {
        let host = ThisHost::default();
        assert!(host.read("/etc/hostname").is_ok());
        assert!(host.read("/dev/zero").is_err());
        assert!(host.read("/etc").is_err());
    }
}
