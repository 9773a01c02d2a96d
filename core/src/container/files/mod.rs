//! A container's files: archives, copies and single files, whether it runs or not.
//!
//! All of it is done by the file jail (`barque_monitor::files`), which sees the container's root as its own; the library passes bytes on
//! and never resolves a path of a container.

mod archive;
mod content;
mod copy;
mod feed;
mod host;
mod jail;
mod single;
pub(crate) mod tree;

pub(super) use content::Content;
pub(super) use jail::{Jail, Wiring};

use barque_monitor::protocol;

use crate::api::PathStat;
use crate::sys::clock;

/// What is at a path, in the Docker Engine API's words.
fn document(stat: &protocol::PathStat) -> PathStat {
    PathStat {
        name: stat.name.clone(),
        size: stat.size,
        mode: go_mode(stat.mode),
        mtime: clock::rfc3339(stat.mtime),
        link_target: stat.link_target.clone(),
        uid: stat.uid,
        gid: stat.gid,
    }
}

/// `st_mode` as Go's `os.FileMode`, whose kinds and special bits have places of their own.
fn go_mode(mode: u32) -> u32 {
    const DIRECTORY: u32 = 1 << 31;
    const SYMLINK: u32 = 1 << 27;
    const DEVICE: u32 = 1 << 26;
    const NAMED_PIPE: u32 = 1 << 25;
    const SOCKET: u32 = 1 << 24;
    const SETUID: u32 = 1 << 23;
    const SETGID: u32 = 1 << 22;
    const CHARACTER_DEVICE: u32 = 1 << 21;
    const STICKY: u32 = 1 << 20;
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => DIRECTORY,
        libc::S_IFLNK => SYMLINK,
        libc::S_IFBLK => DEVICE,
        libc::S_IFCHR => DEVICE | CHARACTER_DEVICE,
        libc::S_IFIFO => NAMED_PIPE,
        libc::S_IFSOCK => SOCKET,
        _ => 0,
    };
    let special = [(libc::S_ISUID, SETUID), (libc::S_ISGID, SETGID), (libc::S_ISVTX, STICKY)];
    let special = special.iter().filter(|(bit, _)| mode & bit != 0).map(|(_, go)| go);
    special.fold(mode & 0o777 | kind, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::go_mode;

    #[test]
    fn modes_are_gos() {
        for (mode, go) in [
            (0o100_644, 0o644),
            (0o040_755, 0x8000_01ed),
            (0o041_777, 0x8010_01ff),
            (0o120_777, 0x0800_01ff),
            (0o104_755, 0x0080_01ed),
            (0o102_755, 0x0040_01ed),
            (0o020_666, 0x0420_01b6),
            (0o060_660, 0x0400_01b0),
            (0o010_600, 0x0200_0180),
            (0o140_755, 0x0100_01ed),
        ] {
            assert_eq!(go_mode(mode), go, "{mode:o}");
        }
    }
}
