//! The monitor's ends of the container's standard streams, ready for the loop: none of them blocks.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

use super::output::Output;
use super::poller::Source;
use super::stdin::Stdin;
use crate::protocol;
use crate::runtime::Stdio;

/// Output, input and, if the container has one, its terminal.
pub(super) type Streams = (Output, Stdin, Option<OwnedFd>);

/// Take them from the runtime.
pub(super) fn streams(stdio: Option<Stdio>, stdin: protocol::Stdin) -> Result<Streams, Errno> {
    let wanted = stdin != protocol::Stdin::Null;
    match stdio {
        Some(Stdio::Pipes { stdin, stdout, stderr }) => {
            let stdin = stdin.filter(|_| wanted);
            for fd in [Some(&stdout), Some(&stderr), stdin.as_ref()].into_iter().flatten() {
                ioctl_fionbio(fd, true)?;
            }
            Ok((
                Output::new(stdout, Some(stderr), None),
                Stdin::new(stdin, false, Source::Stdin),
                None,
            ))
        }
        Some(Stdio::Terminal(master)) => {
            ioctl_fionbio(&master, true)?;
            let peer = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let keep_open = ioctl_tiocgptpeer(&master, peer)?;
            let input = if wanted { Some(clone(&master)?) } else { None };
            let output = Output::new(clone(&master)?, None, Some(keep_open));
            Ok((output, Stdin::new(input, true, Source::Stdin), Some(master)))
        }
        None => Err(Errno::BADF),
    }
}

/// Another descriptor of the same file.
pub(super) fn clone(fd: &impl AsFd) -> Result<OwnedFd, Errno> {
    fd.as_fd().try_clone_to_owned().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::MFILE))
}
