//! File systems that an engine's root should not be on, by their magic numbers (statfs(2)).
//!
//! overlayfs writes to a file system that has extended attributes `trusted.*`, whiteouts and types in its directories, and is no
//! overlay itself nor on another machine ("Upper and lower filesystems" in the kernel's overlayfs.rst). Docker's driver refuses
//! the same (moby's `daemon/graphdriver/overlay2`). SQLite's write-ahead log wants shared memory maps besides.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{StatFs, fstatfs, statfs};

/// What the remedy is.
pub const FIT: &str = "ext4, xfs, btrfs or tmpfs";

const UNFIT: [(u64, &str); 16] = [
    (0x794c_7630, "overlay"),
    (0x4d44, "vfat"),
    (0x2011_bab0, "exfat"),
    (0x7366_746e, "ntfs"),
    (0x5346_544e, "ntfs"),
    (0x6969, "nfs"),
    (0x0102_1997, "9p"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb"),
    (0x517b, "smb"),
    (0x00c3_6400, "ceph"),
    (0x6573_5546, "fuse"),
    (0xf15f, "ecryptfs"),
    (0x6175_6673, "aufs"),
    (0x9584_58f6, "hugetlbfs"),
    (0x1373_3744, "isofs"),
];

/// The name of the file system that this is on, when that is one of those.
pub fn unfit(path: &Path) -> Option<&'static str> {
    statfs(path).ok().and_then(|found| name(&found))
}

/// The same of something that is open.
pub(crate) fn unfit_of(fd: impl AsFd) -> Option<&'static str> {
    fstatfs(fd).ok().and_then(|found| name(&found))
}

fn name(found: &StatFs) -> Option<&'static str> {
    // The type has 64 bits, of which a magic number is the lower half, on some architectures with its sign.
    let magic = found.f_type as u64 & 0xffff_ffff;
    UNFIT.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_has_is_fit_and_magic_numbers_are_there_once() {
        assert_eq!(unfit(Path::new("/dev/shm")), None);
        assert_eq!(unfit(Path::new("/nowhere")), None);
        let mut numbers: Vec<u64> = UNFIT.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), UNFIT.len());
    }
}
