//! The container's terminal, of its own devpts instance, and `/dev/console`.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, OFlags, fstat, makedev};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::oci::ConsoleSize;
use crate::protocol::Failure;
use crate::sys::mount::{DEVPTS_SUPER_MAGIC, attach, clone_tree_at, is_of_type};

use super::failure::{Doing, invalid, system};
use super::paths::{Links, Missing, Root};

/// Both sides of a terminal.
pub(crate) struct Terminal {
    /// The monitor's side.
    pub(crate) master: OwnedFd,
    /// The container's side.
    pub(crate) slave: OwnedFd,
}

impl Terminal {
    /// Make one.
    ///
    /// The slave is opened from the master and not by a name: below an image's or a volume's `/dev/pts` the name could
    /// lead anywhere (CVE-2025-52565).
    pub(crate) fn open(root: &Root, size: Option<ConsoleSize>) -> Result<Terminal, Failure> {
        let doing = || "open a terminal from /dev/pts/ptmx";
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        for flags in [OFlags::PATH, flags] {
            let master = root.open("/dev/pts/ptmx", Links::Refuse, flags).doing(doing)?;
            check_multiplexer(&master)?;
            if !flags.contains(OFlags::PATH) {
                return Terminal::with(master, size);
            }
        }
        Err(system(doing(), Errno::NXIO))
    }

    fn with(master: OwnedFd, size: Option<ConsoleSize>) -> Result<Terminal, Failure> {
        let doing = || "open a terminal";
        unlockpt(&master).doing(doing)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).doing(doing)?;
        if let Some(ConsoleSize { height, width }) = size {
            let size = Winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
            tcsetwinsize(&master, size).doing(|| "set the terminal's size")?;
        }
        Ok(Terminal { master, slave })
    }

    /// Mount the container's side on `/dev/console`.
    pub(crate) fn become_console(&self, root: &Root) -> Result<(), Failure> {
        root.ensure("/dev/console", Links::Refuse, Missing::File)
            .and_then(|target| attach(clone_tree_at(&self.slave, false)?, target))
            .doing(|| "mount the terminal on /dev/console")
    }
}

fn check_multiplexer(file: &OwnedFd) -> Result<(), Failure> {
    let doing = || "look at /dev/pts/ptmx";
    let found = fstat(file).doing(doing)?;
    let multiplexer = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && found.st_rdev == makedev(5, 2)
        && is_of_type(file, DEVPTS_SUPER_MAGIC).doing(doing)?;
    multiplexer
        .then_some(())
        .ok_or_else(|| invalid("a terminal needs a mount of type devpts on /dev/pts"))
}
