//! Single files of a container, without an archive around them.

use std::os::fd::AsFd;

use barque_monitor::protocol::{Job, Report};

use super::archive::{checked, open, pass};
use super::content::Content;
use super::feed::Feed;
use super::jail::{Jail, Wiring};
use crate::api::{FileRead, FileRef, FileRemove, FileWrite, PathStat};
use crate::container::Containers;
use crate::error::{Error, Result};
use crate::failpoint::failpoint;
use crate::stream::Stream;

impl Containers<'_> {
    /// Read a regular file of a container: a [`PathStat`], then its content.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is none,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is no regular file.
    pub fn read_file(&self, request: &FileRead) -> Result<Stream> {
        let job = Job::Read {
            path: checked(&request.path)?,
            offset: request.offset,
            limit: if request.limit == 0 { u64::MAX } else { request.limit },
        };
        Content::stream(self.engine, &request.id, job, true)
    }

    /// Make a file in a container, or replace one, whole or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when its directory is not there,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when there is something else than a regular file, or nothing
    /// can be written there.
    pub fn write_file(&self, request: &FileWrite) -> Result<()> {
        let canceller = self.engine.canceller();
        if request.mode.is_some_and(|mode| mode > 0o7777) {
            return Err(Error::invalid("permissions are at most 07777").about("field", "Mode"));
        }
        let job = Job::Write {
            path: checked(&request.path)?,
            mode: request.mode,
            user: request.user.clone(),
            parents: request.parents,
        };
        let mut source = open(&request.input, canceller)?;
        let (feed, theirs) = Feed::pair(canceller)?;
        let wiring = Wiring { input: Some(theirs.as_fd()), tied: true, ..Wiring::default() };
        let mut jail = Jail::start(self.engine, &request.id, job, wiring)?;
        drop(theirs);
        pass(&mut source, feed, canceller)?;
        match jail.report(canceller)? {
            Report::Ready => {}
            _ => return Err(Error::internal("the jail does not wait to be told to go on")),
        }
        failpoint("file-write-ready")?;
        jail.go()?;
        jail.finish(canceller)
    }

    /// What is in a directory of a container, by name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when it is not there,
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is none.
    pub fn list_files(&self, request: &FileRef) -> Result<Vec<PathStat>> {
        let job = Job::List { path: checked(&request.path)? };
        let wiring = Wiring { tied: true, ..Wiring::default() };
        match Jail::start(self.engine, &request.id, job, wiring)?.report(self.engine.canceller())? {
            Report::Entries(entries) => Ok(entries.iter().map(super::document).collect()),
            _ => Err(Error::internal("the jail does not say what it sees")),
        }
    }

    /// Remove what is at a path of a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when there is nothing.
    pub fn remove_file(&self, request: &FileRemove) -> Result<()> {
        let job = Job::Remove { path: checked(&request.path)?, recursive: request.recursive };
        let wiring = Wiring { tied: true, ..Wiring::default() };
        Jail::start(self.engine, &request.id, job, wiring)?.finish(self.engine.canceller())
    }
}
