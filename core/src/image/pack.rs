//! A directory as a layer's archive, and what a layer's directory holds as one digest. The walk is [`barque_monitor::pack`]'s: the same
//! tree makes the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;

use barque_monitor::pack::{self, Options, Packer};

use super::content::Content;
use super::digest::Digest;
use super::hashing::Hashing;
use crate::Engine;
use crate::container;
use crate::error::{Error, Result};
use crate::store::lease::Lease;
use crate::stream::Canceller;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Pack the directory `root` into the lease. Other file systems that are mounted in it are left out.
pub(super) fn directory(engine: &Engine, lease: &Lease, root: &OwnedFd) -> Result<Content> {
    let path = lease.path().join("packed");
    let file = File::create_new(&path)
        .map_err(|error| Error::system(format!("write {}", path.display()), error))?;
    let options = Options { one_file_system: true, ..Options::default() };
    let Hashing { hasher, count: size, .. } = packed(engine, root, file, options)?;
    Ok(Content::Spooled { path, digest: hasher.finish(), size })
}

/// What a layer's directory holds, as one digest: everything that overlayfs would show of it, and its own marks. Not the times of
/// directories: one that the layer only implies has that of its unpacking.
pub(super) fn fingerprint(engine: &Engine, layer: &OwnedFd) -> Result<Digest> {
    let options = Options { layer: true, undated_directories: true, ..Options::default() };
    Ok(packed(engine, layer, io::sink(), options)?.hasher.finish())
}

fn packed<'a, W: Write>(
    engine: &'a Engine,
    root: &OwnedFd,
    to: W,
    options: Options,
) -> Result<Hashing<Cancellable<'a, W>>> {
    let out = Hashing::new(Cancellable { to, canceller: engine.canceller() });
    let mut packer = Packer::new(BufWriter::with_capacity(BUFFER, out), options);
    packer
        .directory(root, b"")
        .and_then(|()| packer.finish())
        .and_then(|out| out.into_inner().map_err(|error| pack::Error::Write(error.into_error())))
        .map_err(|error| match error {
            pack::Error::Tree(failure) => container::failure::plain(&failure),
            pack::Error::Write(error) => match error.downcast::<Error>() {
                Ok(error) => error,
                Err(error) => Error::system("write an archive", error),
            },
        })
}

/// Written to for as long as nobody cancels.
struct Cancellable<'a, W> {
    to: W,
    canceller: &'a Canceller,
}

impl<W: Write> Write for Cancellable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.canceller.check().map_err(io::Error::other)?;
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
