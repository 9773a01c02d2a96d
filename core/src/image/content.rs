//! Where images are loaded from: an archive or an OCI layout, as names with content behind them.
//!
//! An archive that can be read twice (a plain file) is not copied: its entries are ranges of it. Any other (compressed, a pipe) is
//! written out to the lease's directory on the way, digests computed, since nothing says in which order its entries come.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use barque_monitor::tar::{self, Kind, Reader};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::compression::{self, Compression};
use super::digest::Digest;
use super::download::Download;
use super::hashing::Hashing;
use super::json;
use crate::api::Input;
use crate::error::{Error, ErrorKind, Result};
use crate::store::lease::Lease;
use crate::stream::{Canceller, Deadline};
use crate::sys;

/// Bytes that are read at once where an archive's headers are looked for and their content is passed over.
const HEADERS: usize = 16 << 10;

/// Content of one name.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A part of a file.
    Range { file: Arc<File>, offset: u64, size: u64 },
    /// A file of our own, with its digest.
    Spooled { path: PathBuf, digest: Digest, size: u64 },
    /// A blob that is being fetched.
    Coming(Arc<Download>),
}

impl Content {
    /// All that comes from `source`, written out to `path`; `unreadable` is what an error of the source's means.
    pub(crate) fn spool(
        path: PathBuf,
        mut source: impl Read,
        unreadable: impl Fn(io::Error) -> Error,
    ) -> Result<Content> {
        let written = |error| Error::system(format!("write {}", path.display()), error);
        let mut out = Hashing::new(File::create_new(&path).map_err(written)?);
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = source.read(&mut buffer).map_err(&unreadable)?;
            if read == 0 {
                let (digest, size) = (out.hasher.finish(), out.count);
                return Ok(Content::Spooled { path, digest, size });
            }
            out.write_all(&buffer[..read]).map_err(written)?;
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Content::Range { size, .. } | Content::Spooled { size, .. } => *size,
            Content::Coming(download) => download.size(),
        }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>> {
        match self {
            Content::Range { file, offset, size } => Ok(Box::new(Range {
                file: Arc::clone(file),
                position: *offset,
                end: offset.saturating_add(*size),
            })),
            Content::Spooled { path, .. } => Ok(Box::new(
                File::open(path)
                    .map_err(|error| Error::system(format!("open {}", path.display()), error))?,
            )),
            Content::Coming(download) => Ok(Box::new(download.reader())),
        }
    }

    /// A small document, whole.
    pub(crate) fn document(&self, what: &str) -> Result<Vec<u8>> {
        if self.size() > json::MAX_SIZE {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{what} is larger than {} MiB", json::MAX_SIZE >> 20),
            ));
        }
        let mut bytes = Vec::new();
        self.open()?
            .read_to_end(&mut bytes)
            .map_err(|error| Error::system(format!("read {what}"), error))?;
        Ok(bytes)
    }
}

/// Reads a part of a file without moving its position, which others share.
struct Range {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.position)?;
        self.position += read as u64;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(read)
    }
}

/// Names with content behind them.
pub(crate) enum Contents {
    Archive(BTreeMap<String, Content>),
    Layout(OwnedFd),
}

impl Contents {
    /// Open what a request names.
    pub(crate) fn open(input: &Input, lease: &Lease, canceller: &Canceller) -> Result<Contents> {
        match open_input(input)? {
            Opened::Directory(fd) => Ok(Contents::Layout(fd)),
            Opened::File(file) => archive(file, lease, canceller).map(Contents::Archive),
        }
    }

    /// The content of a name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Content>> {
        match self {
            Contents::Archive(entries) => Ok(entries.get(name).cloned()),
            Contents::Layout(directory) => in_layout(directory.as_fd(), name),
        }
    }

    /// The blob of a digest.
    pub(crate) fn blob(&self, digest: &Digest) -> Result<Content> {
        self.get(&format!("blobs/sha256/{}", digest.hex()))?.ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("the archive has no blob {digest}"))
                .with_reason("missing_blob")
        })
    }
}

/// What an input is called in errors.
pub(super) fn input_name(input: &Input) -> String {
    match input.fd {
        Some(0) => "standard input".to_owned(),
        Some(fd) => format!("descriptor {fd}"),
        None => input.path.clone(),
    }
}

