//! The unpacker: one layer, from a tar stream into an empty directory, as a process of its own.
//!
//! It belongs to the trusted base: everything that comes from an image passes here first. Three things hold whatever the
//! bytes say. It has no way out ([`jail`]). Each name is resolved by the kernel below the layer's root and each file is made
//! new ([`parent`], [`layer`]). Space and memory are bounded by limits of the caller and of its own.
//!
//! A layer is unpacked as overlayfs wants it: a deleted name is a character device 0:0, a directory that hides those below
//! it carries `trusted.overlay.opaque`. So it needs none of the layers below, and the layers of an image unpack side by
//! side.

mod content;
pub(crate) mod failure;
pub(crate) mod jail;
mod layer;
mod name;
mod parent;
mod remove;
pub(crate) use remove::tree as remove_tree;
pub(crate) mod replace;
#[cfg(test)]
mod tests;
pub(crate) mod xattr;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{FileType, fstat};

use crate::protocol::{Unpack, UnpackResult, Unpacked};
use crate::tar::Reader;

use failure::{Result, invalid};
use layer::Layer;

/// An archive that is unpacked.
type Archive = Reader<BufReader<File>>;

/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

/// The role `unpack`: see [`Unpack`] for its argument and descriptors. Exits with 0 when a result was written, whatever it says.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let result = match jail::inherited(4) {
        Ok(result) => result,
        // Nobody can be told why.
        Err(_) => return ExitCode::from(2),
    };
    let document = match unpack(arguments) {
        Ok(unpacked) => UnpackResult::Unpacked(unpacked),
        Err(failure) => UnpackResult::Failed { failure },
    };
    let Ok(text) = serde_json::to_vec(&document) else { return ExitCode::from(2) };
    match File::from(result).write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

fn unpack(arguments: &[OsString]) -> Result<Unpacked> {
    let [options] = arguments else { return Err(invalid("one argument is expected")) };
    let options: Unpack = serde_json::from_slice(options.as_encoded_bytes())
        .map_err(|error| invalid(format!("the options are not what they should be: {error}")))?;
    let archive = jail::inherited(0)?;
    let target = jail::inherited(3)?;
    let more: &[&str] = match options.live {
        Some(_) => &["splice"],
        None => &["sync_file_range"],
    };
    jail::enter(target.as_fd(), more)?;
    drop(target);
    unpack_stream(File::from(archive), jail::root()?, options)
}

/// Unpack what `archive` has left into the directory `root`, and read it to its end.
pub(crate) fn unpack_stream(archive: File, root: OwnedFd, options: Unpack) -> Result<Unpacked> {
    let needs_end_marker = options.end_marker;
    let stat = fstat(&archive).map_err(|errno| failure::system("stat the archive", errno))?;
    let is_pipe = FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, archive));
    let unpacked = Layer::new(root, options, is_pipe).fill(&mut reader)?;
    if needs_end_marker && !reader.has_end_marker() {
        return Err(invalid("the archive has no end: it was cut short"));
    }
    // Whoever sends the stream computes its digest, padding included.
    let mut rest = reader.into_inner();
    loop {
        match rest.fill_buf().map(<[u8]>::len) {
            Ok(0) => return Ok(unpacked),
            Ok(len) => rest.consume(len),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failure::reading(&error)),
        }
    }
}
