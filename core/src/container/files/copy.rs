//! `file.copy`: `docker cp`, both ways.
//!
//! What the archive is called and where it is unpacked follows docker's table (`docker container cp`, "Description"), here
//! [`Target::of`]; the rest is a jail that packs, a jail that unpacks, and a pipe between them.

use std::io::{BufWriter, Write};
use std::os::fd::AsFd;

use barque_monitor::pack::{self, Packer};
use barque_monitor::protocol::{self, Job, Live, Report};

use super::feed::{self, Feed};
use super::host;
use super::jail::{Jail, Wiring};
use crate::api::{FileCopied, FileCopy};
use crate::container::{Containers, failure};
use crate::error::{Error, ErrorKind, Result};
use crate::failpoint::failpoint;
use crate::image::unpack_into;
use crate::sys::pipe;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

impl Containers<'_> {
    /// Copy between this host and a container.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is nothing to copy, or no directory to copy it into,
    /// [`ErrorKind::InvalidArgument`] when a directory would take the place of something else or the other way round.
    pub fn copy(&self, request: &FileCopy) -> Result<FileCopied> {
        let (source, destination) = (&request.source, &request.destination);
        for (place, field) in [(source, "Source.Path"), (destination, "Destination.Path")] {
            if place.path.is_empty() {
                return Err(Error::invalid("a path is needed").about("field", field));
            }
        }
        match (source.id.as_str(), destination.id.as_str()) {
            ("", "") => Err(Error::invalid("must specify at least one container source")),
            ("", id) => self.copy_in(request, id),
            (id, "") => self.copy_out(request, id),
            _ => Err(Error::unsupported("copying between containers is not supported")),
        }
    }

    fn copy_in(&self, request: &FileCopy, id: &str) -> Result<FileCopied> {
        let (engine, canceller) = (self.engine, self.engine.canceller());
        let source = host::Source::look(&request.source.path, request.follow_link)?;
        let mut path = rooted(&request.destination.path);
        let mut found = self.look(id, &path)?;
        if let Some(link) = found.as_ref().filter(|stat| is_kind(stat, libc::S_IFLNK)) {
            path = link.link_target.clone();
            found = self.look(id, &path)?;
        }
        if let Some(stat) = &found
            && !is_kind(stat, libc::S_IFDIR)
            && !is_kind(stat, libc::S_IFREG)
        {
            return Err(Error::invalid(format!(
                "destination \"{id}:{}\" must be a directory or a regular file",
                request.destination.path
            )));
        }
        let found = found.map(|stat| is_kind(&stat, libc::S_IFDIR));
        let shape = Shape { directory: source.is_directory, content_only: source.content_only };
        let target = Target::of(&path, found, shape, &source.name)?;

        let (feed, theirs) = Feed::pair(canceller)?;
        let job = Job::Extract {
            path: target.directory,
            no_overwrite_dir_non_dir: true,
            user: String::new(),
        };
        let wiring = Wiring { input: Some(theirs.as_fd()), tied: true, ..Wiring::default() };
        let jail = Jail::start(engine, id, job, wiring)?;
        drop(theirs);
        failpoint("copy-jail-started")?;
        let owner = (!request.archive).then_some((0, 0));
        let options = pack::Options { owner, ..pack::Options::default() };
        let sent = send(&source, &target.name, options, feed);
        failpoint("copy-sent")?;
        // It knows better why it took no more.
        let size = match sent {
            Err(pack::Error::Write(error)) if feed::is_hang_up(&error) => 0,
            Err(pack::Error::Write(error)) => return Err(feed::failed(error)),
            Err(pack::Error::Tree(tree)) => return Err(of_host(&tree, &request.source.path)),
            Ok(size) => size,
        };
        jail.finish(canceller)?;
        Ok(FileCopied { size: size as i64, path })
    }

    fn copy_out(&self, request: &FileCopy, id: &str) -> Result<FileCopied> {
        let (engine, canceller) = (self.engine, self.engine.canceller());
        let destination = host::Destination::look(&request.destination.path)?;
        let mut path = rooted(&request.source.path);
        let wanted = path.clone();
        let mut stat = self.stat(id, &path)?;
        if request.follow_link && is_kind(&stat, libc::S_IFLNK) {
            path = stat.link_target.clone();
            stat = self.stat(id, &path)?;
        }
        let shape = Shape {
            directory: is_kind(&stat, libc::S_IFDIR),
            content_only: wanted == "." || wanted.ends_with("/."),
        };
        let name = match base(&wanted) {
            "/" | "." | ".." => ".",
            name => name,
        };
        let target = Target::of(&destination.path, destination.found, shape, name)?;

        let (input, output) = pipe::large()?;
        let job = Job::Archive { path, name: target.name };
        let wiring = Wiring { output: Some(output.as_fd()), tied: true, ..Wiring::default() };
        let mut packs = Jail::start(engine, id, job, wiring)?;
        drop(output);
        failpoint("copy-jail-started")?;
        let caller = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let live = Live {
            no_overwrite_dir_non_dir: true,
            owner: (!request.archive).then_some(caller),
            ..Live::default()
        };
        let directory = host::open(target.directory.as_ref()).map_err(|error| {
            Error::system(format!("open {}", target.directory), error)
                .about("path", &request.destination.path)
        })?;
        let unpacked = unpack_into(engine, &directory, input, live);
        failpoint("copy-sent")?;
        let packed = loop {
            match packs.report(canceller) {
                Ok(Report::Stat(_)) => {}
                other => break other,
            }
        };
        match (unpacked, packed) {
            // Whoever packs fails first, unless nobody unpacks any more.
            (_, Err(error)) if !is_write(&error) => Err(error),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(error),
            (Ok(unpacked), Ok(_)) => Ok(FileCopied {
                size: (unpacked.bytes + 512 * unpacked.entries + 1024) as i64,
                path: destination.path,
            }),
        }
    }

    fn stat(&self, id: &str, path: &str) -> Result<protocol::PathStat> {
        let wiring = Wiring { tied: true, ..Wiring::default() };
        let job = Job::Stat { path: path.to_owned() };
        match Jail::start(self.engine, id, job, wiring)?.report(self.engine.canceller())? {
            Report::Stat(stat) => Ok(stat),
            _ => Err(Error::internal("the jail does not say what it sees")),
        }
    }

    /// The same; nothing where nothing is.
    fn look(&self, id: &str, path: &str) -> Result<Option<protocol::PathStat>> {
        match self.stat(id, path) {
            Ok(stat) => Ok(Some(stat)),
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && error.subject().is_some_and(|subject| subject.kind == "path") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What is copied.
#[derive(Clone, Copy, Debug)]
struct Shape {
    directory: bool,
    content_only: bool,
}

/// Where an archive is unpacked, and what the thing in it is called.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    directory: String,
    /// `.`: nothing, a directory's entries are at the top.
    name: String,
}

impl Target {
    /// Docker's table. `found`: what is at the destination is a directory, or something else, or nothing is.
    fn of(path: &str, found: Option<bool>, source: Shape, name: &str) -> Result<Target> {
        let place = |directory: &str, name: &str| {
            Ok(Target { directory: directory.to_owned(), name: name.to_owned() })
        };
        let renamed = || {
            let trimmed = path.trim_end_matches("/.").trim_end_matches('/');
            place(&host::parent(trimmed).to_string_lossy(), base(trimmed))
        };
        match (found, source.directory) {
            (Some(true), true) if source.content_only => place(path, "."),
            (Some(true), _) => place(path, name),
            (Some(false), true) => Err(Error::invalid("cannot copy directory")),
            (Some(false), false) if path.ends_with('/') => Err(Error::invalid("not a directory")),
            (Some(false), false) | (None, true) => renamed(),
            (None, false) if path.ends_with('/') || path.ends_with("/.") => {
                Err(Error::invalid("no such directory"))
            }
            (None, false) => renamed(),
        }
    }
}

/// Pack what the host has into the jail; how many bytes that were.
fn send(
    source: &host::Source,
    name: &str,
    options: pack::Options,
    feed: Feed<'_>,
) -> std::result::Result<u64, pack::Error> {
    let mut packer = Packer::new(BufWriter::with_capacity(BUFFER, feed), options);
    packer.splice_with(|out, file, at, most| {
        out.flush()?;
        out.get_mut().splice(file, at, most)
    });
    match (name, source.base.to_bytes()) {
        (".", _) => packer.directory(opened(source)?, b"")?,
        (name, b".") => packer.directory(opened(source)?, name.as_bytes())?,
        (name, _) => packer.entry(&source.above, &source.base, name.as_bytes())?,
    }
    let feed =
        packer.finish()?.into_inner().map_err(|error| pack::Error::Write(error.into_error()))?;
    Ok(feed.sent)
}

fn opened(source: &host::Source) -> std::result::Result<std::os::fd::OwnedFd, pack::Error> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&source.above, &source.base, flags, Mode::empty()).map_err(|errno| {
        pack::Error::Tree(protocol::Failure::system(
            format!("open {}", source.name),
            errno.raw_os_error(),
        ))
    })
}

