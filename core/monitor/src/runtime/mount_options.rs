//! Mount options as of mount(8), sorted by what the kernel takes them for: attributes of the mount, flags of the file
//! system, its propagation, or text for the file system itself.

use rustix::mount::MountAttrFlags as Flags;

use crate::sys::mount::Attributes;

/// A mount's options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions<'a> {
    /// It is a bind mount; of the mounts below the source too, if true.
    pub(crate) bind: Option<bool>,
    /// Attributes of the mount.
    pub(crate) attributes: Attributes,
    /// Attributes of it and of all mounts below it.
    pub(crate) recursive: Attributes,
    /// Propagation, and whether that of all mounts below too.
    pub(crate) propagation: Option<(u64, bool)>,
    /// Ids are stored as the container has them; of the mounts below the source too, if true.
    pub(crate) id_map: Option<bool>,
    /// For the file system: a key, and a value if it has one.
    pub(crate) data: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> MountOptions<'a> {
    /// Sort them. Of contradicting ones the last counts.
    pub(crate) fn new(options: &'a [String]) -> MountOptions<'a> {
        let mut sorted = MountOptions::default();
        for option in options {
            sorted.add(option);
        }
        sorted
    }

    /// The mount is to be read-only.
    pub(crate) fn read_only(&self) -> bool {
        self.attributes.set & u64::from(Flags::MOUNT_ATTR_RDONLY.bits()) != 0
    }

    /// The mount is to be writable, explicitly.
    pub(crate) fn writable(&self) -> bool {
        let read_only = u64::from(Flags::MOUNT_ATTR_RDONLY.bits());
        self.attributes.clear & read_only != 0 && !self.read_only()
    }

    /// The mount gets events from the host's.
    pub(crate) fn has_peers(&self) -> bool {
        matches!(self.propagation, Some((libc::MS_SHARED | libc::MS_SLAVE, _)))
    }

    /// The value of an option for the file system.
    pub(crate) fn value(&self, key: &str) -> Option<&'a str> {
        self.data.iter().rev().find(|(k, _)| *k == key).and_then(|(_, value)| *value)
    }

    fn add(&mut self, option: &'a str) {
        if let Some(change) = attribute(option) {
            apply(&mut self.attributes, change);
        } else if let Some(change) = option.strip_prefix('r').and_then(attribute) {
            apply(&mut self.recursive, change);
        } else if let Some(propagation) = propagation(option) {
            self.propagation = Some((propagation, false));
        } else if let Some(propagation) = option.strip_prefix('r').and_then(propagation) {
            self.propagation = Some((propagation, true));
        } else {
            match option {
                "bind" => self.bind = Some(false),
                "rbind" => self.bind = Some(true),
                "idmap" => self.id_map = Some(false),
                "ridmap" => self.id_map = Some(true),
                "" | "defaults" => {}
                _ => self.data.push(match option.split_once('=') {
                    Some((key, value)) => (key, Some(value)),
                    None => (option, None),
                }),
            }
        }
    }
}

/// Bits to set and bits to clear first.
type Change = (Flags, Flags);

fn apply(attributes: &mut Attributes, (set, clear): Change) {
    let (set, clear) = (u64::from(set.bits()), u64::from(clear.bits()));
    attributes.set = attributes.set & !clear | set;
    attributes.clear |= clear;
}

