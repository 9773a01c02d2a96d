//! Extended attributes: which of a file's get into an archive, and what those of overlayfs say.

use std::os::fd::OwnedFd;

use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::Errno;

use crate::protocol::Failure;
use crate::tar::quoted;
use crate::unpack::failure::{self, invalid};

/// Longest list of names, and longest value (xattr(7)).
const LONGEST: usize = 64 << 10;

const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// A file whose content, or a directory whose children, are found elsewhere. We mount without both features, so what has one was
/// made by something else, and is not what it seems.
const ELSEWHERE: [&[u8]; 2] = [b"trusted.overlay.metacopy", b"trusted.overlay.redirect"];

/// Reads attributes.
pub(super) struct Attributes {
    /// Those of overlayfs have a meaning.
    layer: bool,
    names: Vec<u8>,
    value: Vec<u8>,
}

/// What a file has.
#[derive(Default)]
pub(super) struct Found {
    /// Names and values for the archive, sorted.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The directory hides those below it.
    pub(super) opaque: bool,
}

impl Attributes {
    pub(super) fn new(layer: bool) -> Attributes {
        Attributes { layer, names: vec![0; LONGEST], value: vec![0; LONGEST] }
    }

    /// The attributes of an open file or directory; `name` is for errors.
    pub(super) fn of(&mut self, fd: &OwnedFd, name: &[u8]) -> Result<Found, Failure> {
        let length = match flistxattr(fd, &mut self.names[..]) {
            // A file system without any.
            Err(Errno::OPNOTSUPP) => 0,
            length => length.map_err(failure::entry("list the attributes of", name))?,
        };
        let mut found = Found::default();
        for attribute in self.names[..length].split(|byte| *byte == 0) {
            let is_overlays = attribute.starts_with(b"trusted.overlay.");
            if self.layer && ELSEWHERE.contains(&attribute) {
                let why = "its content is elsewhere: it was not written by this engine";
                return Err(invalid(format!("{}: {why}", quoted(name))));
            }
            let is_mark = self.layer && attribute == OPAQUE;
            if attribute.is_empty() || is_foreign(attribute, is_overlays) && !is_mark {
                continue;
            }
            let length = match fgetxattr(fd, attribute, &mut self.value[..]) {
                // Taken away since the list was read.
                Err(Errno::NODATA) => continue,
                length => length.map_err(failure::entry("read an attribute of", name))?,
            };
            let value = &self.value[..length];
            if is_mark {
                found.opaque = value == b"y";
            } else {
                found.xattrs.push((attribute.to_vec(), value.to_vec()));
            }
        }
        found.xattrs.sort_unstable();
        Ok(found)
    }
}

/// How overlayfs and this host's security module steer themselves is no part of a file system's content.
fn is_foreign(attribute: &[u8], is_overlays: bool) -> bool {
    is_overlays || attribute.starts_with(b"user.overlay.") || attribute == b"security.selinux"
}
