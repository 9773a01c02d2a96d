//! Where the holes of a file are. A file of a terabyte that holds a few bytes (`/var/log/lastlog`, an image of a disk) is packed as these.

use std::os::fd::OwnedFd;

use rustix::fs::{SeekFrom, Stat, seek};
use rustix::io::{Errno, Result};

use crate::tar::{Extent, MAX_EXTENTS};

/// Holes that are not worth a map, all together. Readers that know nothing of holes exist, so most archives have none.
const SMALL: u64 = 1 << 20;

/// The pieces of a file that are not holes; `None`: it is to be packed whole.
pub(super) fn extents(fd: &OwnedFd, stat: &Stat) -> Result<Option<Vec<Extent>>> {
    let size = stat.st_size as u64;
    if size.saturating_sub((stat.st_blocks as u64).saturating_mul(512)) < SMALL {
        return Ok(None);
    }
    let (mut extents, mut at) = (Vec::new(), 0);
    while at < size {
        let offset = match seek(fd, SeekFrom::Data(at)) {
            // Nothing but a hole from here on.
            Err(Errno::NXIO) => break,
            // A file system that does not tell.
            Err(Errno::INVAL) => return Ok(None),
            offset => offset?,
        };
        let end = match seek(fd, SeekFrom::Hole(offset)) {
            Err(Errno::NXIO) => break,
            end => end?.min(size),
        };
        if offset >= end {
            break;
        }
        if extents.len() == MAX_EXTENTS {
            return Ok(None);
        }
        extents.push(Extent { offset, length: end - offset });
        at = end;
    }
    Ok(Some(extents))
}