/// The access-time bits are a number, not flags: 0 stands for relatime, and all must be cleared to set any
/// (mount_setattr(2)).
fn attribute(option: &str) -> Option<Change> {
    let none = Flags::empty();
    let on = |flag: Flags| (flag, flag);
    let off = |flag: Flags| (none, flag);
    let time = |flag: Flags| (flag, Flags::MOUNT_ATTR__ATIME);
    Some(match option {
        "ro" => on(Flags::MOUNT_ATTR_RDONLY),
        "rw" => off(Flags::MOUNT_ATTR_RDONLY),
        "nosuid" => on(Flags::MOUNT_ATTR_NOSUID),
        "suid" => off(Flags::MOUNT_ATTR_NOSUID),
        "nodev" => on(Flags::MOUNT_ATTR_NODEV),
        "dev" => off(Flags::MOUNT_ATTR_NODEV),
        "noexec" => on(Flags::MOUNT_ATTR_NOEXEC),
        "exec" => off(Flags::MOUNT_ATTR_NOEXEC),
        "nosymfollow" => on(Flags::MOUNT_ATTR_NOSYMFOLLOW),
        "symfollow" => off(Flags::MOUNT_ATTR_NOSYMFOLLOW),
        "nodiratime" => on(Flags::MOUNT_ATTR_NODIRATIME),
        "diratime" => off(Flags::MOUNT_ATTR_NODIRATIME),
        "noatime" => time(Flags::MOUNT_ATTR_NOATIME),
        "strictatime" => time(Flags::MOUNT_ATTR_STRICTATIME),
        "relatime" | "atime" | "nostrictatime" | "norelatime" => time(none),
        _ => return None,
    })
}

/// The `MS_*` bit of a propagation type.
pub(crate) fn propagation(option: &str) -> Option<u64> {
    Some(match option {
        "private" => libc::MS_PRIVATE,
        "slave" => libc::MS_SLAVE,
        "shared" => libc::MS_SHARED,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(options: &[&str]) -> Vec<String> {
        options.iter().map(|o| (*o).to_owned()).collect()
    }

    #[test]
    fn dockers_tmpfs_is_attributes_and_text() {
        let options = strings(&["nosuid", "noexec", "nodev", "mode=1777", "size=65536k", "ro"]);
        let sorted = MountOptions::new(&options);
        assert!(sorted.read_only());
        assert_eq!(sorted.data, [("mode", Some("1777")), ("size", Some("65536k"))]);
        assert_eq!(sorted.attributes.set, 0b1111);
        assert!(sorted.recursive.is_empty());
    }

    #[test]
    fn of_contradicting_options_the_last_counts() {
        let options = strings(&["ro", "rw"]);
        assert!(!MountOptions::new(&options).read_only());
        assert!(MountOptions::new(&options).writable());
        let options = strings(&["rw", "ro"]);
        assert!(MountOptions::new(&options).read_only());
        assert!(!MountOptions::new(&options).writable());
        assert!(!MountOptions::new(&[]).writable());
        let options = strings(&["noatime", "strictatime"]);
        let time = u64::from(Flags::MOUNT_ATTR_STRICTATIME.bits());
        assert_eq!(MountOptions::new(&options).attributes.set, time);
    }

    #[test]
    fn an_r_in_front_means_the_mounts_below_too() {
        let options = strings(&["rbind", "rro", "rslave"]);
        let sorted = MountOptions::new(&options);
        assert_eq!(sorted.bind, Some(true));
        assert_eq!(sorted.recursive.set, u64::from(Flags::MOUNT_ATTR_RDONLY.bits()));
        assert!(!sorted.read_only());
        assert_eq!(sorted.propagation, Some((libc::MS_SLAVE, true)));
        assert!(sorted.has_peers());
    }

    #[test]
    fn relatime_is_an_access_time_and_not_a_recursive_option() {
        let options = strings(&["relatime"]);
        let sorted = MountOptions::new(&options);
        assert_eq!(sorted.attributes.clear, u64::from(Flags::MOUNT_ATTR__ATIME.bits()));
        assert!(sorted.recursive.is_empty());
        assert!(sorted.data.is_empty());
    }

    #[test]
    fn what_is_not_known_is_left_to_the_file_system() {
        let options = strings(&["newinstance", "gid=5", "sync"]);
        let sorted = MountOptions::new(&options);
        assert_eq!(sorted.data, [("newinstance", None), ("gid", Some("5")), ("sync", None)]);
        assert_eq!(sorted.value("gid"), Some("5"));
    }
}