/// Name the input in an error that is its fault.
pub(super) fn blame(input: &Input) -> impl Fn(Error) -> Error {
    let name = input_name(input);
    move |error| match error.kind() {
        ErrorKind::Corrupt | ErrorKind::Unsupported => error.of_input(&name),
        _ => error,
    }
}

/// What an input turned out to be.
pub(crate) enum Opened {
    Directory(OwnedFd),
    File(File),
}

/// Open a request's input. A descriptor stays the caller's: this is a copy.
pub(crate) fn open_input(input: &Input) -> Result<Opened> {
    let (file, name) = match (&input.path, input.fd) {
        (path, None) if !path.is_empty() => {
            let file = File::open(path).map_err(|error| Error::of_path("open", path, error))?;
            (file, path.clone())
        }
        (path, Some(fd)) if path.is_empty() => {
            let copy = sys::descriptor::duplicate(fd)?;
            (File::from(copy), input_name(input))
        }
        _ => return Err(Error::invalid("Input takes a Path or an Fd, one of them")),
    };
    let kind =
        file.metadata().map_err(|error| Error::system(format!("stat {name}"), error))?.file_type();
    if kind.is_dir() { Ok(Opened::Directory(file.into())) } else { Ok(Opened::File(file)) }
}

/// Bytes that come when they come: reading waits for them, or for the canceller.
pub(crate) fn patient(file: File, canceller: &Canceller) -> impl Read + Send + 'static {
    Patient { file, canceller: canceller.clone() }
}

struct Patient {
    file: File,
    canceller: Canceller,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.canceller
                .wait_readable(self.file.as_fd(), Deadline::never())
                .map_err(io::Error::other)?;
            match self.file.read(buffer) {
                // Somebody else of those who share the description was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// Counts what is read, for whoever looks at it from beyond a decoder.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Why an archive could not be read: the engine's own error inside, the system's, or the archive's fault.
pub(crate) fn unreadable(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) if error.raw_os_error().is_some() => Error::system("read an archive", error),
        Err(error) => Error::new(ErrorKind::Corrupt, "the archive is cut short or damaged")
            .with_reason("bad_archive")
            .because(error),
    }
}

/// A name below a layout's directory: only plain files, never through a link.
fn in_layout(directory: BorrowedFd<'_>, name: &str) -> Result<Option<Content>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = match openat2(directory, name, flags, Mode::empty(), resolve) {
        Ok(fd) => File::from(fd),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(errno) => {
            return Err(Error::system(format!("open {name} of the layout"), errno.into()));
        }
    };
    let metadata = file.metadata().map_err(|error| Error::system(format!("stat {name}"), error))?;
    if !metadata.is_file() {
        return Err(Error::invalid(format!("{name} of the layout is not a file")));
    }
    Ok(Some(Content::Range { file: Arc::new(file), offset: 0, size: metadata.len() }))
}

/// The entries of an archive.
fn archive(
    mut file: File,
    lease: &Lease,
    canceller: &Canceller,
) -> Result<BTreeMap<String, Content>> {
    let start = file.stream_position().ok();
    let regular = file.metadata().map_err(unreadable)?.is_file();
    let read = Arc::new(AtomicU64::new(0));
    let source = Counted {
        source: patient(file.try_clone().map_err(unreadable)?, canceller),
        read: Arc::clone(&read),
    };
    let (compression, plain) = compression::decode(source)?;
    let mut entries = Entries::default();
    match start {
        Some(start) if regular && compression == Compression::Plain => {
            drop(plain);
            file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
            let headers = file.try_clone().map_err(unreadable)?;
            let file = Arc::new(file);
            let mut reader = Reader::new(BufReader::with_capacity(HEADERS, headers));
            while let Some(entry) = next(&mut reader)? {
                canceller.check()?;
                let offset = start.saturating_add(reader.position());
                let size = entry.size;
                entries
                    .add(&entry, || Ok(Content::Range { file: Arc::clone(&file), offset, size }))?;
                reader.pass_over();
            }
        }
        _ => {
            let mut reader = Reader::new(BufReader::with_capacity(128 << 10, plain));
            let mut number = 0;
            while let Some(entry) = next(&mut reader)? {
                canceller.check()?;
                number += 1;
                let path = lease.path().join(format!("entry-{number}"));
                let check = |plain| compression::check_ratio(read.load(Ordering::Relaxed), plain);
                entries.add(&entry, || spool(&mut reader, path, canceller, check))?;
                check(reader.position())?;
            }
        }
    }
    Ok(entries.resolve())
}

