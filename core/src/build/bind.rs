//! `RUN --mount=type=bind`: files of the context, of a stage or of an image that a command sees and the image does not get.
//!
//! They are copied below the build's lease as `COPY` would copy them. So what is written there is lost with the step, the context is as
//! `.dockerignore` leaves it, no path and no link leads out of where the files are from, and the step's key has what is in them.

use std::io;
use std::path::PathBuf;

use barque_monitor::protocol::Gather;
use rustix::fs::Mode;

use super::archive::{self, Seen};
use super::copy::Piece;
use super::mounts::Options;
use super::origin::Origin;
use super::solver::Site;
use crate::container::files::tree::{self, Tree};
use crate::error::{Error, Result};
use crate::sys::directory;

/// What one mount is of.
pub(super) struct Bind<'a> {
    /// What is to be mounted, for errors.
    source: String,
    piece: Piece,
    origin: Origin<'a>,
}

impl<'a> Bind<'a> {
    pub(super) fn of(options: &Options, origin: Origin<'a>) -> Bind<'a> {
        let source = options.text("source");
        let piece = Piece::Tree(Gather {
            ignore: origin.ignore(),
            owner: origin.owner(),
            ..wanted(source)
        });
        Bind { source: source.to_owned(), piece, origin }
    }

    /// See what is in it.
    pub(super) fn look(&self, site: &Site<'_>) -> Result<Seen> {
        self.piece.look(site, self.origin.tree())
    }

    /// Copy it below the lease; what it has become, and where it can be mounted from.
    pub(super) fn make(&self, site: &Site<'_>) -> Result<(Seen, PathBuf)> {
        let (seen, path) = unpacked(site, &self.piece, self.origin.tree())?;
        if seen.directory {
            return Ok((seen, path));
        }
        let failed = |error| Error::system(format!("read {}", path.display()), error);
        let mut entries = path.read_dir().map_err(failed)?;
        let file = entries.next().transpose().map_err(failed)?.map(|entry| entry.path());
        match file.filter(|file| file.is_file() && !file.is_symlink()) {
            Some(file) => Ok((seen, file)),
            None => Err(Error::invalid(format!(
                "{} cannot be mounted: it is neither a file nor a directory",
                self.source
            ))),
        }
    }
}

/// Copy what a path leads to below the lease.
pub(super) fn copy(site: &Site<'_>, source: &str, origin: &Origin<'_>) -> Result<(Seen, PathBuf)> {
    let wanted = Gather { ignore: origin.ignore(), owner: origin.owner(), ..wanted(source) };
    unpacked(site, &Piece::Tree(wanted), origin.tree())
}

/// The path itself, whatever is in it.
fn wanted(source: &str) -> Gather {
    let source = if source.is_empty() { "/" } else { source };
    Gather { sources: vec![literal(source)], ..Gather::default() }
}

fn unpacked(site: &Site<'_>, piece: &Piece, tree: Tree<'_>) -> Result<(Seen, PathBuf)> {
    let path = site.lease.path().join(format!("bind-{}", site.number()));
    directory::make(&path, Mode::from(0o755))?;
    let fd = directory::open(&path)?;
    let seen = piece.read(site, tree, |input| {
        let mut seen = None;
        let unpacked = tree::unpack(site.engine, &fd, |out| {
            seen = Some(archive::pass(input, out)?);
            Ok(())
        });
        unpacked.map_err(io::Error::other)?;
        seen.ok_or_else(|| io::Error::other(Error::internal("a mount of nothing")))
    })?;
    Ok((seen, path))
}

/// A pattern for a path itself.
pub(super) fn literal(path: &str) -> String {
    let mut pattern = String::new();
    for letter in path.chars() {
        if matches!(letter, '*' | '?' | '[' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
