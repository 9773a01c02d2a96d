//! What `ADD` does with archives: they are unpacked where others would be copied.

use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

use super::archive::{self, Seen};
use super::copy::{Destination, Piece};
use super::solver::Site;
use crate::container::files::tree::{self, Target, Tree};
use crate::error::{Error, Result};
use crate::image::compression;

impl Piece {
    /// Put archives aside, copy the rest, and then unpack each.
    pub(super) fn add(
        &self,
        site: &Site<'_>,
        tree: Tree<'_>,
        target: &dyn Fn() -> Result<Target>,
        destination: &Destination,
    ) -> Result<Seen> {
        let engine = site.engine;
        let path = |what: &str| site.lease.path().join(format!("{what}-{}", site.number()));
        let mut rest = create(&path("rest")).map_err(archive::failed)?;
        let mut archives: Vec<PathBuf> = Vec::new();
        let seen = self.read(site, tree, |input| {
            let mut whole = create(&path("added"))?;
            let seen = archive::pass(input, &mut whole)?;
            whole.rewind()?;
            archive::part(whole, &seen.archives, &mut rest, |data| {
                let path = path("archive");
                io::copy(data, &mut create(&path)?)?;
                archives.push(path);
                Ok(())
            })?;
            Ok(seen)
        })?;
        if seen.directory || seen.files > archives.len() {
            rest.rewind().map_err(archive::failed)?;
            let place = destination.place();
            tree::place(engine, target()?, place, |to| io::copy(&mut rest, to).map(drop))?;
        }
        for archive in archives {
            let file = File::open(&archive)
                .map_err(|error| Error::system(format!("open {}", archive.display()), error))?;
            let (_, plain) = compression::decode_source(file)?;
            tree::place(engine, target()?, destination.place_of_archive(), |to| {
                archive::hand_on(plain, to)
            })?;
        }
        self.known(site, seen)
    }
}

fn create(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create_new(true).open(path)
}
