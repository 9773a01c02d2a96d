//! Our program as a user has it, who has installed it, and as the others' are here.
//!
//! What the linker has just written piece by piece is in the page cache in small pieces, and to map those takes a program's start up to
//! 0.4 ms more (ext4 since Linux 6.16 keeps a file in large folios if it was written or read in one go).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Have the kernel forget the file and read it again from the disk.
pub(crate) fn read_again(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    // What is not on disk yet would be kept.
    file.sync_all()?;
    // SAFETY: a call on a descriptor that is open; it takes no memory.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    let mut piece = vec![0; 1 << 20];
    while file.read(&mut piece)? > 0 {}
    Ok(())
}
