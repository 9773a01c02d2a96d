//! Where what was built goes (`--output`): into the store, as an image of this engine, or out of it, as an archive of the image or as its files.
//!
//! An image that is only wanted as an archive is nobody's to see, and goes with the build. Files leave before the layers are put into the
//! store: they are read by the jail, from the directories that the steps have left.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use barque_monitor::protocol::Gather;

use super::archive;
use super::solver::Site;
use super::state::State;
use crate::api::BuildOutput;
use crate::container::files::tree::{self, Tree};
use crate::error::{Error, Result};
use crate::image::content::patient;
use crate::image::{Digest, Reference};
use crate::stream::{Deadline, Item, Next};
use crate::sys::{descriptor, directory, file};

/// One that was asked for.
#[derive(Debug)]
pub(super) enum Output {
    /// An image of this engine.
    Image,
    /// An archive of the image, which docker, podman and skopeo load.
    Archive(Sink),
    /// An archive of the files.
    Tar(Sink),
    /// The files, in a directory.
    Files(PathBuf),
    /// Nothing but what the cache keeps.
    Nothing,
}

/// What an archive is written to.
#[derive(Debug)]
pub(super) enum Sink {
    Path(PathBuf),
    File(File),
}

impl Output {
    /// Read those that were asked for; without any it is an image.
    pub(super) fn read(wanted: &[BuildOutput]) -> Result<Vec<Output>> {
        if wanted.is_empty() {
            return Ok(vec![Output::Image]);
        }
        wanted.iter().map(Output::of).collect()
    }

    fn of(wanted: &BuildOutput) -> Result<Output> {
        let kind = wanted.kind.as_str();
        let needs =
            |what: &str| Error::invalid(format!("an output of the type {kind} needs {what}"));
        let sink = match (wanted.path.as_str(), wanted.fd) {
            ("", None) => None,
            (path, None) => Some(Sink::Path(absolute(path)?)),
            ("", Some(fd)) => Some(Sink::File(File::from(descriptor::duplicate(fd)?))),
            _ => return Err(needs("a Path or an Fd, one of them")),
        };
        match (kind, sink) {
            ("image" | "docker", None) => Ok(Output::Image),
            ("cacheonly", None) => Ok(Output::Nothing),
            ("image" | "cacheonly", Some(_)) => Err(needs("no place to go")),
            ("docker" | "oci", Some(sink)) => Ok(Output::Archive(sink)),
            ("tar", Some(sink)) => Ok(Output::Tar(sink)),
            ("oci" | "tar", None) => Err(needs("a Path or an Fd")),
            ("local", Some(Sink::Path(path))) => Ok(Output::Files(path)),
            ("local", _) => Err(needs("the Path of a directory")),
            ("registry", _) => Err(Error::unsupported(
                "an output of the type registry is not supported; build an image and push it",
            )),
            _ => Err(Error::invalid(format!(
                "unknown type of output {kind:?}; use image, docker, oci, tar, local or cacheonly"
            ))),
        }
    }
}

/// As the caller means it now.
pub(super) fn absolute(path: &str) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| Error::of_path("find", path, error))
}

impl Sink {
    /// Have it written. A file of that name is replaced when all is there, what is no file is written to as it is.
    fn write(&self, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let path = match self {
            Sink::File(file) => return write(&mut &*file),
            Sink::Path(path) => path,
        };
        let failed = |error| Error::system(format!("write {}", path.display()), error);
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return write(&mut File::options().write(true).open(path).map_err(failed)?);
        }
        // Where a link leads the file is, and the link stays.
        let path = &path.canonicalize().unwrap_or_else(|_| path.clone());
        file::replace_with(path, |file| write(file))
    }
}

impl Site<'_> {
    /// Whether there is to be an image of this engine.
    pub(super) fn keeps_image(&self) -> bool {
        self.request.outputs.iter().any(|output| matches!(output, Output::Image))
    }

    /// Whether there is to be an archive of the image.
    pub(super) fn archives_image(&self) -> bool {
        self.request.outputs.iter().any(|output| matches!(output, Output::Archive(_)))
    }

    /// Let the files go where they are wanted.
    pub(super) fn export_files(&self, state: &State) -> Result<()> {
        for output in &self.request.outputs {
            match output {
                Output::Tar(sink) => {
                    let telling =
                        self.teller.begin("exporting to tar".to_owned(), String::new())?;
                    sink.write(|out| self.files(state, |input| io::copy(input, out).map(drop)))?;
                    telling.done()?;
                }
                Output::Files(path) => {
                    let name = "exporting to client directory".to_owned();
                    let telling = self.teller.begin(name, String::new())?;
                    self.unpack(state, path)?;
                    telling.done()?;
                }
                Output::Image | Output::Archive(_) | Output::Nothing => {}
            }
        }
        Ok(())
    }

    /// All files of a stage, as an archive.
    fn files(
        &self,
        state: &State,
        take: impl FnOnce(&mut dyn io::Read) -> io::Result<()>,
    ) -> Result<()> {
        let wanted = Gather { sources: vec!["/".to_owned()], ..Gather::default() };
        let canceller = self.engine.canceller();
        tree::gather(self.engine, Tree::Layers(state.lower.clone()), wanted, |input| {
            take(&mut patient(File::from(input), canceller)).map_err(archive::failed)
        })
    }

    fn unpack(&self, state: &State, path: &Path) -> Result<()> {
        let failed = |error| Error::system(format!("make {}", path.display()), error);
        std::fs::create_dir_all(path).map_err(failed)?;
        // A link that the caller names is the caller's.
        let target = directory::open(&path.canonicalize().map_err(failed)?)?;
        self.files(state, |input| {
            let unpacked = tree::unpack(self.engine, &target, |out| {
                // The directory itself stays as it is: only what is in it is the image's.
                archive::part(input, &[0], out, |_| Ok(()))
            });
            unpacked.map_err(io::Error::other)
        })
    }

    /// Let the image go where it is wanted as an archive.
    pub(super) fn export_archives(&self, id: &Digest, names: &[Reference]) -> Result<()> {
        for output in &self.request.outputs {
            let Output::Archive(sink) = output else { continue };
            let telling = self.teller.begin("exporting to an archive".to_owned(), String::new())?;
            let mut stream = self.engine.images().archive(id, names.to_vec())?;
            sink.write(|out| {
                while let Next::Item(item) = stream.next(Deadline::never())? {
                    if let Item::Chunk(chunk) = item {
                        out.write_all(&chunk.data)
                            .map_err(|error| Error::system("write an archive", error))?;
                    }
                }
                Ok(())
            })?;
            telling.done()?;
        }
        Ok(())
    }
}
