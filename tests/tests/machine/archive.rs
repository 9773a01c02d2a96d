//! A cpio archive of the "newc" format, which the kernel unpacks as its first root (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::path::Path;

#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    directories: BTreeSet<String>,
    count: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.count += 1;
        // inode, mode, uid, gid, nlink, mtime, size, device and rdev (major, minor each), length of the name, checksum
        let fields =
            [self.count, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(data);
        self.align();
    }

    fn align(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    pub(crate) fn directory(&mut self, name: &str) {
        if self.directories.insert(name.to_owned()) {
            self.entry(name, libc::S_IFDIR | 0o755, b"");
        }
    }

    /// The directories above a file.
    pub(crate) fn parents(&mut self, name: &str) {
        let mut parents: Vec<&str> =
            Path::new(name).ancestors().skip(1).filter_map(Path::to_str).collect();
        parents.reverse();
        for parent in parents.into_iter().filter(|parent| !parent.is_empty()) {
            self.directory(parent);
        }
    }

    pub(crate) fn file(&mut self, name: &str, from: &Path, mode: u32) {
        let data =
            std::fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        self.entry(name, libc::S_IFREG | mode, &data);
    }

    pub(crate) fn text(&mut self, name: &str, text: &str, mode: u32) {
        self.entry(name, libc::S_IFREG | mode, text.as_bytes());
    }

    pub(crate) fn write(mut self, to: &Path) {
        self.entry("TRAILER!!!", 0, b"");
        std::fs::write(to, self.bytes).expect("write the initial root");
    }
}