/// What went wrong with the caller's own files.
fn of_host(tree: &protocol::Failure, path: &str) -> Error {
    failure::plain(tree).about("path", path)
}

/// The jail that packs could not write: the other one has ended.
fn is_write(error: &Error) -> bool {
    error.message().starts_with("write the archive") || error.reason() == "internal"
}

fn is_kind(stat: &protocol::PathStat, kind: u32) -> bool {
    stat.mode & libc::S_IFMT == kind
}

/// A path of a container begins at `/`.
fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// The last component of a path; `/` for the root.
pub(super) fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rfind('/') {
        _ if trimmed.is_empty() => "/",
        Some(slash) => &trimmed[slash + 1..],
        None => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::{Shape, Target};

    /// The rows of the table in `docker container cp`.
    #[test]
    fn where_a_copy_goes_is_dockers_table() {
        let file = Shape { directory: false, content_only: false };
        let directory = Shape { directory: true, content_only: false };
        let content = Shape { directory: true, content_only: true };
        for (shape, path, found, expected) in [
            (file, "/d/new", None, Ok(("/d", "new"))),
            (file, "/d/new/", None, Err("no such directory")),
            (file, "/d/old", Some(false), Ok(("/d", "old"))),
            (file, "/d/old/", Some(false), Err("not a directory")),
            (file, "/d", Some(true), Ok(("/d", "src"))),
            (file, "/d/", Some(true), Ok(("/d/", "src"))),
            (directory, "/d/new", None, Ok(("/d", "new"))),
            (directory, "/d/new/", None, Ok(("/d", "new"))),
            (content, "/d/new", None, Ok(("/d", "new"))),
            (directory, "/d/old", Some(false), Err("cannot copy directory")),
            (content, "/d/old", Some(false), Err("cannot copy directory")),
            (directory, "/d", Some(true), Ok(("/d", "src"))),
            (content, "/d", Some(true), Ok(("/d", "."))),
            (file, "/new", None, Ok(("/", "new"))),
            (file, "new", None, Ok((".", "new"))),
        ] {
            let target = Target::of(path, found, shape, "src");
            let seen = target.as_ref().map(|t| (t.directory.as_str(), t.name.as_str()));
            assert_eq!(seen.map_err(|error| error.message()), expected, "{shape:?} {path}");
        }
    }
}
