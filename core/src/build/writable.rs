//! The writable layer of a step: a directory below the build's lease, and what becomes of it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use barque_monitor::protocol::UpperWork;
use rustix::fs::Mode;

use super::archive;
use super::solver::Site;
use crate::container::files::tree;
use crate::error::{Error, Result};
use crate::image::built::Layer;
use crate::image::content::{Content, patient};
use crate::image::digest::{Digest, chain_id};
use crate::image::hashing::Hashing;
use crate::sys::directory;

/// A writable layer.
pub(super) struct Writable {
    directory: PathBuf,
    /// Each mount has its own work directory: overlayfs takes none twice that was mounted `volatile`
    /// (Documentation/filesystems/overlayfs.rst, "Volatile mount").
    mounts: AtomicUsize,
}

impl Writable {
    pub(super) fn make(site: &Site<'_>) -> Result<Writable> {
        let path = site.lease.path().join(format!("step-{}", site.number()));
        directory::make(&path, Mode::RWXU)?;
        // Its mode is that of the root of what runs on it.
        directory::make(&path.join("upper"), Mode::from(0o755))?;
        Ok(Writable { directory: path, mounts: AtomicUsize::new(0) })
    }

    fn upper(&self) -> PathBuf {
        self.directory.join("upper")
    }

    /// For the next mount.
    pub(super) fn mount(&self) -> Result<UpperWork> {
        let work =
            self.directory.join(format!("work-{}", self.mounts.fetch_add(1, Ordering::Relaxed)));
        directory::make(&work, Mode::RWXU)?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(UpperWork { upper: text(&self.upper()), work: text(&work), volatile: true })
    }

    /// The layer that it has become; `None`: nothing was written.
    pub(super) fn layer(&self, site: &Site<'_>, below: Option<&Digest>) -> Result<Option<Layer>> {
        let (engine, upper) = (site.engine, self.upper());
        let failed = |error| Error::system(format!("read {}", upper.display()), error);
        if upper.read_dir().map_err(failed)?.next().is_none() {
            return Ok(None);
        }
        if let Some(epoch) = site.request.epoch {
            epoch.age(&upper)?;
        }
        let path = self.directory.join("layer.tar");
        let written = |error| Error::system(format!("write {}", path.display()), error);
        let file = File::create_new(&path).map_err(written)?;
        let mut out = Hashing::new(BufWriter::with_capacity(256 << 10, file));
        let seen = tree::pack(engine, &directory::open(&upper)?, |input| {
            archive::pass(patient(File::from(input), engine.canceller()), &mut out)
                .map_err(archive::failed)
        })?;
        out.flush().map_err(written)?;
        let (diff_id, size) = (out.hasher.finish(), out.count);
        Ok(Some(Layer {
            chain: chain_id(below, &diff_id),
            blob: Content::Spooled { path, digest: diff_id.clone(), size },
            diff_id,
            directory: Some(upper),
            bytes: seen.bytes,
        }))
    }
}
