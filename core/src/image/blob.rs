//! Reading stored content. What is read is checked against its digest each time: the disk is outside, too.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::digest::Digest;
use super::json;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;

/// Where content of this digest is.
pub(super) fn path(layout: &Layout, digest: &Digest) -> PathBuf {
    layout.blobs().join(digest.hex())
}

/// A small document (manifest, configuration) as it was stored.
pub(super) fn read(layout: &Layout, digest: &Digest) -> Result<Vec<u8>> {
    let path = path(layout, digest);
    let damaged = |why: String| {
        Error::new(ErrorKind::Corrupt, format!("blob {digest} {why}; load or pull its image again"))
            .with_reason("damaged_blob")
    };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged("is missing".into()));
        }
        Err(error) => return Err(Error::system(format!("open {}", path.display()), error)),
    };
    let mut bytes = Vec::new();
    file.take(json::MAX_SIZE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::system(format!("read {}", path.display()), error))?;
    if Digest::of(&bytes) != *digest {
        return Err(damaged("is damaged".into()));
    }
    Ok(bytes)
}

/// The first bytes of a blob, by which its compression is told.
pub(super) fn head(layout: &Layout, digest: &Digest) -> Result<[u8; 6]> {
    let path = path(layout, digest);
    let mut head = [0; 6];
    let mut file = File::open(&path)
        .map_err(|error| Error::system(format!("open {}", path.display()), error))?;
    // A blob that is shorter is not compressed: what is missing stays zero.
    let _ = file
        .read(&mut head)
        .map_err(|error| Error::system(format!("read {}", path.display()), error))?;
    Ok(head)
}