fn next<R: io::BufRead>(reader: &mut Reader<R>) -> Result<Option<tar::Entry>> {
    reader.next_entry().map_err(|error| match error {
        tar::Error::Io(error) => unreadable(error),
        error => Error::new(ErrorKind::Corrupt, "the archive is not a readable tar archive")
            .with_reason("bad_archive")
            .because(error),
    })
}

/// Write the present entry out.
fn spool<R: io::BufRead>(
    reader: &mut Reader<R>,
    path: PathBuf,
    canceller: &Canceller,
    check: impl Fn(u64) -> Result<()>,
) -> Result<Content> {
    let failed = |error| Error::system(format!("write {}", path.display()), error);
    let mut out = Hashing::new(File::create_new(&path).map_err(failed)?);
    loop {
        canceller.check()?;
        check(reader.position())?;
        let data = reader.data().map_err(unreadable)?;
        if data.is_empty() {
            break;
        }
        out.write_all(data).map_err(failed)?;
        let len = data.len();
        reader.consume(len);
    }
    Ok(Content::Spooled { path, digest: out.hasher.finish(), size: out.count })
}

/// Most files of an archive. 500 layers in three files each would be 1,500.
const MAX_MEMBERS: usize = 20_000;

/// The names of an archive while it is read.
#[derive(Default)]
struct Entries {
    files: BTreeMap<String, Content>,
    /// Names that stand for others: docker up to version 24 saves a layer that two images share as a link.
    links: Vec<(String, String)>,
}

impl Entries {
    fn add(&mut self, entry: &tar::Entry, content: impl FnOnce() -> Result<Content>) -> Result<()> {
        // What is not UTF-8 is not a name of any archive format we read.
        let Some(name) = std::str::from_utf8(&entry.path).ok().and_then(|path| normal("", path))
        else {
            return Ok(());
        };
        match entry.kind {
            Kind::File => {
                if entry.extents.is_some() {
                    return Err(Error::unsupported(format!(
                        "{name} is a sparse file; an image archive has none"
                    )));
                }
                // Documents are small, and what is not one need not be written down first.
                if entry.size > json::MAX_SIZE && name.ends_with(".json") {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!("{name} is larger than {} MiB", json::MAX_SIZE >> 20),
                    )
                    .with_reason("bad_archive"));
                }
                // Which of two would count, readers differ about.
                if self.files.contains_key(&name) || self.files.len() >= MAX_MEMBERS {
                    return Err(Error::new(
                        ErrorKind::Corrupt,
                        format!("{name:?} stands twice in the archive, or is one file too many"),
                    )
                    .with_reason("bad_archive"));
                }
                self.files.insert(name, content()?);
            }
            Kind::HardLink | Kind::SymbolicLink => {
                let directory = match entry.kind {
                    Kind::SymbolicLink => {
                        name.rsplit_once('/').map_or("", |(directory, _)| directory)
                    }
                    _ => "",
                };
                let target = std::str::from_utf8(&entry.link).ok();
                if let Some(target) = target.and_then(|target| normal(directory, target)) {
                    self.links.push((name, target));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn resolve(mut self) -> BTreeMap<String, Content> {
        // A link may lead to a link; each round resolves at least one level of what can be resolved.
        for _ in 0..8 {
            self.links.retain(|(name, target)| match self.files.get(target).cloned() {
                Some(content) => {
                    self.files.entry(name.clone()).or_insert(content);
                    false
                }
                None => true,
            });
        }
        self.files
    }
}

/// A path within the archive, from `directory`; `None` when it leads out of it. Names only: nothing is opened by it.
fn normal(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn names_in_an_archive_stay_in_it() {
        assert_eq!(normal("", "./a//b/."), Some("a/b".to_owned()));
        assert_eq!(normal("x/y", "../z/layer.tar"), Some("x/z/layer.tar".to_owned()));
        for path in ["..", "../x", "/etc/passwd", "", ".", "a/../.."] {
            assert_eq!(normal("", path), None, "{path}");
        }
    }
}
