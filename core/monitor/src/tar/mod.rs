//! The one tar parser and writer: layers, image archives, root file systems and copies are read and written by this and nothing else.
//!
//! Every parser that guesses can be made to see other entries than the next one sees (CVE-2025-62518, RUSTSEC-2026-0112:
//! a PAX size that one applies and another does not), and then what was scanned is not what was unpacked. So this one does
//! not guess: where POSIX (pax, "ustar Interchange Format"), GNU tar and Go's archive/tar would disagree, it fails, and it
//! never searches for the next header. It only parses: names are bytes as they stand in the archive, and nothing is
//! written. Memory is bounded whatever the archive says.

mod error;
mod header;
mod pax;
mod reader;
mod sparse;
mod writer;

pub use error::Error;
pub use reader::Reader;
pub use writer::Writer;

/// Largest PAX header.
pub const MAX_PAX: u64 = 1 << 20;
/// Longest GNU long name.
pub const MAX_LONG_NAME: u64 = 64 << 10;
/// Most pieces of a sparse file.
pub const MAX_EXTENTS: usize = 1 << 18;

/// An entry of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as it stands in the archive.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Permission bits with set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size of the file, holes included.
    pub size: u64,
    /// Time of last change.
    pub mtime: Time,
    /// Time of last access, where the archive tells it.
    pub atime: Option<Time>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The pieces of a sparse file: what the archive holds of it, in this order.
    pub extents: Option<Vec<Extent>>,
}

/// Kinds of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    #[default]
    File,
    /// Another name of an entry before.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// And nanoseconds, less than a thousand million.
    pub nanoseconds: u32,
}

/// A piece of a sparse file that is not a hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file.
    pub offset: u64,
    /// How long.
    pub length: u64,
}

/// A name from an archive for a person to read: in quotes, with control characters escaped.
pub fn quoted(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    if text.len() <= 256 {
        return format!("{text:?}");
    }
    let mut end = 256;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{:?}…", &text[..end])
}

#[cfg(test)]
mod tests;
