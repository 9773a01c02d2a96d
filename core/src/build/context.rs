//! The build context: a directory that steps copy from.
//!
//! A directory is used where it is. An archive is unpacked below the lease by the file jail, so that it is a directory too. Whatever is
//! read here is looked up by the kernel with the context as its root (`RESOLVE_IN_ROOT`): no path and no link leads out of it.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::archive;
use super::dockerfile::{Dockerfile, MAX_SIZE};
use super::request::Request;
use crate::Engine;
use crate::container::files::tree;
use crate::error::{Error, ErrorKind, Result};
use crate::image::compression::{self, Compression};
use crate::image::content::{Opened, patient, unreadable};
use crate::store::lease::Lease;
use crate::sys::directory;

/// Largest `.dockerignore`.
const MAX_IGNORE: u64 = 1 << 20;

/// An open context.
pub(super) struct Context {
    pub(super) directory: OwnedFd,
    /// The rules of what is to be left out of it.
    pub(super) ignore: String,
    /// What came in its place was a Dockerfile.
    text: Option<String>,
}

impl Context {
    /// Make it a directory: of that name below the lease, if it is not one already.
    pub(super) fn open(
        engine: &Engine,
        lease: &Lease,
        name: &str,
        input: Option<Opened>,
    ) -> Result<Context> {
        let of = |directory| Context { directory, ignore: String::new(), text: None };
        let file = match input {
            Some(Opened::Directory(directory)) => return Ok(of(directory)),
            Some(Opened::File(file)) => Some(file),
            None => None,
        };
        let path = lease.path().join(name);
        directory::make(&path, Mode::from(0o755))?;
        let mut context = of(directory::open(&path)?);
        if let Some(file) = file {
            context.text = context.unpack(engine, file)?;
        }
        Ok(context)
    }

    /// Unpack an archive, or take a Dockerfile for what it is.
    fn unpack(&self, engine: &Engine, file: File) -> Result<Option<String>> {
        let (compression, mut plain) =
            compression::decode_source(patient(file, engine.canceller()))?;
        let mut head = Vec::new();
        plain.by_ref().take(archive::BLOCK).read_to_end(&mut head).map_err(unreadable)?;
        let is_archive = compression != Compression::Plain || archive::is_one(&head);
        let plain = Cursor::new(head).chain(plain);
        if !is_archive {
            let mut text = String::new();
            let read = plain.take(MAX_SIZE as u64 + 1).read_to_string(&mut text);
            return match read {
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    Err(no_archive("the build context is neither a tar archive nor a Dockerfile"))
                }
                read => read.map_err(unreadable).map(|_| Some(text)),
            };
        }
        tree::unpack(engine, &self.directory, |out| archive::hand_on(plain, out))?;
        Ok(None)
    }

    /// One that has no Dockerfile to be: an archive or nothing.
    pub(super) fn without_text(self) -> Result<Context> {
        match self.text {
            None => Ok(self),
            Some(_) => Err(no_archive("it is neither a directory nor a tar archive")),
        }
    }

    /// What its `.dockerignore` says.
    pub(super) fn ignored(&self) -> Result<String> {
        Ok(self.read(".dockerignore", MAX_IGNORE)?.unwrap_or_default())
    }

    /// The Dockerfile. What is to be left out of the context is known then.
    pub(super) fn dockerfile(&mut self, request: &Request) -> Result<Dockerfile> {
        let path = request.dockerfile.as_str();
        let text = match request.text.as_ref().or(self.text.as_ref()) {
            Some(text) => text.clone(),
            None => self.read(path, MAX_SIZE as u64)?.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("failed to read dockerfile: open {path}: no such file or directory"),
                )
                .about("path", path)
            })?,
        };
        // One of the Dockerfile's own goes before that of the context.
        self.ignore = match self.read(&format!("{path}.dockerignore"), MAX_IGNORE)? {
            Some(ignore) => ignore,
            None => self.ignored()?,
        };
        Dockerfile::parse(&text).map_err(|mistake| mistake.error())
    }

    /// A text file of the context; `None`: there is none.
    fn read(&self, path: &str, most: u64) -> Result<Option<String>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let failed = |error| Error::system(format!("read {path} of the build context"), error);
        let file = match openat2(self.directory.as_fd(), path, flags, Mode::empty(), resolve) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(failed(errno.into())),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > most {
            let what = if metadata.is_file() { "too large" } else { "not a file" };
            return Err(Error::invalid(format!("{path} of the build context is {what}"))
                .about("path", path));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        String::from_utf8(bytes).map(Some).map_err(|_| {
            Error::invalid(format!("{path} of the build context is not UTF-8")).about("path", path)
        })
    }
}

fn no_archive(why: &str) -> Error {
    Error::new(ErrorKind::Corrupt, why).with_reason("bad_archive")
}
