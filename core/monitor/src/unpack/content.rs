//! The content of files: from an archive into what was made for it.
//!
//! Large ones that come through a pipe are spliced: the pages that whoever packs has put there are copied into the file once, and
//! nothing passes through this process (docs/decisions/0012-copies.md).

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::ftruncate;
use rustix::io::{Errno, pwrite, retry_on_intr};
use rustix::pipe::{SpliceFlags, splice};

use super::Archive;
use super::failure::{self, Result};
use crate::pack::{AT_ONCE, SPLICED};
use crate::tar::{Entry, Extent};

/// Writes content.
pub(super) struct Content {
    splices: bool,
}

impl Content {
    /// `splices`: the archive comes through a pipe, and the kernel lets this process splice.
    pub(super) fn new(splices: bool) -> Content {
        Content { splices }
    }

    /// Write a file's content.
    pub(super) fn fill(
        &mut self,
        file: &OwnedFd,
        entry: &Entry,
        reader: &mut Archive,
    ) -> Result<()> {
        match &entry.extents {
            None => {
                let whole = Extent { offset: 0, length: entry.size };
                self.extent(file, &entry.path, whole, reader)
            }
            Some(extents) => {
                for extent in extents {
                    self.extent(file, &entry.path, *extent, reader)?;
                }
                ftruncate(file, entry.size).map_err(failure::entry("extend", &entry.path))
            }
        }
    }

    fn extent(
        &mut self,
        file: &OwnedFd,
        path: &[u8],
        extent: Extent,
        reader: &mut Archive,
    ) -> Result<()> {
        let failed = failure::entry("write", path);
        let (mut at, mut left) = (extent.offset, extent.length);
        while left > 0 {
            if self.splices && left >= SPLICED {
                match reader.data_by(left.min(AT_ONCE), |pipe, most| moved(pipe, file, at, most)) {
                    // It is in the reader's buffer, or there is no more.
                    Ok(0) => {}
                    Ok(moved) => {
                        at += moved;
                        left -= moved;
                        continue;
                    }
                    // A file system that cannot.
                    Err(Errno::INVAL) => self.splices = false,
                    Err(errno) => return Err(failed(errno)),
                }
            }
            let data = reader.data().map_err(|error| failure::reading(&error))?;
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            let len = match pwrite(file, &data[..len], at) {
                Err(Errno::INTR) => continue,
                written => written.map_err(&failed)?,
            };
            reader.consume(len);
            at += len as u64;
            left -= len as u64;
        }
        Ok(())
    }
}

fn moved(pipe: &File, file: &OwnedFd, mut at: u64, most: u64) -> rustix::io::Result<u64> {
    let flags = SpliceFlags::empty();
    retry_on_intr(|| splice(pipe, None, file, Some(&mut at), most as usize, flags))
        .map(|moved| moved as u64)
}
