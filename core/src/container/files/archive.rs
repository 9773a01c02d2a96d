//! `archive.get`, `archive.put`: a container's files as tar archives.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use barque_monitor::protocol::{Job, Report};

use super::content::Content;
use super::feed::{self, Feed};
use super::jail::{Jail, Wiring};
use crate::api::{ArchiveGet, ArchivePut, FileRef, Input, PathStat};
use crate::container::Containers;
use crate::error::{Error, Result};
use crate::image::{compression, content};
use crate::stream::{Canceller, Stream};

/// Bytes that are passed on at once.
const CHUNK: usize = 256 << 10;

impl Containers<'_> {
    /// Pack what is at a path of a container: a [`PathStat`], then the archive.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is nothing. See `docs/errors.md`.
    pub fn get_archive(&self, request: &ArchiveGet) -> Result<Stream> {
        let job = Job::Archive { path: checked(&request.path)?, name: String::new() };
        Content::stream(self.engine, &request.id, job, true)
    }

    /// Unpack an archive into a directory of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the directory is not there,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is none, is read-only, or the archive is not one.
    /// What was unpacked before an error stays.
    pub fn put_archive(&self, request: &ArchivePut) -> Result<()> {
        let engine = self.engine;
        let record = self.find(&request.id)?;
        let user = match request.copy_uid_gid {
            true => record.config.user.clone(),
            false => String::new(),
        };
        let job = Job::Extract {
            path: checked(&request.path)?,
            no_overwrite_dir_non_dir: request.no_overwrite_dir_non_dir,
            user,
        };
        let mut source = open(&request.input, engine.canceller())?;
        let (_, mut plain) = compression::decode(&mut source)?;
        let (feed, theirs) = Feed::pair(engine.canceller())?;
        let wiring = Wiring { input: Some(theirs.as_fd()), tied: true, ..Wiring::default() };
        let jail = Jail::start(engine, &request.id, job, wiring)?;
        drop(theirs);
        pass(&mut plain, feed, engine.canceller())?;
        jail.finish(engine.canceller())
    }

    /// What is at a path of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is nothing. See `docs/errors.md`.
    pub fn stat_path(&self, request: &FileRef) -> Result<PathStat> {
        let job = Job::Stat { path: checked(&request.path)? };
        let wiring = Wiring { tied: true, ..Wiring::default() };
        match Jail::start(self.engine, &request.id, job, wiring)?.report(self.engine.canceller())? {
            Report::Stat(stat) => Ok(super::document(&stat)),
            _ => Err(Error::internal("the jail does not say what it sees")),
        }
    }
}

/// A path that says something.
pub(super) fn checked(path: &str) -> Result<String> {
    match path {
        "" => Err(Error::invalid("a path is needed").about("field", "Path")),
        path => Ok(path.to_owned()),
    }
}

/// Open a request's input for reading.
pub(super) fn open(input: &Input, canceller: &Canceller) -> Result<Box<dyn Read + Send>> {
    match content::open_input(input)? {
        content::Opened::File(file) => Ok(Box::new(content::patient(file, canceller))),
        content::Opened::Directory(_) => {
            Err(Error::invalid(format!("{} is a directory", input.path)).about("path", &input.path))
        }
    }
}

/// Pass everything on. That the jail takes no more is no error: it says why.
pub(super) fn pass(source: &mut dyn Read, mut feed: Feed<'_>, canceller: &Canceller) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        canceller.check()?;
        let read = match source.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(content::unreadable(error)),
        };
        match feed.write_all(&chunk[..read]) {
            Ok(()) => {}
            Err(error) if feed::is_hang_up(&error) => return Ok(()),
            Err(error) => return Err(feed::failed(error)),
        }
    }
}
