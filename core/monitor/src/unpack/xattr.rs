//! Extended attributes: which of an archive's are set.
//!
//! `trusted.overlay.*` and `user.overlay.*` are how overlayfs steers itself: a layer that carries them could redirect a
//! directory into another layer (SEC-083). Labels of the host's security modules are the host's to give.

use std::os::fd::BorrowedFd;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

use super::failure::{self, Result};
use crate::tar::Entry;

const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// What becomes of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Set,
    /// Left out without a word: a label that means something only where it was given.
    Dropped,
    /// Left out, and the caller is told.
    Refused,
}

fn fate(name: &[u8]) -> Fate {
    let below = |prefix: &[u8]| name.starts_with(prefix);
    if below(b"trusted.overlay.") || below(b"user.overlay.") {
        return Fate::Refused;
    }
    match name {
        b"security.capability" | ACCESS_ACL | DEFAULT_ACL => Fate::Set,
        _ if below(b"user.") || below(b"trusted.") => Fate::Set,
        _ => Fate::Dropped,
    }
}

/// Whether an attribute goes with a file that is copied.
pub(crate) fn is_copied(name: &[u8]) -> bool {
    fate(name) == Fate::Set
}

/// Set an entry's attributes on its file or directory. Returns the names that were refused, and whether a default ACL was set.
pub(super) fn set(fd: BorrowedFd<'_>, entry: &Entry) -> Result<(Vec<String>, bool)> {
    let mut refused = Vec::new();
    let mut has_default_acl = false;
    for (name, value) in &entry.xattrs {
        let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
        match fate(name) {
            Fate::Dropped => {}
            Fate::Refused => refused.push(shown()),
            Fate::Set => match fsetxattr(fd, &name[..], value, XattrFlags::empty()) {
                Ok(()) => has_default_acl |= name == DEFAULT_ACL,
                // The file system has no such attributes.
                Err(Errno::OPNOTSUPP) => refused.push(shown()),
                Err(errno) => {
                    let verb = format!("set {} of", shown());
                    return Err(failure::entry(&verb, &entry.path)(errno));
                }
            },
        }
    }
    Ok((refused, has_default_acl))
}

/// Whether what is made in this directory begins with its access control list.
pub(super) fn has_default_acl(directory: BorrowedFd<'_>) -> bool {
    fgetxattr(directory, DEFAULT_ACL, &mut [0u8; 0]).is_ok_and(|size| size > 0)
}

/// Take away the list that a new file got from its directory: the archive says what it has.
pub(super) fn drop_inherited_acl(fd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    for name in [ACCESS_ACL, DEFAULT_ACL] {
        match fremovexattr(fd, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::ACCESS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_overlayfs_is_refused_and_labels_of_the_host_are_dropped() {
        for (name, expected) in [
            ("trusted.overlay.redirect", Fate::Refused),
            ("trusted.overlay.opaque", Fate::Refused),
            ("trusted.overlay.metacopy", Fate::Refused),
            ("user.overlay.whiteout", Fate::Refused),
            ("security.capability", Fate::Set),
            ("system.posix_acl_access", Fate::Set),
            ("user.mime_type", Fate::Set),
            ("trusted.md5", Fate::Set),
            ("security.selinux", Fate::Dropped),
            ("security.ima", Fate::Dropped),
            ("system.nfs4_acl", Fate::Dropped),
            ("nonsense", Fate::Dropped),
        ] {
            assert_eq!(fate(name.as_bytes()), expected, "{name}");
        }
    }
}
