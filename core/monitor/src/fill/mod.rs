//! Filling a new volume: what the image has in its place is copied into it, by a process of its own.
//!
//! Where the volume's place is must be looked up as the container would, in all layers at once and with the image's
//! links, so the layers are mounted and made the root of a mount namespace in which there is nothing else
//! (CVE-2022-23648: containerd joined the path, and copied from the host). Nothing of the image runs, and the volume is known
//! only by a descriptor.
//!
//! A copy that was cut short must not be taken for a volume with files in it. So it is made beside the volume's files, and when it
//! is complete, gets a name that says so; whoever finds that name moves the rest. The volume's own directory stays
//! the one it was, as a container may have it mounted.

mod copy;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{
    Dir, Mode, OFlags, RenameFlags, mkdirat, openat, renameat, renameat_with, syncfs,
};
use rustix::io::Errno;

use crate::oci::Spec;
use crate::protocol::volume::{DATA, FILLED, FILLING};
use crate::protocol::{Fill, FillResult, Overlay};
use crate::runtime::paths::{Links, Root};
use crate::runtime::rootfs;
use crate::unpack::failure::{Result, invalid, system};
use crate::unpack::{jail, remove_tree};

use copy::{Copy, attributes};

/// Calls that are needed beside those of the unpacking.
const CALLS: &[&str] = &["flistxattr", "readlinkat", "renameat2", "syncfs"];

/// The role `fill`: see [`Fill`] for its argument and descriptors. Exits with 0 when a result was written, whatever it says.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let result = match jail::inherited(4) {
        Ok(result) => result,
        // Nobody can be told why.
        Err(_) => return ExitCode::from(2),
    };
    let document = match fill(arguments) {
        Ok(entries) => FillResult::Filled { entries },
        Err(failure) => FillResult::Failed { failure },
    };
    let Ok(text) = serde_json::to_vec(&document) else { return ExitCode::from(2) };
    match File::from(result).write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn fill(arguments: &[OsString]) -> Result<u64> {
    let [options] = arguments else { return Err(invalid("one argument is expected")) };
    let options: Fill = serde_json::from_slice(options.as_encoded_bytes())
        .map_err(|error| invalid(format!("the options are not what they should be: {error}")))?;
    let volume = jail::inherited(3)?;
    jail::begin()?;
    jail::enter_namespaces()?;
    rootfs::isolate_mounts()?;
    let overlay = Overlay { lower: options.lower, upper: None };
    let root = rootfs::mount(&Spec::default(), Some(&overlay), None)?.enter()?;
    jail::confine(&[jail::CALLS, CALLS].concat(), jail::MEMORY, 32)?;
    fill_volume(&volume, &root, &options.destination, options.durable)
}

/// Fill the volume in the directory `volume` with what is at `destination` below `root`, unless it has files.
fn fill_volume(volume: &OwnedFd, root: &Root, destination: &str, durable: bool) -> Result<u64> {
    let data = directory(volume.as_fd(), DATA)?;
    move_in(volume.as_fd(), data.as_fd())?;
    if destination.is_empty() || !is_empty(data.as_fd())? {
        return Ok(0);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let source = match root.open(destination, Links::Follow, flags) {
        Ok(source) => source,
        // The image has no such directory, or its links lead to nothing: the volume stays empty.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(0),
        Err(errno) => return Err(system(&format!("open {destination} in the image"), errno)),
    };
    remove(volume.as_fd(), FILLING)?;
    mkdirat(volume, FILLING, Mode::RWXU).map_err(|errno| system("make a directory", errno))?;
    let filling = directory(volume.as_fd(), FILLING)?;
    let entries = Copy::new(source, filling).run()?;
    if durable {
        syncfs(volume).map_err(|errno| system("sync", errno))?;
    }
    renameat(volume, FILLING, volume, FILLED).map_err(|errno| system("rename", errno))?;
    move_in(volume.as_fd(), data.as_fd())?;
    Ok(entries)
}

/// Move a complete copy into the volume, if there is one. What is in the volume already stays as it is.
fn move_in(volume: BorrowedFd<'_>, data: BorrowedFd<'_>) -> Result<()> {
    let filled = match open_directory(volume, FILLED) {
        Err(Errno::NOENT) => return Ok(()),
        filled => filled.map_err(|errno| system(&format!("open {FILLED}"), errno))?,
    };
    let failed = |errno| system("move a copy into the volume", errno);
    let mut names = Vec::new();
    for entry in Dir::read_from(&filled).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    for name in names {
        match renameat_with(&filled, &name, data, &name, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    attributes(filled.as_fd(), data)?;
    remove(volume, FILLED)
}

fn remove(volume: BorrowedFd<'_>, name: &str) -> Result<()> {
    match remove_tree(volume, name.as_bytes()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(system(&format!("remove {name}"), errno)),
    }
}

fn is_empty(directory: BorrowedFd<'_>) -> Result<bool> {
    let failed = |errno| system("read the volume", errno);
    for entry in Dir::read_from(directory).map_err(failed)? {
        if !matches!(entry.map_err(failed)?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

fn directory(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    open_directory(parent, name).map_err(|errno| system(&format!("open {name}"), errno))
}

fn open_directory(parent: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}
