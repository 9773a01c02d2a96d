//! Reading stored content. What is read is checked against its digest each time: the disk is outside, too.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::config::ImageConfig;
use super::digest::{Digest, Hasher};
use super::json;
use crate::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;

/// Where content of this digest is.
pub(super) fn path(layout: &Layout, digest: &Digest) -> PathBuf {
    layout.blobs().join(digest.hex())
}

/// A small document (manifest, configuration) as it was stored.
pub(super) fn read(layout: &Layout, digest: &Digest) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(layout, digest)?.take(json::MAX_SIZE + 1).read_to_end(&mut bytes).map_err(|error| {
        Error::system(format!("read {}", path(layout, digest).display()), error)
    })?;
    if bytes.len() as u64 > json::MAX_SIZE {
        return Err(damaged(digest, "is larger than a document may be"));
    }
    if Digest::of(&bytes) != *digest {
        return Err(damaged(digest, "is damaged"));
    }
    Ok(bytes)
}

/// The configuration of an image; `None`: it is damaged.
pub(super) fn config(layout: &Layout, id: &Digest) -> Result<Option<ImageConfig>> {
    match read(layout, id).and_then(|bytes| ImageConfig::parse(&bytes)) {
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
        config => config.map(Some),
    }
}

/// A blob to be read.
pub(super) fn open(layout: &Layout, digest: &Digest) -> Result<File> {
    let path = path(layout, digest);
    match File::open(&path) {
        Ok(file) => Ok(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(damaged(digest, "is missing"))
        }
        Err(error) => Err(Error::system(format!("open {}", path.display()), error)),
    }
}

/// Read a blob to its end and compare it with its digest and size.
pub(super) fn verify(engine: &Engine, digest: &Digest, size: i64) -> Result<()> {
    let layout = engine.layout();
    let mut file = open(layout, digest)?;
    let failed = |error| Error::system(format!("read {}", path(layout, digest).display()), error);
    if i64::try_from(file.metadata().map_err(failed)?.len()) != Ok(size) {
        return Err(damaged(digest, "has another size than it should have"));
    }
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 256 << 10]);
    loop {
        engine.canceller().check()?;
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => hasher.update(&buffer[..read]),
        }
    }
    if hasher.finish() == *digest { Ok(()) } else { Err(damaged(digest, "is damaged")) }
}

/// A blob that is not what was stored.
pub(super) fn damaged(digest: &Digest, why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("blob {digest} {why}; load or pull its image again"))
        .with_reason("damaged_blob")
}

/// The first bytes of a blob, by which its compression is told.
pub(super) fn head(layout: &Layout, digest: &Digest) -> Result<[u8; 6]> {
    head_of(&path(layout, digest))
}

/// The same of a file.
pub(super) fn head_of(path: &Path) -> Result<[u8; 6]> {
    let mut head = [0; 6];
    let mut file = File::open(path)
        .map_err(|error| Error::system(format!("open {}", path.display()), error))?;
    // A blob that is shorter is not compressed: what is missing stays zero.
    let _ = file
        .read(&mut head)
        .map_err(|error| Error::system(format!("read {}", path.display()), error))?;
    Ok(head)
}
