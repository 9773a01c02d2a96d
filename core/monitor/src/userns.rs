//! Making the user namespace of a container, and the network namespace that its root has rights over: a process of its own does
//! it, since unshare(2) makes none in a process with threads.
//!
//! A child is made in both and waits, so that there is a process whose maps can be written, which takes the host's rights
//! (user_namespaces(7)). What is left of it are the descriptors.

use std::ffi::OsString;
use std::fmt::Write;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::UnshareFlags;

use crate::oci::IdMapping;
use crate::protocol::{Failure, UserNamespace, UserNamespaceResult};
use crate::sys::clone::{Side, clone};
use crate::sys::exec::exit;
use crate::unpack::failure::{Result, invalid, system};
use crate::unpack::jail;

/// The role `userns`: see [`UserNamespace`] for its argument and descriptor. Exits with 0 when a result was sent, whatever it says.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let Ok(socket) = jail::inherited(3) else { return ExitCode::from(2) };
    let (document, made) = match make(arguments) {
        Ok(made) => (UserNamespaceResult::Made, Some(made)),
        Err(failure) => (UserNamespaceResult::Failed { failure }, None),
    };
    let Ok(text) = serde_json::to_vec(&document) else { return ExitCode::from(2) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = made.as_ref().map(|made| made.each_ref().map(AsFd::as_fd));
    if let Some(descriptors) = &descriptors {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    match sendmsg(&socket, &[IoSlice::new(&text)], &mut ancillary, SendFlags::NOSIGNAL) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

/// The user namespace and the network namespace.
fn make(arguments: &[OsString]) -> Result<[OwnedFd; 2]> {
    let [options] = arguments else { return Err(invalid("one argument is expected")) };
    let options: UserNamespace = serde_json::from_slice(options.as_encoded_bytes())
        .map_err(|error| invalid(format!("the options are not what they should be: {error}")))?;
    let failed = |errno| system("make a user namespace", errno);
    let (wait, hold) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let kinds = UnshareFlags::NEWUSER | UnshareFlags::NEWNET;
    let (pid, pidfd) = match clone(kinds.bits().into(), None).map_err(refused)? {
        Side::Parent { pid, pidfd } => (pid, pidfd),
        Side::Child => {
            drop(hold);
            while let Err(Errno::INTR) = rustix::io::read(&wait, &mut [0_u8; 1]) {}
            exit(0)
        }
    };
    let made = furnish(pid, &options);
    drop(hold);
    while let Err(Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {}
    made
}

fn furnish(pid: i32, options: &UserNamespace) -> Result<[OwnedFd; 2]> {
    write_map(pid, "uid_map", &options.uids)?;
    write_map(pid, "gid_map", &options.gids)?;
    let open = |kind: &str| {
        let path = format!("/proc/{pid}/ns/{kind}");
        openat(CWD, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| system(&format!("open {path}"), errno))
    };
    Ok([open("user")?, open("net")?])
}

/// All of a map is written in one call (user_namespaces(7)).
fn write_map(pid: i32, name: &str, ranges: &[IdMapping]) -> Result<()> {
    let mut text = String::new();
    for IdMapping { container_id, host_id, size } in ranges {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{container_id} {host_id} {size}");
    }
    let path = format!("/proc/{pid}/{name}");
    openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::write(file, text.as_bytes()))
        .map(drop)
        .map_err(|errno| match errno {
            Errno::INVAL => invalid(format!(
                "{name}: the kernel does not take these ranges: {}",
                text.trim_end().replace('\n', ", ")
            )),
            errno => system(&format!("write {name}"), errno),
        })
}

fn refused(errno: Errno) -> Failure {
    match errno {
        Errno::NOSPC => system(
            "make a user namespace: the kernel's limit is reached (sysctl user.max_user_namespaces)",
            errno,
        ),
        errno => system("make a user namespace", errno),
    }
}
